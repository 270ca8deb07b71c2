"""How well scores rank what is of a class above what is not: ROC AUC, average precision."""

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
from dgrad.train.metrics.metric import Metric, Undefined, check_yes_or_no, per_class
from dgrad.train.metrics.rows import class_rows, yes_rows

__all__ = ["ROCAUC", "AveragePrecision"]


class _Ranking(Metric):
    """Keeps the scores of all rows: they can only be ranked together.

    Class targets: of two classes the second is ranked by its score less that of the first; of more,
    each against the rest by its probability. Number targets, 1 for yes and 0 or -1 for no: each
    column by its output.
    """

    undefined: ClassVar[str]  # when there is nothing to rank

    targets = "any"
    higher_is_better = True
    supplied = ("class_names", "columns", "ignore_index")

    def __init__(
        self,
        average: Literal["macro", "none"] = "macro",
        class_names: Sequence[str] | None = None,
        *,
        columns: int | None = None,
        ignore_index: int = IGNORED,
    ) -> None:
        self.average, self.class_names, self.columns = average, class_names, columns
        self.ignore_index = ignore_index
        super().__init__()

    def reset(self) -> None:
        """Forget all batches."""
        self.scores: list[NDArray[np.float64]] = []  # (rows, columns)
        self.positive: list[NDArray[np.bool_]] = []  # (rows, columns)

    def update(self, outputs: NDArray[Any], targets: NDArray[Any]) -> None:
        """Keep a batch."""
        if np.asarray(targets).dtype.kind in "iu":
            scores, positive = self._of_classes(outputs, targets)
        else:
            scores, positive = yes_rows(name_of(type(self)), outputs, targets)
        if self.scores and self.scores[0].shape[1] != scores.shape[1]:
            before = self.scores[0].shape[1]
            raise ShapeError(
                f"{name_of(type(self))}: {scores.shape[1]} columns, but {before} before"
            )
        self.scores.append(scores)
        self.positive.append(positive)

    def _of_classes(
        self, outputs: NDArray[Any], targets: NDArray[Any]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        rows, actual = class_rows(name_of(type(self)), outputs, targets, self.ignore_index)
        rows = rows.astype(np.float64)
        if rows.shape[1] == 2:
            return rows[:, 1:] - rows[:, :1], actual[:, None] == 1
        return _log_odds(rows), actual[:, None] == np.arange(rows.shape[1])

    def check_targets(self, targets: NDArray[Any]) -> None:
        """Numbers must be yes or no."""
        if targets.dtype.kind == "f":
            check_yes_or_no(targets)

    @abstractmethod
    def quality(self, scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
        """Of one ranking, (rows,), NaN where it is undefined."""

    def each(self) -> NDArray[np.float64]:
        """The metric of every column; NaN where it is undefined."""
        if not self.scores:
            names = len(self.class_names or ())
            return np.full(1 if names == 2 else names or self.columns or 0, math.nan)
        scores, positive = np.concatenate(self.scores), np.concatenate(self.positive)
        return np.array(
            [
                math.nan if np.isnan(column).any() else self.quality(column, own)
                for column, own in zip(scores.T, positive.T, strict=True)
            ]
        )

    def result(self) -> float:
        """The mean over the columns for which it is defined; NaN if there are none."""
        each = self.each()
        defined = each[~np.isnan(each)]
        if self._is_broken() or not len(defined):
            return Undefined(self._reason())
        return float(np.mean(defined))

    def _is_broken(self) -> bool:
        return any(np.isnan(scores).any() for scores in self.scores)

    def _reason(self) -> str:
        """Why a ranking may be NaN."""
        return "an output is NaN" if self._is_broken() else self.undefined

    def values(self) -> dict[str, float]:
        """With average none the macro average, and every class."""
        whole = {"": self.result()}
        if self.average != "none":
            return whole
        each, names = self.each(), self.class_names
        return whole | per_class(
            each, names[1:] if names and len(names) == 2 else names, self._reason()
        )


@metrics.register("roc_auc")
class ROCAUC(_Ranking):
    """The chance that a row of the class scores above one that is not; ties count half.

    The area under the ROC curve. Of more than two classes each against the rest, averaged (macro)
    over those that have rows and are not all rows; NaN with one class only. average none: each
    class by itself too. outputs: (..., classes) logits, targets: (...) class indices; or equal
    shapes, targets 0 or 1.
    """

    name = "roc_auc"

    undefined = "the rows are all of the class, or none is"

    def quality(self, scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
        """(rank sum of the positives - its least) / (positives * negatives); Mann & Whitney."""
        positives = int(np.count_nonzero(positive))
        negatives = len(positive) - positives
        if not positives or not negatives:
            return math.nan
        _, index, counts = np.unique(scores, return_inverse=True, return_counts=True)
        ranks = np.cumsum(counts) - (counts - 1) / 2  # the mean rank of equal scores
        above = float(np.sum(ranks[index[positive]])) - positives * (positives + 1) / 2
        return above / (positives * negatives)


@metrics.register("average_precision")
class AveragePrecision(_Ranking):
    """sum over thresholds of (recall - recall before) precision, from the highest score down.

    Equal scores are one threshold. Of two classes the second's; of more each against the rest,
    averaged (macro) over those that have rows. average none: each class by itself too.
    outputs: (..., classes) logits, targets: (...) class indices; or equal shapes, targets 0 or 1.
    """

    name = "average_precision"

    undefined = "the class has no rows"

    def quality(self, scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
        """Of one ranking, NaN without positives."""
        _, index, counts = np.unique(-scores, return_inverse=True, return_counts=True)
        found = np.bincount(index[positive], minlength=len(counts))  # positives of each threshold
        precision = np.cumsum(found) / np.cumsum(counts)
        total = int(np.sum(found))
        return float(np.sum(found * precision) / total) if total else math.nan


def _log_odds(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """log p - log(1 - p) of p = softmax: it ranks as p does, also where that rounds to 1."""
    shifted = rows - np.max(rows, axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    rest = np.sum(exponentials, axis=1, keepdims=True) - exponentials
    largest = np.arange(rows.shape[1]) == np.argmax(rows, axis=1)[:, None]
    others = np.sum(np.where(largest, 0, exponentials), axis=1, keepdims=True)
    with np.errstate(divide="ignore"):
        return np.asarray(shifted - np.log(np.where(largest, others, rest)))
