"""Decay in stairs: after every so many steps, or at given ones."""

from __future__ import annotations

import bisect

from dgrad.optim.schedules.length import NONE, Length
from dgrad.optim.schedules.schedule import Lr, Schedule
from dgrad.registry import Count, Positive, schedules

__all__ = ["MultiStep", "Step"]


@schedules.register("step")
class Step(Schedule):
    """gamma^floor(t / step_size), t steps after the warm-up.   PyTorch's StepLR.

    `step: 10 epochs` gives step_size.
    """

    def __init__(
        self,
        total_steps: Count,
        steps_per_epoch: Count = 1,
        lr: Lr = None,
        *,
        step_size: Length,
        gamma: Positive = 0.1,
        warmup: Length = NONE,
    ) -> None:
        super().__init__(total_steps, steps_per_epoch, lr, warmup)
        # One that is longer than the run is never reached, which a short trial run may ask for.
        self.step_size = Length.from_config(step_size).steps(total_steps, steps_per_epoch)
        self.gamma = gamma
        if self.step_size < 1:
            raise self.error("step_size", "at least one step", step_size)

    def after(self, step: int) -> float:
        """gamma once for every step_size steps."""
        return self.gamma ** (step // self.step_size)


@schedules.register("multistep")
class MultiStep(Schedule):
    """gamma^k, k of the milestones passed, which count from the warm-up.   PyTorch's MultiStepLR.

    milestones: increasing, such as [50%, 75%] or [10 epochs, 15 epochs].
    `multistep: [50%, 75%]` gives milestones.
    """

    def __init__(
        self,
        total_steps: Count,
        steps_per_epoch: Count = 1,
        lr: Lr = None,
        *,
        milestones: list[Length],
        gamma: Positive = 0.1,
        warmup: Length = NONE,
    ) -> None:
        super().__init__(total_steps, steps_per_epoch, lr, warmup)
        self.milestones = [self.steps("milestones", each) for each in milestones]
        self.gamma = gamma
        if self.milestones != sorted(self.milestones):
            raise self.error("milestones", "in increasing order", list(map(str, milestones)))

    def after(self, step: int) -> float:
        """gamma once for every milestone that step has reached."""
        return self.gamma ** bisect.bisect_right(self.milestones, step)
