"""The lines along which an input is probed: through one entry, or in a random direction."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dgrad.core.tensor import Tensor

__all__ = ["Line", "lines", "typical_size"]


class Line:
    """The leaf moved along entry `index`, or along `direction` when there is no index.

    The leaf's array must be contiguous, and nobody else's: it is written to.
    """

    def __init__(
        self, leaf: Tensor, index: int, direction: np.ndarray | None, steps: list[float]
    ) -> None:
        self.index, self.direction, self.steps = index, direction, steps
        self._flat = leaf.data.reshape(-1)
        self._start = self._flat[index] if direction is None else self._flat.copy()
        self.place: tuple[int, ...] | None = None
        if direction is None:
            self.place = tuple(int(i) for i in np.unravel_index(index, leaf.shape))

    def along(self, gradient: np.ndarray) -> float:
        """The derivative along the line by a flat gradient."""
        return float(gradient[self.index] if self.direction is None else gradient @ self.direction)

    def move(self, t: float) -> None:
        """Put the leaf t away from where it was; move(0) restores it exactly."""
        if self.direction is None:
            self._flat[self.index] = self._start + t
        else:
            np.add(self._start, self.direction * t, out=self._flat)


def typical_size(leaf: Tensor) -> float:
    """Root mean square of the entries; 1 when all are 0."""
    peak = float(np.abs(leaf.data).max(initial=0.0)) or 1.0
    return float(np.sqrt(np.mean(np.square(leaf.data / peak)))) * peak or 1.0


def lines(
    leaf: Tensor,
    gradient: np.ndarray,
    limit: int,
    directions: int,
    eps: float,
    rng: np.random.Generator,
) -> Iterator[Line]:
    """A line for every entry; beyond `limit` entries random directions and a sample of so many.

    A quarter of the sample are those with the largest `gradient` (flat).
    """
    typical = typical_size(leaf)
    chosen = np.arange(leaf.size)
    if leaf.size > limit:
        for _ in range(directions):
            yield Line(leaf, 0, rng.normal(size=leaf.size) * typical, _steps(eps, 1.0, 1.0))
        quarter = -(-limit // 4)
        largest = np.argpartition(np.abs(gradient), leaf.size - quarter - 1)[leaf.size - quarter :]
        chosen = np.union1d(largest, rng.choice(leaf.size, limit - quarter, replace=False))
    for index in chosen:
        own = abs(float(leaf.data.flat[index]))
        yield Line(leaf, int(index), None, _steps(eps, own, max(own, typical)))


def _steps(eps: float, own: float, size: float) -> list[float]:
    """Three steps that shrink, away from kinks and poles; two more for an entry of odd size.

    Then two that grow, against rounding errors.
    """
    first = eps * size
    odd = [eps * own, eps * own / 30] if 0 < own < size / 100 else []
    return [first, first / 30, first / 900, *odd, first * 30, first * 900]
