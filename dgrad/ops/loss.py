"""Losses on raw model outputs. Shapes must match exactly: nothing is broadcast."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from dgrad.core.op import op
from dgrad.errors import DtypeError, ShapeError
from dgrad.ops.activation import log_softmax, sigmoid, softmax

__all__ = ["bce_with_logits", "cross_entropy", "mse_loss"]

Reduction = Literal["mean", "sum", "none"]


def _reduce(losses: Any, reduction: Reduction) -> Any:
    if reduction == "mean":
        return np.mean(losses)
    if reduction == "sum":
        return np.sum(losses)
    if reduction != "none":
        raise ShapeError(f"reduction must be mean, sum or none, got {reduction!r}")
    return losses


def _unreduce(g: Any, count: int, reduction: Reduction) -> Any:
    """The gradient of each element's loss."""
    return g / count if reduction == "mean" else g


def _check_same(name: str, x: Any, target: Any) -> None:
    if np.shape(x) != np.shape(target):
        raise ShapeError(
            f"{name}: input has shape {np.shape(x)}, target {np.shape(target)}; "
            f"they must be equal, reshape one of them"
        )


def _one_hot(target: Any, like: Any) -> Any:
    """target: (...) class indices -> (..., classes) ones and zeros."""
    return np.equal(np.expand_dims(target, -1), np.arange(np.shape(like)[-1])).astype(like.dtype)


@op(keeps=("probabilities",))
def cross_entropy(logits: Any, target: Any, *, reduction: Reduction = "mean") -> Any:
    """-log softmax(logits)[target]. logits: (..., classes), target: (...) class indices.

    -> a scalar, or (...) when reduction is "none". Raises ShapeError, and DtypeError when target
    does not hold integers within the classes.
    """
    logits, target = np.asarray(logits), np.asarray(target)
    if target.shape != logits.shape[:-1]:
        raise ShapeError(
            f"cross_entropy: logits {logits.shape} need a target of shape "
            f"{logits.shape[:-1]}, got {target.shape}"
        )
    if target.dtype.kind not in "iu":
        raise DtypeError(f"cross_entropy: target holds class indices, got {target.dtype}")
    classes = logits.shape[-1]
    if target.size and not 0 <= target.min() <= target.max() < classes:
        raise ShapeError(
            f"cross_entropy: target has classes {target.min()} to {target.max()}, "
            f"logits only 0 to {classes - 1}"
        )
    shifted = logits - np.maximum.reduce(logits, axis=-1, keepdims=True)
    probabilities = np.exp(shifted)
    total = np.add.reduce(probabilities, axis=-1, keepdims=True)
    probabilities /= total
    picked = np.take_along_axis(shifted, target[..., None], axis=-1)  # (..., 1)
    losses = (np.log(total) - picked)[..., 0]
    return _reduce(losses, reduction), probabilities


def _cross_entropy_rule(g: Any, logits: Any, target: Any, reduction: Reduction) -> Any:
    scale = _unreduce(g, max(np.size(target), 1), reduction)
    scale = scale if reduction != "none" else np.expand_dims(scale, -1)
    return (softmax(logits) - _one_hot(target, logits)) * scale


def _cross_entropy_fast(g: Any, target: Any, probabilities: Any, reduction: Reduction) -> Any:
    scale = _unreduce(g, max(target.size, 1), reduction)
    scale = scale[..., None] if reduction == "none" else scale
    out = probabilities * scale
    rows = out.reshape(-1, out.shape[-1])
    rows[np.arange(len(rows)), target.reshape(-1)] -= np.reshape(scale, -1)
    return out


cross_entropy.vjp(logits=_cross_entropy_rule)
cross_entropy.fast_vjp(logits=_cross_entropy_fast)


@op
def mse_loss(x: Any, target: Any, *, reduction: Reduction = "mean") -> Any:
    """(x - target)^2. x, target: equal shapes -> a scalar, or that shape for "none"."""
    _check_same("mse_loss", x, target)
    return _reduce(np.square(np.subtract(x, target)), reduction)


def _mse_rule(g: Any, x: Any, target: Any, reduction: Reduction) -> Any:
    return (x - target) * (_unreduce(g, max(np.size(x), 1), reduction) * 2)


mse_loss.vjp(
    x=_mse_rule,
    target=lambda g, x, target, reduction: -_mse_rule(g, x, target, reduction),
)


@op
def bce_with_logits(x: Any, target: Any, *, reduction: Reduction = "mean") -> Any:
    """-target log sigmoid(x) - (1 - target) log sigmoid(-x), without overflow.

    x: logits, target: values in [0, 1], equal shapes -> a scalar, or that shape for "none".
    """
    _check_same("bce_with_logits", x, target)
    return _reduce(np.logaddexp(0, x) - x * target, reduction)


bce_with_logits.vjp(
    x=lambda g, x, target, reduction: (
        (sigmoid(x) - target) * _unreduce(g, max(np.size(x), 1), reduction)
    ),
    target=lambda g, x, reduction: -x * _unreduce(g, max(np.size(x), 1), reduction),
)
