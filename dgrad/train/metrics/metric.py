"""What every metric is, and tables of results."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from dgrad.nn.loss import check_either
from dgrad.targets import IGNORED

__all__ = ["Metric", "Table", "Undefined", "check_yes_or_no", "mean_of", "per_class"]


class Undefined(float):
    """NaN that says why, in words. What is computed with it is a NaN like any other."""

    reason: str

    def __new__(cls, reason: str) -> Undefined:
        """NaN, because of `reason`."""
        made = super().__new__(cls, math.nan)
        made.reason = reason
        return made


def mean_of(total: float, count: float) -> float:
    """total / count; Undefined where nothing counts."""
    return total / count if count else Undefined("no target counts")


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
    `higher_is_better`, which way they improve. The result is Undefined, a NaN with its reason,
    before any row and where a metric is undefined; with number targets NaN when an output is.
    `supplied` names constructor parameters that a config leaves to the program: class_names,
    columns (how many number targets a row has), and whatever the loss has as an attribute:
    ignore_index, the class target that does not count (-100); threshold, None or what an output is
    above for yes. A metric of classes that asks for the threshold takes yes-or-no numbers too.
    """

    targets: ClassVar[Literal["classes", "numbers", "any"]]
    higher_is_better: ClassVar[bool]
    supplied: ClassVar[tuple[str, ...]] = ()
    ignore_index: int = IGNORED
    threshold: float | None = None

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

    def check_targets(self, targets: NDArray[Any]) -> None:
        """Raise DataError D08, with what to do, if values of all the targets do not suit."""
        if self.threshold is not None:
            check_yes_or_no(targets)

    def values(self) -> dict[str, float]:
        """Every number to report, by what follows the metric's name: "" for the result itself.

        The names are the same before any batch: training may monitor them.
        """
        return {"": self.result()}

    def table(self) -> Table | None:
        """What there is to show that is not one number."""
        return None


def per_class(
    values: NDArray[Any], names: Sequence[str] | None, undefined: str
) -> dict[str, float]:
    """`{"[cat]": 0.5, ...}`; numbers where the classes have no names. undefined: why one is NaN."""
    known = names or [str(i) for i in range(len(values))]
    return {
        f"[{name}]": Undefined(undefined) if np.isnan(value) else float(value)
        for name, value in zip(known, values, strict=True)
    }


def check_yes_or_no(targets: NDArray[Any]) -> None:
    """Raise DataError D08 unless all are 1 for yes and 0, or all -1, for no."""
    no = -1 if (targets == -1).any() else 0
    check_either(targets, no, 1, "leave out this metric, which is for yes and no")
