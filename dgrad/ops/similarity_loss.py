"""Losses that compare vectors by angle or distance, or scores by rank. Nothing is broadcast."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dgrad.core.op import op
from dgrad.errors import ParameterError, ShapeError
from dgrad.ops._floats import as_floats
from dgrad.ops._loss_reduction import Reduction, check_same, labels_like, reduce, share
from dgrad.ops.norms import p_norm, p_norm_slope

__all__ = [
    "cosine_embedding_loss",
    "cosine_similarity",
    "margin_ranking_loss",
    "triplet_margin_loss",
]


def _alike(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    x = rng.normal(size=(4, 3))
    return (x, x * 0.5 + rng.normal(size=(4, 3)) * 0.2, np.array([1, -1, 1, -1])), {}


def _ranked(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    x, gap = rng.normal(size=(3, 4)), rng.choice([-1.5, -0.5, 0.5, 1.5], size=(3, 4))
    return (x, x + gap, rng.choice([-1, 1], size=(3, 4))), {}


def _lengths(x: Any, axis: int, eps: float) -> Any:
    """max(|x|, eps) along axis, of length 1 there; smooth, and no pole at 0."""
    squares = np.add.reduce(x * x, axis=axis, keepdims=True)
    return np.sqrt(np.maximum(squares, eps * eps))


@op(example=lambda rng: ((rng.normal(size=(3, 4)), rng.normal(size=(3, 4))), {}))
def cosine_similarity(x: Any, y: Any, *, axis: int = -1, eps: float = 1e-8) -> Any:
    """x . y / (max(|x|, eps) max(|y|, eps)) along axis. x, y: equal shapes -> without that axis."""
    check_same("cosine_similarity", x, y, "y")
    x, y = as_floats(x), as_floats(y)
    lengths = _lengths(x, axis, eps) * _lengths(y, axis, eps)
    return np.add.reduce(x * y, axis=axis) / np.squeeze(lengths, axis)


def _cosine_rule(g: Any, x: Any, y: Any, axis: int, eps: float, needs: Any) -> list[Any]:
    g = np.expand_dims(g, axis)
    length_x, length_y = _lengths(x, axis, eps), _lengths(y, axis, eps)
    x, y = x / length_x, y / length_y
    cosine = np.add.reduce(x * y, axis=axis, keepdims=True)
    return [
        g / length_x * (y - _unless_short(cosine, length_x, eps) * x) if needs[0] else None,
        g / length_y * (x - _unless_short(cosine, length_y, eps) * y) if needs[1] else None,
    ]


def _unless_short(cosine: Any, length: Any, eps: float) -> Any:
    """The cosine where the length is not the constant eps."""
    return np.where(np.greater(length, eps), cosine, 0.0)


cosine_similarity.vjp(_cosine_rule)


@op(example=_alike)
def cosine_embedding_loss(
    x: Any, y: Any, target: Any, *, reduction: Reduction = "mean", margin: float = 0.0
) -> Any:
    """1 - cos(x, y) where target = 1, max(0, cos(x, y) - margin) where it is -1.

    x, y: (..., n), target: (...), without gradient -> a scalar, or (...) for "none". Its gradient
    at the margin is 0.
    """
    _check_rows("cosine_embedding_loss", x, target)
    cosine = cosine_similarity(x, y)
    losses = np.where(np.equal(target, 1), 1 - cosine, np.maximum(cosine - margin, 0))
    return reduce("cosine_embedding_loss", losses, reduction)


def _check_rows(name: str, x: Any, target: Any) -> None:
    if np.shape(x)[:-1] != np.shape(target) or not np.ndim(x):
        raise ShapeError(
            f"{name}: input {np.shape(x)} needs a target of shape {np.shape(x)[:-1]}, one for "
            f"each vector, got {np.shape(target)}"
        )


def _cosine_embedding_rule(
    g: Any, x: Any, y: Any, target: Any, reduction: Reduction, margin: float, needs: Any
) -> list[Any]:
    far = np.greater(cosine_similarity(x, y), margin)
    slope = np.where(np.equal(target, 1), -1.0, far * 1.0)
    scale = slope.astype(g.dtype) * share(g, np.size(target), reduction)
    return [*_cosine_rule(scale, x, y, -1, 1e-8, needs), None]


cosine_embedding_loss.vjp(_cosine_embedding_rule)


@op(example=_ranked)
def margin_ranking_loss(
    x: Any, y: Any, target: Any, *, reduction: Reduction = "mean", margin: float = 0.0
) -> Any:
    """max(0, margin - target (x - y)): x is to rank above y where target = 1, below where -1.

    x, y, target: equal shapes -> a scalar, or that shape for "none". target has no gradient, and
    that of x and y at the margin is 0.
    """
    check_same("margin_ranking_loss", x, y, "y")
    check_same("margin_ranking_loss", x, target)
    difference = np.asarray(np.subtract(as_floats(x), as_floats(y)))
    target = labels_like(target, difference)
    return reduce("margin_ranking_loss", np.maximum(margin - difference * target, 0), reduction)


def _ranking_rule(
    g: Any, x: Any, y: Any, target: Any, reduction: Reduction, margin: float, needs: Any
) -> list[Any]:
    target = labels_like(target, g)
    wrong = np.less((x - y) * target, margin)
    gradient = np.where(wrong, share(g, np.size(x), reduction), 0.0) * -target
    return [gradient, -gradient if needs[1] else None, None]


margin_ranking_loss.vjp(_ranking_rule)


@op(example=lambda rng: (tuple(rng.normal(size=(4, 3)) for _ in range(3)), {"margin": 5.0}))
def triplet_margin_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    *,
    reduction: Reduction = "mean",
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
) -> Any:
    """max(0, d(anchor, positive) - d(anchor, negative) + margin), d(x, y) = |x - y + eps|_p.

    swap: the nearer of d(anchor, negative) and d(positive, negative) counts (Balntas et al. 2016).
    anchor, positive, negative: (..., n) -> a scalar, or (...) for "none". p >= 1. Its gradient at
    the margin is 0.
    """
    check_same("triplet_margin_loss", anchor, positive, "positive")
    check_same("triplet_margin_loss", anchor, negative, "negative")
    if not 1 <= p < math.inf:
        raise ParameterError("triplet_margin_loss", "p", ">= 1 and finite", p)
    a, b, c = (np.asarray(as_floats(v)) for v in (anchor, positive, negative))
    near, far = p_norm(a - b + eps, p), p_norm(a - c + eps, p)
    if swap:
        far = np.minimum(far, p_norm(b - c + eps, p))
    return reduce("triplet_margin_loss", np.maximum(near - far + margin, 0)[..., 0], reduction)


def _triplet_rule(
    g: Any,
    anchor: Any,
    positive: Any,
    negative: Any,
    reduction: Reduction,
    margin: float,
    p: float,
    eps: float,
    swap: bool,
) -> list[Any]:
    ab, ac, bc = anchor - positive + eps, anchor - negative + eps, positive - negative + eps
    near, far, other = p_norm(ab, p), p_norm(ac, p), p_norm(bc, p)
    count = math.prod(np.shape(anchor)[:-1])
    scale = np.expand_dims(share(g, count, reduction), -1)
    nearest = np.minimum(far, other) if swap else far
    scale = np.where(np.greater(near - nearest + margin, 0), scale, 0.0)
    pull, push = scale * p_norm_slope(ab, near, p), scale * p_norm_slope(ac, far, p)
    if not swap:
        return [pull - push, -pull, push]
    taken = np.where(np.less(far, other), 1.0, np.equal(far, other) * 0.5).astype(g.dtype)
    push, aside = push * taken, scale * (1 - taken) * p_norm_slope(bc, other, p)
    return [pull - push, -pull - aside, push + aside]


triplet_margin_loss.vjp(_triplet_rule)
