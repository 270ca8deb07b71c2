"""Decay when a metric no longer improves: a schedule with a memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from dgrad.optim.schedules.length import NONE, Length
from dgrad.optim.schedules.schedule import Lr, Schedule
from dgrad.registry import Count, Fraction, NonNegative, Range, schedules

__all__ = ["Plateau"]

_Evaluations = Annotated[int, Range(low=0)]


@schedules.register("plateau")
class Plateau(Schedule):
    """Multiplied by `factor` whenever more than `patience` evaluations brought nothing better.

    Better is what beats the best by `threshold`, a share of it ("rel") or a difference ("abs");
    which way is better, the metric says. cooldown: evaluations after a decay that do not count.
    Those within the warm-up do not count either. min_lr: the lowest lr, instead of final.
    `plateau: val/accuracy` gives metric.
    PyTorch's ReduceLROnPlateau. `observe` tells a result; its memory is in `state_dict`.
    """

    def __init__(
        self,
        total_steps: Count,
        steps_per_epoch: Count = 1,
        lr: Lr = None,
        *,
        metric: str = "val/loss",
        factor: Fraction = 0.1,
        patience: _Evaluations = 10,
        threshold: NonNegative = 1e-4,
        threshold_mode: Literal["rel", "abs"] = "rel",
        cooldown: _Evaluations = 0,
        final: Fraction = 0.0,
        min_lr: NonNegative | None = None,
        warmup: Length = NONE,
    ) -> None:
        super().__init__(total_steps, steps_per_epoch, lr, warmup)
        self.metric = metric
        self.factor, self.patience, self.cooldown = factor, patience, cooldown
        self.threshold, self.threshold_mode = threshold, threshold_mode
        self.final = self.lowest(final, min_lr)
        self.current = 1.0
        self.best: float | None = None
        self.bad_evaluations = self.cooldown_left = 0

    def after(self, step: int) -> float:
        """As the results so far say."""
        return self.current

    @property
    def note(self) -> str:
        """That the decays are not known before training."""
        return f"plateau lowers the rate when {self.metric} no longer improves: not shown"

    def observe(self, value: float, *, step: int, higher_is_better: bool = False) -> None:
        """Take a result of `metric`, measured after `step` updates, into account."""
        if step < self.warmup:
            return
        self.bad_evaluations += 1
        if self._improves(value, higher_is_better):
            self.best, self.bad_evaluations = value, 0
        if self.cooldown_left:
            self.cooldown_left, self.bad_evaluations = self.cooldown_left - 1, 0
        if self.bad_evaluations > self.patience:
            self.current = max(self.current * self.factor, self.final)
            self.cooldown_left, self.bad_evaluations = self.cooldown, 0

    def _improves(self, value: float, higher_is_better: bool) -> bool:
        if self.best is None:
            return value == value  # NaN is no result
        margin = self.threshold * (self.best if self.threshold_mode == "rel" else 1)
        return value > self.best + margin if higher_is_better else value < self.best - margin

    def state_dict(self) -> dict[str, Any]:
        """What `observe` changed."""
        names = ("current", "best", "bad_evaluations", "cooldown_left")
        return {name: getattr(self, name) for name in names}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from the result of `state_dict`; from the start where it is empty.

        Raises CheckpointError K07 for what is no such result.
        """
        known = self.state_dict()
        if not isinstance(state, Mapping) or any(
            name not in known or type(value) not in (int, float, type(None))
            for name, value in state.items()
        ):
            raise self.misfit(state, f"numbers for {', '.join(known)}")
        for name, value in state.items():
            setattr(self, name, value)
