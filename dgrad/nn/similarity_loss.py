"""Losses of angles and distances: of outputs to targets, or between the rows of a batch."""

from __future__ import annotations

import math
from typing import Annotated, Any

import numpy as np

from dgrad import ops
from dgrad.core.tensor import Tensor, array_of
from dgrad.errors import ShapeError
from dgrad.nn.loss import Loss, Reduction
from dgrad.registry import Positive, Range, losses
from dgrad.targets import IGNORED

__all__ = ["CosineEmbeddingLoss", "CosineLoss", "TripletMarginLoss"]


@losses.register("cosine")
class CosineLoss(Loss):
    """1 - cos(outputs, targets), the angle along the last axis, averaged.

    outputs, targets: equal shapes (..., d) -> a scalar, (...) for "none".
    """

    targets = "numbers"

    def forward(self, outputs: Any, targets: Any) -> Tensor:
        """outputs, targets: (..., d) -> scalar, (...) for "none"."""
        ones = np.ones(np.shape(outputs)[:-1], np.int64)
        return ops.cosine_embedding_loss(  # type: ignore[no-any-return]
            outputs, targets, ones, reduction=self.reduction
        )


class _RowsLoss(Loss):
    """Compares the rows of a batch with each other, by their classes.

    A target of -100 takes no part. The mean depends on which rows are in a batch together.
    """

    targets = "classes"

    def wanted(self, targets: tuple[int, ...], classes: int | None) -> tuple[int | str, ...]:
        """(d,), any length: embeddings, of rows with one class each."""
        if targets:
            raise ShapeError(f"needs one class for each row, the data has {targets} of them")
        return ("d",)


@losses.register("cosine_embedding")
class CosineEmbeddingLoss(_RowsLoss):
    """Over all pairs of rows: 1 - cos where their classes are equal, else max(0, cos - margin).

    outputs: embeddings (n, d), targets: (n,) class indices -> a scalar, (pairs,) for "none", the
    pairs in the order (0, 1), (0, 2), ... As in PyTorch, criterion(x, y, labels) takes pairs that
    were made already: x, y: (n, d), labels: (n,), 1 for alike and -1 for different.
    """

    def __init__(
        self, margin: Annotated[float, Range(-1, 1)] = 0.0, *, reduction: Reduction = "mean"
    ) -> None:
        super().__init__(reduction=reduction)
        self.margin = margin

    def weight_of(self, targets: np.ndarray) -> float:
        """The number of pairs."""
        return math.comb(int(np.count_nonzero(targets != IGNORED)), 2)

    def forward(self, outputs: Any, targets: Any, labels: Any = None) -> Tensor:
        """outputs: (n, d), targets: (n,); or two of (n, d), and labels (n,) -> scalar."""
        if labels is None:
            classes = _one_class_each("cosine_embedding", outputs, targets)
            rows = np.flatnonzero(classes != IGNORED)
            first, second = (rows[i] for i in np.triu_indices(len(rows), 1))
            labels = np.where(classes[first] == classes[second], 1, -1)
            outputs, targets = outputs[first], outputs[second]
        return ops.cosine_embedding_loss(  # type: ignore[no-any-return]
            outputs, targets, labels, reduction=self.reduction, margin=self.margin
        )


@losses.register("triplet")
class TripletMarginLoss(_RowsLoss):
    """max(0, d(a, positive) - d(a, negative) + margin) over all valid triples of rows, averaged.

    Batch all of Hermans et al. 2017: a and positive are two rows of one class, negative is a row of
    another; d(x, y) = |x - y + eps|_p. swap: the nearer of d(a, negative) and
    d(positive, negative) counts (Balntas et al. 2016).
    outputs: embeddings (n, d), targets: (n,) class indices -> a scalar, (triples,) for "none", by
    a, then positive, then negative. As in PyTorch, criterion(a, positive, negative) takes triples
    that were made already, three of (n, d).
    """

    def __init__(
        self,
        margin: Positive = 1.0,
        p: Annotated[float, Range(low=1, high_open=True)] = 2.0,
        eps: Positive = 1e-6,
        swap: bool = False,
        *,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        self.margin, self.p, self.eps, self.swap = margin, p, eps, swap

    def weight_of(self, targets: np.ndarray) -> float:
        """The number of valid triples."""
        _, counts = np.unique(targets[targets != IGNORED], return_counts=True)
        return int(np.sum(counts * (counts - 1) * (np.sum(counts) - counts)))

    def forward(self, outputs: Any, targets: Any, negative: Any = None) -> Tensor:
        """outputs: (n, d), targets: (n,); or three of (n, d) -> scalar."""
        if negative is not None:
            return self._given(outputs, targets, negative)
        classes = _one_class_each("triplet", outputs, targets)
        if self.reduction == "none":
            triples = [
                np.meshgrid(anchor, positives, negatives, indexing="ij")
                for anchor, positives, negatives in _choices(classes)
            ]
            index = np.concatenate([np.reshape(each, (3, -1)) for each in triples], axis=1)
            return self._given(*(outputs[rows] for rows in index))
        apart = np.expand_dims(outputs, 1) - np.expand_dims(outputs, 0) + self.eps
        distances = ops.vector_norm(apart, axis=-1, ord=self.p)  # (n, n)
        factors, active = self._factors(array_of(distances), classes)
        total = np.sum(distances * factors.astype(distances.dtype)) + self.margin * active
        if self.reduction == "sum":
            return total  # type: ignore[no-any-return]
        return total / (self.weight_of(classes) or math.nan)  # type: ignore[no-any-return]

    def _given(self, anchor: Any, positive: Any, negative: Any) -> Tensor:
        return ops.triplet_margin_loss(  # type: ignore[no-any-return]
            anchor,
            positive,
            negative,
            reduction=self.reduction,
            margin=self.margin,
            p=self.p,
            eps=self.eps,
            swap=self.swap,
        )

    def _factors(self, distances: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, int]:
        """How often each distance is added to the loss, (n, n), and how often the margin is.

        So no array is larger than n * n: the triples are n^3, and their sum is linear in distances.
        """
        factors, active = np.zeros(distances.shape), 0
        for anchor, positives, negatives in _choices(classes):
            near, far = distances[anchor, positives][:, None], distances[anchor, negatives]
            nearest, share = far, np.ones(())
            between = np.ix_(positives, negatives)
            if self.swap:
                other = distances[between]
                nearest = np.minimum(far, other)
                share = np.where(far < other, 1.0, np.where(far == other, 0.5, 0.0))
            wrong = near - nearest + self.margin > 0  # (positives, negatives)
            factors[anchor, positives] += np.sum(wrong, axis=1)
            factors[anchor, negatives] -= np.sum(wrong * share, axis=0)
            if self.swap:
                factors[between] -= wrong * (1 - share)
            active += int(np.count_nonzero(wrong))
        return factors, active


def _one_class_each(name: str, outputs: Any, targets: Any) -> np.ndarray:
    """targets as an array, (n,). Raises ShapeError."""
    classes = array_of(targets)
    if np.ndim(outputs) != 2 or classes.shape != np.shape(outputs)[:1]:
        raise ShapeError(
            f"{name}: outputs must be embeddings (n, d) and targets classes (n,), got "
            f"{np.shape(outputs)} and {classes.shape}"
        )
    return classes


def _choices(classes: np.ndarray) -> list[tuple[int, np.ndarray, np.ndarray]]:
    """(anchor, the other rows of its class, those of another class) of every row that counts."""
    counted = classes != IGNORED
    found = []
    for anchor in np.flatnonzero(counted).tolist():
        same = classes == classes[anchor]
        same[anchor] = False
        other = counted & (classes != classes[anchor])
        found.append((anchor, np.flatnonzero(same), np.flatnonzero(other)))
    return found
