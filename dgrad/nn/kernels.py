"""What convolutions and transposed convolutions share: kernels that slide over lines and images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from dgrad import ops
from dgrad.core.tensor import Tensor, get_default_dtype
from dgrad.errors import ParameterError
from dgrad.nn.init import fill_layer
from dgrad.nn.input_shapes import channels_of, each_axis, show_sizes
from dgrad.nn.module import Module, Parameter

__all__ = ["Kernels"]

MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}  # layers' -> ops.pad's


class Kernels(Module):
    """Base of layers that are op(x, weight, bias, **sizes, groups=groups).

    weight: (out_channels, in_channels / groups, *kernel_size), or with `transposed` the first two
    the other way round: (in_channels, out_channels / groups, ...). bias: (out_channels,).
    """

    inferred: ClassVar[tuple[str, ...]] = ("in_channels",)
    name: ClassVar[str]
    axes: ClassVar[int]
    op: ClassVar[Callable[..., Any]]
    transposed: ClassVar[bool] = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        *,
        groups: int,
        bias: bool,
        padding_mode: str = "zeros",
        init: Any,
        **sizes: Any,
    ) -> None:
        super().__init__()
        if in_channels % groups or out_channels % groups:
            counts = f"in_channels ({in_channels}) and out_channels ({out_channels})"
            raise ParameterError(self.name, "groups", f"a divisor of {counts}", groups)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = each_axis(kernel_size, self.axes)
        self._sizes = {
            name: value if isinstance(value, str) else each_axis(value, self.axes)
            for name, value in sizes.items()
        }
        for name, value in self._sizes.items():
            setattr(self, name, value)
        self.groups = groups
        self.padding_mode = padding_mode
        self._border = self._outside()
        channels = [out_channels, in_channels][:: -1 if self.transposed else 1]
        shape = channels[0], channels[1] // groups, *self.kernel_size
        self.weight = Parameter.empty(*shape)
        self.bias = Parameter(np.zeros(out_channels, get_default_dtype())) if bias else None
        fill_layer(self.name, self.weight, self.bias, init)

    def _outside(self) -> list[tuple[int, int]] | None:
        """What ops.pad puts around each axis of x; None where the op pads, with zeros."""
        if self.padding_mode == "zeros":
            return None
        padding = self._sizes.pop("padding")
        if padding == "same":
            spans = zip(self._sizes["dilation"], self.kernel_size, strict=True)
            totals = [d * (k - 1) for d, k in spans]
            borders = [(total // 2, total - total // 2) for total in totals]
        else:
            widths = each_axis(0, self.axes) if padding == "valid" else padding
            borders = [(width, width) for width in widths]
        return [(0, 0), (0, 0), *borders]

    def forward(self, x: Any) -> Tensor:
        """x: (n, in_channels, ...) -> (n, out_channels, ...)."""
        if self._border is not None:
            x = ops.pad(x, pad_width=self._border, mode=MODES[self.padding_mode])
        return type(self).op(  # type: ignore[no-any-return]
            x, self.weight, self.bias, groups=self.groups, **self._sizes
        )

    def reset_parameters(self) -> None:
        """Draw weight and bias anew from the default scheme."""
        fill_layer(self.name, self.weight, self.bias)

    def extra_repr(self) -> str:
        """The sizes, and what is not as by default."""
        one, none = each_axis(1, self.axes), each_axis(0, self.axes)
        usual = {"padding": none, "output_padding": none, "dilation": one}
        usual = {name: value for name, value in usual.items() if hasattr(self, name)}
        shown = show_sizes(
            self,
            *("in_channels", "out_channels", "kernel_size", "stride"),
            **usual,
            groups=1,
            padding_mode="zeros",
        )
        return shown + ("" if self.bias is not None else ", bias=False")

    @classmethod
    def infer(cls, *shapes: tuple[int, ...]) -> dict[str, Any]:
        """in_channels: the length of the first axis after the batch. Raises ShapeError."""
        return {"in_channels": channels_of(cls.name, shapes[0], cls.axes)}
