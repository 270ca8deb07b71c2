"""Outputs and targets of a batch as rows, and what outputs predict."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgrad.errors import DtypeError, ShapeError

__all__ = ["class_rows", "number_rows", "predicted_class", "predicted_yes", "yes_rows"]


def class_rows(
    name: str, outputs: NDArray[Any], targets: NDArray[Any], ignore_index: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """(scores of each row that counts, (rows, classes); its class, (rows,)).

    outputs: (..., classes), targets: (...). Raises ShapeError, DtypeError.
    """
    outputs, targets = np.asarray(outputs), np.asarray(targets)
    if not outputs.ndim or outputs.shape[:-1] != targets.shape or not outputs.shape[-1]:
        raise ShapeError(
            f"{name}: outputs must be (..., classes) and targets (...), "
            f"got {outputs.shape} and {targets.shape}"
        )
    if targets.dtype.kind not in "iu":
        raise DtypeError(f"{name}: targets are class indices, got {targets.dtype}")
    classes = outputs.shape[-1]
    rows, actual = outputs.reshape(-1, classes), targets.reshape(-1).astype(np.intp, copy=False)
    counted = actual != ignore_index
    if not counted.all():
        rows, actual = rows[counted], actual[counted]
    if actual.size and not 0 <= actual.min() <= actual.max() < classes:
        raise ShapeError(
            f"{name}: targets have classes {actual.min()} to {actual.max()}, "
            f"outputs only 0 to {classes - 1}"
        )
    return rows, actual


def number_rows(
    name: str, outputs: NDArray[Any], targets: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both in float64. Raises ShapeError."""
    outputs, targets = np.asarray(outputs), np.asarray(targets)
    if outputs.shape != targets.shape:
        raise ShapeError(
            f"{name}: outputs {outputs.shape} and targets {targets.shape} must be equal shapes"
        )
    return outputs.astype(np.float64), targets.astype(np.float64)


def yes_rows(
    name: str, outputs: NDArray[Any], targets: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """(the outputs, whether each target is 1), both (n, columns). targets: 1, and 0 or -1 for no.

    outputs, targets: equal shapes, (n, ...). Raises ShapeError, DtypeError.
    """
    scores, actual = number_rows(name, outputs, targets)
    wrong = actual[(np.abs(actual) != 1) & (actual != 0)]
    if wrong.size:
        raise DtypeError(
            f"{name}: targets are classes, or 1 for yes and 0 or -1 for no, got {wrong[0]:g}"
        )
    flat = (len(actual), math.prod(actual.shape[1:]))
    return scores.reshape(flat), actual.reshape(flat) == 1


def predicted_class(rows: NDArray[Any]) -> NDArray[np.intp]:
    """The first largest output of each row, -1 for one with NaN. rows: (rows, classes)."""
    return np.where(np.isnan(rows).any(axis=1), -1, np.argmax(rows, axis=1))


def predicted_yes(scores: NDArray[np.float64], threshold: float) -> NDArray[np.intp]:
    """1 where a score is above the threshold, else 0, -1 for NaN. Any shape -> same shape."""
    return np.where(np.isnan(scores), -1, scores > threshold)
