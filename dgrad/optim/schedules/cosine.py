"""Decay along half a cosine, once or again and again."""

from __future__ import annotations

import math

from dgrad.optim.schedules.length import NONE, Length
from dgrad.optim.schedules.schedule import Lr, Schedule
from dgrad.registry import Count, Fraction, NonNegative, schedules

__all__ = ["Cosine", "CosineRestarts", "half_cosine"]


def half_cosine(share: float, start: float, end: float) -> float:
    """end + (start - end) (1 + cos(pi share)) / 2, from start at 0 to end at 1."""
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


@schedules.register("cosine")
class Cosine(Schedule):
    """final + (1 - final) (1 + cos(pi t / T)) / 2, T the steps after the warm-up; then final.

    min_lr: the lr to end with, instead of final: the share of the full lr.
    `cosine: 0.1` gives final.
    Loshchilov & Hutter 2017, PyTorch's CosineAnnealingLR with eta_min = min_lr.
    """

    def __init__(
        self,
        total_steps: Count,
        steps_per_epoch: Count = 1,
        lr: Lr = None,
        *,
        final: Fraction = 0.0,
        min_lr: NonNegative | None = None,
        warmup: Length = NONE,
    ) -> None:
        super().__init__(total_steps, steps_per_epoch, lr, warmup)
        self.final = self.lowest(final, min_lr)

    def after(self, step: int) -> float:
        """Half a cosine down to final, which stays."""
        return half_cosine(min(step / self.rest, 1.0), 1.0, self.final)


@schedules.register("cosine_restarts")
class CosineRestarts(Schedule):
    """Cosine decay over first_length steps, from the top again over multiplier times as many, ...

    min_lr: the lr that each cycle ends with, instead of final: the share of the full lr.
    `cosine_restarts: 10 epochs` gives first_length.
    Loshchilov & Hutter 2017 (SGDR), PyTorch's CosineAnnealingWarmRestarts.
    """

    def __init__(
        self,
        total_steps: Count,
        steps_per_epoch: Count = 1,
        lr: Lr = None,
        *,
        first_length: Length,
        multiplier: Count = 1,
        final: Fraction = 0.0,
        min_lr: NonNegative | None = None,
        warmup: Length = NONE,
    ) -> None:
        super().__init__(total_steps, steps_per_epoch, lr, warmup)
        self.first_length = self.steps("first_length", first_length)
        self.multiplier, self.final = multiplier, self.lowest(final, min_lr)

    def after(self, step: int) -> float:
        """Half a cosine of the cycle that step lies in."""
        length = self.first_length
        if self.multiplier == 1:
            step %= length
        while step >= length:
            step -= length
            length *= self.multiplier
        return half_cosine(step / length, 1.0, self.final)
