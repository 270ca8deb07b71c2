"""Convolutions: learned windows over lines (n, c, l) and images (n, c, h, w)."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from dgrad import ops
from dgrad.errors import ParameterError
from dgrad.nn.init import Init
from dgrad.nn.input_shapes import each_axis
from dgrad.nn.kernels import Kernels
from dgrad.registry import Count, Whole, layers

__all__ = ["Conv1d", "Conv2d"]

PaddingMode = Literal["zeros", "reflect", "replicate", "circular"]


def _check_stride(layer: str, stride: Any, padding: Any) -> None:
    if padding == "same" and max(each_axis(stride, 1)) > 1:
        raise ParameterError(layer, "stride", "1 where padding is same", stride)


@layers.register("conv1d")
class Conv1d(Kernels):
    """Conv2d along one axis: windows of length kernel_size over lines, or time series.

    x: (n, in_channels, l) -> (n, out_channels, l'),
    l' = (l + 2 padding - dilation (kernel_size - 1) - 1) // stride + 1.
    weight: (out_channels, in_channels / groups, kernel_size), bias: (out_channels,).
    """

    name, axes, op = "conv1d", 1, ops.conv1d

    def __init__(
        self,
        in_channels: Count,
        out_channels: Count,
        kernel_size: Count | tuple[Count],
        stride: Count | tuple[Count] = 1,
        padding: Whole | tuple[Whole] | Literal["same", "valid"] = 0,
        dilation: Count | tuple[Count] = 1,
        groups: Count = 1,
        bias: bool = True,
        padding_mode: PaddingMode = "zeros",
        *,
        init: Init | None = None,
    ) -> None:
        _check_stride(self.name, stride, padding)
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            bias=bias,
            padding_mode=padding_mode,
            init=init,
        )

    @classmethod
    def example(cls, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Two channels to three."""
        return (rng.normal(size=(2, 2, 6)),), {"out_channels": 3, "kernel_size": 3, "stride": 2}


@layers.register("conv2d")
class Conv2d(Kernels):
    """y[o, i, j] = b[o] + sum_{c, p, q} W[o, c, p, q] x[c, i s + p d, j s + q d].

    x: (n, in_channels, h, w) -> (n, out_channels, h', w'), s the stride, d the dilation,
    h' = (h + 2 padding - d (kernel_size - 1) - 1) // s + 1. padding "same": h' = h; "valid": none.
    weight: (out_channels, in_channels / groups, *kernel_size), bias: (out_channels,). With groups,
    each share of the output channels sees its share of the input channels alone.
    LeCun et al. 1989; PyTorch's Conv2d.
    """

    name, axes, op = "conv2d", 2, ops.conv2d

    def __init__(
        self,
        in_channels: Count,
        out_channels: Count,
        kernel_size: Count | tuple[Count, Count],
        stride: Count | tuple[Count, Count] = 1,
        padding: Whole | tuple[Whole, Whole] | Literal["same", "valid"] = 0,
        dilation: Count | tuple[Count, Count] = 1,
        groups: Count = 1,
        bias: bool = True,
        padding_mode: PaddingMode = "zeros",
        *,
        init: Init | None = None,
    ) -> None:
        _check_stride(self.name, stride, padding)
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            bias=bias,
            padding_mode=padding_mode,
            init=init,
        )

    @classmethod
    def example(cls, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Two channels to three."""
        return (rng.normal(size=(2, 2, 4, 3)),), {"out_channels": 3, "kernel_size": 3, "padding": 1}
