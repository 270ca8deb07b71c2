"""Schedule: the base of learning-rate schedules, and the warm-up that all of them have."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from dgrad.errors import CheckpointError, ParameterError
from dgrad.optim.schedules.length import NONE, Length
from dgrad.registry import NonNegative

__all__ = ["Lr", "Schedule"]

Lr = NonNegative | None
"""The lr that factors are multiplied with; only `min_lr` needs to know it."""


class Schedule:
    """Base of schedules: a linear warm-up, then `after` of the steps done since.

    schedule(step) is the factor for the update that comes after `step` updates; warm-up gives
    (step + 1) / warmup. total_steps and steps_per_epoch are those of the whole run, lr is what the
    factors multiply (in a config, the optimizer's own, which groups may override).
    A subclass takes warmup last, as a config's scalar is its first parameter.
    `optimizer.scale_lr(schedule(step))` applies it. A Length may also be given as 100 or "5%".
    Raises ParameterError when the warm-up, or another length, is longer than the run (C22).

    One that goes by results sets `metric` and defines `observe`, which is told each result, and
    `state_dict` and `load_state_dict`, by which a run goes on from a checkpoint.
    """

    supplied: ClassVar[tuple[str, ...]] = ("total_steps", "steps_per_epoch", "lr")
    metric: str | None = None
    """The measure to observe, such as "val/loss"; None: the factor is a function of the step."""

    def __init__(
        self, total_steps: int, steps_per_epoch: int = 1, lr: Lr = None, warmup: Length = NONE
    ) -> None:
        self.total_steps, self.steps_per_epoch, self.lr = total_steps, steps_per_epoch, lr
        self.warmup = self.steps("warmup", warmup, least=0)

    def __call__(self, step: int) -> float:
        """The factor of the lr after `step` updates; inf where it is too large for a float."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        try:
            return self.after(step - self.warmup)
        except OverflowError:
            return math.inf

    def after(self, step: int) -> float:
        """The factor, `step` steps after the warm-up."""
        return 1.0

    @property
    def note(self) -> str:
        """What a curve of the factors cannot show; "" when it shows all."""
        return ""

    def observe(self, value: float, *, step: int, higher_is_better: bool = False) -> None:
        """Take a result of `metric`, measured after `step` updates, into account."""

    def state_dict(self) -> dict[str, Any]:
        """What `observe` changed, as a checkpoint's metadata can hold it."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from the result of `state_dict`; from the start where it is empty.

        Raises CheckpointError K07 for what is no such result.
        """
        if state:
            raise self.misfit(state, "none, as it remembers nothing")

    @property
    def rest(self) -> int:
        """The steps after the warm-up; 1 if there are none, as lengths divide by it."""
        return max(self.total_steps - self.warmup, 1)

    def steps(self, parameter: str, length: Length, *, least: int = 1) -> int:
        """The steps of an argument. Raises ParameterError: under `least`, longer than the run."""
        steps = Length.from_config(length).steps(self.total_steps, self.steps_per_epoch)
        if steps < least:
            raise self.error(parameter, "at least one step", length)
        if steps > self.total_steps:
            raise self.error(parameter, f"at most the {self.total_steps} steps of the run", steps)
        return steps

    def lowest(self, final: float, min_lr: float | None) -> float:
        """The factor that a schedule ends with: `final`, or the one that gives the rate min_lr."""
        if min_lr is None:
            return final
        if final:
            raise self.error("min_lr", "left out where final is given", min_lr)
        if not self.lr or min_lr > self.lr:
            raise self.error("min_lr", f"at most the lr, which is {self.lr}", min_lr)
        return min_lr / self.lr

    def misfit(self, state: Any, expected: str) -> CheckpointError:
        """What to raise for a state that is not of this schedule."""
        name = type(self).__name__.lower()
        text = f"{name}: the state is {state!r:.80}, expected {expected}"
        return CheckpointError(text, fault="K07")

    def error(self, parameter: str, expected: str, value: Any) -> ParameterError:
        """A contradiction between an argument and the run, or another argument."""
        error = ParameterError(type(self).__name__, parameter, expected, value)
        error.fault = "C22"
        return error
