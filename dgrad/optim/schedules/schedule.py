"""Schedule: the base of learning-rate schedules, and the warm-up that all of them have."""

from __future__ import annotations

from typing import Any, ClassVar

from dgrad.errors import ParameterError
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
    `optimizer.scale_lr(schedule(step))` applies it. A Length may also be given as 100 or "5%".
    Raises ParameterError when the warm-up, or another length, is longer than the run (C22).
    """

    supplied: ClassVar[tuple[str, ...]] = ("total_steps", "steps_per_epoch", "lr")

    def __init__(
        self, total_steps: int, steps_per_epoch: int = 1, lr: Lr = None, warmup: Length = NONE
    ) -> None:
        self.total_steps, self.steps_per_epoch, self.lr = total_steps, steps_per_epoch, lr
        self.warmup = self.steps("warmup", warmup, least=0)

    def __call__(self, step: int) -> float:
        """The factor of the lr after `step` updates."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        return self.after(step - self.warmup)

    def after(self, step: int) -> float:
        """The factor, `step` steps after the warm-up."""
        return 1.0

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

    def error(self, parameter: str, expected: str, value: Any) -> ParameterError:
        """A contradiction between an argument and the run, or another argument."""
        error = ParameterError(type(self).__name__, parameter, expected, value)
        error.fault = "C22"
        return error
