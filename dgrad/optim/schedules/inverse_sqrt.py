"""Decay with the inverse square root of the step."""

from __future__ import annotations

import math

from dgrad.optim.schedules.length import NONE, Length
from dgrad.optim.schedules.schedule import Lr, Schedule
from dgrad.registry import Count, schedules

__all__ = ["InverseSqrt"]


@schedules.register("inverse_sqrt")
class InverseSqrt(Schedule):
    """sqrt(timescale / (timescale + t)), t steps after the warm-up.

    timescale: null is the length of the warm-up, which gives the schedule of Vaswani et al. 2017,
    section 5.3; without a warm-up it must be given.   `inverse_sqrt: 400 steps` gives timescale.
    """

    def __init__(
        self,
        total_steps: Count,
        steps_per_epoch: Count = 1,
        lr: Lr = None,
        *,
        timescale: Length | None = None,
        warmup: Length = NONE,
    ) -> None:
        super().__init__(total_steps, steps_per_epoch, lr, warmup)
        given = Length.from_config(NONE if timescale is None else timescale)
        self.timescale = given.steps(total_steps, steps_per_epoch) or self.warmup
        if self.timescale < 1:
            raise self.error("timescale", "at least one step, or warmup given", timescale)

    def after(self, step: int) -> float:
        """The root."""
        return math.sqrt(self.timescale / (self.timescale + step))
