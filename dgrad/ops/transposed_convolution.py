"""Transposed convolutions: the adjoints of convolutions, as layers of their own."""

from __future__ import annotations

from typing import Any

import numpy as np

from dgrad.core.op import op
from dgrad.errors import ParameterError, ShapeError
from dgrad.ops._examples import normal
from dgrad.ops._patches import (
    as_image,
    batched,
    channel_sums,
    check_channels,
    check_operands,
    image_shape,
    plus,
    spread,
    unbatched,
    wide,
)
from dgrad.ops._windows import Sizes, Windows, pair
from dgrad.ops.convolution import conv2d, conv2d_weight_grad

__all__ = ["conv_transpose1d", "conv_transpose2d"]


@op(
    complex=True,
    example=normal((2, 3, 4, 3), (3, 2, 3, 2), (2,), stride=2, padding=1, output_padding=1),
)
def conv_transpose2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    *,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Any:
    """The adjoint of a conv2d with this weight, plus bias (Zeiler et al. 2010).

    x: (n, c, h, w) or (c, h, w), weight: (c, o/groups, kh, kw), bias: (o,) or None ->
    (n, o, oh, ow), oh = (h - 1) stride - 2 padding + dilation (kh - 1) + output_padding + 1.
    output_padding chooses among the sizes that conv2d would bring to h; it is below stride or
    dilation. Raises ShapeError and ParameterError.
    """
    sizes = stride, padding, output_padding, groups, dilation
    return _transposed("conv_transpose2d", x, weight, bias, *sizes)


def _transposed(
    name: str,
    x: Any,
    weight: Any,
    bias: Any,
    stride: Sizes,
    padding: Sizes,
    output_padding: Sizes,
    groups: int,
    dilation: Sizes,
) -> Any:
    check_operands(name, x, weight, groups, 2)
    check_channels(name, x, len(weight), weight, groups)
    margins = _transposed_margins(name, stride, padding, output_padding, dilation)
    size = _transposed_size(name, x.shape, weight.shape, stride, margins, dilation)
    windows = Windows.over(name, size, weight.shape[-2:], stride, margins, dilation)
    return unbatched(plus(name, spread(batched(x), weight, windows, groups), bias), x.ndim)


def _transposed_margins(
    name: str, stride: Sizes, padding: Sizes, output_padding: Sizes, dilation: Sizes
) -> tuple[tuple[int, int], ...]:
    """The padding, (before, after) for each axis, of the conv2d whose windows fit exactly."""
    pads, more = pair(name, "padding", padding, 0), pair(name, "output_padding", output_padding, 0)
    limits = map(max, pair(name, "stride", stride, 1), pair(name, "dilation", dilation, 1))
    if any(m >= limit for m, limit in zip(more, limits, strict=True)):
        raise ParameterError(
            name, "output_padding", "smaller than stride or dilation", output_padding
        )
    return tuple((p, p - m) for p, m in zip(pads, more, strict=True))


def _transposed_size(
    name: str,
    x_shape: tuple[int, ...],
    weight_shape: tuple[int, ...],
    stride: Sizes,
    margins: tuple[tuple[int, int], ...],
    dilation: Sizes,
) -> list[int]:
    steps, spacing = pair(name, "stride", stride, 1), pair(name, "dilation", dilation, 1)
    size = [
        (n - 1) * s + d * (k - 1) + 1 - before - after
        for n, s, d, k, (before, after) in zip(
            x_shape[-2:], steps, spacing, weight_shape[-2:], margins, strict=True
        )
    ]
    if min(size) < 1:
        raise ShapeError(
            f"{name}: x {x_shape} and weight {weight_shape} with this padding give an image of "
            f"{tuple(size)} pixels; lessen the padding"
        )
    return size


def _transposed_x(
    g: Any, weight: Any, stride: Any, padding: Any, output_padding: Any, groups: Any, dilation: Any
) -> Any:
    margins = _transposed_margins("conv_transpose2d", stride, padding, output_padding, dilation)
    return conv2d(g, weight, None, stride, margins, dilation, groups)


def _transposed_weight(
    g: Any,
    x: Any,
    weight_shape: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: Any,
    dilation: Any,
) -> Any:
    margins = _transposed_margins("conv_transpose2d", stride, padding, output_padding, dilation)
    return conv2d_weight_grad(g, x, weight_shape, stride, margins, dilation, groups)


conv_transpose2d.vjp(x=_transposed_x, weight=_transposed_weight, bias=lambda g: channel_sums(g, 2))


@op(
    complex=True,
    example=normal((2, 3, 4), (3, 2, 3), (2,), stride=2, padding=1, output_padding=1),
)
def conv_transpose1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    *,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Any:
    """conv_transpose2d along one axis. x: (n, c, l) or (c, l), weight: (c, o/groups, k), bias:
    (o,) or None -> (n, o, ol), ol = (l - 1) stride - 2 padding + dilation (k - 1) +
    output_padding + 1.
    """
    name = "conv_transpose1d"
    check_operands(name, x, weight, groups, 1)
    sizes = _transposed_wide(stride, padding, output_padding, groups, dilation)
    return _transposed(name, x[..., None, :], weight[..., None, :], bias, *sizes)[..., 0, :]


def _transposed_wide(
    stride: Any, padding: Any, output_padding: Any, groups: Any, dilation: Any
) -> tuple[Any, ...]:
    sizes = wide(stride, 1), wide(padding, 0), wide(output_padding, 0)
    return (*sizes, groups, wide(dilation, 1))


def _line_x(
    g: Any, weight: Any, stride: Any, padding: Any, output_padding: Any, groups: Any, dilation: Any
) -> Any:
    sizes = _transposed_wide(stride, padding, output_padding, groups, dilation)
    return np.squeeze(_transposed_x(as_image(g), as_image(weight), *sizes), -2)


def _line_weight(
    g: Any,
    x: Any,
    weight_shape: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: Any,
    dilation: Any,
) -> Any:
    sizes = _transposed_wide(stride, padding, output_padding, groups, dilation)
    return np.squeeze(
        _transposed_weight(as_image(g), as_image(x), image_shape(weight_shape), *sizes), -2
    )


conv_transpose1d.vjp(x=_line_x, weight=_line_weight, bias=lambda g: channel_sums(g, 1))
