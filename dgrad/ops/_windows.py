"""Sliding windows over images: their geometry, and patches copied block by block.

Inside convolutions an image lies in memory as (channels, height, width, batch), whatever the order
of the array that came: the batch is never shifted, so each shifted copy or sum runs over
width * batch elements in a row, for any kernel, and (channels, rest) is a matrix as it stands.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from dgrad.errors import ParameterError, ShapeError

__all__ = [
    "Padding",
    "Pair",
    "Sizes",
    "Windows",
    "blocks",
    "buffers",
    "from_planes",
    "pair",
    "rows",
    "to_planes",
]

BLOCK = 1 << 20  # bytes of patches at a time: they are multiplied while in the cache
PAGE, LINE = 4096, 64  # bytes

Sizes = int | Sequence[int]
Padding = int | str | Sequence[int] | Sequence[tuple[int, int]]
Pair = tuple[int, int]  # along the height, along the width


def pair(component: str, parameter: str, value: Any, least: int) -> Pair:
    """One integer or two as a pair; ParameterError unless each is at least `least`."""
    values = (value, value) if np.ndim(value) == 0 else tuple(value)
    try:
        first, second = (operator.index(v) for v in values)
    except (TypeError, ValueError):
        raise ParameterError(component, parameter, "an integer or two", value) from None
    if first < least or second < least:
        raise ParameterError(component, parameter, f"at least {least}", value)
    return first, second


class Windows(NamedTuple):
    """How windows lie over an image of a given size; each pair is (height, width).

    before, after: padding on the two sides (less than nothing after: pixels left out);
    size: of the image; out: how many windows there are.
    """

    kernel: Pair
    stride: Pair
    dilation: Pair
    before: Pair
    after: Pair
    size: Pair
    out: Pair

    @classmethod
    def over(
        cls,
        name: str,
        size: Sequence[int],
        kernel: Sequence[int],
        stride: Sizes,
        padding: Padding,
        dilation: Sizes,
    ) -> Windows:
        """The windows of op `name` that lie inside the padded image.

        padding: an integer, one for each axis, (before, after) for each axis where after may be
        negative, "valid" (none) or "same" (as many windows as pixels; stride 1). Raises
        ShapeError when not one window fits.
        """
        steps, spread = pair(name, "stride", stride, 1), pair(name, "dilation", dilation, 1)
        spans = [d * (k - 1) + 1 for d, k in zip(spread, kernel, strict=True)]
        before, after = _margins(name, padding, spans, steps)
        room = [n + b + a for n, b, a in zip(size, before, after, strict=True)]
        if min(kernel) < 1 or any(s > r for s, r in zip(spans, room, strict=True)):
            raise ShapeError(
                f"{name}: kernel {tuple(kernel)} with dilation {spread} spans {tuple(spans)} "
                f"pixels, but the image {tuple(size)} has {tuple(room)} with its padding; "
                f"enlarge the padding or shrink the kernel"
            )
        out = [(r - s) // t + 1 for r, s, t in zip(room, spans, steps, strict=True)]
        return cls(_two(kernel), steps, spread, before, after, _two(size), _two(out))

    @property
    def outer(self) -> Pair:
        """Height and width with padding."""
        (h, w), (top, left), (bottom, right) = self.size, self.before, self.after
        return h + top + bottom, w + left + right

    @property
    def plain(self) -> bool:
        """Whether each window is one pixel, and each pixel one window."""
        return self.kernel == (1, 1) == self.stride and self.outer == self.size

    @property
    def overlap(self) -> bool:
        """Whether a pixel can lie in two windows."""
        return any(
            d * (k - 1) >= s
            for k, s, d in zip(self.kernel, self.stride, self.dilation, strict=True)
        )

    @property
    def tiled(self) -> Pair | None:
        """The part of the image that the windows fill without gap or overlap; None if they do
        not."""
        if self.kernel != self.stride or self.dilation != (1, 1):
            return None
        return self.out[0] * self.stride[0], self.out[1] * self.stride[1]

    def taps(self, start: int, stop: int) -> Iterator[tuple[int, int, tuple[slice, slice]]]:
        """For each kernel element: its row and column, and the pixels of the padded image it
        meets in the windows of rows start:stop."""
        (sh, sw), (dh, dw) = self.stride, self.dilation
        rows, columns = stop - start, self.out[1]
        for i in range(self.kernel[0]):
            top = i * dh + start * sh
            across = slice(top, top + (rows - 1) * sh + 1, sh)
            for j in range(self.kernel[1]):
                yield i, j, (across, slice(j * dw, j * dw + (columns - 1) * sw + 1, sw))

    def pixels(self) -> list[tuple[Any, Any]]:
        """For height and width: the pixels of each window, (kernel, out), and which are inside.

        What lies in the padding is replaced by the window's first pixel inside the image.
        """
        found = []
        for n, k, s, d, pad, out in zip(
            self.size, self.kernel, self.stride, self.dilation, self.before, self.out, strict=True
        ):
            places = np.arange(out) * s + np.arange(0, k * d, d)[:, None] - pad
            inside = (places >= 0) & (places < n)
            first = places[np.argmax(inside, axis=0), np.arange(out)]
            found.append((np.where(inside, places, first), inside))
        return found


def _two(values: Sequence[int]) -> Pair:
    first, second = values
    return int(first), int(second)


def _margins(name: str, padding: Padding, spans: Sequence[int], steps: Pair) -> tuple[Pair, Pair]:
    """The padding as (before, after), each (height, width)."""
    if padding == "valid":
        return (0, 0), (0, 0)
    if padding == "same":
        if steps != (1, 1):
            raise ParameterError(name, "stride", "1 where padding is 'same'", steps)
        half = _two([(s - 1) // 2 for s in spans])
        return half, _two([s - 1 - h for s, h in zip(spans, half, strict=True)])
    if isinstance(padding, str):
        raise ParameterError(name, "padding", "integers, 'same' or 'valid'", padding)
    if np.ndim(padding) == 2:
        (top, bottom), (left, right) = padding  # type: ignore[misc]
        return pair(name, "padding", (top, left), 0), _two((bottom, right))
    both = pair(name, "padding", padding, 0)
    return both, both


def rows(count: int, length: int, dtype: Any) -> Any:
    """A new (count, length); with a gap after each row if all would start at one place of a page.

    Such rows fill the same few sets of the cache: products of (32, 9) by (9, 50176) into them take
    1.05 ms, with the gap 0.44.
    """
    dtype = np.dtype(dtype)
    gap = LINE // dtype.itemsize if length and length * dtype.itemsize % PAGE == 0 else 0
    return np.empty((count, length + gap), dtype)[:, :length]


def from_planes(x: Any) -> Any:
    """(c, h, w, n) seen as (n, c, h, w)."""
    return np.transpose(x, (3, 0, 1, 2))


def to_planes(x: Any, windows: Windows | None = None) -> Any:
    """x: (n, c, h, w) as (c, h, w, n), each channel without gaps, padded as the windows say.

    x itself, seen so, if it lies like that already.
    """
    seen = np.transpose(x, (1, 2, 3, 0))
    if windows is None or windows.outer == windows.size:
        return seen if len(seen) and seen[0].flags.c_contiguous else np.ascontiguousarray(seen)
    (h, w), (top, left) = windows.outer, windows.before
    out = np.zeros((len(seen), h, w, len(x)), x.dtype)
    seen = seen[:, : h - top, : w - left]
    out[:, top : top + seen.shape[1], left : left + seen.shape[2]] = seen
    return out


def blocks(x: Any, windows: Windows) -> Iterator[tuple[int, int, Any]]:
    """Patches of x, (c, outer height, outer width, n), some rows of windows at a time.

    Yields (start, stop, patches): patches (c * kh * kw, rows * ow * n) of the windows in rows
    start:stop, which the next block overwrites.
    """
    c, _, _, n = x.shape
    (kh, kw), (oh, ow) = windows.kernel, windows.out
    if windows.plain:
        yield 0, oh, x.reshape(c, oh * ow * n)
        return
    for start, stop, buffer in buffers(windows, c, n, x.dtype):
        patches = buffer.reshape(c, kh, kw, stop - start, ow, n)
        for i, j, (across, down) in windows.taps(start, stop):
            patches[:, i, j] = x[:, across, down]
        yield start, stop, buffer


def buffers(windows: Windows, c: int, n: int, dtype: Any) -> Iterator[tuple[int, int, Any]]:
    """Room for the patches of a few rows of windows: (start, stop, (c * kh * kw, windows * n))."""
    (kh, kw), (oh, ow) = windows.kernel, windows.out
    length = c * kh * kw
    step = max(1, min(oh, BLOCK // max(length * ow * n * np.dtype(dtype).itemsize, 1)))
    room = rows(length, step * ow * n, dtype)
    for start in range(0, oh, step):
        stop = min(start + step, oh)
        yield start, stop, room[:, : (stop - start) * ow * n]
