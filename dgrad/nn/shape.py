"""Layers that only rearrange or surround elements."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import numpy as np

from dgrad import ops
from dgrad.errors import ParameterError, ShapeError
from dgrad.nn.input_shapes import with_batch
from dgrad.nn.module import Module
from dgrad.registry import Count, Range, Whole, layers

__all__ = ["Flatten", "Pad", "Permute", "Reshape", "Unflatten"]

Length = Annotated[int, Range(low=-1)]  # -1: whatever remains


@layers.register("flatten")
class Flatten(Module):
    """Axes start_dim to end_dim joined into one.   x: (n, c, h, w) -> (n, c h w)."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, x: Any) -> Any:
        """x: (n, ...) -> (n, product of the rest)."""
        return ops.flatten(x, start_dim=self.start_dim, end_dim=self.end_dim)

    def extra_repr(self) -> str:
        """The axes."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"

    @classmethod
    def example(cls, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """A grid of 2 by 3."""
        return (rng.normal(size=(3, 2, 3)),), {}


def _check_lengths(layer: str, parameter: str, lengths: tuple[int, ...]) -> None:
    """Raise ParameterError unless at most one of the lengths is -1, and none is 0."""
    if not lengths or 0 in lengths or lengths.count(-1) > 1:
        raise ParameterError(layer, parameter, "lengths >= 1, one of which may be -1", lengths)


def _check_count(layer: str, count: int, lengths: tuple[int, ...]) -> None:
    """Raise ShapeError unless `count` elements can be laid out in these lengths."""
    known = math.prod(n for n in lengths if n != -1)
    if count % known if -1 in lengths else count != known:
        raise ShapeError(f"{layer}: {count} elements cannot be laid out as {list(lengths)}")


@layers.register("unflatten")
class Unflatten(Module):
    """Axis dim split into axes of unflattened_size: the inverse of Flatten.

    x: (n, c h w) -> (n, c, h, w) with dim 1 and [c, h, w]; one length may be -1. Axes are counted
    with the batch as 0. PyTorch's Unflatten.
    """

    def __init__(self, dim: int, unflattened_size: tuple[Length, ...]) -> None:
        super().__init__()
        self.dim = dim
        self.unflattened_size = tuple(unflattened_size)
        _check_lengths("unflatten", "unflattened_size", self.unflattened_size)

    def forward(self, x: Any) -> Any:
        """x: (..., product, ...) -> (..., *unflattened_size, ...)."""
        shape = np.shape(x)
        if not -len(shape) <= self.dim < len(shape):
            raise ShapeError(f"unflatten: x {shape} has no axis {self.dim}")
        dim = self.dim % len(shape)
        _check_count("unflatten", shape[dim], self.unflattened_size)
        return ops.reshape(x, shape=(*shape[:dim], *self.unflattened_size, *shape[dim + 1 :]))

    def extra_repr(self) -> str:
        """The axis and its parts."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"

    @classmethod
    def example(cls, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Four features as a grid of 2 by 2."""
        return (rng.normal(size=(3, 4)),), {"dim": 1, "unflattened_size": (2, 2)}


@layers.register("reshape")
class Reshape(Module):
    """The elements of each row, in order, under another shape.   x: (n, ...) -> (n, *shape).

    One length may be -1: whatever remains. The batch axis stays and is not written.
    """

    def __init__(self, shape: tuple[Length, ...]) -> None:
        super().__init__()
        self.shape = tuple(shape)
        _check_lengths("reshape", "shape", self.shape)

    def forward(self, x: Any) -> Any:
        """x: (n, ...) -> (n, *shape)."""
        batch, *rest = np.shape(x)
        _check_count("reshape", math.prod(rest), self.shape)
        known = math.prod(n for n in self.shape if n != -1)
        lengths = (math.prod(rest) // known if n == -1 else n for n in self.shape)
        return ops.reshape(x, shape=(batch, *lengths))

    def extra_repr(self) -> str:
        """The shape of a row."""
        return f"shape={self.shape}"

    @classmethod
    def example(cls, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Four features as a grid of 2 by 2."""
        return (rng.normal(size=(3, 4)),), {"shape": (2, -1)}


@layers.register("permute")
class Permute(Module):
    """The axes after the batch in another order, counted from 1.

    x: (n, h, w, c) -> (n, c, h, w) with dims [3, 1, 2]. PyTorch's permute with a 0 before dims.
    """

    def __init__(self, dims: tuple[Count, ...]) -> None:
        super().__init__()
        self.dims = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            wanted = f"the numbers 1 to {len(self.dims)} in some order"
            raise ParameterError("permute", "dims", wanted, dims)

    def forward(self, x: Any) -> Any:
        """x: (n, ...) -> the same elements, axes in the order 0, *dims."""
        shape = np.shape(x)
        if len(shape) != len(self.dims) + 1:
            got = with_batch(shape[1:])
            raise ShapeError(f"permute: {len(self.dims)} axes after the batch are named, got {got}")
        return ops.transpose(x, axes=(0, *self.dims))

    def extra_repr(self) -> str:
        """The order."""
        return f"dims={self.dims}"

    @classmethod
    def example(cls, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Height and width after the channels."""
        return (rng.normal(size=(2, 3, 2, 2)),), {"dims": (3, 1, 2)}


@layers.register("pad")
class Pad(Module):
    """x with a border along its last axes.   x: (..., h, w) -> (..., top + h + bottom, ...).

    padding: (before, after) of the last axis, then of the one before it, and so on; a single
    number: that many on all sides of an image, (n, c, h, w), or a line, (n, c, l). mode: constant
    (value), reflect (without the edge), replicate (the edge), circular. PyTorch's functional.pad.
    """

    _MODES = {  # noqa: RUF012 - never changed
        "constant": "constant",
        "reflect": "reflect",
        "replicate": "edge",
        "circular": "wrap",
    }

    def __init__(
        self,
        padding: Whole | tuple[Whole, ...],
        mode: Literal["constant", "reflect", "replicate", "circular"] = "constant",
        value: float = 0.0,
    ) -> None:
        super().__init__()
        if not isinstance(padding, int) and (not padding or len(padding) % 2):
            raise ParameterError("pad", "padding", "a number, or two for each axis", padding)
        self.padding = padding
        self.mode = mode
        self.value = value

    def forward(self, x: Any) -> Any:
        """x: (..., h, w) -> (..., top + h + bottom, left + w + right)."""
        axes = np.ndim(x)
        given = self.padding
        if isinstance(given, int):
            given = (given,) * (2 * (axes - 2))
        pairs = list(zip(given[::2], given[1::2], strict=True))[::-1]
        if len(pairs) >= axes or axes < 2:
            raise ShapeError(f"pad: {len(pairs)} axes after the batch are padded, x {np.shape(x)}")
        widths = [(0, 0)] * (axes - len(pairs)) + pairs
        more = {"constant_values": self.value} if self.mode == "constant" else {}
        return ops.pad(x, pad_width=widths, mode=self._MODES[self.mode], **more)

    def extra_repr(self) -> str:
        """The border and what it holds."""
        value = f", value={self.value}" if self.mode == "constant" else ""
        return f"padding={self.padding!r}, mode={self.mode!r}{value}"

    @classmethod
    def example(cls, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The edges of an image repeated."""
        return (rng.normal(size=(2, 2, 3, 2)),), {"padding": (1, 0, 2, 1), "mode": "replicate"}
