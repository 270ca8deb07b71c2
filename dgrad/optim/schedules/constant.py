"""The rate as it is."""

from __future__ import annotations

from dgrad.optim.schedules.length import NONE, Length
from dgrad.optim.schedules.schedule import Lr, Schedule
from dgrad.registry import Count, Positive, schedules

__all__ = ["Constant"]


@schedules.register("constant")
class Constant(Schedule):
    """factor, after a linear warm-up to 1.   `constant: 0.5` gives factor."""

    def __init__(
        self,
        total_steps: Count,
        steps_per_epoch: Count = 1,
        lr: Lr = None,
        *,
        factor: Positive = 1.0,
        warmup: Length = NONE,
    ) -> None:
        super().__init__(total_steps, steps_per_epoch, lr, warmup)
        self.factor = factor

    def after(self, step: int) -> float:
        """Always the same."""
        return self.factor
