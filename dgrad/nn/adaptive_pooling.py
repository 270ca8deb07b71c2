"""Pooling to a size of the output's own: to a given one, or to one number a channel."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from dgrad import ops
from dgrad.errors import ShapeError
from dgrad.nn.input_shapes import channels_of
from dgrad.nn.module import Module
from dgrad.registry import Count, layers

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "GlobalAvgPool",
    "GlobalMaxPool",
]

Sizes = Count | tuple[Count | None, Count | None]


class _AdaptivePool(Module):
    """Nearly equal shares of a line or an image; what they are reduced by is the op's."""

    name: ClassVar[str]
    axes: ClassVar[int]
    op: ClassVar[Callable[..., Any]]

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, x: Any) -> Any:
        """x: (n, c, ...) -> (n, c, *output_size)."""
        return type(self).op(x, output_size=self.output_size)

    def extra_repr(self) -> str:
        """The size."""
        return f"output_size={self.output_size!r}"

    @classmethod
    def infer(cls, *shapes: tuple[int, ...]) -> dict[str, Any]:
        """Nothing; raises ShapeError unless the inputs are lines or images of channels."""
        channels_of(cls.name, shapes[0], cls.axes)
        return {}

    @classmethod
    def example(cls, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Numbers of which no two are equal, five of them to two."""
        shape = (2, 2, 5, 4)[: cls.axes + 2]
        return (rng.permutation(math.prod(shape)).reshape(shape) * 0.3,), {"output_size": 2}


@layers.register("adaptive_avg_pool1d")
class AdaptiveAvgPool1d(_AdaptivePool):
    """AdaptiveAvgPool2d along one axis.   x: (n, c, l) -> (n, c, output_size)."""

    name, axes, op = "adaptive_avg_pool1d", 1, ops.adaptive_avg_pool1d

    def __init__(self, output_size: Count) -> None:
        super().__init__(output_size)


@layers.register("adaptive_avg_pool2d")
class AdaptiveAvgPool2d(_AdaptivePool):
    """The mean of each of output_size shares of the image, which may overlap by one pixel.

    x: (n, c, h, w) -> (n, c, *output_size); one number for both axes, null keeps a length.
    He et al. 2014, section 3.1; PyTorch's AdaptiveAvgPool2d.
    """

    name, axes, op = "adaptive_avg_pool2d", 2, ops.adaptive_avg_pool2d

    def __init__(self, output_size: Sizes) -> None:
        super().__init__(output_size)


@layers.register("adaptive_max_pool1d")
class AdaptiveMaxPool1d(_AdaptivePool):
    """AdaptiveMaxPool2d along one axis.   x: (n, c, l) -> (n, c, output_size)."""

    name, axes, op = "adaptive_max_pool1d", 1, ops.adaptive_max_pool1d

    def __init__(self, output_size: Count) -> None:
        super().__init__(output_size)


@layers.register("adaptive_max_pool2d")
class AdaptiveMaxPool2d(_AdaptivePool):
    """The largest element of each of output_size shares of the image, as AdaptiveAvgPool2d's.

    x: (n, c, h, w) -> (n, c, *output_size). PyTorch's AdaptiveMaxPool2d.
    """

    name, axes, op = "adaptive_max_pool2d", 2, ops.adaptive_max_pool2d

    def __init__(self, output_size: Sizes) -> None:
        super().__init__(output_size)


class _GlobalPool(Module):
    """Each channel of a line or an image to one number."""

    name: ClassVar[str]
    op: ClassVar[Callable[..., Any]]

    def forward(self, x: Any) -> Any:
        """x: (n, c, ...) -> (n, c)."""
        if np.ndim(x) < 3:
            raise ShapeError(f"{self.name}: needs (batch, channels, ...), got {np.shape(x)}")
        return type(self).op(x, axis=tuple(range(2, np.ndim(x))))

    @classmethod
    def infer(cls, *shapes: tuple[int, ...]) -> dict[str, Any]:
        """Nothing; raises ShapeError unless the inputs are lines or images of channels."""
        channels_of(cls.name, shapes[0], 1, 2)
        return {}

    @classmethod
    def example(cls, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Two channels."""
        return (rng.normal(size=(2, 2, 3, 2)),), {}


@layers.register("global_avg_pool")
class GlobalAvgPool(_GlobalPool):
    """The mean of each channel.   x: (n, c, l) or (n, c, h, w) -> (n, c). Lin et al. 2013."""

    name, op = "global_avg_pool", ops.mean


@layers.register("global_max_pool")
class GlobalMaxPool(_GlobalPool):
    """The largest element of each channel; k equal ones get 1/k of the gradient each.

    x: (n, c, l) or (n, c, h, w) -> (n, c).
    """

    name, op = "global_max_pool", ops.max
