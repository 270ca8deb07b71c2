"""Decay along a line, a power or an exponential."""

from __future__ import annotations

import math

from dgrad.optim.schedules.length import NONE, Length
from dgrad.optim.schedules.schedule import Lr, Schedule
from dgrad.registry import Count, Fraction, NonNegative, Positive, schedules

__all__ = ["Exponential", "Linear", "Polynomial"]

_STEP = Length.from_config("1 step")


@schedules.register("linear")
class Linear(Schedule):
    """A line from start_factor to end_factor in total_iters steps; then end_factor.

    PyTorch's LinearLR, and its defaults but for total_iters: null is the rest of the run.
    `linear: 0.1` gives start_factor.
    """

    def __init__(
        self,
        total_steps: Count,
        steps_per_epoch: Count = 1,
        lr: Lr = None,
        *,
        start_factor: Positive = 1 / 3,
        end_factor: NonNegative = 1.0,
        total_iters: Length | None = None,
        warmup: Length = NONE,
    ) -> None:
        super().__init__(total_steps, steps_per_epoch, lr, warmup)
        self.start_factor, self.end_factor = start_factor, end_factor
        self.length = self.rest if total_iters is None else self.steps("total_iters", total_iters)

    def after(self, step: int) -> float:
        """The point of the line."""
        share = min(step / self.length, 1.0)
        return self.start_factor + (self.end_factor - self.start_factor) * share


@schedules.register("polynomial")
class Polynomial(Schedule):
    """final + (1 - final) (1 - t / T)^power, T = total_iters; then final.   PyTorch's PolynomialLR.

    total_iters: null is the rest of the run. min_lr: the lr to end with, instead of final.
    `polynomial: 2` gives power.
    """

    def __init__(
        self,
        total_steps: Count,
        steps_per_epoch: Count = 1,
        lr: Lr = None,
        *,
        power: Positive = 1.0,
        total_iters: Length | None = None,
        final: Fraction = 0.0,
        min_lr: NonNegative | None = None,
        warmup: Length = NONE,
    ) -> None:
        super().__init__(total_steps, steps_per_epoch, lr, warmup)
        self.power, self.final = power, self.lowest(final, min_lr)
        self.length = self.rest if total_iters is None else self.steps("total_iters", total_iters)

    def after(self, step: int) -> float:
        """The point of the curve."""
        left = 1 - min(step / self.length, 1.0)
        return self.final + (1 - self.final) * math.pow(left, self.power)


@schedules.register("exponential")
class Exponential(Schedule):
    """gamma^(t / period), t steps after the warm-up.   PyTorch's ExponentialLR.

    period: `1 epoch` for gamma once an epoch, a little of it at every step.
    `exponential: 0.999` gives gamma.
    """

    def __init__(
        self,
        total_steps: Count,
        steps_per_epoch: Count = 1,
        lr: Lr = None,
        *,
        gamma: Positive,
        period: Length = _STEP,
        warmup: Length = NONE,
    ) -> None:
        super().__init__(total_steps, steps_per_epoch, lr, warmup)
        self.gamma = gamma
        self.period = self.steps("period", period)

    def after(self, step: int) -> float:
        """The power."""
        return math.pow(self.gamma, step / self.period)
