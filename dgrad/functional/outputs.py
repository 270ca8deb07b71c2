"""The outputs of a subject at its leaves as they stand: their rows, errors, and what is odd."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dgrad.core import stream
from dgrad.core.modes import enable_grad, no_grad
from dgrad.core.tensor import Tensor
from dgrad.functional.rows import Rows
from dgrad.functional.subject import Subject, float_outputs

__all__ = ["Outputs"]

FULL_JACOBIAN = 2000  # up to so many entries every output is checked by itself
REPEATABLE = 1e-10  # two equal calls may differ by this part: threads may reorder sums


class Outputs:
    """base: the rows at the leaves. rounding: by row, the error of one rounding of all outputs.

    unsteady: how shapes or dtypes have changed with the leaves' values, empty if they have not.
    """

    def __init__(self, subject: Subject, seed: int, rng: np.random.Generator) -> None:
        self._subject, self._seed = subject, seed
        self.unsteady = ""
        with no_grad():
            all_outputs = self._call()
            outputs = float_outputs(all_outputs)
            self._places = [i for i, t in enumerate(all_outputs) if t.dtype.kind == "f"]
            labels = [subject.labels[i] for i in self._places] if subject.labels else ()
            entries = sum(t.size for t in outputs)
            total = sum(leaf.size for leaf in subject.leaves.values())
            self.rows = Rows(outputs, labels, entries * total <= FULL_JACOBIAN, rng)
            arrays = [t.data.copy() for t in outputs]  # an output may show the leaf's memory
            self.base = self.rows.of(arrays)
            self.rounding = self.rows.size([a * float(np.finfo(a.dtype).eps) for a in arrays])
            self.finite = all(bool(np.isfinite(a).all()) for a in arrays)
            again = float_outputs(self._call())
            self.repeats = len(arrays) == len(again) and all(
                a.shape == t.shape and np.allclose(a, t.data, rtol=REPEATABLE, atol=0)
                for a, t in zip(arrays, again, strict=True)
            )

    def _call(self) -> Sequence[Tensor]:
        with stream.at(self._seed):  # dropout draws the same mask at every call
            return self._subject.call()

    def recorded(self) -> list[Tensor]:
        """The outputs of floats, on a graph."""
        with enable_grad():
            return float_outputs(self._call())

    def row_values(self) -> np.ndarray:
        """The rows now; NaN where the outputs are others than before."""
        arrays = self._arrays()
        return np.full(self.base.shape, np.nan) if arrays is None else self.rows.of(arrays)

    def values_and_sizes(self) -> tuple[np.ndarray, np.ndarray]:
        """The rows now, and the sizes of the terms that each adds up."""
        arrays = self._arrays()
        if arrays is None:
            lost = np.full(self.base.shape, np.nan)
            return lost, lost
        return self.rows.of(arrays), self.rows.size(arrays)

    def _arrays(self) -> list[np.ndarray] | None:
        with no_grad():
            outputs = self._call()
        kinds = self.rows.kinds
        arrays = [outputs[i].data for i in self._places if i < len(outputs)]
        if len(arrays) == len(kinds) and all(
            a.shape == shape and (a.dtype == dtype or a.dtype.kind == "c")
            for a, (shape, dtype) in zip(arrays, kinds, strict=True)
        ):
            return arrays
        now = _described([(a.shape, a.dtype) for a in arrays])
        self.unsteady = f"outputs change with the inputs' values: {_described(kinds)}, then {now}"
        return None


def _described(kinds: Sequence[tuple[tuple[int, ...], Any]]) -> str:
    return ", ".join(f"{dtype}{list(shape)}" for shape, dtype in kinds) or "none"
