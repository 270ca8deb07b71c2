"""Shares of classes that are right: accuracy, precision, recall, F1, sequences, confusions."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dgrad.errors import ShapeError
from dgrad.registry import Count, metrics, name_of
from dgrad.targets import IGNORED
from dgrad.train.metrics.metric import Metric, Table, class_rows, per_class

__all__ = [
    "F1",
    "Accuracy",
    "ConfusionMatrix",
    "ExactMatch",
    "F1Macro",
    "Precision",
    "Recall",
    "TopK",
]


class _Share(Metric):
    """The share of all rows that are right."""

    targets = "classes"
    higher_is_better = True

    def reset(self) -> None:
        """Forget all batches."""
        self.correct = 0
        self.rows = 0

    def result(self) -> float:
        """correct / rows."""
        return self.correct / self.rows if self.rows else math.nan


@metrics.register("accuracy")
class Accuracy(_Share):
    """Share of rows whose largest output is at their class. A row with a NaN output is wrong.

    outputs: (..., classes) logits, targets: (...) class indices. Of equal outputs the first counts.
    """

    def update(self, outputs: NDArray[Any], targets: NDArray[Any]) -> None:
        """Count a batch."""
        rows, actual = class_rows("accuracy", outputs, targets)
        self.correct += int(np.count_nonzero(_predicted(rows) == actual))
        self.rows += len(actual)


@metrics.register("top_k")
class TopK(_Share):
    """Share of rows whose class is among the k largest outputs. With a NaN output it is not.

    outputs: (..., classes) logits, targets: (...) class indices. Of equal outputs the first counts.
    """

    def __init__(self, k: Count = 5) -> None:
        super().__init__()
        self.k = k

    def update(self, outputs: NDArray[Any], targets: NDArray[Any]) -> None:
        """Count a batch."""
        rows, actual = class_rows("top_k", outputs, targets)
        own = np.take_along_axis(rows, actual[:, None], axis=1)  # (rows, 1)
        earlier = np.arange(rows.shape[1]) < actual[:, None]
        before = np.count_nonzero((rows > own) | ((rows == own) & earlier), axis=1)
        self.correct += int(np.count_nonzero((before < self.k) & ~np.isnan(rows).any(axis=1)))
        self.rows += len(actual)


@metrics.register("exact_match")
class ExactMatch(_Share):
    """Share of rows all of whose targets that count are predicted: sequences without any mistake.

    outputs: (n, ..., classes) logits, targets: (n, ...) class indices. Of equal outputs the first
    counts; a NaN output is wrong. A row in which no target counts is none.
    """

    def update(self, outputs: NDArray[Any], targets: NDArray[Any]) -> None:
        """Count a batch."""
        scores, actual = class_rows("exact_match", outputs, targets)
        targets = np.asarray(targets)
        flat = (len(targets), math.prod(targets.shape[1:]))
        counted = targets.reshape(flat) != IGNORED
        right = np.ones(flat, bool)
        right[counted] = _predicted(scores) == actual
        whole = counted.any(axis=1)
        self.correct += int(np.count_nonzero(right.all(axis=1) & whole))
        self.rows += int(np.count_nonzero(whole))


class _ByClass(Metric):
    """Counts of rows for each class. class_names: in their order, None where they have none."""

    targets = "classes"
    higher_is_better = True
    supplied = ("class_names",)

    def __init__(self, class_names: Sequence[str] | None = None) -> None:
        self.class_names = class_names
        super().__init__()

    def reset(self) -> None:
        """Forget all batches."""
        self.classes = len(self.class_names or ())
        self.counts = self.zeros()

    @abstractmethod
    def zeros(self) -> NDArray[np.int64]:
        """The counts of no rows of so many classes."""

    def update(self, outputs: NDArray[Any], targets: NDArray[Any]) -> None:
        """Count a batch."""
        rows, actual = class_rows(name_of(type(self)), outputs, targets)
        if not self.classes:
            self.classes = rows.shape[1]
            self.counts = self.zeros()
        elif self.classes != rows.shape[1]:
            raise ShapeError(
                f"{name_of(type(self))}: {rows.shape[1]} classes, but {self.classes} before"
            )
        self.count(_predicted(rows), actual)

    @abstractmethod
    def count(self, predicted: NDArray[np.intp], actual: NDArray[np.int64]) -> None:
        """Add rows to the counts; predicted: -1 for no class."""


@metrics.register("confusion_matrix")
class ConfusionMatrix(_ByClass):
    """How many rows of each class were predicted as which: shown as a table by `dgrad eval`.

    A row with a NaN output predicts no class. outputs: (..., classes) logits, targets: (...) class
    indices.
    """

    name = "confusion_matrix"

    def zeros(self) -> NDArray[np.int64]:
        """(classes, classes + 1): the class, and what was predicted, last no class."""
        return np.zeros((self.classes, self.classes + 1), np.int64)

    def count(self, predicted: NDArray[np.intp], actual: NDArray[np.int64]) -> None:
        """Add rows to the counts."""
        places = actual * (self.classes + 1) + predicted % (self.classes + 1)  # -1 is the last
        found = np.bincount(places, minlength=self.counts.size)
        self.counts += found.reshape(self.counts.shape)

    def result(self) -> float:
        """The share on the diagonal."""
        rows = self.counts.sum()
        return float(np.trace(self.counts) / rows) if rows else math.nan

    def values(self) -> dict[str, float]:
        """None: it is a table."""
        return {}

    def table(self) -> Table:
        """(classes, classes), and a column for rows that predict no class if there are any."""
        names = tuple(self.class_names or map(str, range(self.classes)))
        if self.counts[:, -1].any():
            return Table("class, predicted as", names, (*names, "none"), self.counts)
        return Table("class, predicted as", names, names, self.counts[:, :-1])


class _PerClass(_ByClass):
    """A ratio of counts for each class, and their average."""

    def __init__(
        self,
        average: Literal["macro", "micro", "none"] = "macro",
        class_names: Sequence[str] | None = None,
    ) -> None:
        super().__init__(class_names)
        self.average = average

    def zeros(self) -> NDArray[np.int64]:
        """(3, classes): rows of the class that were recognised, its rows, rows predicted as it."""
        return np.zeros((3, self.classes), np.int64)

    def count(self, predicted: NDArray[np.intp], actual: NDArray[np.int64]) -> None:
        """Add rows to the counts."""
        hits = actual[actual == predicted]
        for i, rows in enumerate((hits, actual, predicted[predicted >= 0])):
            self.counts[i] += np.bincount(rows, minlength=self.classes)

    @abstractmethod
    def ratio(
        self, hits: NDArray[Any], actual: NDArray[Any], predicted: NDArray[Any]
    ) -> NDArray[np.float64]:
        """The metric of these counts, elementwise, NaN for 0/0."""

    def each(self) -> NDArray[np.float64]:
        """The metric of every class, (classes,); NaN where it is 0/0."""
        return self.ratio(*self.counts)

    def result(self) -> float:
        """The average; NaN before any row."""
        if self.average == "micro":
            return float(self.ratio(*self.counts.sum(axis=1)))
        _, actual, predicted = self.counts
        occurs = actual + predicted > 0
        if not occurs.any():
            return math.nan
        return float(np.mean(np.nan_to_num(self.each()[occurs])))

    def values(self) -> dict[str, float]:
        """With average none the macro average, and every class."""
        whole = {"": self.result()}
        return whole | per_class(self.each(), self.class_names) if self.average == "none" else whole


@metrics.register("precision")
class Precision(_PerClass):
    """tp / (tp + fp) of each class: the share of what was predicted as it that is of it.

    average macro: the mean over the classes that occur among targets or predictions, one that is
    never predicted counting 0; micro: of the sums over classes; none: macro, and each class by
    itself. A row with a NaN output predicts no class.
    outputs: (..., classes) logits, targets: (...) class indices.
    """

    name = "precision"

    def ratio(
        self, hits: NDArray[Any], actual: NDArray[Any], predicted: NDArray[Any]
    ) -> NDArray[np.float64]:
        """hits / predicted."""
        return _quotient(hits, predicted)


@metrics.register("recall")
class Recall(_PerClass):
    """tp / (tp + fn) of each class: the share of its rows that were recognised.

    average macro: the mean over the classes that occur among targets or predictions, one without
    rows counting 0; micro: of the sums over classes, which is the accuracy; none: macro, and each
    class by itself. A row with a NaN output predicts no class.
    outputs: (..., classes) logits, targets: (...) class indices.
    """

    name = "recall"

    def ratio(
        self, hits: NDArray[Any], actual: NDArray[Any], predicted: NDArray[Any]
    ) -> NDArray[np.float64]:
        """hits / actual."""
        return _quotient(hits, actual)


@metrics.register("f1")
class F1(_PerClass):
    """2 tp / (2 tp + fp + fn) of each class: the harmonic mean of precision and recall.

    average macro: the mean over the classes that occur among targets or predictions; micro: of the
    sums over classes; none: macro, and each class by itself. A class that is never predicted right
    has F1 0. A row with a NaN output predicts no class.
    outputs: (..., classes) logits, targets: (...) class indices.
    """

    name = "f1"

    def ratio(
        self, hits: NDArray[Any], actual: NDArray[Any], predicted: NDArray[Any]
    ) -> NDArray[np.float64]:
        """2 hits / (actual + predicted)."""
        return _quotient(2 * hits, actual + predicted)


@metrics.register("f1_macro")
class F1Macro(F1):
    """f1 with average macro: the mean of F1 over the classes that occur.

    outputs: (..., classes) logits, targets: (...) class indices.
    """

    name = "f1_macro"

    def __init__(self, class_names: Sequence[str] | None = None) -> None:
        super().__init__("macro", class_names)


def _quotient(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore"):
        return np.asarray(np.true_divide(part, whole))


def _predicted(rows: NDArray[Any]) -> NDArray[np.intp]:
    """The first largest output of each row, -1 for one with NaN. rows: (rows, classes)."""
    return np.where(np.isnan(rows).any(axis=1), -1, np.argmax(rows, axis=1))
