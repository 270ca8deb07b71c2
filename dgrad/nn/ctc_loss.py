"""Connectionist temporal classification as a loss of padded sequences."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from dgrad import ops
from dgrad.core.tensor import Tensor, array_of
from dgrad.errors import DataError, ShapeError
from dgrad.nn.loss import Loss, Reduction
from dgrad.registry import Range, losses
from dgrad.targets import IGNORED

__all__ = ["CTCLoss"]


@losses.register("ctc")
class CTCLoss(Loss):
    """-log of the probability of targets under every alignment with outputs (Graves et al. 2006).

    outputs: (n, t, classes) raw scores or log-probabilities, targets: (n, s) classes, padded with
    -100 at the end -> a scalar, (n,) for "none". The mean is over rows, of each loss divided by its
    target's length. blank: the class that stands for nothing; targets do not hold it. A target
    that no alignment gives, as it is too long for t, has the loss inf, or 0 with zero_infinity.
    As in PyTorch, criterion(log_probs, targets, input_lengths, target_lengths) takes log_probs
    (t, n, classes), as they are, and lengths (n,).
    """

    targets = "classes"
    applies = ("softmax",)  # of log-probabilities it makes the same again

    def __init__(
        self,
        blank: Annotated[int, Range(low=0)] = 0,
        *,
        zero_infinity: bool = False,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        self.blank, self.zero_infinity = blank, zero_infinity

    def wanted(self, targets: tuple[int, ...], classes: int | None) -> tuple[int | str, ...]:
        """(t, classes), the blank among them."""
        if len(targets) != 1:
            raise ShapeError("needs a sequence of classes for each row, the data has one class")
        return ("t", max(classes or 0, self.blank + 1))

    def check_targets(self, targets: np.ndarray) -> None:
        """They must be without the blank, and padded at the end."""
        rows = np.flatnonzero((targets == self.blank).any(axis=1))
        if len(rows):
            raise DataError(
                f"the targets of row {rows[0]} hold class {self.blank}, which is the blank of ctc; "
                f"set blank to a number that is no class, such as how many classes there are",
                fault="D08",
            )
        try:
            _unpadded(targets, len(targets))
        except ShapeError as error:
            raise DataError(str(error), fault="D08") from error

    def forward(
        self, outputs: Any, targets: Any, input_lengths: Any = None, target_lengths: Any = None
    ) -> Tensor:
        """outputs: (n, t, classes), targets: (n, s) -> scalar, (n,) for "none"."""
        if input_lengths is None:
            if np.ndim(outputs) != 3:
                raise ShapeError(f"ctc: outputs must be (n, t, classes), got {np.shape(outputs)}")
            rows, times = np.shape(outputs)[:2]
            outputs = np.transpose(ops.log_softmax(outputs), (1, 0, 2))  # (t, n, classes)
            targets, target_lengths = _unpadded(targets, rows)
            input_lengths = np.full(rows, times)
        return ops.ctc_loss(  # type: ignore[no-any-return]
            outputs,
            targets,
            input_lengths,
            target_lengths,
            blank=self.blank,
            reduction=self.reduction,
            zero_infinity=self.zero_infinity,
        )


def _unpadded(targets: Any, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """The targets, and how many there are in each row. Raises ShapeError."""
    targets = array_of(targets)
    if targets.ndim != 2 or len(targets) != rows:
        raise ShapeError(f"ctc: targets must be ({rows}, s), got {targets.shape}")
    counted = targets != IGNORED
    lengths = np.count_nonzero(counted, axis=1)
    gaps = counted & (np.arange(targets.shape[1]) >= lengths[:, None])
    if gaps.any():
        row = int(np.flatnonzero(gaps.any(axis=1))[0])
        raise ShapeError(
            f"ctc: {IGNORED} pads the end of a row only, row {row} of targets is "
            f"{targets[row].tolist()}"
        )
    return targets, lengths
