"""Points in space, each of a class: the Dataset that the readers of generated points return."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgrad.data.dataset import Dataset
from dgrad.data.readers.draws import fingerprint

__all__ = ["labelled", "labels"]


def labels(rows: int, classes: int) -> NDArray[np.int64]:
    """0, 1, ..., classes - 1, 0, 1, ...: the class of each row, (rows,)."""
    return np.arange(rows, dtype=np.int64) % classes


def labelled(name: str, points: NDArray[Any], targets: NDArray[np.int64], classes: int) -> Dataset:
    """points: (rows, features) numbers, targets: (rows,) below `classes`, which are named "0" up.

    Features are named "x0", "x1", ... name: of the reader.
    """
    inputs = points.astype(np.float32)
    return Dataset(
        inputs,
        targets,
        tuple(map(str, range(classes))),
        tuple(f"x{i}" for i in range(inputs.shape[1])),
        (fingerprint(name, inputs, targets),),
    )
