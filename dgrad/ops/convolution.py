"""Convolutions and their adjoints: closed under differentiation.

conv2d is linear in x and in weight; `conv2d_input_grad` and `conv2d_weight_grad` are its two
adjoints, and of the three each one's rules are the other two. Images are (n, c, h, w), or
(c, h, w) for one alone; lines (n, c, l) or (c, l). Results lie in memory as (h, c, w, n), which
the next convolution takes as it is (see dgrad/ops/_windows.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dgrad.core.op import op
from dgrad.errors import ShapeError
from dgrad.ops._examples import normal
from dgrad.ops._patches import (
    as_image,
    batched,
    channel_sums,
    check_channels,
    check_operands,
    check_windows,
    convolve,
    correlate,
    image_shape,
    plus,
    spread,
    unbatched,
    wide,
)
from dgrad.ops._windows import Padding, Sizes, Windows

__all__ = ["conv1d", "conv2d", "conv2d_input_grad", "conv2d_weight_grad"]


@op(complex=True, example=normal((2, 3, 5, 4), (4, 3, 2, 3), (4,), stride=2, padding=1))
def conv2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    *,
    stride: Sizes = 1,
    padding: Padding = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Any:
    """Sums over windows of x times weight, plus bias: cross-correlation, as PyTorch's conv2d.

    out[n, o, i, j] = bias[o] + sum_{c, p, q} weight[o, c, p, q] x[n, c, i s + p d, j s + q d].
    x: (n, c, h, w) or (c, h, w), weight: (o, c/groups, kh, kw), bias: (o,) or None ->
    (n, o, oh, ow), oh = (h + 2 padding - dilation (kh - 1) - 1) // stride + 1.
    padding: also "valid", "same", or (before, after) for each axis. With groups, kernel o sees
    only the channels of its own group. Raises ShapeError and ParameterError.
    """
    return _conv2d("conv2d", x, weight, bias, groups, stride, padding, dilation)


def _conv2d(name: str, x: Any, weight: Any, bias: Any, groups: int, *sizes: Any) -> Any:
    check_operands(name, x, weight, groups, 2)
    check_channels(name, x, weight.shape[1] * groups, weight, groups)
    windows = Windows.over(name, x.shape[-2:], weight.shape[-2:], *sizes)
    return unbatched(plus(name, convolve(batched(x), weight, windows, groups), bias), x.ndim)


@op(
    complex=True,
    example=normal((2, 4, 3, 2), (4, 3, 2, 3), shape=(2, 3, 5, 4), stride=2, padding=1),
)
def conv2d_input_grad(
    y: Any,
    weight: Any,
    *,
    shape: tuple[int, ...],
    stride: Sizes = 1,
    padding: Padding = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Any:
    """The gradient of conv2d with respect to an x of `shape`, y being that of its result.

    y: (n, o, oh, ow), weight: (o, c/groups, kh, kw) -> shape, (n, c, h, w). Linear in both.
    """
    name = "conv2d_input_grad"
    check_operands(name, y, weight, groups, 2)
    check_channels(name, y, len(weight), weight, groups)
    if len(shape) != y.ndim or shape[:-3] != y.shape[:-3] or shape[-3] != weight.shape[1] * groups:
        raise ShapeError(
            f"{name}: y {y.shape} and weight {weight.shape} with groups={groups} come of an x "
            f"{(*y.shape[:-3], weight.shape[1] * groups, 'h', 'w')}, not {tuple(shape)}"
        )
    windows = Windows.over(name, shape[-2:], weight.shape[-2:], stride, padding, dilation)
    check_windows(name, y, windows)
    return unbatched(spread(batched(y), weight, windows, groups), y.ndim)


@op(
    complex=True,
    example=normal((2, 3, 5, 4), (2, 4, 3, 2), shape=(4, 3, 2, 3), stride=2, padding=1),
)
def conv2d_weight_grad(
    x: Any,
    y: Any,
    *,
    shape: tuple[int, ...],
    stride: Sizes = 1,
    padding: Padding = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Any:
    """The gradient of conv2d with respect to a weight of `shape`, y being that of its result.

    x: (n, c, h, w), y: (n, o, oh, ow) -> shape, (o, c/groups, kh, kw). Linear in both.
    """
    name = "conv2d_weight_grad"
    weight = np.broadcast_to(np.float32(0), shape)  # only its shape is looked at
    check_operands(name, x, weight, groups, 2)
    check_channels(name, x, shape[1] * groups, weight, groups)
    if np.ndim(y) != x.ndim or y.shape[:-2] != (*x.shape[:-3], shape[0]):
        raise ShapeError(
            f"{name}: x {x.shape} and a weight {tuple(shape)} make a y "
            f"{(*x.shape[:-3], shape[0], 'h', 'w')}, not {np.shape(y)}"
        )
    windows = Windows.over(name, x.shape[-2:], shape[-2:], stride, padding, dilation)
    check_windows(name, y, windows)
    return correlate(batched(x), batched(y), windows, groups)


conv2d.vjp(
    x=lambda g, x_shape, weight, stride, padding, dilation, groups: conv2d_input_grad(
        g, weight, x_shape, stride, padding, dilation, groups
    ),
    weight=lambda g, x, weight_shape, stride, padding, dilation, groups: conv2d_weight_grad(
        x, g, weight_shape, stride, padding, dilation, groups
    ),
    bias=lambda g: channel_sums(g, 2),
)
conv2d_input_grad.vjp(
    y=lambda g, weight, stride, padding, dilation, groups: conv2d(
        g, weight, None, stride, padding, dilation, groups
    ),
    weight=lambda g, y, weight_shape, stride, padding, dilation, groups: conv2d_weight_grad(
        g, y, weight_shape, stride, padding, dilation, groups
    ),
)
conv2d_weight_grad.vjp(
    x=lambda g, x_shape, y, stride, padding, dilation, groups: conv2d_input_grad(
        y, g, x_shape, stride, padding, dilation, groups
    ),
    y=lambda g, x, stride, padding, dilation, groups: conv2d(
        x, g, None, stride, padding, dilation, groups
    ),
)


# -- lines: images one pixel high ------------------------------------------------------------------


@op(complex=True, example=normal((2, 3, 7), (4, 3, 3), (4,), stride=2, padding=1))
def conv1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    *,
    stride: Sizes = 1,
    padding: Padding = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Any:
    """conv2d along one axis. x: (n, c, l) or (c, l), weight: (o, c/groups, k), bias: (o,) or None
    -> (n, o, ol), ol = (l + 2 padding - dilation (k - 1) - 1) // stride + 1.
    """
    name = "conv1d"
    check_operands(name, x, weight, groups, 1)
    sizes = wide(stride, 1), wide(padding, 0), wide(dilation, 1)
    return _conv2d(name, x[..., None, :], weight[..., None, :], bias, groups, *sizes)[..., 0, :]


def _conv1d_x(
    g: Any, x_shape: Any, weight: Any, stride: Any, padding: Any, dilation: Any, groups: Any
) -> Any:
    sizes = wide(stride, 1), wide(padding, 0), wide(dilation, 1), groups
    return np.squeeze(
        conv2d_input_grad(as_image(g), as_image(weight), image_shape(x_shape), *sizes), -2
    )


def _conv1d_weight(
    g: Any, x: Any, weight_shape: Any, stride: Any, padding: Any, dilation: Any, groups: Any
) -> Any:
    sizes = wide(stride, 1), wide(padding, 0), wide(dilation, 1), groups
    return np.squeeze(
        conv2d_weight_grad(as_image(x), as_image(g), image_shape(weight_shape), *sizes), -2
    )


conv1d.vjp(x=_conv1d_x, weight=_conv1d_weight, bias=lambda g: channel_sums(g, 1))
