"""Metrics: sums over batches of any sizes, so that the result is that of all rows at once."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from dgrad.errors import DtypeError, ShapeError
from dgrad.registry import metrics

__all__ = ["MAE", "R2", "RMSE", "Accuracy", "F1Macro", "Metric"]


class Metric(ABC):
    """Base of metrics: `update` with raw model outputs, batch after batch, then `result`.

    `targets` says what they compare with: class indices or numbers; `higher_is_better`, which way
    they improve. The result is NaN before any row and where a metric is undefined; with number
    targets, also when an output is NaN.
    """

    targets: ClassVar[Literal["classes", "numbers"]]
    higher_is_better: ClassVar[bool]

    def __init__(self) -> None:
        self.reset()

    @abstractmethod
    def reset(self) -> None:
        """Forget all batches."""

    @abstractmethod
    def update(self, outputs: NDArray[Any], targets: NDArray[Any]) -> None:
        """Count a batch. Raises ShapeError or DtypeError when the two do not belong together."""

    @abstractmethod
    def result(self) -> float:
        """The metric over every batch since the last reset."""


@metrics.register("accuracy")
class Accuracy(Metric):
    """Share of rows whose largest output is at their class. A row with a NaN output is wrong.

    outputs: (..., classes) logits, targets: (...) class indices. Of equal outputs the first counts.
    """

    targets = "classes"
    higher_is_better = True

    def reset(self) -> None:
        """Forget all batches."""
        self.correct = 0
        self.rows = 0

    def update(self, outputs: NDArray[Any], targets: NDArray[Any]) -> None:
        """Count a batch."""
        predicted, actual, _ = _classes("accuracy", outputs, targets)
        self.correct += int(np.count_nonzero(predicted == actual))
        self.rows += len(actual)

    def result(self) -> float:
        """correct / rows."""
        return self.correct / self.rows if self.rows else math.nan


@metrics.register("f1_macro")
class F1Macro(Metric):
    """Mean over classes of 2 tp / (2 tp + fp + fn).

    The mean is over the classes that occur among targets or predictions: for the others F1 is 0/0.
    A class that is never predicted right has F1 0. A row with a NaN output predicts no class.
    outputs: (..., classes) logits, targets: (...) class indices.
    """

    targets = "classes"
    higher_is_better = True

    def reset(self) -> None:
        """Forget all batches."""
        self.hits = np.zeros(0, np.int64)  # (classes,) rows of the class that were recognised
        self.seen = np.zeros(0, np.int64)  # (classes,) rows of the class, and rows predicted as it

    def update(self, outputs: NDArray[Any], targets: NDArray[Any]) -> None:
        """Count a batch."""
        predicted, actual, classes = _classes("f1_macro", outputs, targets)
        if not self.hits.size:
            self.hits, self.seen = np.zeros((2, classes), np.int64)
        elif len(self.hits) != classes:
            raise ShapeError(f"f1_macro: {classes} classes, but {len(self.hits)} before")
        self.hits += np.bincount(actual[actual == predicted], minlength=classes)
        self.seen += np.bincount(actual, minlength=classes)
        self.seen += np.bincount(predicted[predicted >= 0], minlength=classes)

    def result(self) -> float:
        """The mean; NaN before any row."""
        occurs = self.seen > 0
        if not occurs.any():
            return math.nan
        return float(np.mean(2 * self.hits[occurs] / self.seen[occurs]))


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
        predicted, actual = _numbers(type(self).__name__.lower(), outputs, targets)
        self.total += self.measure(predicted - actual)
        self.count += actual.size

    @abstractmethod
    def measure(self, difference: NDArray[np.float64]) -> float:
        """What a batch adds to the total."""

    def mean(self) -> float:
        """total / count."""
        return self.total / self.count if self.count else math.nan


@metrics.register("mae")
class MAE(_Difference):
    """Mean of |outputs - targets| over all elements. outputs, targets: equal shapes."""

    def measure(self, difference: NDArray[np.float64]) -> float:
        """Sum of absolute values."""
        return float(np.sum(np.abs(difference)))

    def result(self) -> float:
        """The mean."""
        return self.mean()


@metrics.register("rmse")
class RMSE(_Difference):
    """sqrt(mean((outputs - targets)^2)) over all elements. outputs, targets: equal shapes."""

    def measure(self, difference: NDArray[np.float64]) -> float:
        """Sum of squares."""
        return float(np.sum(np.square(difference)))

    def result(self) -> float:
        """The root of the mean."""
        return math.sqrt(self.mean())


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
        predicted, actual = _numbers("r2", outputs, targets)
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
            return math.nan
        return float(np.mean(1 - self.residual / self.spread))


def _classes(
    name: str, outputs: NDArray[Any], targets: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any], int]:
    """(predicted class of each row, or -1 for NaN; class of each row; number of classes)."""
    outputs, targets = np.asarray(outputs), np.asarray(targets)
    if not outputs.ndim or outputs.shape[:-1] != targets.shape or not outputs.shape[-1]:
        raise ShapeError(
            f"{name}: outputs must be (..., classes) and targets (...), "
            f"got {outputs.shape} and {targets.shape}"
        )
    if targets.dtype.kind not in "iu":
        raise DtypeError(f"{name}: targets are class indices, got {targets.dtype}")
    classes = outputs.shape[-1]
    rows, actual = outputs.reshape(-1, classes), targets.reshape(-1)
    if actual.size and not 0 <= actual.min() <= actual.max() < classes:
        raise ShapeError(
            f"{name}: targets have classes {actual.min()} to {actual.max()}, "
            f"outputs only 0 to {classes - 1}"
        )
    predicted = np.argmax(rows, axis=-1)
    return np.where(np.isnan(rows).any(axis=-1), -1, predicted), actual, classes


def _numbers(
    name: str, outputs: NDArray[Any], targets: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both in float64."""
    outputs, targets = np.asarray(outputs), np.asarray(targets)
    if outputs.shape != targets.shape:
        raise ShapeError(
            f"{name}: outputs {outputs.shape} and targets {targets.shape} must be equal shapes"
        )
    return outputs.astype(np.float64), targets.astype(np.float64)
