"""Transposed convolutions: the adjoints of convolutions, which enlarge lines and images."""

from __future__ import annotations

from typing import Any

import numpy as np

from dgrad import ops
from dgrad.errors import ParameterError
from dgrad.nn.init import Init
from dgrad.nn.kernels import Kernels
from dgrad.registry import Count, Whole, layers

__all__ = ["ConvTranspose1d", "ConvTranspose2d"]


def _check_output_padding(layer: str, output_padding: Any, stride: Any, dilation: Any) -> None:
    limits = np.maximum(stride, dilation)
    if np.any(np.greater_equal(output_padding, limits)):
        wanted = "smaller than stride or dilation"
        raise ParameterError(layer, "output_padding", wanted, output_padding)


@layers.register("conv_transpose1d")
class ConvTranspose1d(Kernels):
    """ConvTranspose2d along one axis.

    x: (n, in_channels, l) -> (n, out_channels, l'),
    l' = (l - 1) stride - 2 padding + dilation (kernel_size - 1) + output_padding + 1.
    weight: (in_channels, out_channels / groups, kernel_size), bias: (out_channels,).
    """

    name, axes, op = "conv_transpose1d", 1, ops.conv_transpose1d
    transposed = True

    def __init__(
        self,
        in_channels: Count,
        out_channels: Count,
        kernel_size: Count | tuple[Count],
        stride: Count | tuple[Count] = 1,
        padding: Whole | tuple[Whole] = 0,
        output_padding: Whole | tuple[Whole] = 0,
        groups: Count = 1,
        bias: bool = True,
        dilation: Count | tuple[Count] = 1,
        *,
        init: Init | None = None,
    ) -> None:
        _check_output_padding(self.name, output_padding, stride, dilation)
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=padding,
            output_padding=output_padding,
            dilation=dilation,
            groups=groups,
            bias=bias,
            init=init,
        )

    @classmethod
    def example(cls, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Two channels to three, twice as long."""
        sizes = {"kernel_size": 3, "stride": 2, "padding": 1, "output_padding": 1}
        return (rng.normal(size=(2, 2, 3)),), {"out_channels": 3, **sizes}


@layers.register("conv_transpose2d")
class ConvTranspose2d(Kernels):
    """The adjoint of a Conv2d, plus bias: each pixel adds its multiple of a kernel to the output.

    x: (n, in_channels, h, w) -> (n, out_channels, h', w'),
    h' = (h - 1) stride - 2 padding + dilation (kernel_size - 1) + output_padding + 1.
    weight: (in_channels, out_channels / groups, *kernel_size), bias: (out_channels,).
    output_padding, below stride or dilation, chooses among the sizes that the Conv2d brings to h.
    Zeiler et al. 2010; PyTorch's ConvTranspose2d.
    """

    name, axes, op = "conv_transpose2d", 2, ops.conv_transpose2d
    transposed = True

    def __init__(
        self,
        in_channels: Count,
        out_channels: Count,
        kernel_size: Count | tuple[Count, Count],
        stride: Count | tuple[Count, Count] = 1,
        padding: Whole | tuple[Whole, Whole] = 0,
        output_padding: Whole | tuple[Whole, Whole] = 0,
        groups: Count = 1,
        bias: bool = True,
        dilation: Count | tuple[Count, Count] = 1,
        *,
        init: Init | None = None,
    ) -> None:
        _check_output_padding(self.name, output_padding, stride, dilation)
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=padding,
            output_padding=output_padding,
            dilation=dilation,
            groups=groups,
            bias=bias,
            init=init,
        )

    @classmethod
    def example(cls, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Two channels to three, twice as long."""
        sizes = {"kernel_size": 3, "stride": 2, "padding": 1, "output_padding": 1}
        return (rng.normal(size=(2, 2, 3, 2)),), {"out_channels": 3, **sizes}
