"""Losses over classes, which are the last axis."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dgrad.core.op import op
from dgrad.errors import DtypeError, ParameterError, ShapeError
from dgrad.ops._floats import as_floats
from dgrad.ops._index_arrays import all_within
from dgrad.ops._loss_reduction import Reduction, reduce, share
from dgrad.ops.activation import log_softmax, softmax
from dgrad.targets import IGNORED

__all__ = ["cross_entropy", "multi_margin_loss", "nll_loss"]


def _check_classes(name: str, scores: Any, target: Any, ignore_index: int | None) -> Any:
    """Raise unless target (...) holds integers that are classes of scores (..., classes).

    -> where it does not hold ignore_index, which counts as no class; None where it never does.
    """
    if target.shape != scores.shape[:-1] or not scores.ndim:
        raise ShapeError(
            f"{name}: {'logits' if name == 'cross_entropy' else 'scores'} {scores.shape} need a "
            f"target of shape {scores.shape[:-1]}, got {target.shape}"
        )
    if target.dtype.kind not in "iu":
        raise DtypeError(f"{name}: target holds class indices, got {target.dtype}")
    if not target.size:
        return None
    classes = scores.shape[-1]
    a_class_ignored = ignore_index is not None and 0 <= ignore_index < classes
    if not a_class_ignored and all_within(target, classes):
        return None
    kept, counted = None, target
    if ignore_index is not None:
        kept = target != ignore_index
        counted = target[kept]
    if counted.size and not 0 <= counted.min() <= counted.max() < classes:
        raise ShapeError(
            f"{name}: target has classes {counted.min()} to {counted.max()}, "
            f"{'logits' if name == 'cross_entropy' else 'scores'} only 0 to {classes - 1}",
            fault="D08",
        )
    return kept if counted.size < target.size else None


def _class_weight(name: str, weight: Any, scores: Any) -> Any:
    """weight as (classes,) in the dtype of scores, or None."""
    if weight is None:
        return None
    weight = np.asarray(weight, scores.dtype)
    if weight.shape != scores.shape[-1:]:
        raise ShapeError(
            f"{name}: weight has shape {weight.shape}, needs one number for each of the "
            f"{scores.shape[-1]} classes"
        )
    return weight


def _given(target: Any) -> Any:
    """A target as a rule gets it, a list as an array."""
    return target if hasattr(target, "dtype") else np.asarray(target)


def _row_weights(target: Any, weight: Any, ignore_index: int) -> Any:
    """What each row counts for in the mean: 0 where its target is ignored. target: integers."""
    counted = target != ignore_index
    return counted if weight is None else counted * weight[np.where(counted, target, 0)]


def _mean_count(target: Any, weight: Any, ignore_index: int) -> float:
    """What the mean divides by."""
    if target.dtype.kind == "f":
        return float(math.prod(target.shape[:-1]))
    return float(np.add.reduce(_row_weights(target, weight, ignore_index), axis=None))


def _distribution(
    target: Any, classes: int, weight: Any, label_smoothing: float, ignore_index: int, dtype: Any
) -> Any:
    """How much of -log p each class counts in each row: (..., classes)."""
    indices = target.dtype.kind != "f"
    out = target
    if indices:
        out = np.equal(np.expand_dims(target, -1), np.arange(classes)).astype(dtype)
    if label_smoothing:
        out = out * (1 - label_smoothing) + label_smoothing / classes
    if weight is not None:
        out = out * np.asarray(weight, dtype)
    if indices:
        out = out * np.expand_dims(np.not_equal(target, ignore_index), -1)
    return out


def _classes(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (rng.normal(size=(3, 4)), np.array([2, 0, 3])), {}


@op(keeps=("exponentials", "total", "places", "counted"), example=_classes)
def cross_entropy(
    logits: Any,
    target: Any,
    *,
    reduction: Reduction = "mean",
    weight: Any = None,
    label_smoothing: float = 0.0,
    ignore_index: int = IGNORED,
) -> Any:
    """-log softmax(logits)[target]. logits: (..., classes), target: (...) class indices.

    target may also hold probabilities, floats of the shape of logits: -sum target log softmax.
    weight: (classes,), how much each counts; the mean is weighted too, over class indices.
    label_smoothing: this share of every target is spread evenly (Szegedy et al. 2016).
    ignore_index: a target that counts as no row at all. Classes of probability 0 add nothing,
    also where the logit is -inf. -> a scalar, or (...) when reduction is "none".
    Raises ShapeError; DtypeError when target holds neither; ParameterError.
    """
    logits, target = np.asarray(as_floats(logits)), np.asarray(target)
    shares, counted = target.dtype.kind == "f" and target.shape == logits.shape, None
    if not shares or not logits.ndim:
        counted = _check_classes("cross_entropy", logits, target, ignore_index)
    shifted = logits - np.maximum.reduce(logits, axis=-1, keepdims=True)
    exponentials = np.exp(shifted)
    total = np.add.reduce(exponentials, axis=-1, keepdims=True)
    if shares or weight is not None or label_smoothing:
        weight = _class_weight("cross_entropy", weight, logits)
        log_p = shifted - np.log(total)
        losses = _general(log_p, target, weight, label_smoothing, ignore_index)
        count = _mean_count(target, weight, ignore_index)
        return reduce("cross_entropy", losses, reduction, count), exponentials, total, None, None
    classes = logits.shape[-1]
    places = target if counted is None else np.where(counted, target, 0)
    places = places.reshape(-1).astype(np.intp, copy=False)
    places = places + np.arange(0, shifted.size, classes or 1)  # in the flattened logits
    losses = np.log(total).reshape(-1) - shifted.reshape(-1)[places]
    count = losses.size
    if counted is not None:
        counted = counted.reshape(-1)
        losses, count = np.where(counted, losses, 0.0), int(counted.sum())
    if reduction == "none":
        losses = losses.reshape(target.shape)
    return reduce("cross_entropy", losses, reduction, count), exponentials, total, places, counted


def _general(
    log_p: Any, target: Any, weight: Any, label_smoothing: float, ignore_index: int
) -> Any:
    """The loss of each row."""
    if not 0 <= label_smoothing <= 1:
        raise ParameterError("cross_entropy", "label_smoothing", ">= 0 and <= 1", label_smoothing)
    classes, dtype = log_p.shape[-1], log_p.dtype
    part = _distribution(target, classes, weight, label_smoothing, ignore_index, dtype)
    return -np.add.reduce(part * np.where(part == 0, 0.0, log_p), axis=-1)


def _cross_entropy_scale(
    g: Any, target: Any, reduction: Reduction, weight: Any, ignore_index: int
) -> Any:
    """The gradient of each row's loss, (..., 1) or (1,)."""
    weight = None if weight is None else np.asarray(weight, g.dtype)
    count = _mean_count(target, weight, ignore_index) if reduction == "mean" else 1
    return np.expand_dims(share(g, count, reduction), -1)


def _cross_entropy_rule(
    g: Any,
    logits: Any,
    target: Any,
    reduction: Reduction,
    weight: Any,
    label_smoothing: float,
    ignore_index: int,
) -> Any:
    target = _given(target)
    scale = _cross_entropy_scale(g, target, reduction, weight, ignore_index)
    classes = np.shape(logits)[-1]
    part = _distribution(target, classes, weight, label_smoothing, ignore_index, g.dtype)
    return (softmax(logits) * np.add.reduce(part, axis=-1, keepdims=True) - part) * scale


def _cross_entropy_target(
    g: Any,
    logits: Any,
    target: Any,
    reduction: Reduction,
    weight: Any,
    label_smoothing: float,
    ignore_index: int,
) -> Any:
    target = _given(target)
    scale = _cross_entropy_scale(g, target, reduction, weight, ignore_index)
    log_p = log_softmax(logits)
    log_p = np.where(np.equal(scale, 0) & np.equal(log_p, -math.inf), 0.0, log_p)
    out = log_p * (scale * -(1 - label_smoothing))
    return out if weight is None else out * np.asarray(weight, g.dtype)


def _cross_entropy_fast(
    g: Any,
    exponentials: Any,
    total: Any,
    places: Any,
    counted: Any,
    target: Any,
    reduction: Reduction,
    weight: Any,
    label_smoothing: float,
    ignore_index: int,
) -> Any:
    if places is None:
        target = _given(target)
        scale = _cross_entropy_scale(g, target, reduction, weight, ignore_index)
        classes = exponentials.shape[-1]
        part = _distribution(target, classes, weight, label_smoothing, ignore_index, g.dtype)
        p = exponentials * (np.add.reduce(part, axis=-1, keepdims=True) / total)
        return np.multiply(np.subtract(p, part, out=p), scale, out=p)
    if counted is None:
        scale = share(g, places.size, reduction)
        each = scale[..., None] if reduction == "none" else scale
    else:
        scale = share(g, int(counted.sum()), reduction).reshape(-1)
        scale = np.where(counted, scale, 0.0).astype(g.dtype, copy=False)
        each = scale.reshape(total.shape)
    out = np.multiply(exponentials, each / total, order="C")  # its flat form must be a view
    out.reshape(-1)[places] -= scale.reshape(-1)
    return out


cross_entropy.vjp(logits=_cross_entropy_rule, target=_cross_entropy_target)
cross_entropy.fast_vjp(logits=_cross_entropy_fast)


@op(example=_classes)
def nll_loss(
    log_p: Any,
    target: Any,
    *,
    reduction: Reduction = "mean",
    weight: Any = None,
    ignore_index: int = IGNORED,
) -> Any:
    """-weight[target] log_p[target]. log_p: (..., classes) log-probabilities, target: (...).

    weight: (classes,), how much each counts; the mean is weighted too. ignore_index: a target
    that counts as no row at all. -> a scalar, or (...) when reduction is "none".
    Raises ShapeError, and DtypeError when target does not hold integers.
    """
    log_p, target = np.asarray(as_floats(log_p)), np.asarray(target)
    _check_classes("nll_loss", log_p, target, ignore_index)
    weight = _class_weight("nll_loss", weight, log_p)
    counted = target != ignore_index
    places = np.expand_dims(np.where(counted, target, 0).astype(np.intp, copy=False), -1)
    picked = np.where(counted, np.take_along_axis(log_p, places, axis=-1)[..., 0], 0.0)
    losses = -(picked if weight is None else picked * weight[places[..., 0]])
    return reduce("nll_loss", losses, reduction, _mean_count(target, weight, ignore_index))


def _nll_rule(
    g: Any,
    log_p_shape: tuple[int, ...],
    target: Any,
    reduction: Reduction,
    weight: Any,
    ignore_index: int,
) -> Any:
    target = _given(target)
    scale = _cross_entropy_scale(g, target, reduction, weight, ignore_index)
    part = _distribution(target, log_p_shape[-1], weight, 0.0, ignore_index, g.dtype)
    return part * -scale


nll_loss.vjp(log_p=_nll_rule)


@op(example=_classes)
def multi_margin_loss(
    x: Any,
    target: Any,
    *,
    reduction: Reduction = "mean",
    p: int = 1,
    margin: float = 1.0,
    weight: Any = None,
) -> Any:
    """sum over j != target of max(0, margin - x[target] + x[j])^p / classes, p being 1 or 2.

    x: (..., classes) scores, target: (...) indices; weight: (classes,), of the target.
    -> a scalar, or (...) when reduction is "none". Its gradient at the margin is 0.
    """
    x, target = np.asarray(as_floats(x)), np.asarray(target)
    _check_classes("multi_margin_loss", x, target, None)
    weight = _class_weight("multi_margin_loss", weight, x)
    if p not in (1, 2):
        raise ParameterError("multi_margin_loss", "p", "1 or 2", p)
    over = np.maximum(_over(x, target, margin), 0)
    losses = np.add.reduce(over if p == 1 else over * over, axis=-1) / x.shape[-1]
    return reduce(
        "multi_margin_loss", losses if weight is None else losses * weight[target], reduction
    )


def _over(x: Any, target: Any, margin: float) -> Any:
    """margin - x[target] + x, and -1 at the target itself: (..., classes)."""
    mine = np.equal(np.expand_dims(target, -1), np.arange(np.shape(x)[-1]))
    own = np.add.reduce(np.where(mine, x, 0.0), axis=-1, keepdims=True)
    return np.where(mine, -1.0, x - own + margin)


def _multi_margin_rule(
    g: Any, x: Any, target: Any, reduction: Reduction, p: int, margin: float, weight: Any
) -> Any:
    target = _given(target)
    over, classes = _over(x, target, margin), np.shape(x)[-1]
    slope = np.greater(over, 0).astype(g.dtype) if p == 1 else np.maximum(over, 0) * 2.0
    mine = np.equal(np.expand_dims(target, -1), np.arange(classes))
    slope = slope - mine * np.add.reduce(slope, axis=-1, keepdims=True)
    scale = share(g, target.size, reduction) / classes
    if weight is not None:
        scale = scale * np.asarray(weight, g.dtype)[target]
    return slope * np.expand_dims(scale, -1)


multi_margin_loss.vjp(x=_multi_margin_rule)
