"""The 1cycle policy: up to the full rate, then down to far below the first."""

from __future__ import annotations

from typing import Annotated, Literal

from dgrad.optim.schedules.cosine import half_cosine
from dgrad.optim.schedules.length import NONE, Length
from dgrad.optim.schedules.schedule import Lr, Schedule
from dgrad.registry import Count, Positive, Range, schedules

__all__ = ["OneCycle"]


@schedules.register("one_cycle")
class OneCycle(Schedule):
    """From 1/div_factor to 1 in pct_start of the run, then to 1/(div_factor final_div_factor).

    The optimizer's lr is the largest. three_phase: down to the first rate as fast as it came up,
    then to the last. `one_cycle: 0.3` gives pct_start.
    Smith & Topin 2018, PyTorch's OneCycleLR; the momentum is left alone.
    """

    def __init__(
        self,
        total_steps: Count,
        steps_per_epoch: Count = 1,
        lr: Lr = None,
        *,
        pct_start: Annotated[float, Range(low=0, high=1)] = 0.3,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        div_factor: Positive = 25.0,
        final_div_factor: Positive = 1e4,
        three_phase: bool = False,
        warmup: Length = NONE,
    ) -> None:
        super().__init__(total_steps, steps_per_epoch, lr, warmup)
        self.anneal_strategy = anneal_strategy
        first = 1 / div_factor
        peak = pct_start * self.rest - 1  # the step at which the rate is full
        # (the step where a phase ends, the factor there), as PyTorch counts them
        self.phases = [(0.0, first), (peak, 1.0), (self.rest - 1.0, first / final_div_factor)]
        if three_phase:
            self.phases.insert(2, (2 * peak, first))

    def after(self, step: int) -> float:
        """The point of the phase that step lies in."""
        number = next((i for i, (end, _) in enumerate(self.phases) if i and step <= end), -1)
        number = number if number > 0 else len(self.phases) - 1
        (begin, start), (end, goal) = self.phases[number - 1 : number + 1]
        share = min((step - begin) / (end - begin), 1.0) if end != begin else 1.0
        if self.anneal_strategy == "cos":
            return half_cosine(share, start, goal)
        return start + (goal - start) * share
