"""Cases of dgrad/ops/similarity_loss.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *
from tests.cases.regression_loss import away, compared, reduced

__all__ = ["CASES", "REFERENCES", "TORCH"]


def signs(*shape: int) -> np.ndarray:
    return np.asarray(rng.choice([-1, 1], shape))


def near(x: np.ndarray, by: float = 0.3) -> np.ndarray:
    """Vectors at an acute angle to x: no cosine is close to 0."""
    return x + by * normal(*x.shape) * np.linalg.norm(x, axis=-1, keepdims=True) / x.shape[-1]


def _cosine(x: Any, y: Any, axis: int = -1, eps: float = 1e-8) -> Any:
    lengths = [np.maximum(np.linalg.norm(v, axis=axis), eps) for v in (x, y)]
    return np.sum(x * y, axis=axis) / (lengths[0] * lengths[1])


def _cosine_embedding(
    x: Any, y: Any, target: Any, reduction: str = "mean", margin: float = 0.0
) -> Any:
    cosine = _cosine(x, y)
    each = np.where(target == 1, 1 - cosine, np.maximum(0, cosine - margin))
    return reduced(each, reduction)


def _distance(x: Any, y: Any, p: float, eps: float) -> Any:
    return np.sum(np.abs(x - y + eps) ** p, axis=-1) ** (1 / p)


def _triplet(
    anchor: Any,
    positive: Any,
    negative: Any,
    reduction: str = "mean",
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
) -> Any:
    far = _distance(anchor, negative, p, eps)
    if swap:
        far = np.minimum(far, _distance(positive, negative, p, eps))
    return reduced(np.maximum(0, _distance(anchor, positive, p, eps) - far + margin), reduction)


def vectors(count: int, **params: Any) -> list[Case]:
    """Cases for a function of `count` arrays of vectors, which end with their last axis."""

    def of(*shape: int) -> list[np.ndarray]:
        return [normal(*shape) for _ in range(count)]

    return [
        Case(*of(4, 3), **params),
        Case(*of(5), **params),
        Case(*of(2, 3, 4), **params),
        Case(*(a.T for a in of(3, 4)), **params),
        Case(*(a[::-1] for a in of(4, 3)), **params),
        Case(*(repeated(a, 2) for a in of(3)), **params),
        Case(*of(1, 2), **params),
        Case(*of(3, 1), **{"order": 0, **params}),
    ]


def apart() -> list[np.ndarray]:
    """Three arrays whose differences keep away from 0, where |v|^p is not smooth."""
    return [distinct(4, 3), away(4, 3), away(4, 3) + 0.14]


WRONG = np.array([[1e4, -1e4, 0.0], [0.0, 0.0, 0.0]])
# Of the first row only the swapped distance is within the margin; of the second both, of the
# third none; and the vectors are square, so that a transposed gradient would fit.
SWAPPING = [
    np.array([[0.0, 0.1, 0.2], [1.0, 0.4, -0.3], [0.3, 0.2, 0.1]]),
    np.array([[1.0, 0.2, 0.3], [0.1, 1.2, 0.4], [0.4, 0.1, 0.2]]),
    np.array([[2.0, 0.4, 0.1], [0.2, 0.5, 0.8], [3.0, 2.0, -3.0]]),
]

CASES: dict[str, list[Case]] = {
    "cosine_similarity": [
        *vectors(2),
        Case(normal(4, 3), normal(4, 3), axis=0),
        Case(normal(2, 3, 4), normal(2, 3, 4), axis=1),
        Case(normal(0, 3), normal(0, 3)),
        Case(normal(2, 3), normal(2, 3), eps=5.0, torch=False),
        Case(*SWAPPING[:2]),
        Case(np.array([[0.0, 0.0], [1e100, 1.0]]), normal(2, 2), order=0),
    ],
    "cosine_embedding_loss": [
        *(Case(x := normal(4, 3), near(x), signs(4), reduction=r) for r in ("mean", "sum", "none")),
        Case(x := normal(4, 3), near(x), signs(4), margin=0.2),
        Case(x := normal(4, 3), near(x), signs(4), margin=1.5),
        Case(x := normal(4), near(x), np.array(-1)),
        Case(x := normal(2, 3, 4), near(x), signs(2, 3), torch=False),
        Case(x := normal(3, 4).T, near(x)[:, ::-1], np.ones(4, int)),
        Case(repeated(x := normal(3), 2), repeated(near(x), 2), np.array([1, -1])),
        Case(normal(0, 3), normal(0, 3), np.zeros(0, int), reduction="sum"),
        Case(np.zeros((2, 3)), normal(2, 3), np.array([1, -1]), order=0, torch=False),
    ],
    "margin_ranking_loss": [
        *compared(distinct, away, signs),
        Case(distinct(3, 2), away(3, 2), signs(3, 2), margin=1.0),
        Case(WIDE, -WIDE, signs(7), order=0),
    ],
    "triplet_margin_loss": [
        *vectors(3, margin=5.0),
        *(Case(*(normal(4, 3) for _ in range(3)), reduction=r) for r in ("sum", "none")),
        *(Case(*apart(), p=p, margin=9.0) for p in (1.0, 1.5, 3.0)),
        Case(*(normal(4, 3) for _ in range(3)), margin=5.0, swap=True),
        Case(*apart(), margin=9.0, swap=True, p=3.0),
        Case(*SWAPPING, margin=0.5, swap=True),
        Case(*SWAPPING, margin=0.5, eps=0.2),
        Case(normal(0, 3), normal(0, 3), normal(0, 3), reduction="sum"),
        Case(WRONG, WRONG, WRONG, order=0),
    ],
}

REFERENCES: dict[str, Callable[..., Any]] = {
    "cosine_embedding_loss": _cosine_embedding,
    "cosine_similarity": _cosine,
    "margin_ranking_loss": lambda x, y, target, reduction="mean", margin=0.0: reduced(
        np.maximum(0.0, margin - target * (x - y)), reduction
    ),
    "triplet_margin_loss": _triplet,
}

TORCH: dict[str, Any] = {
    "cosine_embedding_loss": "nn.functional.cosine_embedding_loss",
    "cosine_similarity": lambda torch: (
        lambda x, y, axis=-1, eps=1e-8: torch.nn.functional.cosine_similarity(
            x, y, dim=axis, eps=eps
        )
    ),
    "margin_ranking_loss": "nn.functional.margin_ranking_loss",
    "triplet_margin_loss": "nn.functional.triplet_margin_loss",
}
