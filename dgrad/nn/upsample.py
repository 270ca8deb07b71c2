"""Lines and images resized."""

from __future__ import annotations

from typing import Any

import numpy as np

from dgrad import ops
from dgrad.errors import ParameterError
from dgrad.nn.input_shapes import channels_of
from dgrad.nn.module import Module
from dgrad.ops.interpolation import Mode
from dgrad.registry import Count, Positive, layers

__all__ = ["Upsample"]


@layers.register("upsample")
class Upsample(Module):
    """x resized to size, or by scale_factor: one of the two is given.

    x: (n, c, l) or (n, c, h, w) -> (n, c, *size). mode: nearest, nearest-exact, area; linear for
    lines; bilinear, bicubic for images. align_corners, with the last three: the centres of the
    corner pixels stay in place, not their corners. PyTorch's Upsample.
    """

    def __init__(
        self,
        size: Count | tuple[Count, ...] | None = None,
        scale_factor: Positive | tuple[Positive, ...] | None = None,
        mode: Mode = "nearest",
        align_corners: bool = False,
    ) -> None:
        super().__init__()
        if (size is None) == (scale_factor is None):
            raise ParameterError("upsample", "size", "given, or else scale_factor", size)
        if align_corners and "linear" not in mode and mode != "bicubic":
            raise ParameterError("upsample", "align_corners", f"false where mode is {mode}", True)
        self.size = size
        self.scale_factor = scale_factor
        self.mode = mode
        self.align_corners = align_corners

    def forward(self, x: Any) -> Any:
        """x: (n, c, ...) -> (n, c, *size)."""
        return ops.interpolate(
            x,
            size=self.size,
            scale_factor=self.scale_factor,
            mode=self.mode,
            align_corners=self.align_corners,
        )

    def extra_repr(self) -> str:
        """The size and how it is reached."""
        name = "scale_factor" if self.size is None else "size"
        corners = ", align_corners=True" if self.align_corners else ""
        return f"{name}={getattr(self, name)!r}, mode={self.mode!r}{corners}"

    @classmethod
    def infer(cls, *shapes: tuple[int, ...]) -> dict[str, Any]:
        """Nothing; raises ShapeError unless the inputs are lines or images of channels."""
        channels_of("upsample", shapes[0], 1, 2)
        return {}

    @classmethod
    def example(cls, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """A small image to one twice as large."""
        return (rng.normal(size=(2, 2, 3, 2)),), {"scale_factor": 2, "mode": "bilinear"}
