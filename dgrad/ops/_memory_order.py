"""Arrays computed on in the order in which they lie in memory, whatever the order of their axes.

Convolutions leave images as (height, channels, width, batch). What normalises them takes them so:
a transposing copy would cost more than the normalisation.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

__all__ = ["ChannelOrder", "LongRows"]

ROW = 256  # elements


class LongRows:
    """Within: NumPy's loops take rows of 256 elements or more as they lie.

    By default they gather rows of up to 4096 in a buffer first, also where nothing needs to be
    converted: (448, 896) * (448, 1) in float32 takes 86 us, so 55; between rows with gaps 156, 53.
    """

    __slots__ = ("before",)

    def __enter__(self) -> None:
        self.before = np.setbufsize(ROW)

    def __exit__(self, *error: object) -> None:
        np.setbufsize(self.before)


class ChannelOrder:
    """How an array (n, c, ...) lies in memory: axes outside of its channels, those, axes inside."""

    def __init__(self, x: Any) -> None:
        self.axes = sorted(range(x.ndim), key=lambda axis: -abs(x.strides[axis]))
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
