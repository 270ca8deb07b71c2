"""Pooling to a given size: the largest, or the mean, of nearly equal shares of the image."""

from __future__ import annotations

from typing import Any

import numpy as np

from dgrad.core.op import op
from dgrad.errors import ShapeError
from dgrad.ops._windows import Pair, pair
from dgrad.ops.interpolation import apply_adjoint, apply_tables, share_averages, shares
from dgrad.ops.max_pooling import check_image, example_image, give_to_first, largest

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
]


def _sizes(name: str, shape: tuple[int, ...], output_size: Any) -> Pair:
    """output_size as a pair; None along an axis: as long as the image."""
    values = (output_size,) * 2 if np.ndim(output_size) == 0 else tuple(output_size)
    given = tuple(n if v is None else v for v, n in zip(values, shape[-2:], strict=False))
    sizes = pair(name, "output_size", given if len(values) == 2 else output_size, 1)
    if min(shape[-2:]) < 1:
        raise ShapeError(f"{name}: the image of x {shape} has no pixels")
    return sizes


@op(example=example_image(2, 3, 5, 7, output_size=(2, 3)))
def adaptive_max_pool2d(x: Any, *, output_size: Any) -> Any:
    """The largest element of each of output_size shares of the image, which may overlap by one.

    x: (n, c, h, w) or (c, h, w) -> (n, c, *output_size); None keeps a length.
    """
    check_image("adaptive_max_pool2d", x, 2)
    return _adaptive("adaptive_max_pool2d", x, output_size)


def _adaptive(name: str, x: Any, output_size: Any) -> Any:
    oh, ow = _sizes(name, x.shape, output_size)
    down = largest(x[..., rows, :] for rows in shares(x.shape[-2], oh))
    return largest(down[..., columns] for columns in shares(x.shape[-1], ow))


def _adaptive_rule(g: Any, x: Any) -> Any:
    h, w = np.shape(x)[-2:]
    oh, ow = np.shape(g)[-2:]
    return give_to_first(g, x, shares(h, oh), shares(w, ow))


adaptive_max_pool2d.vjp(x=_adaptive_rule)


@op(example=example_image(2, 3, 7, output_size=3))
def adaptive_max_pool1d(x: Any, *, output_size: Any) -> Any:
    """adaptive_max_pool2d along one axis. x: (n, c, l) or (c, l) -> (n, c, output_size)."""
    check_image("adaptive_max_pool1d", x, 1)
    return _adaptive("adaptive_max_pool1d", x[..., None], (*np.ravel(output_size), 1))[..., 0]


adaptive_max_pool1d.vjp(
    x=lambda g, x: np.squeeze(_adaptive_rule(np.expand_dims(g, -1), np.expand_dims(x, -1)), -1)
)


@op(example=example_image(2, 3, 5, 7, output_size=(2, 3)))
def adaptive_avg_pool2d(x: Any, *, output_size: Any) -> Any:
    """The mean of each of output_size shares of the image, which may overlap by one pixel.

    x: (n, c, h, w) or (c, h, w) -> (n, c, *output_size); None keeps a length.
    """
    check_image("adaptive_avg_pool2d", x, 2)
    sizes = _sizes("adaptive_avg_pool2d", x.shape, output_size)
    return apply_tables(x, share_averages(x.shape, sizes))


adaptive_avg_pool2d.vjp(
    x=lambda g, x_shape: apply_adjoint(g, x_shape, share_averages(x_shape, np.shape(g)[-2:]))
)


@op(example=example_image(2, 3, 7, output_size=3))
def adaptive_avg_pool1d(x: Any, *, output_size: Any) -> Any:
    """adaptive_avg_pool2d along one axis. x: (n, c, l) or (c, l) -> (n, c, output_size)."""
    check_image("adaptive_avg_pool1d", x, 1)
    out, _ = _sizes("adaptive_avg_pool1d", (*x.shape, 1), (*np.ravel(output_size), 1))
    return apply_tables(x, share_averages(x.shape, (out,)))


adaptive_avg_pool1d.vjp(
    x=lambda g, x_shape: apply_adjoint(g, x_shape, share_averages(x_shape, np.shape(g)[-1:]))
)
