"""What every metric is, tables of results, and outputs and targets as rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from dgrad.errors import DtypeError, ShapeError
from dgrad.targets import IGNORED

__all__ = ["Metric", "Table", "class_rows", "number_rows", "per_class"]


@dataclass(frozen=True)
class Table:
    """Whole numbers by two headings. values: (len(rows), len(columns)); corner: what they are."""

    corner: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: NDArray[np.int64]

    def plain(self) -> dict[str, Any]:
        """The table as JSON holds it."""
        return {
            "rows": list(self.rows),
            "columns": list(self.columns),
            "values": self.values.tolist(),
        }


class Metric(ABC):
    """Base of metrics: `update` with raw model outputs, batch after batch, then `result`.

    `targets` says what they compare with: class indices, numbers, or any of both;
    `higher_is_better`, which way they improve. The result is NaN before any row and where a metric
    is undefined; with number targets, also when an output is NaN. A class target of -100 does not
    count. `supplied` names constructor parameters that a config leaves to the program: class_names.
    """

    targets: ClassVar[Literal["classes", "numbers", "any"]]
    higher_is_better: ClassVar[bool]
    supplied: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        self.reset()

    @abstractmethod
    def reset(self) -> None:
        """Forget all batches."""

    @abstractmethod
    def update(self, outputs: NDArray[Any], targets: NDArray[Any]) -> None:
        """Count a batch. Raises ShapeError or DtypeError when the two do not belong together."""

    @abstractmethod
    def result(self) -> float:
        """The metric over every batch since the last reset."""

    def wanted(self, targets: tuple[int, ...], classes: int | None) -> tuple[int, ...]:
        """The shape of a row of outputs, where a row of targets has this one.

        classes: how many the targets have, None for numbers.
        """
        return targets if classes is None else (*targets, classes)

    def values(self) -> dict[str, float]:
        """Every number to report, by what follows the metric's name: "" for the result itself.

        The names are the same before any batch: training may monitor them.
        """
        return {"": self.result()}

    def table(self) -> Table | None:
        """What there is to show that is not one number."""
        return None


def per_class(values: NDArray[Any], names: Sequence[str] | None) -> dict[str, float]:
    """`{"[cat]": 0.5, ...}`; numbers where the classes have no names."""
    known = names or [str(i) for i in range(len(values))]
    return {f"[{name}]": float(value) for name, value in zip(known, values, strict=True)}


def class_rows(
    name: str, outputs: NDArray[Any], targets: NDArray[Any]
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
    counted = actual != IGNORED
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
