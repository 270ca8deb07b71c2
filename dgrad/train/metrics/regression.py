"""Distances between numbers, and the share of the variance that is explained."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgrad.registry import metrics, name_of
from dgrad.train.metrics.metric import Metric, Undefined, mean_of
from dgrad.train.metrics.rows import number_rows

__all__ = ["MAE", "MSE", "R2", "RMSE"]


class _Difference(Metric):
    """Sum over all elements of a function of outputs - targets, in float64."""

    targets = "numbers"
    higher_is_better = False

    def reset(self) -> None:
        """Forget all batches."""
        self.total = 0.0
        self.count = 0

    def update(self, outputs: NDArray[Any], targets: NDArray[Any]) -> None:
        """Count a batch."""
        predicted, actual = number_rows(name_of(type(self)), outputs, targets)
        self.total += self.measure(predicted - actual)
        self.count += actual.size

    @abstractmethod
    def measure(self, difference: NDArray[np.float64]) -> float:
        """What a batch adds to the total."""

    def mean(self) -> float:
        """total / count."""
        return mean_of(self.total, self.count)


@metrics.register("mae")
class MAE(_Difference):
    """Mean of |outputs - targets| over all elements. outputs, targets: equal shapes."""

    def measure(self, difference: NDArray[np.float64]) -> float:
        """Sum of absolute values."""
        return float(np.sum(np.abs(difference)))

    def result(self) -> float:
        """The mean."""
        return self.mean()


class _SquaredDifference(_Difference):
    """Sum of squares."""

    def measure(self, difference: NDArray[np.float64]) -> float:
        """Sum of squares."""
        return float(np.sum(np.square(difference)))


@metrics.register("mse")
class MSE(_SquaredDifference):
    """Mean of (outputs - targets)^2 over all elements. outputs, targets: equal shapes."""

    def result(self) -> float:
        """The mean."""
        return self.mean()


@metrics.register("rmse")
class RMSE(_SquaredDifference):
    """sqrt(mean((outputs - targets)^2)) over all elements. outputs, targets: equal shapes."""

    def result(self) -> float:
        """The root of the mean."""
        return math.sqrt(self.mean()) if self.count else self.mean()


@metrics.register("r2")
class R2(Metric):
    """1 - sum((y - outputs)^2) / sum((y - mean(y))^2) for each column of targets y, averaged.

    outputs, targets: equal shapes, (n, ...). NaN where it is 0/0 or x/0: for less than two rows, or
    when a column of targets is constant.
    """

    targets = "numbers"
    higher_is_better = True

    def reset(self) -> None:
        """Forget all batches."""
        self.rows = 0
        self.residual: Any = 0.0  # (columns,) sum of squared residuals
        self.centre: Any = 0.0  # (columns,) mean of the targets so far
        self.spread: Any = 0.0  # (columns,) sum of squared distances from it
        self.low: Any = math.inf  # (columns,)
        self.high: Any = -math.inf  # (columns,)

    def update(self, outputs: NDArray[Any], targets: NDArray[Any]) -> None:
        """Count a batch; means and spreads are joined without cancellation (Chan et al. 1983)."""
        predicted, actual = number_rows(name_of(type(self)), outputs, targets)
        rows = len(actual) if actual.ndim else 1
        if not rows:
            return
        predicted, actual = predicted.reshape(rows, -1), actual.reshape(rows, -1)
        centre = np.mean(actual, axis=0)
        apart = centre - self.centre
        total = self.rows + rows
        self.residual = self.residual + np.sum(np.square(predicted - actual), axis=0)
        self.spread = (
            self.spread
            + np.sum(np.square(actual - centre), axis=0)
            + np.square(apart) * (self.rows * rows / total)
        )
        self.centre = self.centre + apart * (rows / total)
        self.low = np.minimum(self.low, np.min(actual, axis=0))
        self.high = np.maximum(self.high, np.max(actual, axis=0))
        self.rows = total

    def result(self) -> float:
        """The average over columns."""
        # Not by spread == 0: the mean of equal numbers may be rounded, which leaves a spread.
        if self.rows < 2 or not np.all(self.high > self.low):
            return Undefined("it needs two rows or more, and targets that differ")
        return float(np.mean(1 - self.residual / self.spread))
