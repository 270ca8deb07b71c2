"""Dataset: the arrays of one data set in memory, with their names and where they came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgrad.errors import DataError, DtypeError, ShapeError

__all__ = ["Dataset", "Source"]


@dataclass(frozen=True)
class Source:
    """The fingerprint of one file: absolute path, size in bytes and SHA-256.

    Size and digest are of the file as it lies on disk (packed, for a .gz), taken from the one read
    whose bytes were parsed, so they cannot describe another version of the file than the data do.
    """

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, eq=False)
class Dataset:
    """Rows to learn from: `inputs[i]` goes with `targets[i]`.

    inputs: (n, ...) float32, C-contiguous.
    targets: (n,) int64 indices into `class_names`, or (n,) float32 when `class_names` is None.
    feature_names: one per input column, None where columns have no names (images).
    Raises DtypeError, ShapeError or DataError (D08) when the arrays break these rules.
    """

    inputs: NDArray[np.float32]
    targets: NDArray[Any]
    class_names: tuple[str, ...] | None
    feature_names: tuple[str, ...] | None
    sources: tuple[Source, ...]

    def __post_init__(self) -> None:
        if self.inputs.dtype != np.float32 or not self.inputs.flags.c_contiguous:
            raise DtypeError(
                f"dataset: inputs must be C-contiguous float32, got {self.inputs.dtype}"
            )
        if self.targets.shape != self.inputs.shape[:1] or self.inputs.ndim == 0:
            raise ShapeError(
                f"dataset: targets must be (n,) for inputs (n, ...), "
                f"got {self.targets.shape} for {self.inputs.shape}"
            )
        wanted = np.float32 if self.class_names is None else np.int64
        if self.targets.dtype != wanted:
            raise DtypeError(
                f"dataset: targets must be {np.dtype(wanted)} "
                f"{'without' if self.class_names is None else 'with'} class names, "
                f"got {self.targets.dtype}"
            )
        if self.class_names is not None:
            _check_labels(self.targets, len(self.class_names))

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


def _check_labels(targets: NDArray[np.int64], classes: int) -> None:
    # A label of -1 would silently pick the last class wherever it is used as an index.
    wrong = np.flatnonzero((targets < 0) | (targets >= classes))
    if len(wrong):
        raise DataError(
            f"the label of row {wrong[0]} is {targets[wrong[0]]}, "
            f"expected a class index from 0 to {classes - 1}",
            fault="D08",
        )
