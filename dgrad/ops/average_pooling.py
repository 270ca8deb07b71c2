"""Means of windows: average pooling."""

from __future__ import annotations

from typing import Any

import numpy as np

from dgrad.core.op import op
from dgrad.errors import ParameterError
from dgrad.ops._windows import Sizes
from dgrad.ops.interpolation import Table, apply_adjoint, apply_tables
from dgrad.ops.max_pooling import check_image, example_image, pooling_windows, wide_sizes

__all__ = ["avg_pool1d", "avg_pool2d"]


def _averages(
    name: str,
    shape: tuple[int, ...],
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None = None,
) -> list[Table]:
    windows = pooling_windows(name, shape, kernel_size, stride, padding, 1, ceil_mode)
    if divisor_override is not None and divisor_override == 0:
        raise ParameterError(name, "divisor_override", "other than 0", divisor_override)
    tables = []
    for axis, (places, inside) in enumerate(windows.pixels()):
        counts = inside.sum(axis=0)
        if count_include_pad:  # but not what lies behind the padding, in ceil_mode
            start = np.arange(windows.out[axis]) * windows.stride[axis] - windows.before[axis]
            room = windows.size[axis] + windows.before[axis] - start
            counts = np.minimum(windows.kernel[axis], room)
        if divisor_override is not None:
            counts = (1, divisor_override)[axis]
        tables.append((places, inside / counts))
    return tables


@op(example=example_image(2, 3, 5, 4, kernel_size=2, stride=1, padding=1))
def avg_pool2d(
    x: Any,
    *,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """The mean of each window. x: (n, c, h, w) or (c, h, w) -> (n, c, oh, ow), as max_pool2d.

    count_include_pad: zeros of the padding count; divisor_override: divides in place of the count.
    """
    check_image("avg_pool2d", x, 2)
    sizes = kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    return apply_tables(x, _averages("avg_pool2d", x.shape, *sizes))


def _avg_pool2d_rule(
    g: Any,
    x_shape: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: Any,
    count_include_pad: Any,
    divisor_override: Any,
) -> Any:
    sizes = kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    return apply_adjoint(g, x_shape, _averages("avg_pool2d", x_shape, *sizes))


avg_pool2d.vjp(x=_avg_pool2d_rule)


@op(example=example_image(2, 3, 7, kernel_size=2, stride=1, padding=1))
def avg_pool1d(
    x: Any,
    *,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """avg_pool2d along one axis. x: (n, c, l) or (c, l) -> (n, c, ol)."""
    check_image("avg_pool1d", x, 1)
    return apply_tables(
        x, _line_averages(x.shape, kernel_size, stride, padding, ceil_mode, count_include_pad)
    )


def _line_averages(
    shape: tuple[int, ...], kernel_size: Any, stride: Any, padding: Any, *modes: bool
) -> list[Table]:
    kernel, steps, pads, _ = wide_sizes(kernel_size, stride, padding, 1)
    return _averages("avg_pool1d", (*shape, 1), kernel, steps, pads, *modes)[:1]


avg_pool1d.vjp(
    x=lambda g, x_shape, kernel_size, stride, padding, ceil_mode, count_include_pad: apply_adjoint(
        g,
        x_shape,
        _line_averages(x_shape, kernel_size, stride, padding, ceil_mode, count_include_pad),
    )
)
