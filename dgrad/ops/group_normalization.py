"""Normalisation of groups of channels, every example by itself. The channels are axis 1."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dgrad.core.op import op
from dgrad.errors import ParameterError
from dgrad.ops._floats import as_floats
from dgrad.ops._memory_order import ExampleOrder, LongRows
from dgrad.ops._moments import check_channels, pull, standardised

__all__ = ["group_norm", "instance_norm"]


def _channels(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (rng.normal(size=(2, 4, 3)), rng.normal(size=4), rng.normal(size=4)), {}


def _checked(name: str, x: Any, weight: Any, bias: Any) -> Any:
    """x as an array of floats; ShapeError unless all fit."""
    x = np.asarray(as_floats(x))
    check_channels(name, x, weight=weight, bias=bias)
    return x


def _sizes(shape: tuple[int, ...], groups: int) -> tuple[int, int, int, int]:
    """Examples, channels, places of each channel, and numbers in each group."""
    n, channels, places = shape[0], shape[1], math.prod(shape[2:])
    return n, channels, places, channels // groups * places


def _rows(x: Any, groups: int) -> Any:
    """(n, c, ...) -> (n * groups, numbers in a group)."""
    n, _, _, size = _sizes(np.shape(x), groups)
    return np.reshape(x, (n * groups, size))


def _forward(x: Any, weight: Any, bias: Any, groups: int, eps: float) -> Any:
    """The output, and the mean and the factor of each channel's group, (n, c)."""
    size = _sizes(x.shape, groups)[-1]
    order = ExampleOrder(x)
    blocks = order.blocks(x)
    mean = _group_mean(order.sums(blocks), groups, size)
    with LongRows(order.row):
        out = blocks - order.spread(mean)
        factor = 1 / np.sqrt(_group_mean(order.dots(out, out), groups, size) + eps)
        out *= order.spread(factor if weight is None else factor * weight)
        if bias is not None:
            out += order.spread(np.broadcast_to(bias, factor.shape))
    return order.back(out), mean, factor


def _gradients(g: Any, x: Any, weight: Any, groups: int, eps: float, needs: Any) -> list[Any]:
    """Gradients with respect to x, weight and bias."""
    n, channels, places, _ = _sizes(g.shape, groups)
    unit, factor = standardised(_rows(x, groups), eps)
    each = np.reshape(g, (n, channels, places))
    by_weight = by_bias = None
    if needs[1]:
        by_weight = np.add.reduce(each * np.reshape(unit, (n, channels, places)), axis=(0, 2))
    if needs[2]:
        by_bias = np.add.reduce(each, axis=(0, 2))
    if weight is not None:
        each = each * np.reshape(weight, (channels, 1))
    by_x = pull(np.reshape(each, np.shape(unit)), unit, factor)
    return [np.reshape(by_x, g.shape), by_weight, by_bias]


def _fast_gradients(
    g: Any, x: Any, weight: Any, mean: Any, factor: Any, groups: int, needs: Any
) -> list[Any]:
    """The same of arrays. The gradient of x is a g + b (x - mean) + c, constants of a channel."""
    size = _sizes(g.shape, groups)[-1]
    order = ExampleOrder(x)
    g, centred = order.blocks(g), order.blocks(x)
    with LongRows(order.row):
        centred = centred - order.spread(mean)
        total, along = order.sums(g), order.dots(g, centred)
        by_weight = np.add.reduce(along * factor, axis=0) if needs[1] else None
        by_bias = np.add.reduce(total, axis=0) if needs[2] else None
        if not needs[0]:
            return [None, by_weight, by_bias]
        scale = factor if weight is None else factor * weight
        total, along = (_group_mean(v * scale, groups, size) for v in (total, along))
        centred *= order.spread(along * factor * factor)
        centred += order.spread(total)
        by_x = g * order.spread(scale)
        by_x -= centred
    return [order.back(by_x), by_weight, by_bias]


def _group_mean(value: Any, groups: int, size: int) -> Any:
    """(n, channels) sums -> the mean of the numbers of each one's group, (n, channels)."""
    n, channels = value.shape
    sums = np.add.reduce(value.reshape(n, groups, channels // groups), axis=-1)
    return np.repeat(sums / (size or 1), channels // groups, axis=1)


@op(keeps=("mean", "factor"), example=lambda rng: (_channels(rng)[0], {"groups": 2}))
def group_norm(
    x: Any, weight: Any = None, bias: Any = None, *, groups: int, eps: float = 1e-5
) -> Any:
    """(x - mean) / sqrt(var + eps) * weight + bias, over each group of channels (Wu & He 2018).

    x: (n, c, ...), groups divides c; weight, bias: (c,) or None -> the shape of x. var is biased.
    Raises ShapeError, ParameterError.
    """
    x = _checked("group_norm", x, weight, bias)
    if groups < 1 or x.shape[1] % groups:
        raise ParameterError(
            "group_norm", "groups", f"a divisor of the {x.shape[1]} channels", groups
        )
    return _forward(x, weight, bias, groups, eps)


def _group_rule(g: Any, x: Any, weight: Any, groups: int, eps: float, needs: Any) -> list[Any]:
    return _gradients(g, x, weight, groups, eps, needs)


def _group_fast(
    g: Any, x: Any, weight: Any, mean: Any, factor: Any, groups: int, needs: Any
) -> list[Any]:
    return _fast_gradients(g, x, weight, mean, factor, groups, needs)


group_norm.vjp(_group_rule)
group_norm.fast_vjp(_group_fast)


@op(keeps=("mean", "factor"), example=_channels)
def instance_norm(x: Any, weight: Any = None, bias: Any = None, *, eps: float = 1e-5) -> Any:
    """(x - mean) / sqrt(var + eps) * weight + bias, over each channel (Ulyanov et al. 2016).

    group_norm with as many groups as channels.
    x: (n, c, ...), weight, bias: (c,) or None -> the shape of x. Raises ShapeError.
    """
    x = _checked("instance_norm", x, weight, bias)
    return _forward(x, weight, bias, x.shape[1] or 1, eps)


instance_norm.vjp(
    lambda g, x, weight, eps, needs: _gradients(g, x, weight, g.shape[1] or 1, eps, needs)
)
instance_norm.fast_vjp(
    lambda g, x, weight, mean, factor, needs: _fast_gradients(
        g, x, weight, mean, factor, g.shape[1] or 1, needs
    )
)
