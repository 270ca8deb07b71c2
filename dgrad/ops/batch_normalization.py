"""Normalisation of each channel over the batch, by its own statistics or by given ones.

The channels are axis 1 of x: (n, c) or (n, c, ...). No op changes running statistics: a layer does,
from what batch_statistics gives, outside the graph.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dgrad.core.op import op
from dgrad.ops._axes import laid_along
from dgrad.ops._floats import as_floats
from dgrad.ops._memory_order import ChannelOrder, LongRows
from dgrad.ops._moments import check_channels

__all__ = ["batch_norm", "batch_norm_inference", "batch_statistics"]


def _images(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (rng.normal(size=(4, 2, 3)), rng.normal(size=2), rng.normal(size=2)), {}


def _with_statistics(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    x, weight, bias = _images(rng)[0]
    return (x, rng.normal(size=2), rng.uniform(0.5, 2.0, size=2), weight, bias), {}


def _spread(value: Any, ndim: int) -> Any:
    """(c,) -> (c, 1, ...), which broadcasts against x."""
    return laid_along(value, ndim, 1)


def _places(x: Any) -> tuple[int, ...]:
    """All axes but that of the channels."""
    return (0, *range(2, np.ndim(x)))


def _count(shape: tuple[int, ...]) -> int:
    """How many numbers a channel has."""
    return shape[0] * math.prod(shape[2:])


def _channel_mean(x: Any) -> Any:
    return np.add.reduce(x, axis=_places(x)) / (_count(np.shape(x)) or 1)


def _statistics(x: Any) -> tuple[Any, Any]:
    """Mean and biased variance, (c,) each, of an array."""
    order, count = ChannelOrder(x), _count(x.shape) or 1
    blocks = order.blocks(x)
    mean = order.sums(blocks) / count
    with LongRows(order.inner):
        centred = blocks - order.spread(mean)
    return mean, order.dots(centred, centred) / count


@op(outputs=("mean", "var"), example=lambda rng: (_images(rng)[0][:1], {}))
def batch_statistics(x: Any) -> Any:
    """Mean and biased variance of each channel. x: (n, c, ...) -> (c,), (c,)."""
    x = np.asarray(as_floats(x))
    check_channels("batch_statistics", x)
    return _statistics(x)


def _statistics_rule(g: Any, x: Any) -> list[Any]:
    g_mean, g_var = g
    ndim, count = np.ndim(x), _count(np.shape(x)) or 1
    centred = x - _spread(_channel_mean(x), ndim)
    return [centred * _spread(g_var * (2 / count), ndim) + _spread(g_mean / count, ndim)]


batch_statistics.vjp(_statistics_rule)


@op(keeps=("mean", "factor"), example=_images)
def batch_norm(
    x: Any,
    weight: Any = None,
    bias: Any = None,
    *,
    eps: float = 1e-5,
    statistics: tuple[Any, Any] | None = None,
) -> Any:
    """(x - mean) / sqrt(var + eps) * weight + bias, each channel by itself (Ioffe & Szegedy 2015).

    x: (n, c, ...), weight, bias: (c,) or None -> the shape of x. statistics: what
    batch_statistics gave for this very x, to spare computing it again; the gradient is the same.
    Raises ShapeError.
    """
    x = np.asarray(as_floats(x))
    check_channels("batch_norm", x, weight=weight, bias=bias)
    if statistics is None:
        mean, var = _statistics(x)
    else:
        mean, var = (np.asarray(value, x.dtype) for value in statistics)
        check_channels("batch_norm", x, mean=mean, var=var)
    factor = 1 / np.sqrt(var + eps)
    return _standardised(x, mean, factor, weight, bias), mean, factor


def _standardised(x: Any, mean: Any, factor: Any, weight: Any, bias: Any) -> Any:
    """(x - mean) * factor * weight + bias, in two passes over memory."""
    scale = factor if weight is None else factor * weight
    shift = -(mean * scale) if bias is None else bias - mean * scale
    order = ChannelOrder(x)
    with LongRows(order.inner):
        out = order.blocks(x) * order.spread(scale)
        out = np.add(out, order.spread(shift), out=out)
    return order.back(out)


def _batch_rule(g: Any, x: Any, weight: Any, eps: float, needs: Any) -> list[Any]:
    ndim, count = np.ndim(x), _count(np.shape(x)) or 1
    centred = x - _spread(_channel_mean(x), ndim)
    factor = 1 / np.sqrt(_channel_mean(centred * centred) + eps)
    unit = centred * _spread(factor, ndim)
    along = np.add.reduce(g * unit, axis=_places(x))
    total = np.add.reduce(g, axis=_places(x))
    rest = g - (unit * _spread(along / count, ndim) + _spread(total / count, ndim))
    scale = factor if weight is None else factor * weight
    return [rest * _spread(scale, ndim), along if needs[1] else None, total if needs[2] else None]


def _batch_fast(g: Any, x: Any, weight: Any, mean: Any, factor: Any, needs: Any) -> list[Any]:
    """The same of arrays. The gradient of x is a g + b (x - mean) + c, constants of a channel."""
    count = _count(g.shape) or 1
    order = ChannelOrder(x)
    g, centred = order.blocks(g), order.blocks(x)
    with LongRows(order.inner):
        centred = centred - order.spread(mean)
        along, total = order.dots(g, centred), order.sums(g)
        by_x = None
        if needs[0]:
            scale = factor if weight is None else factor * weight
            centred *= order.spread(along * factor * factor * scale * (-1 / count))
            centred -= order.spread(total * scale * (1 / count))
            by_x = g * order.spread(scale)
            by_x += centred
            by_x = order.back(by_x)
    return [by_x, along * factor if needs[1] else None, total if needs[2] else None]


batch_norm.vjp(_batch_rule)
batch_norm.fast_vjp(_batch_fast)


@op(example=_with_statistics)
def batch_norm_inference(
    x: Any, mean: Any, var: Any, weight: Any = None, bias: Any = None, *, eps: float = 1e-5
) -> Any:
    """(x - mean) / sqrt(var + eps) * weight + bias with given statistics of each channel.

    x: (n, c, ...), mean, var: (c,), weight, bias: (c,) or None -> the shape of x.
    Raises ShapeError.
    """
    x = np.asarray(as_floats(x))
    check_channels("batch_norm_inference", x, mean=mean, var=var, weight=weight, bias=bias)
    mean, var = (np.asarray(as_floats(value)) for value in (mean, var))
    return _standardised(x, mean, 1 / np.sqrt(var + eps), weight, bias)


def _inference_rule(
    g: Any, x: Any, mean: Any, var: Any, weight: Any, eps: float, needs: Any
) -> list[Any]:
    ndim, places = np.ndim(x), _places(x)
    factor = 1 / np.sqrt(var + eps)
    scale = factor if weight is None else factor * weight
    total = along = None
    if needs[1] or needs[4]:
        total = np.add.reduce(g, axis=places)
    if needs[2] or needs[3]:
        along = np.add.reduce(g * (x - _spread(mean, ndim)), axis=places)
    return [
        g * _spread(scale, ndim),
        -(total * scale) if needs[1] else None,
        along * scale * (factor * factor) * -0.5 if needs[2] else None,
        along * factor if needs[3] else None,
        total if needs[4] else None,
    ]


batch_norm_inference.vjp(_inference_rule)
