"""The outputs of a function as scalar rows, whose gradients are compared one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from dgrad.core.tensor import Tensor
from dgrad.functional.subject import draw_seeds

__all__ = ["PROJECTIONS", "Rows"]

PROJECTIONS = 2  # random sums of all outputs, checked always: a wrong rule may not be linear in g


class Rows:
    """Random sums of all entries of the outputs, then, where `each`, every entry by itself.

    labels: a word for each output. No array of rows by outputs is ever made.
    """

    def __init__(
        self, outputs: Sequence[Tensor], labels: Sequence[str], each: bool, rng: np.random.Generator
    ) -> None:
        numbers = [f"output[{i}]" if len(outputs) > 1 else "output" for i in range(len(outputs))]
        self._labels = list(labels) or numbers
        self.kinds = [(t.shape, t.dtype) for t in outputs]
        self.entries = sum(t.size for t in outputs)
        self.each = each
        self._weights = [draw_seeds(outputs, rng) for _ in range(PROJECTIONS)]
        self.count = PROJECTIONS + (self.entries if each else 0)

    def of(self, arrays: Sequence[np.ndarray]) -> np.ndarray:
        """The rows of outputs that hold these arrays."""
        sums = [_total(weights, arrays) for weights in self._weights]
        return np.concatenate([sums, *map(np.ravel, arrays if self.each else ())])

    def size(self, arrays: Sequence[np.ndarray]) -> np.ndarray:
        """The rows with the sizes of all terms added up: what their rounding errors come from."""
        sizes = [np.abs(a) for a in arrays]
        sums = [_total(map(np.abs, weights), sizes) for weights in self._weights]
        return np.concatenate([sums, *map(np.ravel, sizes if self.each else ())])

    def seeds(self) -> Iterator[list[np.ndarray]]:
        """For each row the gradients of the outputs; not to be written to."""
        yield from self._weights
        for place in range(self.entries if self.each else 0):
            seeds = [np.zeros(shape, dtype) for shape, dtype in self.kinds]
            for seed in seeds:
                if 0 <= place < seed.size:
                    seed.flat[place] = 1
                place -= seed.size
            yield seeds

    def label(self, row: int) -> str:
        """What a row is, in words."""
        place = row - PROJECTIONS
        for name, (shape, _) in zip(self._labels, self.kinds, strict=True):
            size = int(np.prod(shape))
            if 0 <= place < size:
                return f"{name} {tuple(int(k) for k in np.unravel_index(place, shape))}"
            place -= size
        return "random projection"


def _total(weights: Iterable[np.ndarray], arrays: Sequence[np.ndarray]) -> Any:
    pairs = zip(weights, arrays, strict=True)
    return sum((np.dot(w.ravel(), a.ravel()) for w, a in pairs), np.float64(0))
