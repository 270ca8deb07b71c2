"""What evaluations are good for: the best so far, early stopping, a schedule."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from dgrad.train.metrics import Metric
from dgrad.train.settings import Progress, Settings

__all__ = ["Monitor"]


class Monitor:
    """Follows the measures that settings and schedule name; what it finds is in the progress."""

    def __init__(
        self,
        settings: Settings,
        metrics: Mapping[str, Metric],
        schedule: Callable[[int], float],
    ) -> None:
        self.settings, self.metrics = settings, metrics
        self.observer: Any = schedule if getattr(schedule, "metric", None) else None

    def observe(self, record: Mapping[str, Any], progress: Progress) -> bool:
        """Take the record of an evaluation into account; whether it is the best so far."""
        best, stop = self.settings.best, self.settings.stop_metric
        better = self._improves(best, record[best], progress.best_value)
        if better:
            progress.best_value, progress.best_step = record[best], progress.step
        if self.settings.patience is not None:
            if self._improves(stop, record[stop], progress.stop_value):
                progress.stop_value, progress.evaluations_since_better = record[stop], 0
            else:
                progress.evaluations_since_better += 1
        if self.observer is not None:
            name = self.observer.metric
            higher = self._is_higher_better(name)
            self.observer.observe(record[name], step=progress.step, higher_is_better=higher)
            progress.schedule = self.observer.state_dict()
        return better

    def should_stop(self, progress: Progress) -> bool:
        """Whether the patience is at its end."""
        patience = self.settings.patience
        return patience is not None and progress.evaluations_since_better >= patience

    def load(self, progress: Progress) -> None:
        """Go on from there."""
        if self.observer is not None:
            self.observer.load_state_dict(progress.schedule)

    def _improves(self, name: str, value: float, best: float | None) -> bool:
        """Whether `value` of "val/loss" or another measure beats `best`; NaN, inf never do."""
        if not math.isfinite(value):
            return False
        if best is None:
            return True
        return value > best if self._is_higher_better(name) else value < best

    def _is_higher_better(self, name: str) -> bool:
        measure = name.partition("/")[2].partition("[")[0]  # of val/recall[cat]
        metric = self.metrics.get(measure)  # None for the loss
        return metric is not None and metric.higher_is_better
