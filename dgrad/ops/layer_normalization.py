"""Normalisation of vectors: to mean 0 and variance 1, to mean square 1, to length 1."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dgrad.core.op import op
from dgrad.errors import ParameterError, ShapeError
from dgrad.ops._floats import as_floats
from dgrad.ops._moments import mean_square, pull, row_moments, standardised
from dgrad.ops.norms import p_norm, p_norm_slope

__all__ = ["layer_norm", "normalize", "rms_norm"]


def _features(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (rng.normal(size=(3, 4)), rng.normal(size=4), rng.normal(size=4)), {}


def _scaled(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (rng.normal(size=(3, 4)), rng.normal(size=4)), {}


def _trailing(name: str, x: Any, weight: Any, bias: Any, normalized_shape: Any) -> int:
    """How many numbers are normalised together; ShapeError unless x ends with their shape."""
    shape = np.shape(x)
    if normalized_shape is not None:
        single = isinstance(normalized_shape, int | np.integer)
        last = (normalized_shape,) if single else tuple(normalized_shape)
    else:
        last = shape[-1:] if weight is None else np.shape(weight)
    if not last or shape[-len(last) :] != last:
        raise ShapeError(f"{name}: x {shape} must end with the normalised shape {last}")
    for label, value in (("weight", weight), ("bias", bias)):
        if value is not None and np.shape(value) != last:
            raise ShapeError(f"{name}: {label} has shape {np.shape(value)}, needs {last}")
    return math.prod(last)


def _rows(x: Any, n: int) -> Any:
    """(..., numbers that are n together) -> (r, n)."""
    return np.reshape(x, (math.prod(np.shape(x)) // n if n else 0, n))


def _forward(x: Any, n: int, weight: Any, bias: Any, eps: float, *, centre: bool = True) -> Any:
    """The output, and what is kept: the rows less their mean, and their factor."""
    rows = _rows(x, n)
    if centre:
        rows, _, square = row_moments(rows)
    else:
        square = mean_square(rows)
    factor = 1 / np.sqrt(square + eps)
    if weight is None:
        out = rows * factor
    else:
        out = _outer(factor, np.reshape(weight, n))
        out = np.multiply(out, rows, out=out)
    if bias is not None:
        out += np.reshape(bias, n)
    return out.reshape(x.shape), rows, factor


def _outer(column: Any, row: Any) -> Any:
    """column (r, 1) times row (n,): a product of matrices, two columns by two rows, takes a third.

    (768, 128): 10 us, as np.multiply 30. With a single column NumPy takes another way.
    """
    left, right = np.zeros((len(column), 2), column.dtype), np.zeros((2, len(row)), row.dtype)
    left[:, :1], right[0] = column, row
    return left @ right


def _gradients(
    g: Any, x: Any, weight: Any, n: int, eps: float, needs: Any, *, centre: bool = True
) -> list[Any]:
    """Gradients with respect to x, weight and bias (needs: of weight and bias), as rows."""
    g = _rows(g, n)
    unit, factor = standardised(_rows(x, n), eps, centre=centre)
    by_weight = np.add.reduce(g * unit, axis=0) if needs[0] else None
    by_bias = np.add.reduce(g, axis=0) if needs[1] else None
    if weight is not None:
        g = g * np.reshape(weight, n)
    return [pull(g, unit, factor, centre=centre), by_weight, by_bias]


def _fast_gradients(
    g: Any, rows: Any, factor: Any, weight: Any, needs: Any, *, centre: bool = True
) -> list[Any]:
    """The same of arrays, from what the forward kept; every sum is a product with a vector.

    With u = factor rows: factor (g w - u mean(g w u) - mean(g w)), mean over a row.
    """
    count, n = rows.shape
    g, each = np.reshape(g, rows.shape), 1 / (n or 1)
    vector = np.ones(n, g.dtype) if weight is None else np.reshape(weight, n)
    products = g * rows
    by_weight = factor[:, 0] @ products if needs[0] else None
    by_bias = np.ones(count, g.dtype) @ g if needs[1] else None
    along = (products @ vector)[:, None] * factor * factor * factor * each
    by_x = g * factor if weight is None else _outer(factor, vector) * g
    if centre:
        by_x -= (by_x @ np.ones(n, by_x.dtype))[:, None] * each
    by_x -= np.multiply(rows, along, out=products)
    return [by_x, by_weight, by_bias]


@op(keeps=("rows", "factor"), example=_features)
def layer_norm(
    x: Any,
    weight: Any = None,
    bias: Any = None,
    *,
    normalized_shape: int | Sequence[int] | None = None,
    eps: float = 1e-5,
) -> Any:
    """(x - mean) / sqrt(var + eps) * weight + bias, over the last axes (Ba et al. 2016).

    Those of normalized_shape; without it those of weight, or the last one. var is biased.
    x: (..., *normalized_shape), weight, bias: normalized_shape or None -> the shape of x.
    Raises ShapeError.
    """
    x = np.asarray(as_floats(x))
    return _forward(
        x, _trailing("layer_norm", x, weight, bias, normalized_shape), weight, bias, eps
    )


def _shaped(gradients: list[Any], *shapes: tuple[int, ...]) -> list[Any]:
    return [
        None if gradient is None else np.reshape(gradient, shape)
        for gradient, shape in zip(gradients, shapes, strict=False)
    ]


def _layer_rule(
    g: Any,
    x: Any,
    weight: Any,
    bias_shape: tuple[int, ...],
    normalized_shape: Any,
    eps: float,
    needs: Any,
) -> list[Any]:
    n = _trailing("layer_norm", x, weight, None, normalized_shape)
    gradients = _gradients(g, x, weight, n, eps, needs[1:])
    return _shaped(gradients, g.shape, np.shape(weight), bias_shape)


def _layer_fast(
    g: Any, rows: Any, factor: Any, weight: Any, bias_shape: tuple[int, ...], needs: Any
) -> list[Any]:
    gradients = _fast_gradients(g, rows, factor, weight, needs[1:])
    return _shaped(gradients, g.shape, np.shape(weight), bias_shape)


layer_norm.vjp(_layer_rule)
layer_norm.fast_vjp(_layer_fast)


@op(keeps=("rows", "factor"), example=_scaled)
def rms_norm(
    x: Any,
    weight: Any = None,
    *,
    normalized_shape: int | Sequence[int] | None = None,
    eps: float | None = None,
) -> Any:
    """x / sqrt(mean(x^2) + eps) * weight, over the last axes (Zhang & Sennrich 2019).

    Those of normalized_shape; without it those of weight, or the last one. eps: by default the
    distance from 1 to the next number of the dtype.
    x: (..., *normalized_shape), weight: normalized_shape or None -> the shape of x.
    Raises ShapeError.
    """
    x = np.asarray(as_floats(x))
    n = _trailing("rms_norm", x, weight, None, normalized_shape)
    return _forward(x, n, weight, None, _least(eps, x.dtype), centre=False)


def _least(eps: float | None, dtype: Any) -> float:
    return float(np.finfo(dtype).eps) if eps is None else eps


def _rms_rule(
    g: Any, x: Any, weight: Any, normalized_shape: Any, eps: float | None, needs: Any
) -> list[Any]:
    n = _trailing("rms_norm", x, weight, None, normalized_shape)
    wanted = (needs[1], False)
    gradients = _gradients(g, x, weight, n, _least(eps, x.dtype), wanted, centre=False)
    return _shaped(gradients, g.shape, np.shape(weight))


def _rms_fast(g: Any, rows: Any, factor: Any, weight: Any, needs: Any) -> list[Any]:
    gradients = _fast_gradients(g, rows, factor, weight, (needs[1], False), centre=False)
    return _shaped(gradients, g.shape, np.shape(weight))


rms_norm.vjp(_rms_rule)
rms_norm.fast_vjp(_rms_fast)


@op
def normalize(x: Any, *, p: float = 2.0, axis: int = -1, eps: float = 1e-12) -> Any:
    """x / max(|x|_p, eps) along axis: vectors of length 1, and 0 stays 0. p >= 1.

    x: any shape but () -> same shape. Raises ParameterError.
    """
    if not 1 <= p < math.inf:
        raise ParameterError("normalize", "p", ">= 1 and finite", p)
    x = np.asarray(as_floats(x))
    return x / np.maximum(p_norm(x, p, axis), eps)


def _normalize_rule(g: Any, x: Any, p: float, axis: int, eps: float) -> Any:
    norm = p_norm(x, p, axis)
    long = np.greater(norm, eps)
    length = np.where(long, norm, eps)
    along = np.add.reduce(g * x, axis=axis, keepdims=True) / length
    return (g - p_norm_slope(x, norm, p) * np.where(long, along, 0.0)) / length


normalize.vjp(x=_normalize_rule)
