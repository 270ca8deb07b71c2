"""Sliding windows over images: their geometry, and patches copied block by block.

Inside convolutions an image lies in memory as (height, channels, width, batch), whatever the order
of the array that came. The batch is never shifted, so each shifted copy or sum runs over
width * batch elements in a row; and image rows are matrices of which several, one below the other,
are a matrix again: a kernel's rows need no copy each, only its columns do.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from dgrad.errors import ParameterError, ShapeError

__all__ = [
    "Padding",
    "Pair",
    "Sizes",
    "Windows",
    "blocks",
    "from_rows",
    "grouped",
    "pair",
    "row_room",
    "rows_at_once",
    "spans",
    "to_rows",
]

BLOCK = 1 << 21  # bytes of patches at a time: they are multiplied while in the cache
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

    @property
    def stacked(self) -> bool:
        """Whether the image rows that a window meets are neighbours, shared with the next one."""
        return self.dilation[0] == 1 and self.stride[0] < self.kernel[0]

    @property
    def adjoint(self) -> Windows:
        """The windows whose convolution with the turned kernels is the adjoint. Of stride 1."""
        (kh, kw), (dh, dw), (top, left) = self.kernel, self.dilation, self.before
        before = dh * (kh - 1) - top, dw * (kw - 1) - left
        after = tuple(
            n - 1 + d * (k - 1) - b - (out - 1)
            for n, d, k, b, out in zip(
                self.size, self.dilation, self.kernel, before, self.out, strict=True
            )
        )
        return self._replace(before=before, after=_two(after), size=self.out, out=self.size)

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


def row_room(shape: tuple[int, ...], dtype: Any) -> Any:
    """A new array (..., length) with a gap at each end of row if all would start at one place of
    a page.

    Such rows fill the same few sets of the cache: products of (32, 9) by (9, 50176) into them take
    1.05 ms, with the gap 0.44.
    """
    *lead, length = shape
    dtype = np.dtype(dtype)
    gap = LINE // dtype.itemsize if length and length * dtype.itemsize % PAGE == 0 else 0
    return np.empty((*lead, length + gap), dtype)[..., :length]


def from_rows(x: Any) -> Any:
    """(h, c, w, n) seen as (n, c, h, w)."""
    return np.transpose(x, (3, 1, 0, 2))


def to_rows(x: Any) -> Any:
    """x: (n, c, h, w) as (h, c, w, n), whose (w, n) has no gaps: x itself, seen so, if it lies
    like that already."""
    seen = np.transpose(x, (2, 1, 3, 0))
    return seen if seen.size and seen[0, 0].flags.c_contiguous else np.ascontiguousarray(seen)


def grouped(x: Any, groups: int) -> Any:
    """(h, c, ...) seen as (groups, h, c/groups, ...)."""
    return np.swapaxes(x.reshape(len(x), groups, x.shape[1] // groups, *x.shape[2:]), 0, 1)


def blocks(x: Any, windows: Windows, groups: int) -> Iterator[tuple[int, int, Any]]:
    """Patches of x, (h, c, w, n), some rows of windows at a time.

    Yields (start, stop, patches): patches (groups, rows, kh * kw * c/groups, ow * n) of the windows
    in rows start:stop, which the next block overwrites. Where the kernel's rows are neighbours in
    the image, the patches share memory: they must not be written to.
    """
    h, c, w, n = x.shape
    (kh, kw), (oh, ow), step = windows.kernel, windows.out, windows.stride[0]
    image = grouped(x, groups)
    if windows.plain:
        yield 0, oh, image.reshape(groups, h, c // groups, w * n)
        return
    taps = kw if windows.stacked else kh * kw  # that are copied for a row
    size = taps * c * ow * n * x.dtype.itemsize
    count = rows_at_once(oh, size * (step if windows.stacked else 1))
    lines = (count - 1) * step + kh if windows.stacked else count
    room = row_room((groups, lines, taps, c // groups, ow * n), x.dtype)
    whole, line, _, channel, item = room.strides
    for start, stop in spans(oh, count):
        rows = stop - start
        _fill(room, image, windows, start, rows)
        shape = groups, rows, kh * kw * (c // groups), ow * n
        strides = whole, line * step if windows.stacked else line, channel, item
        yield start, stop, as_strided(room, shape, strides)


def rows_at_once(rows: int, size: int) -> int:
    """How many of `rows` rows of patches, each of `size` bytes, make a block."""
    return max(1, min(rows, BLOCK // max(size, 1)))


def spans(rows: int, count: int) -> Iterator[tuple[int, int]]:
    """(start, stop) of `count` rows at a time."""
    return ((start, min(start + count, rows)) for start in range(0, rows, count))


def _fill(room: Any, image: Any, windows: Windows, start: int, rows: int) -> None:
    """Copy what the windows of `rows` rows from start on meet into the taps of room.

    room: (groups, lines, taps, c/groups, ow * n), image: (groups, h, c/groups, w, n).
    """
    (kh, kw), (_, ow), (top, left) = windows.kernel, windows.out, windows.before
    (sh, sw), (dh, dw), (h, w) = windows.stride, windows.dilation, windows.size
    if windows.stacked:
        across = [(0, 1, start * sh - top, (rows - 1) * sh + kh)]
    else:
        across = [(i * kw, sh, start * sh + i * dh - top, rows) for i in range(kh)]
    taps = room.reshape(*room.shape[:-1], ow, image.shape[-1])
    for first, step, begin, lines in across:
        low, high, met = _inside(lines, step, begin, h)
        for j in range(kw):
            from_left, to_right, columns = _inside(ow, sw, j * dw - left, w)
            part = taps[:, :lines, first + j]
            part[:, :low] = 0
            part[:, high:] = 0
            part = part[:, low:high]
            part[..., :from_left, :] = 0
            part[..., to_right:, :] = 0
            part[..., from_left:to_right, :] = image[:, met, :, columns]


def _inside(count: int, step: int, begin: int, length: int) -> tuple[int, int, slice]:
    """Which of the pixels begin, begin + step, ... (count of them) are in a line of this length.

    The first of them and the one behind the last, and all of them as a slice of the line.
    """
    low = min(max(0, -(begin // step)), count)
    high = max(low, min(count, (length - 1 - begin) // step + 1))
    return low, high, slice(begin + low * step, max(begin + (high - 1) * step + 1, 0), step)
