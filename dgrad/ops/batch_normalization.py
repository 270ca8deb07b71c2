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


def _last(x: Any) -> Any:
    """x as (rows, c) if that takes no copy: (n, c), or the channels last in memory; else None."""
    if x.ndim == 2:
        return x
    x = np.moveaxis(x, 1, -1)
    return x.reshape(-1, x.shape[-1]) if x.flags.c_contiguous else None


def _channel_sum(x: Any) -> Any:
    """sum(x) over each channel of an array."""
    rows = _last(x)
    if rows is not None:
        return np.ones(len(rows), x.dtype) @ rows
    n, c = x.shape[:2]
    x = x.reshape(n, c, -1)
    return np.add.reduce(x @ np.ones(x.shape[2], x.dtype), axis=0)


def _channel_dot(x: Any, y: Any) -> Any:
    """sum(x * y) over each channel of arrays, without the product in memory."""
    rows, others = _last(x), _last(y)
    if rows is not None and others is not None:
        return np.einsum("ij,ij->j", rows, others)
    n, c = x.shape[:2]
    return np.add.reduce(np.vecdot(x.reshape(n, c, -1), y.reshape(n, c, -1)), axis=0)


def _statistics(x: Any) -> tuple[Any, Any, Any]:
    """Mean (c,), x less that, and biased variance (c,), of an array."""
    mean = _channel_sum(x) / (_count(x.shape) or 1)
    centred = x - _spread(mean, x.ndim)
    return mean, centred, _channel_dot(centred, centred) / (_count(x.shape) or 1)


@op(outputs=("mean", "var"), example=lambda rng: (_images(rng)[0][:1], {}))
def batch_statistics(x: Any) -> Any:
    """Mean and biased variance of each channel. x: (n, c, ...) -> (c,), (c,)."""
    x = np.asarray(as_floats(x))
    check_channels("batch_statistics", x)
    mean, _, var = _statistics(x)
    return mean, var


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
        mean, out, var = _statistics(x)
    else:
        mean, var = (np.asarray(value, x.dtype) for value in statistics)
        check_channels("batch_norm", x, mean=mean, var=var)
        out = x - _spread(mean, x.ndim)
    factor = 1 / np.sqrt(var + eps)
    out *= _spread(factor if weight is None else factor * weight, x.ndim)
    if bias is not None:
        out += _spread(bias, x.ndim)
    return out, mean, factor


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
    centred = x - _spread(mean, x.ndim)
    along, total = _channel_dot(g, centred), _channel_sum(g)
    by_x = None
    if needs[0]:
        scale = factor if weight is None else factor * weight
        by_x = g * _spread(scale, g.ndim)
        centred *= _spread(along * factor * factor * scale * (1 / count), g.ndim)
        by_x -= centred
        by_x -= _spread(total * scale * (1 / count), g.ndim)
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
    factor = 1 / np.sqrt(var + eps)
    scale = factor if weight is None else factor * weight
    out = x - _spread(mean, x.ndim)
    out *= _spread(scale, x.ndim)
    return out if bias is None else np.add(out, _spread(bias, x.ndim), out=out)


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
