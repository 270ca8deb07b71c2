"""Shares of rows that are right: accuracy, top-k, whole sequences."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dgrad.registry import Count, metrics, name_of
from dgrad.targets import IGNORED
from dgrad.train.metrics.metric import Metric, mean_of
from dgrad.train.metrics.rows import class_rows, predicted_class, predicted_yes, yes_rows

__all__ = ["Accuracy", "ExactMatch", "TopK"]


class _Share(Metric):
    """The share of all rows that are right."""

    targets = "classes"
    higher_is_better = True
    supplied: ClassVar[tuple[str, ...]] = ("threshold", "ignore_index")

    def __init__(self, *, threshold: float | None = None, ignore_index: int = IGNORED) -> None:
        self.threshold, self.ignore_index = threshold, ignore_index
        super().__init__()

    def reset(self) -> None:
        """Forget all batches."""
        self.correct = 0
        self.rows = 0

    def result(self) -> float:
        """correct / rows."""
        return mean_of(self.correct, self.rows)

    def add(self, right: NDArray[np.bool_]) -> None:
        """Count rows."""
        self.correct += int(np.count_nonzero(right))
        self.rows += right.size


@metrics.register("accuracy")
class Accuracy(_Share):
    """Share of targets that are predicted: rows whose largest output is at their class.

    outputs: (..., classes) logits, targets: (...) class indices. Of equal outputs the first counts.
    Or, with a loss of yes and no, equal shapes: each output above the loss's threshold (0 for
    logits, 0.5 for probabilities) says yes, the target 1. A NaN output is wrong.
    """

    def update(self, outputs: NDArray[Any], targets: NDArray[Any]) -> None:
        """Count a batch."""
        name = name_of(type(self))
        if self.threshold is not None:
            scores, yes = yes_rows(name, outputs, targets)
            self.add(predicted_yes(scores, self.threshold) == yes)
        else:
            rows, actual = class_rows(name, outputs, targets, self.ignore_index)
            self.add(predicted_class(rows) == actual)


@metrics.register("top_k")
class TopK(_Share):
    """Share of rows whose class is among the k largest outputs. With a NaN output it is not.

    outputs: (..., classes) logits, targets: (...) class indices. Of equal outputs the first counts.
    """

    supplied = ("ignore_index",)

    def __init__(self, k: Count = 5, *, ignore_index: int = IGNORED) -> None:
        super().__init__(ignore_index=ignore_index)
        self.k = k

    def update(self, outputs: NDArray[Any], targets: NDArray[Any]) -> None:
        """Count a batch."""
        rows, actual = class_rows(name_of(type(self)), outputs, targets, self.ignore_index)
        own = np.take_along_axis(rows, actual[:, None], axis=1)  # (rows, 1)
        earlier = np.arange(rows.shape[1]) < actual[:, None]
        before = np.count_nonzero((rows > own) | ((rows == own) & earlier), axis=1)
        self.add((before < self.k) & ~np.isnan(rows).any(axis=1))


@metrics.register("exact_match")
class ExactMatch(_Share):
    """Share of rows all of whose targets that count are predicted: sequences without any mistake.

    outputs: (n, ..., classes) logits, targets: (n, ...) class indices. Of equal outputs the first
    counts. Or, with a loss of yes and no, equal shapes (n, ...): all labels of a row, each by the
    loss's threshold. A NaN output is wrong. A row in which no target counts is none.
    """

    def update(self, outputs: NDArray[Any], targets: NDArray[Any]) -> None:
        """Count a batch."""
        name = name_of(type(self))
        if self.threshold is not None:
            scores, yes = yes_rows(name, outputs, targets)
            self.add((predicted_yes(scores, self.threshold) == yes).all(axis=1))
            return
        rows, actual = class_rows(name, outputs, targets, self.ignore_index)
        targets = np.asarray(targets)
        flat = (len(targets), math.prod(targets.shape[1:]))
        counted = targets.reshape(flat) != self.ignore_index
        right = np.ones(flat, bool)
        right[counted] = predicted_class(rows) == actual
        whole = np.logical_and.reduce(right, axis=1)
        self.add(whole[counted.any(axis=1)])
