"""Convolutions: learned windows over lines (n, c, l) and images (n, c, h, w)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from dgrad import ops
from dgrad.core.tensor import Tensor, get_default_dtype
from dgrad.errors import ParameterError
from dgrad.nn.init import Init, fill_layer
from dgrad.nn.layout import channels_of, each_axis, show_sizes
from dgrad.nn.module import Module, Parameter
from dgrad.registry import Count, Range, layers

__all__ = ["Conv1d", "Conv2d"]

Whole = Annotated[int, Range(low=0)]
PaddingMode = Literal["zeros", "reflect", "replicate", "circular"]
_MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}  # ours -> ops.pad's


class _Convolution(Module):
    """What both do: hold weight and bias, pad where it is not with zeros, call the op."""

    inferred: ClassVar[tuple[str, ...]] = ("in_channels",)
    name: ClassVar[str]
    axes: ClassVar[int]
    op: ClassVar[Callable[..., Any]]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        groups: int,
        bias: bool,
        padding_mode: PaddingMode,
        init: Any,
    ) -> None:
        super().__init__()
        check_groups(self.name, groups, in_channels=in_channels, out_channels=out_channels)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = each_axis(kernel_size, self.axes)
        self.stride = each_axis(stride, self.axes)
        self.padding = padding if isinstance(padding, str) else each_axis(padding, self.axes)
        self.dilation = each_axis(dilation, self.axes)
        self.groups = groups
        self.padding_mode = padding_mode
        if padding == "same" and max(self.stride) > 1:
            raise ParameterError(self.name, "stride", "1 where padding is same", stride)
        self._border = self._border_by_mode()
        self.weight = Parameter.empty(out_channels, in_channels // groups, *self.kernel_size)
        self.bias = Parameter(np.zeros(out_channels, get_default_dtype())) if bias else None
        fill_layer(self.name, self.weight, self.bias, init)

    def _border_by_mode(self) -> list[tuple[int, int]] | None:
        """What ops.pad puts around each axis of x; None where the convolution pads itself."""
        if self.padding_mode == "zeros":
            return None
        if self.padding_mode not in _MODES:
            known = f"one of zeros, {', '.join(_MODES)}"
            raise ParameterError(self.name, "padding_mode", known, self.padding_mode)
        if self.padding == "same":
            spans = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
            borders = [(span // 2, span - span // 2) for span in spans]
        else:
            widths = (0,) * self.axes if isinstance(self.padding, str) else self.padding
            borders = [(width, width) for width in widths]
        return [(0, 0), (0, 0), *borders]

    def forward(self, x: Any) -> Tensor:
        """x: (n, in_channels, ...) -> (n, out_channels, ...)."""
        padding: Any = self.padding
        if self._border is not None:
            x = ops.pad(x, pad_width=self._border, mode=_MODES[self.padding_mode])
            padding = 0
        return type(self).op(  # type: ignore[no-any-return]
            x,
            self.weight,
            self.bias,
            stride=self.stride,
            padding=padding,
            dilation=self.dilation,
            groups=self.groups,
        )

    def reset_parameters(self) -> None:
        """Draw weight and bias anew from the default scheme."""
        fill_layer(self.name, self.weight, self.bias)

    def extra_repr(self) -> str:
        """The sizes, and what is not as by default."""
        one, none = each_axis(1, self.axes), each_axis(0, self.axes)
        shown = show_sizes(self, "in_channels", "out_channels", "kernel_size", stride=one)
        more = show_sizes(self, padding=none, dilation=one, groups=1, padding_mode="zeros")
        bare = "" if self.bias is not None else "bias=False"
        return ", ".join(part for part in (shown, more, bare) if part)

    @classmethod
    def infer(cls, *shapes: tuple[int, ...]) -> dict[str, Any]:
        """in_channels: the length of the first axis after the batch. Raises ShapeError."""
        return {"in_channels": channels_of(cls.name, shapes[0], cls.axes)}


def check_groups(layer: str, groups: int, **channels: int) -> None:
    """Raise ParameterError unless groups divides all these counts."""
    if any(count % groups for count in channels.values()):
        counts = " and ".join(f"{name} ({count})" for name, count in channels.items())
        raise ParameterError(layer, "groups", f"a divisor of {counts}", groups)


@layers.register("conv1d")
class Conv1d(_Convolution):
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
        sizes = kernel_size, stride, padding, dilation
        super().__init__(in_channels, out_channels, *sizes, groups, bias, padding_mode, init)

    @classmethod
    def example(cls, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Two channels to three."""
        return (rng.normal(size=(2, 2, 6)),), {"out_channels": 3, "kernel_size": 3, "stride": 2}


@layers.register("conv2d")
class Conv2d(_Convolution):
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
        sizes = kernel_size, stride, padding, dilation
        super().__init__(in_channels, out_channels, *sizes, groups, bias, padding_mode, init)

    @classmethod
    def example(cls, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Two channels to three."""
        return (rng.normal(size=(2, 2, 4, 3)),), {"out_channels": 3, "kernel_size": 3, "padding": 1}
