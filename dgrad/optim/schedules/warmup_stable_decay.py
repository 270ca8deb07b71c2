"""Warm up, stay, and decay at the end."""

from __future__ import annotations

import math
from typing import Literal

from dgrad.optim.schedules.cosine import half_cosine
from dgrad.optim.schedules.length import NONE, Length
from dgrad.optim.schedules.schedule import Lr, Schedule
from dgrad.registry import Count, Fraction, NonNegative, schedules

__all__ = ["WarmupStableDecay"]

_FIFTH = Length.from_config("20%")


@schedules.register("warmup_stable_decay")
class WarmupStableDecay(Schedule):
    """1 after the warm-up; in the last `decay` steps of the run down to final.

    shape: x = 0..1 of the decay gives 1 - x (linear), (1 + cos(pi x)) / 2 (cosine) or
    1 - sqrt(x) (sqrt). min_lr: the lr to end with, instead of final.
    `warmup_stable_decay: 20%` gives decay.
    Hu et al. 2024 (MiniCPM), Hägele et al. 2024, who found sqrt the best.
    """

    def __init__(
        self,
        total_steps: Count,
        steps_per_epoch: Count = 1,
        lr: Lr = None,
        *,
        decay: Length = _FIFTH,
        shape: Literal["linear", "cosine", "sqrt"] = "sqrt",
        final: Fraction = 0.0,
        min_lr: NonNegative | None = None,
        warmup: Length = NONE,
    ) -> None:
        super().__init__(total_steps, steps_per_epoch, lr, warmup)
        self.decay = self.steps("decay", decay)
        self.shape, self.final = shape, self.lowest(final, min_lr)
        if self.warmup + self.decay > total_steps:
            left = f"at most the {total_steps - self.warmup} steps after the warm-up"
            raise self.error("decay", left, self.decay)

    def after(self, step: int) -> float:
        """1, or the point of the decay."""
        x = min(max(step - (self.total_steps - self.warmup - self.decay), 0) / self.decay, 1.0)
        if self.shape == "cosine":
            return half_cosine(x, 1.0, self.final)
        left = 1 - (math.sqrt(x) if self.shape == "sqrt" else x)
        return self.final + (1 - self.final) * left
