"""Schedules one after another."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Mapping
from typing import Annotated, Any

from dgrad.optim.schedules.length import NONE, Length
from dgrad.optim.schedules.schedule import Lr, Schedule
from dgrad.registry import Count, schedules

__all__ = ["Chain"]

_Part = Annotated[Any, schedules]


@schedules.register("chain")
class Chain(Schedule):
    """The first schedule until the first milestone, the second until the next, ...

    Each begins at its step 0 and knows its own stretch as the whole run: percentages are of that.
    Results are observed by the one at work; those that go by any must agree on the metric.
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
        self.observers = {  # by number; a plugin's schedule may be any function
            str(i): each for i, each in enumerate(self.schedules) if getattr(each, "metric", None)
        }
        metrics = sorted({each.metric for each in self.observers.values()})
        if len(metrics) > 1:
            raise self.error("schedules", "of one metric, as far as they go by any", metrics)
        self.metric = metrics[0] if metrics else None

    def _at_work(self, step: int) -> tuple[int, int]:
        """The number of the schedule, `step` steps after the warm-up, and how many are its own."""
        number = bisect.bisect_right(self.milestones, step)
        return number, step - (self.milestones[number - 1] if number else 0)

    def after(self, step: int) -> float:
        """What the schedule at work says of its own step."""
        number, own = self._at_work(step)
        factor: float = self.schedules[number](own)
        return factor

    @property
    def note(self) -> str:
        """Those of all schedules."""
        notes = (getattr(each, "note", "") for each in self.schedules)
        return "; ".join(dict.fromkeys(filter(None, notes)))

    def observe(self, value: float, *, step: int, higher_is_better: bool = False) -> None:
        """Tell the schedule at work; nobody within the warm-up."""
        if step >= self.warmup:
            number, own = self._at_work(step - self.warmup)
            if str(number) in self.observers:
                observer = self.observers[str(number)]
                observer.observe(value, step=own, higher_is_better=higher_is_better)

    def state_dict(self) -> dict[str, Any]:
        """Those of the schedules that observe, by number."""
        return {number: each.state_dict() for number, each in self.observers.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """As of the base."""
        if not isinstance(state, Mapping) or not set(state) <= set(self.observers):
            numbers = ", ".join(self.observers) or "none"
            raise self.misfit(state, f"those of the schedules that observe: {numbers}")
        for number, each in self.observers.items():
            each.load_state_dict(state.get(number, {}))
