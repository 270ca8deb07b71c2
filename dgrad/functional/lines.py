"""The lines along which an input is probed, and the probe that moves it: exactly there and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from dgrad.core.tensor import Tensor

__all__ = ["Line", "Probe", "lines", "typical_size"]

T = TypeVar("T")
CHUNK = 1 << 16  # entries that are moved at once: a direction needs no array of the leaf's size


@dataclass(frozen=True)
class Line:
    """The line through one entry of a leaf, or through all of them, along `direction`.

    size: how large what moves is. own: the size of the entry itself.
    """

    index: int = 0
    direction: np.ndarray | None = None
    size: float = 1.0
    own: float = 1.0

    def along(self, gradient: np.ndarray) -> float:
        """The derivative along the line by a flat gradient."""
        return float(gradient[self.index] if self.direction is None else gradient @ self.direction)

    def steps(self, eps: float) -> list[float]:
        """Three steps that shrink, away from kinks and poles; two more for an entry of odd size.

        Then two that grow, against rounding errors.
        """
        first = eps * self.size
        odd = 0 < self.own < self.size / 100
        further = [eps * self.own, eps * self.own / 30] if odd else [np.nan, np.nan]
        return [first, first / 30, first / 900, *further, first * 30, first * 900]


class Probe:
    """One leaf, moved off its place for as long as it takes to look at `rows()` there.

    The leaf's array must be contiguous, and nobody else's: it is written to, and restored to the
    last bit each time, also when `rows` raises. start: a flat copy of it.
    """

    def __init__(self, leaf: Tensor, start: np.ndarray, rows: Callable[[], np.ndarray]) -> None:
        self.leaf, self.start, self.rows = leaf, start, rows
        self._home = leaf.data
        self._plane: np.ndarray | None = None  # the leaf among complex numbers

    def along(self, line: Line, t: complex) -> np.ndarray:
        """The rows at t along the line; a complex t asks for complex ones."""
        if not isinstance(t, complex):
            return self._moved(line, t, self._home)
        if self._plane is None:
            self._plane = self._home.astype(np.complex128)
        try:
            self.leaf.data = self._plane
            return self._moved(line, t, self._plane)
        finally:
            self.leaf.data = self._home

    def _moved(self, line: Line, t: complex, array: np.ndarray) -> np.ndarray:
        flat = array.reshape(-1)
        try:
            if line.direction is None:
                flat[line.index] = self.start[line.index] + t
            else:
                for i in range(0, flat.size, CHUNK):
                    part = slice(i, i + CHUNK)
                    np.add(self.start[part], line.direction[part] * t, out=flat[part])
            return self.rows()
        finally:
            if line.direction is None:
                flat[line.index] = self.start[line.index]
            else:
                flat[...] = self.start

    def at(self, values: np.ndarray | float, look: Callable[[], T]) -> T:
        """What `look` sees with these values in place of the leaf's."""
        flat = self._home.reshape(-1)
        try:
            flat[...] = values
            return look()
        finally:
            flat[...] = self.start


def typical_size(leaf: Tensor) -> float:
    """Root mean square of the entries; 1 when all are 0."""
    flat = leaf.data.reshape(-1)
    peak = float(max(flat.max(initial=0.0), -flat.min(initial=0.0))) or 1.0
    if not leaf.size or not np.isfinite(peak):
        return 1.0
    sums = [float(np.square(flat[i : i + CHUNK] / peak).sum()) for i in range(0, flat.size, CHUNK)]
    return float(np.sqrt(sum(sums) / flat.size)) * peak or 1.0


def lines(
    leaf: Tensor, gradient: np.ndarray, limit: int, directions: int, rng: np.random.Generator
) -> Iterator[list[Line]]:
    """Lines through every entry; beyond `limit` entries random directions and a sample of so many.

    They come in groups: each direction alone, since it is as large as the leaf. A quarter of the
    sample are those with the largest `gradient` (flat).
    """
    typical = typical_size(leaf)
    chosen = np.arange(leaf.size)
    if leaf.size > limit:
        for _ in range(directions):
            direction = rng.normal(size=leaf.size)
            direction *= typical
            yield [Line(direction=direction)]
        chosen = chosen[:0]
        if limit:
            quarter = -(-limit // 4)
            largest = np.argpartition(np.abs(gradient), leaf.size - quarter - 1)
            others = rng.choice(leaf.size, limit - quarter, replace=False)
            chosen = np.union1d(largest[leaf.size - quarter :], others)
    if chosen.size:
        sizes = [abs(float(leaf.data.flat[index])) for index in chosen]
        yield [
            Line(int(index), None, max(own, typical), own)
            for index, own in zip(chosen, sizes, strict=True)
        ]
