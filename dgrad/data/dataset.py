"""Dataset: the arrays of one data set in memory, with their names and where they came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgrad.errors import DataError, DtypeError, ParameterError, ShapeError
from dgrad.targets import IGNORED

__all__ = ["Dataset", "Source"]


@dataclass(frozen=True)
class Source:
    """The fingerprint of one file: absolute path, size in bytes and SHA-256.

    Size and digest are of the file as it lies on disk (packed, for a .gz), taken from the one read
    whose bytes were parsed, so they cannot describe another version of the file than the data do.
    Of generated data: how they were made, and the size and digest of their arrays.
    """

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, eq=False)
class Dataset:
    """Rows to learn from: `inputs[i]` goes with `targets[i]`.

    inputs: (n, ...) float32 numbers, or int64 indices into `vocabulary`; views will do, also
    overlapping ones.
    targets: (n, ...) int64 indices into `class_names`, IGNORED where a target does not count; or
    float32 numbers, (n,) or (n, k), when `class_names` is None.
    feature_names: one per input column, None where columns have no names (images).
    vocabulary: the symbols that integer inputs stand for, None where they have no names.
    overlap: rows i and j share no target if |i - j| >= overlap: 1 for rows of their own, the
    length of a window where the rows are all windows of one sequence, each a place further.
    Raises DtypeError, ShapeError, ParameterError or DataError (D08) when the parts break these
    rules.
    """

    inputs: NDArray[Any]
    targets: NDArray[Any]
    class_names: tuple[str, ...] | None
    feature_names: tuple[str, ...] | None
    sources: tuple[Source, ...]
    vocabulary: tuple[str, ...] | None = None
    overlap: int = 1

    def __post_init__(self) -> None:
        if self.overlap < 1:
            raise ParameterError("dataset", "overlap", ">= 1", self.overlap)
        self._check_dtypes()
        self._check_shapes()
        if self.class_names is not None:
            counted = len(self.class_names)
            _check_indices("label", self.targets, counted, self.overlap, may_be_ignored=True)
        if self.vocabulary is not None:
            _check_indices("token", self.inputs, len(self.vocabulary), self.overlap)

    def _check_dtypes(self) -> None:
        kinds = (np.float32, np.int64) if self.vocabulary is None else (np.int64,)
        if self.inputs.dtype not in kinds:
            wanted = " or ".join(str(np.dtype(kind)) for kind in kinds)
            raise DtypeError(f"dataset: inputs must be {wanted}, got {self.inputs.dtype}")
        kind = np.dtype(np.float32 if self.class_names is None else np.int64)
        if self.targets.dtype != kind:
            names = "without" if self.class_names is None else "with"
            raise DtypeError(
                f"dataset: targets must be {kind} {names} class names, got {self.targets.dtype}"
            )

    def _check_shapes(self) -> None:
        inputs, targets = self.inputs.shape, self.targets.shape
        numbers = self.class_names is None
        if not inputs or targets[:1] != inputs[:1] or (numbers and len(targets) > 2):
            wanted = "(n,) or (n, k)" if numbers else "(n, ...)"
            raise ShapeError(
                f"dataset: targets must be {wanted} for inputs (n, ...), got {targets} for {inputs}"
            )

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def classes(self) -> int:
        """The number of classes. Raises DataError when the targets are numbers."""
        if self.class_names is None:
            raise DataError(
                "the targets of this data set are numbers, so it has no classes; "
                "give the last layer a size, or read the targets with task: classes",
                fault="D08",
            )
        return len(self.class_names)


def _check_indices(
    what: str, rows: NDArray[np.int64], size: int, overlap: int, *, may_be_ignored: bool = False
) -> None:
    # A label of -1 would silently pick the last class wherever it is used as an index.
    # Every overlap-th row and the last one hold all that the others do.
    for first, some in ((0, rows[::overlap]), (len(rows) - 1, rows[-1:])):
        wrong = (some < 0) | (some >= size)
        if may_be_ignored:
            wrong &= some != IGNORED
        if wrong.any():
            place = tuple(np.argwhere(wrong)[0])
            raise DataError(
                f"the {what} of row {first + place[0] * overlap} is {some[place]}, "
                f"expected a class index from 0 to {size - 1}",
                fault="D08",
            )
