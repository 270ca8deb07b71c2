"""Pooling: the largest element or the mean of each window."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from dgrad import ops
from dgrad.nn.input_shapes import channels_of, show_sizes
from dgrad.nn.module import Module
from dgrad.registry import Count, Whole, layers

__all__ = ["AvgPool1d", "AvgPool2d", "MaxPool1d", "MaxPool2d"]

_USUAL: dict[str, Any] = {
    "padding": 0,
    "dilation": 1,
    "ceil_mode": False,
    "count_include_pad": True,
    "divisor_override": None,
}


class _Pool(Module):
    """Windows over lines or images; what they are reduced by is the op's."""

    name: ClassVar[str]
    axes: ClassVar[int]
    op: ClassVar[Callable[..., Any]]

    def __init__(self, kernel_size: Any, stride: Any, padding: Any, **more: Any) -> None:
        super().__init__()
        stride = kernel_size if stride is None else stride
        self._sizes = {"kernel_size": kernel_size, "stride": stride, "padding": padding, **more}
        for name, value in self._sizes.items():
            setattr(self, name, value)

    def forward(self, x: Any) -> Any:
        """x: (n, c, ...) -> (n, c, ...), each axis as many windows long as fit."""
        return type(self).op(x, **self._sizes)

    def extra_repr(self) -> str:
        """The sizes, and what is not as by default."""
        usual = {name: value for name, value in _USUAL.items() if name in self._sizes}
        return show_sizes(self, "kernel_size", "stride", **usual)

    @classmethod
    def infer(cls, *shapes: tuple[int, ...]) -> dict[str, Any]:
        """Nothing; raises ShapeError unless the inputs are lines or images of channels."""
        channels_of(cls.name, shapes[0], cls.axes)
        return {}

    @classmethod
    def example(cls, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Numbers of which no two are equal."""
        shape = (2, 2, 5, 4)[: cls.axes + 2]
        x = rng.permutation(int(np.prod(shape))).reshape(shape) * 0.3
        return (x,), {"kernel_size": 2, "stride": 1, "padding": 1}


@layers.register("max_pool1d")
class MaxPool1d(_Pool):
    """MaxPool2d along one axis.   x: (n, c, l) -> (n, c, l')."""

    name, axes, op = "max_pool1d", 1, ops.max_pool1d

    def __init__(
        self,
        kernel_size: Count | tuple[Count],
        stride: Count | tuple[Count] | None = None,
        padding: Whole | tuple[Whole] = 0,
        dilation: Count | tuple[Count] = 1,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__(kernel_size, stride, padding, dilation=dilation, ceil_mode=ceil_mode)


@layers.register("max_pool2d")
class MaxPool2d(_Pool):
    """The largest element of each window, the first of equal ones getting the gradient.

    x: (n, c, h, w) -> (n, c, h', w'), h' = (h + 2 padding - dilation (kernel_size - 1) - 1) /
    stride + 1, rounded down, or up in ceil_mode. stride: kernel_size if null. What is padded is
    below every number. PyTorch's MaxPool2d.
    """

    name, axes, op = "max_pool2d", 2, ops.max_pool2d

    def __init__(
        self,
        kernel_size: Count | tuple[Count, Count],
        stride: Count | tuple[Count, Count] | None = None,
        padding: Whole | tuple[Whole, Whole] = 0,
        dilation: Count | tuple[Count, Count] = 1,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__(kernel_size, stride, padding, dilation=dilation, ceil_mode=ceil_mode)


@layers.register("avg_pool1d")
class AvgPool1d(_Pool):
    """AvgPool2d along one axis.   x: (n, c, l) -> (n, c, l')."""

    name, axes, op = "avg_pool1d", 1, ops.avg_pool1d

    def __init__(
        self,
        kernel_size: Count | tuple[Count],
        stride: Count | tuple[Count] | None = None,
        padding: Whole | tuple[Whole] = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        modes = {"ceil_mode": ceil_mode, "count_include_pad": count_include_pad}
        super().__init__(kernel_size, stride, padding, **modes)


@layers.register("avg_pool2d")
class AvgPool2d(_Pool):
    """The mean of each window.   x: (n, c, h, w) -> (n, c, h', w'), sizes as MaxPool2d's.

    count_include_pad: the zeros of the padding count. divisor_override: what sums are divided by
    instead of the count. PyTorch's AvgPool2d.
    """

    name, axes, op = "avg_pool2d", 2, ops.avg_pool2d

    def __init__(
        self,
        kernel_size: Count | tuple[Count, Count],
        stride: Count | tuple[Count, Count] | None = None,
        padding: Whole | tuple[Whole, Whole] = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: Count | None = None,
    ) -> None:
        super().__init__(
            kernel_size,
            stride,
            padding,
            ceil_mode=ceil_mode,
            count_include_pad=count_include_pad,
            divisor_override=divisor_override,
        )
