"""Losses of yes and no: one score or probability an element. Nothing is broadcast.

Each is the mean of its elements' losses, their sum, or all of them ("none").
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dgrad.core.op import op
from dgrad.errors import ParameterError
from dgrad.ops._floats import as_floats
from dgrad.ops._loss_reduction import (
    Reduction,
    check_same,
    element_weight,
    labels_like,
    reduce,
    share,
)
from dgrad.ops.activation import sigmoid, softplus

__all__ = [
    "bce",
    "bce_with_logits",
    "hinge_embedding_loss",
    "hinge_loss",
    "sigmoid_focal_loss",
    "soft_margin_loss",
]

LEAST_LOG = -100.0  # a log-probability counts as no less
LEAST_VARIANCE = 1e-12  # nor p (1 - p) in a denominator


def _scores(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (rng.normal(size=(3, 4)), rng.uniform(size=(3, 4))), {}


def _chances(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (rng.uniform(0.1, 0.9, size=(3, 4)), rng.uniform(size=(3, 4))), {}


def _signed(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Scores at a distance from the margin 1, and labels of -1 and 1."""
    score = rng.choice([-1.6, -0.4, 0.3, 1.7], size=(3, 4)) + rng.uniform(0, 0.2, size=(3, 4))
    return (score, rng.choice([-1, 1], size=(3, 4))), {}


@op(example=_scores)
def bce_with_logits(
    x: Any,
    target: Any,
    *,
    reduction: Reduction = "mean",
    weight: Any = None,
    pos_weight: Any = None,
) -> Any:
    """-target log sigmoid(x) - (1 - target) log sigmoid(-x), without overflow.

    x: logits, target: values in [0, 1], equal shapes -> a scalar, or that shape for "none". The
    range of target is not checked: that would take 7 % of a forward and backward of (64, 10).
    weight multiplies every loss, pos_weight the part of target; arrays that broadcast to x's shape.
    """
    check_same("bce_with_logits", x, target)
    x, target = as_floats(x), as_floats(target)
    if pos_weight is None:
        losses = np.maximum(x, 0) - np.multiply(x, target) + np.log1p(np.exp(-np.abs(x)))
    else:
        positive = target * element_weight("bce_with_logits", pos_weight, x, "pos_weight")
        losses = (1 - target) * softplus(x) + positive * softplus(-x)
    if weight is not None:
        losses = losses * element_weight("bce_with_logits", weight, x)
    return reduce("bce_with_logits", losses, reduction)


def _element_share(g: Any, x: Any, reduction: Reduction, weight: Any) -> Any:
    """The gradient of each element's loss before `weight` multiplied it."""
    scale = share(g, np.size(x), reduction)
    return scale if weight is None else scale * np.asarray(weight, g.dtype)


def _bce_logits_x(
    g: Any, x: Any, target: Any, reduction: Reduction, weight: Any, pos_weight: Any
) -> Any:
    scale = _element_share(g, x, reduction, weight)
    if pos_weight is None:
        return (sigmoid(x) - target) * scale
    positive = target * np.asarray(pos_weight, g.dtype)
    return ((1 - target) * sigmoid(x) - positive * sigmoid(-x)) * scale


def _bce_logits_target(g: Any, x: Any, reduction: Reduction, weight: Any, pos_weight: Any) -> Any:
    scale = _element_share(g, x, reduction, weight)
    if pos_weight is None:
        return x * -scale
    return (softplus(-x) * np.asarray(pos_weight, g.dtype) - softplus(x)) * scale


bce_with_logits.vjp(x=_bce_logits_x, target=_bce_logits_target)


def _clamped_log(x: Any) -> Any:
    """max(log x, -100), x >= 0."""
    zero = np.equal(x, 0)
    return np.where(zero, LEAST_LOG, np.maximum(np.log(np.where(zero, 1.0, x)), LEAST_LOG))


def _clamped_log_rest(x: Any) -> Any:
    """max(log(1 - x), -100), x <= 1, exact for small x."""
    one = np.equal(x, 1)
    return np.where(one, LEAST_LOG, np.maximum(np.log1p(-np.where(one, 0.0, x)), LEAST_LOG))


@op(example=_chances)
def bce(x: Any, target: Any, *, reduction: Reduction = "mean", weight: Any = None) -> Any:
    """-target log x - (1 - target) log(1 - x), no logarithm below -100.

    x: probabilities, target: values in [0, 1]; equal shapes -> a scalar, or that shape for "none".
    weight: an array that broadcasts to x's shape. The gradient's denominator x (1 - x) is at least
    1e-12, so that a wrong certainty still gives one. Raises ParameterError for x outside [0, 1].
    """
    check_same("bce", x, target)
    x, target = np.asarray(as_floats(x)), as_floats(target)
    low = np.minimum.reduce(x, axis=None, initial=1)
    high = np.maximum.reduce(x, axis=None, initial=0)
    if low < 0 or high > 1:
        expected = "within [0, 1] (bce_with_logits takes raw scores)"
        raise ParameterError("bce", "x", expected, float(low if low < 0 else high))
    losses = (target - 1) * _clamped_log_rest(x) - target * _clamped_log(x)
    if weight is not None:
        losses = losses * element_weight("bce", weight, x)
    return reduce("bce", losses, reduction)


def _bce_x(g: Any, x: Any, target: Any, reduction: Reduction, weight: Any) -> Any:
    variance = np.maximum(x * (1 - x), LEAST_VARIANCE)
    return (x - target) / variance * _element_share(g, x, reduction, weight)


def _bce_target(g: Any, x: Any, reduction: Reduction, weight: Any) -> Any:
    odds = _clamped_log_rest(x) - _clamped_log(x)
    return odds * _element_share(g, x, reduction, weight)


bce.vjp(x=_bce_x, target=_bce_target)


@op(example=_scores)
def sigmoid_focal_loss(
    x: Any,
    target: Any,
    *,
    reduction: Reduction = "mean",
    alpha: float | None = 0.25,
    gamma: float = 2.0,
) -> Any:
    """a q^gamma bce_with_logits(x, target), q the probability given to the wrong answer.

    With p = sigmoid(x), q = p (1 - target) + (1 - p) target, and a = alpha target +
    (1 - alpha)(1 - target), or 1 for alpha=None (Lin et al. 2017, equation 5).
    x: logits, target: values in [0, 1], equal shapes -> a scalar, or that shape. gamma >= 0.
    """
    check_same("sigmoid_focal_loss", x, target)
    if not gamma >= 0:
        raise ParameterError("sigmoid_focal_loss", "gamma", ">= 0", gamma)
    x = np.asarray(as_floats(x))
    target = labels_like(target, x)
    entropy = bce_with_logits(x, target, reduction="none")
    wrong = sigmoid(x) * (1 - target) + sigmoid(-x) * target
    return reduce("sigmoid_focal_loss", _balance(target, alpha) * wrong**gamma * entropy, reduction)


def _balance(target: Any, alpha: float | None) -> Any:
    return 1.0 if alpha is None else target * (2 * alpha - 1) + (1 - alpha)


def _focal_rule(
    g: Any, x: Any, target: Any, reduction: Reduction, alpha: Any, gamma: float, needs: Any
) -> list[Any]:
    target = labels_like(target, g)
    p, rest = sigmoid(x), sigmoid(-x)
    entropy = bce_with_logits(x, target, reduction="none")
    wrong = p * (1 - target) + rest * target
    scale, balance = share(g, np.size(x), reduction), _balance(target, alpha)
    power: Any = wrong**gamma
    slope: Any = 0.0  # that of the power, by `wrong`
    if gamma:
        never = np.equal(wrong, 0)  # p is exactly target: there gamma < 1 has a pole
        slope = np.where(never, 0.0, np.where(never, 1.0, wrong) ** (gamma - 1) * gamma)
    by_x = power * (p - target) + entropy * slope * (p * rest * (1 - 2 * target))
    if not needs[1]:
        return [scale * balance * by_x, None]
    by_target = entropy * slope * (rest - p) - x * power
    by_target = balance * by_target
    if alpha is not None:
        by_target = by_target + entropy * power * (2 * alpha - 1)
    return [scale * balance * by_x, scale * by_target]


sigmoid_focal_loss.vjp(_focal_rule)


@op(example=_signed)
def hinge_loss(x: Any, target: Any, *, reduction: Reduction = "mean", margin: float = 1.0) -> Any:
    """max(0, margin - target x), target being -1 or 1; its gradient at the margin is 0.

    x: scores, target: equal shapes -> a scalar, or that shape for "none".
    """
    check_same("hinge_loss", x, target)
    x = np.asarray(as_floats(x))
    return reduce("hinge_loss", np.maximum(margin - x * labels_like(target, x), 0), reduction)


def _hinge_rule(
    g: Any, x: Any, target: Any, reduction: Reduction, margin: float, needs: Any
) -> list[Any]:
    target = labels_like(target, g)
    scale = np.where(np.less(x * target, margin), -share(g, np.size(x), reduction), 0.0)
    return [scale * target, scale * x if needs[1] else None]


hinge_loss.vjp(_hinge_rule)


@op(example=_signed)
def soft_margin_loss(x: Any, target: Any, *, reduction: Reduction = "mean") -> Any:
    """log(1 + exp(-target x)), target being -1 or 1.

    x: scores, target: equal shapes -> a scalar, or that shape for "none".
    """
    check_same("soft_margin_loss", x, target)
    x = np.asarray(as_floats(x))
    return reduce("soft_margin_loss", softplus(-(x * labels_like(target, x))), reduction)


def _soft_margin_rule(g: Any, x: Any, target: Any, reduction: Reduction, needs: Any) -> list[Any]:
    target = labels_like(target, g)
    scale = sigmoid(-(x * target)) * -share(g, np.size(x), reduction)
    return [scale * target, scale * x if needs[1] else None]


soft_margin_loss.vjp(_soft_margin_rule)


@op(example=_signed)
def hinge_embedding_loss(
    x: Any, target: Any, *, reduction: Reduction = "mean", margin: float = 1.0
) -> Any:
    """x where target = 1, max(0, margin - x) where it is -1; its gradient at the margin is 0.

    x: distances, target: equal shapes, without gradient -> a scalar, or that shape for "none".
    """
    check_same("hinge_embedding_loss", x, target)
    x = as_floats(x)
    far = np.where(np.not_equal(target, 1), np.maximum(margin - x, 0), 0.0)
    return reduce(
        "hinge_embedding_loss", far + np.where(np.not_equal(target, -1), x, 0.0), reduction
    )


def _hinge_embedding_rule(g: Any, x: Any, target: Any, reduction: Reduction, margin: float) -> Any:
    scale = share(g, np.size(x), reduction)
    far = np.not_equal(target, 1) & np.less(x, margin)
    return np.where(np.not_equal(target, -1), scale, 0.0) - np.where(far, scale, 0.0)


hinge_embedding_loss.vjp(x=_hinge_embedding_rule)
