"""Counts of what is predicted as what: confusion matrix, precision, recall, F1."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from dgrad.errors import ShapeError
from dgrad.registry import metrics, name_of
from dgrad.targets import IGNORED
from dgrad.train.metrics.metric import Metric, Table, Undefined, mean_of, per_class
from dgrad.train.metrics.rows import class_rows, predicted_class, predicted_yes, yes_rows

__all__ = ["F1", "ConfusionMatrix", "Precision", "Recall"]


class _ByClass(Metric):
    """Counts of rows for each class. class_names: in their order, None where they have none.

    columns: how many yes-or-no numbers a row has, each of which is counted for itself.
    """

    targets = "classes"
    higher_is_better = True
    supplied = ("class_names", "columns", "threshold", "ignore_index")

    def __init__(
        self,
        class_names: Sequence[str] | None = None,
        *,
        columns: int | None = None,
        threshold: float | None = None,
        ignore_index: int = IGNORED,
    ) -> None:
        self.class_names, self.columns = class_names, columns
        self.threshold, self.ignore_index = threshold, ignore_index
        super().__init__()

    def reset(self) -> None:
        """Forget all batches."""
        self.classes = len(self.class_names or ()) or self.columns or 0
        self.counts = self.zeros()

    @abstractmethod
    def zeros(self) -> NDArray[np.int64]:
        """The counts of no rows of so many classes, or columns."""

    def update(self, outputs: NDArray[Any], targets: NDArray[Any]) -> None:
        """Count a batch."""
        name = name_of(type(self))
        if self.threshold is not None:
            scores, yes = yes_rows(name, outputs, targets)
            self._check_width(name, scores.shape[1], "columns")
            self.count(predicted_yes(scores, self.threshold), yes.astype(np.intp))
        else:
            rows, actual = class_rows(name, outputs, targets, self.ignore_index)
            self._check_width(name, rows.shape[1], "classes")
            self.count(predicted_class(rows)[:, None], actual[:, None])

    def _check_width(self, name: str, width: int, what: str) -> None:
        if not self.classes:
            self.classes = width
            self.counts = self.zeros()
        elif self.classes != width:
            raise ShapeError(f"{name}: {width} {what}, but {self.classes} before")

    @abstractmethod
    def count(self, predicted: NDArray[np.intp], actual: NDArray[np.intp]) -> None:
        """Add rows to the counts, (rows, 1) classes or (rows, columns) of 1 for yes and 0.

        predicted: -1 for none of them.
        """


@metrics.register("confusion_matrix")
class ConfusionMatrix(_ByClass):
    """How many rows of each class were predicted as which: shown as a table by `dgrad eval`.

    A row with a NaN output predicts no class. outputs: (..., classes) logits, targets: (...) class
    indices. Or, with a loss of yes and no, equal shapes: a matrix of no and yes for each column.
    """

    def zeros(self) -> NDArray[np.int64]:
        """(columns, k, k + 1): one column of classes, or 2 for no and yes; last, no class."""
        yes_or_no = self.threshold is not None
        columns, k = (self.classes, 2) if yes_or_no else (1, self.classes)
        return np.zeros((columns, k, k + 1), np.int64)

    def count(self, predicted: NDArray[np.intp], actual: NDArray[np.intp]) -> None:
        """Add rows to the counts."""
        columns, k, width = self.counts.shape
        rows = np.arange(columns) * k + actual
        places = rows * width + predicted % width  # -1 is the last
        found = np.bincount(places.reshape(-1), minlength=self.counts.size)
        self.counts += found.reshape(self.counts.shape)

    def result(self) -> float:
        """The share on the diagonal."""
        correct = np.trace(self.counts, axis1=1, axis2=2).sum()
        return mean_of(float(correct), float(self.counts.sum()))

    def values(self) -> dict[str, float]:
        """None: it is a table."""
        return {}

    def table(self) -> Table:
        """(classes, classes), and a column for rows that predict no class if there are any."""
        columns, k, width = self.counts.shape
        kinds = ("no", "yes") if self.threshold is not None else self.class_names
        names = tuple(kinds or map(str, range(k)))
        lines = names if columns == 1 else [f"[{i}] {n}" for i in range(columns) for n in names]
        counts = self.counts.reshape(-1, width)
        if counts[:, -1].any():
            return Table("class, predicted as", tuple(lines), (*names, "none"), counts)
        return Table("class, predicted as", tuple(lines), names, counts[:, :-1])


class _PerClass(_ByClass):
    """A ratio of counts for each class, and their average."""

    undefined: ClassVar[str]  # when the ratio is 0/0

    def __init__(
        self,
        average: Literal["macro", "micro", "none"] = "macro",
        class_names: Sequence[str] | None = None,
        *,
        columns: int | None = None,
        threshold: float | None = None,
        ignore_index: int = IGNORED,
    ) -> None:
        super().__init__(
            class_names, columns=columns, threshold=threshold, ignore_index=ignore_index
        )
        self.average = average

    def zeros(self) -> NDArray[np.int64]:
        """(3, classes): rows of the class that were recognised, its rows, rows predicted as it."""
        return np.zeros((3, self.classes), np.int64)

    def count(self, predicted: NDArray[np.intp], actual: NDArray[np.intp]) -> None:
        """Add rows to the counts; each yes is a row of its column's class."""
        hit = actual == predicted
        if self.threshold is not None:
            columns = np.broadcast_to(np.arange(self.classes), actual.shape)
            yes = actual == 1
            of_class = columns[hit & yes], columns[yes], columns[predicted == 1]
        else:
            of_class = actual[hit], actual[:, 0], predicted[predicted >= 0]
        for i, rows in enumerate(of_class):
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
            ratio = float(self.ratio(*self.counts.sum(axis=1)))
            return Undefined(self.undefined) if math.isnan(ratio) else ratio
        _, actual, predicted = self.counts
        occurs = actual + predicted > 0
        return mean_of(float(np.sum(np.nan_to_num(self.each()[occurs]))), int(occurs.sum()))

    def values(self) -> dict[str, float]:
        """With average none the macro average, and every class."""
        whole = {"": self.result()}
        if self.average != "none":
            return whole
        return whole | per_class(self.each(), self.class_names, self.undefined)


@metrics.register("precision")
class Precision(_PerClass):
    """tp / (tp + fp) of each class: the share of what was predicted as it that is of it.

    average macro: the mean over the classes that occur among targets or predictions, one that is
    never predicted counting 0; micro: of the sums over classes; none: macro, and each class by
    itself. A row with a NaN output predicts no class.
    outputs: (..., classes) logits, targets: (...) class indices. Or, with a loss of yes and no,
    equal shapes: each column is a class, its rows those of yes; the loss's threshold predicts it.
    """

    name = "precision"

    undefined = "no row is predicted as the class"

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
    outputs: (..., classes) logits, targets: (...) class indices. Or, with a loss of yes and no,
    equal shapes: each column is a class, its rows those of yes; the loss's threshold predicts it.
    """

    name = "recall"

    undefined = "the class has no rows"

    def ratio(
        self, hits: NDArray[Any], actual: NDArray[Any], predicted: NDArray[Any]
    ) -> NDArray[np.float64]:
        """hits / actual."""
        return _quotient(hits, actual)


@metrics.register("f1_macro")  # its default has this name too
@metrics.register("f1")
class F1(_PerClass):
    """2 tp / (2 tp + fp + fn) of each class: the harmonic mean of precision and recall.

    average macro: the mean over the classes that occur among targets or predictions; micro: of the
    sums over classes; none: macro, and each class by itself. A class that is never predicted right
    has F1 0. A row with a NaN output predicts no class. f1_macro is another name of f1.
    outputs: (..., classes) logits, targets: (...) class indices. Or, with a loss of yes and no,
    equal shapes: each column is a class, its rows those of yes; the loss's threshold predicts it.
    """

    name = "f1"

    undefined = "the class has no rows, and none is predicted as it"

    def ratio(
        self, hits: NDArray[Any], actual: NDArray[Any], predicted: NDArray[Any]
    ) -> NDArray[np.float64]:
        """2 hits / (actual + predicted)."""
        return _quotient(2 * hits, actual + predicted)


def _quotient(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore"):
        return np.asarray(np.true_divide(part, whole))
