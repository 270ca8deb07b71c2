"""Losses that compare numbers with numbers. Shapes must match exactly: nothing is broadcast.

Each is the mean of its elements' losses, their sum, or all of them ("none").
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from dgrad.core.op import op
from dgrad.errors import ParameterError
from dgrad.ops._floats import as_floats
from dgrad.ops._loss_reduction import Reduction, check_same, reduce, share

__all__ = [
    "gaussian_nll_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "mse_loss",
    "poisson_nll_loss",
    "smooth_l1_loss",
]


def _apart(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """An example whose differences have no kink nearby."""
    target = rng.normal(size=(3, 4))
    return (target + rng.choice([-2.0, -0.5, 0.5, 2.0], size=(3, 4)), target), {}


def _probable(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (rng.normal(size=(3, 4)), rng.uniform(0.1, 0.9, size=(3, 4))), {}


def _spread(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (*_apart(rng)[0], rng.uniform(0.5, 2.0, size=(3, 4))), {}


@op(example=_apart)
def mse_loss(x: Any, target: Any, *, reduction: Reduction = "mean") -> Any:
    """(x - target)^2. x, target: equal shapes -> a scalar, or that shape for "none"."""
    check_same("mse_loss", x, target)
    return reduce("mse_loss", np.square(np.subtract(as_floats(x), as_floats(target))), reduction)


def _mse_rule(g: Any, x: Any, target: Any, reduction: Reduction) -> Any:
    return (x - target) * (share(g, np.size(x), reduction) * 2)


mse_loss.vjp(
    x=_mse_rule,
    target=lambda g, x, target, reduction: -_mse_rule(g, x, target, reduction),
)


def _difference(name: str, x: Any, target: Any) -> Any:
    check_same(name, x, target)
    return np.subtract(as_floats(x), as_floats(target))


def _both_ways(gradient: Any, needs: tuple[bool, ...]) -> list[Any]:
    """The gradients with respect to x and target of a function of x - target."""
    return [gradient, -gradient if needs[1] else None]


@op(example=_apart)
def l1_loss(x: Any, target: Any, *, reduction: Reduction = "mean") -> Any:
    """|x - target|; its gradient at 0 is 0. x, target: equal shapes -> a scalar, or that shape."""
    return reduce("l1_loss", np.absolute(_difference("l1_loss", x, target)), reduction)


def _l1_rule(g: Any, x: Any, target: Any, reduction: Reduction, needs: Any) -> list[Any]:
    return _both_ways(np.sign(x - target) * share(g, np.size(x), reduction), needs)


l1_loss.vjp(_l1_rule)


def _huber(distance: Any, delta: float) -> Any:
    """d^2 / 2 up to delta, delta (d - delta / 2) beyond, of distances d >= 0, in two passes."""
    near = np.minimum(distance, delta)
    return near * (distance - near * 0.5)


def _check_width(name: str, parameter: str, value: float, *, least: str) -> None:
    if not (value > 0 or (value == 0 and least == ">= 0")):
        raise ParameterError(name, parameter, least, value)


@op(example=_apart)
def huber_loss(x: Any, target: Any, *, reduction: Reduction = "mean", delta: float = 1.0) -> Any:
    """d^2 / 2 where d = |x - target| <= delta, else delta (d - delta / 2) (Huber 1964).

    x, target: equal shapes -> a scalar, or that shape for "none". delta > 0.
    """
    _check_width("huber_loss", "delta", delta, least="> 0")
    return reduce(
        "huber_loss", _huber(np.absolute(_difference("huber_loss", x, target)), delta), reduction
    )


def _huber_rule(
    g: Any, x: Any, target: Any, reduction: Reduction, delta: float, needs: Any
) -> list[Any]:
    slope = np.clip(x - target, -delta, delta)
    return _both_ways(slope * share(g, np.size(x), reduction), needs)


huber_loss.vjp(_huber_rule)


@op(example=_apart)
def smooth_l1_loss(x: Any, target: Any, *, reduction: Reduction = "mean", beta: float = 1.0) -> Any:
    """d^2 / (2 beta) where d = |x - target| <= beta, else d - beta / 2 (Girshick 2015).

    beta = 0 makes it l1_loss. x, target: equal shapes -> a scalar, or that shape for "none".
    """
    _check_width("smooth_l1_loss", "beta", beta, least=">= 0")
    distance = np.absolute(_difference("smooth_l1_loss", x, target))
    return reduce("smooth_l1_loss", _huber(distance, beta) / beta if beta else distance, reduction)


def _smooth_l1_rule(
    g: Any, x: Any, target: Any, reduction: Reduction, beta: float, needs: Any
) -> list[Any]:
    difference = x - target
    slope = np.clip(difference / beta, -1.0, 1.0) if beta else np.sign(difference)
    return _both_ways(slope * share(g, np.size(x), reduction), needs)


smooth_l1_loss.vjp(_smooth_l1_rule)


@op(example=_probable)
def kl_div(
    x: Any,
    target: Any,
    *,
    reduction: Literal["mean", "batchmean", "sum", "none"] = "mean",
    log_target: bool = False,
) -> Any:
    """target (log target - x): Kullback-Leibler divergence, x being log-probabilities.

    log_target: target holds log-probabilities too. Where the probability is 0, so is the term.
    "mean" divides by the number of elements, "batchmean" (the divergence itself) by len(x).
    x, target: equal shapes -> a scalar, or that shape for "none".
    """
    check_same("kl_div", x, target)
    x, target = as_floats(x), as_floats(target)
    probability = np.exp(target) if log_target else target
    none = np.equal(probability, 0)
    own = np.where(none, 0.0, target) if log_target else np.log(np.where(none, 1.0, target))
    terms = probability * (own - np.where(none, 0.0, x))
    if reduction == "batchmean":
        return reduce("kl_div", terms, "sum") / (_rows(np.shape(x)) or math.nan)
    return reduce("kl_div", terms, reduction)


def _rows(shape: tuple[int, ...]) -> int:
    return shape[0] if shape else 1


def _kl_share(g: Any, shape: tuple[int, ...], reduction: Any) -> Any:
    if reduction == "batchmean":
        return share(g, _rows(shape), "mean")
    return share(g, math.prod(shape), reduction)


def _kl_x(g: Any, x_shape: tuple[int, ...], target: Any, reduction: str, log_target: bool) -> Any:
    probability = np.exp(target) if log_target else target
    return probability * -_kl_share(g, x_shape, reduction)


def _kl_target(g: Any, x: Any, target: Any, reduction: str, log_target: bool) -> Any:
    scale = _kl_share(g, np.shape(x), reduction)
    if log_target:
        probability = np.exp(target)
        none = np.equal(probability, 0)
        return scale * (probability * (np.where(none, 0.0, target) - np.where(none, 0.0, x) + 1))
    none = np.equal(target, 0)
    slope = np.log(np.where(none, 1.0, target)) - np.where(none, 0.0, x) + 1
    pole = np.where(none & np.not_equal(scale, 0), -math.inf, 0.0)  # that of log 0
    return scale * slope + pole.astype(g.dtype) * scale


kl_div.vjp(x=_kl_x, target=_kl_target)


@op(example=_probable)
def poisson_nll_loss(
    x: Any,
    target: Any,
    *,
    reduction: Reduction = "mean",
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
) -> Any:
    """exp(x) - target x: negative log-likelihood of counts with the rate exp(x).

    log_input=False: x - target log(x + eps), x being the rate itself. full: adds Stirling's
    approximation of log(target!) where target > 1.
    x, target: equal shapes -> a scalar, or that shape for "none".
    """
    check_same("poisson_nll_loss", x, target)
    x, target = as_floats(x), as_floats(target)
    losses = np.exp(x) - target * x if log_input else x - target * np.log(x + eps)
    if full:
        t = np.where(np.greater(target, 1), target, 1.0)
        stirling = t * np.log(t) - t + np.log(t * (2 * math.pi)) * 0.5
        losses = losses + np.where(np.greater(target, 1), stirling, 0.0)
    return reduce("poisson_nll_loss", losses, reduction)


def _poisson_x(
    g: Any, x: Any, target: Any, reduction: Reduction, log_input: bool, eps: float
) -> Any:
    slope = np.exp(x) - target if log_input else 1 - target / (x + eps)
    return slope * share(g, np.size(x), reduction)


def _poisson_target(
    g: Any, x: Any, target: Any, reduction: Reduction, log_input: bool, full: bool, eps: float
) -> Any:
    slope = -x if log_input else -np.log(x + eps)
    if full:
        t = np.where(np.greater(target, 1), target, 1.0)
        slope = slope + np.where(np.greater(target, 1), np.log(t) + 0.5 / t, 0.0)
    return slope * share(g, np.size(x), reduction)


poisson_nll_loss.vjp(x=_poisson_x, target=_poisson_target)


@op(example=_spread)
def gaussian_nll_loss(
    x: Any,
    target: Any,
    var: Any,
    *,
    reduction: Reduction = "mean",
    full: bool = False,
    eps: float = 1e-6,
) -> Any:
    """(log v + (x - target)^2 / v) / 2 with v = max(var, eps) (Nix & Weigend 1994).

    full: adds log(2 pi) / 2. Where var <= eps its gradient is 0, the slope of the formula.
    x, target, var: equal shapes -> a scalar, or that shape for "none".
    """
    difference = _difference("gaussian_nll_loss", x, target)
    check_same("gaussian_nll_loss", x, var, "var")
    v = np.maximum(as_floats(var), eps)
    losses = (np.log(v) + np.square(difference) / v) * 0.5
    return reduce(
        "gaussian_nll_loss", losses + 0.5 * math.log(2 * math.pi) if full else losses, reduction
    )


def _gaussian_rule(
    g: Any, x: Any, target: Any, var: Any, reduction: Reduction, eps: float, needs: Any
) -> list[Any]:
    difference, scale = x - target, share(g, np.size(x), reduction)
    regular = np.greater(var, eps)
    v = np.where(regular, var, eps)
    ratio = difference / v
    by_var = np.where(regular, (1 / v - ratio * ratio) * (scale * 0.5), 0.0) if needs[2] else None
    return [*_both_ways(ratio * scale, needs), by_var]


gaussian_nll_loss.vjp(_gaussian_rule)
