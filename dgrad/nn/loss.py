"""What every loss has: criterion(outputs, targets), what a batch counts for, what fits it."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from dgrad.errors import DataError
from dgrad.nn.module import Module

__all__ = ["Loss", "Reduction", "check_either", "check_within"]

Reduction = Literal["mean", "sum", "none"]


class Loss(Module):
    """Base of losses. `targets` says what they compare with: class indices or numbers.

    The mean is over what counts; batches are joined by weighting their means with `weight_of`.
    Metrics that ask for it in their `supplied` are told `threshold`, and `ignore_index` where a
    loss has one.
    """

    targets: ClassVar[Literal["classes", "numbers"]]
    means: ClassVar[tuple[str, ...]] = ("mean",)  # the reductions that average
    applies: ClassVar[tuple[str, ...]] = ()  # layers whose work it does itself, the very one first
    takes: ClassVar[str | None] = None  # the layer whose results it takes
    threshold: ClassVar[float | None] = None  # an output above it says yes, which the target 1 is

    def __init__(self, *, reduction: Reduction = "mean") -> None:
        super().__init__()
        self.reduction: Reduction = reduction

    def weight_of(self, targets: np.ndarray) -> float:
        """What the mean over a batch with these targets, (n, ...), divides by: by default n.

        The mean over several batches is sum(mean * weight) / sum(weight); 0: nothing counts.
        """
        return len(targets)

    def wanted(self, targets: tuple[int, ...], classes: int | None) -> tuple[int | str, ...]:
        """The shape of a row of outputs, where a row of targets has this one; a name: any length.

        classes: how many the targets have, None for numbers. Raises ParameterError for an argument
        of the loss that does not suit them.
        """
        return targets if classes is None else (*targets, classes)

    def check_targets(self, targets: np.ndarray) -> None:
        """Raise DataError D08, with what to do, if values of all the targets do not suit."""

    def extra_repr(self) -> str:
        """How the losses of the elements are joined."""
        return f"reduction={self.reduction!r}"


def check_within(targets: np.ndarray, low: float, high: float, hint: str) -> None:
    """Raise DataError D08, ending with `hint`, unless all targets are within [low, high]."""
    if not targets.size:
        return
    least, most = float(targets.min()), float(targets.max())
    if not low <= least <= most <= high:
        expected = f"within [{low:g}, {high:g}]" if high < np.inf else f">= {low:g}"
        raise DataError(
            f"targets must be {expected}, those of the data go from {least:g} to {most:g}; {hint}",
            fault="D08",
        )


def check_either(targets: np.ndarray, no: float, yes: float, hint: str) -> None:
    """Raise DataError D08, ending with `hint`, unless every target is `no` or `yes`."""
    wrong = np.argwhere((targets != no) & (targets != yes))
    if len(wrong):
        found = float(targets[tuple(wrong[0])])
        raise DataError(
            f"targets must be {no:g} or {yes:g}, that of row {wrong[0][0]} is {found:g}; {hint}",
            fault="D08",
        )
