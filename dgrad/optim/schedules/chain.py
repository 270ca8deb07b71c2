"""Schedules one after another."""

from __future__ import annotations

import bisect
import itertools
from typing import Annotated, Any

from dgrad.optim.schedules.length import NONE, Length
from dgrad.optim.schedules.plateau import Plateau
from dgrad.optim.schedules.schedule import Lr, Schedule
from dgrad.registry import Count, schedules

__all__ = ["Chain"]

_Part = Annotated[Any, schedules]


@schedules.register("chain")
class Chain(Schedule):
    """The first schedule until the first milestone, the second until the next, ...

    Each begins at its step 0 and knows its own stretch as the whole run: percentages are of that.
    milestones: one less than schedules, increasing, counted from the warm-up.
    For example `chain: {schedules: [{linear: {start_factor: 0.1}}, cosine], milestones: [5%]}`;
    in Python schedules are functions of (total_steps=, steps_per_epoch=, lr=) that return one,
    such as `functools.partial(Cosine, final=0.1)`.   PyTorch's SequentialLR.
    """

    def __init__(
        self,
        total_steps: Count,
        steps_per_epoch: Count = 1,
        lr: Lr = None,
        *,
        schedules: list[_Part],
        milestones: list[Length],
        warmup: Length = NONE,
    ) -> None:
        super().__init__(total_steps, steps_per_epoch, lr, warmup)
        self.milestones = [self.steps("milestones", each) for each in milestones]
        edges = [0, *self.milestones, self.total_steps - self.warmup]
        if len(edges) != len(schedules) + 1:
            expected = f"one less than the {len(schedules)} schedules"
            raise self.error("milestones", expected, list(map(str, milestones)))
        stretches = [end - begin for begin, end in itertools.pairwise(edges)]
        if min(stretches) < 1:
            expected = f"increasing, and within the {edges[-1]} steps after the warm-up"
            raise self.error("milestones", expected, list(map(str, milestones)))
        self.schedules = [
            make(total_steps=steps, steps_per_epoch=steps_per_epoch, lr=lr)
            for make, steps in zip(schedules, stretches, strict=True)
        ]
        if any(isinstance(each, Plateau) for each in self.schedules):
            raise self.error("schedules", "functions of the step alone", "plateau")

    def after(self, step: int) -> float:
        """What the schedule at work says of its own step."""
        number = bisect.bisect_right(self.milestones, step)
        begin = self.milestones[number - 1] if number else 0
        factor: float = self.schedules[number](step - begin)
        return factor
