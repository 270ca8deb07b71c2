"""Arrays computed on in the order in which they lie in memory, whatever the order of their axes.

Convolutions leave images as (height, channels, width, batch). What normalises them takes them so:
a transposing copy would cost more than the normalisation.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

__all__ = ["ChannelOrder", "ExampleOrder", "LongRows", "memory_axes"]

ROW = 256  # elements


class LongRows:
    """Within: NumPy's loops take rows of this length as they lie, if they have 256 elements.

    By default they gather rows of up to 4096 in a buffer first, also where nothing needs to be
    converted: (448, 896) * (448, 1) in float32 takes 86 us, so 55; between rows with gaps 156, 53.
    """

    __slots__ = ("before", "length")

    def __init__(self, length: int) -> None:
        self.length = length

    def __enter__(self) -> None:
        self.before = np.setbufsize(ROW) if self.length >= ROW else None

    def __exit__(self, *error: object) -> None:
        if self.before is not None:
            np.setbufsize(self.before)


def memory_axes(x: Any) -> list[int]:
    """The axes of an array from the longest stride to the shortest."""
    return sorted(range(x.ndim), key=lambda axis: -abs(x.strides[axis]))


class ChannelOrder:
    """How an array (n, c, ...) lies in memory: axes outside of its channels, those, axes inside."""

    def __init__(self, x: Any) -> None:
        self.axes = memory_axes(x)
        self.lengths = [x.shape[axis] for axis in self.axes]
        place = self.axes.index(1)
        self.inner = math.prod(self.lengths[place + 1 :])
        self.parts = [math.prod(self.lengths[:place]), x.shape[1]]
        if self.inner != 1:
            self.parts.append(self.inner)

    def blocks(self, x: Any) -> Any:
        """x as (outer, c, inner), or (outer, c) if nothing is inside; a copy if it must be."""
        return np.transpose(x, self.axes).reshape(self.parts)

    def back(self, blocks: Any) -> Any:
        """What `blocks` made of an array, in the order of its axes."""
        return np.transpose(blocks.reshape(self.lengths), np.argsort(self.axes))

    def spread(self, value: Any) -> Any:
        """(c,) as it broadcasts against blocks."""
        return value if self.inner == 1 else value[:, None]

    def sums(self, blocks: Any) -> Any:
        """The sum of each channel, (c,): products with a vector of ones are the fastest sums."""
        if self.inner == 1:
            return np.ones(len(blocks), blocks.dtype) @ blocks
        return np.add.reduce(blocks @ np.ones(self.inner, blocks.dtype), axis=0)

    def dots(self, x: Any, y: Any) -> Any:
        """The sum of x * y over each channel of two arrays of blocks, (c,)."""
        if self.inner == 1:
            return np.einsum("ij,ij->j", x, y)
        return np.add.reduce(np.vecdot(x, y), axis=0)


class ExampleOrder:
    """How an array (n, c, ...) lies in memory: with the examples outside, or inside of all else.

    Outside, its blocks are (n, c, places); inside, they are (outer, c * inner * n), where what
    each channel of each example has is a vector. An array that lies otherwise is copied.
    """

    def __init__(self, x: Any) -> None:
        self.n, self.c = x.shape[:2]
        self.axes = memory_axes(x)
        self.outside = self.axes[-1] != 0 or self.n < 2
        if self.outside:
            self.axes = list(range(x.ndim))
        self.lengths = [x.shape[axis] for axis in self.axes]
        place = self.axes.index(1)
        self.inner = math.prod(self.lengths[place + 1 :])
        self.outer = math.prod(self.lengths[:place])
        self.row = self.inner if self.outside else self.c * self.inner

    def blocks(self, x: Any) -> Any:
        """x as what this class computes on: a view if it lies like the first one."""
        if self.outside:
            return x.reshape(self.n, self.c, self.inner)
        return np.transpose(x, self.axes).reshape(self.outer, self.row)

    def back(self, blocks: Any) -> Any:
        """What `blocks` made of an array, in the order of its axes."""
        blocks = blocks.reshape(self.lengths)
        return blocks if self.outside else np.transpose(blocks, np.argsort(self.axes))

    def spread(self, value: Any) -> Any:
        """(n, c) as it broadcasts against blocks."""
        if self.outside:
            return value[:, :, None]
        return np.repeat(value.T[:, None], self.inner // self.n, axis=1).reshape(self.row)

    def sums(self, blocks: Any) -> Any:
        """The sum of each channel of each example, (n, c)."""
        if self.outside:
            return blocks @ np.ones(self.inner, blocks.dtype)
        return self._over_inner(np.add.reduce(blocks, axis=0))

    def dots(self, x: Any, y: Any) -> Any:
        """The sum of x * y over each channel of each example of two arrays of blocks, (n, c)."""
        return np.vecdot(x, y) if self.outside else self._over_inner(np.einsum("ij,ij->j", x, y))

    def _over_inner(self, row: Any) -> Any:
        """(c * inner * n) -> (n, c)."""
        width = self.inner // self.n
        return (np.ones(width, row.dtype) @ row.reshape(self.c, width, self.n)).T
