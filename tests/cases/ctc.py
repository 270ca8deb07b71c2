"""Cases of dgrad/ops/ctc.py, against the sum over every alignment, one by one."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *
from tests.cases.regression_loss import reduced

__all__ = ["CASES", "REFERENCES", "TORCH"]


def log_chances(t: int, n: int, classes: int) -> np.ndarray:
    return np.asarray(np.log(rng.dirichlet(np.ones(classes), size=(t, n))))


def _spelt(path: tuple[int, ...], blank: int) -> list[int]:
    """The target that an alignment gives: repeats joined, blanks left out."""
    return [label for label, _ in itertools.groupby(path) if label != blank]


def _ctc(
    log_probs: Any,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Any:
    ends = np.cumsum(target_lengths)
    each = np.zeros(len(input_lengths))
    for i, (t, s) in enumerate(zip(input_lengths, target_lengths, strict=True)):
        row = targets[i, :s] if np.ndim(targets) == 2 else targets[ends[i] - s : ends[i]]
        total = 0.0
        for path in itertools.product(range(log_probs.shape[2]), repeat=int(t)):
            if _spelt(path, blank) == row.tolist():
                total += np.exp(sum(log_probs[k, i, label] for k, label in enumerate(path)))
        with np.errstate(divide="ignore"):
            each[i] = -np.log(total)
    if zero_infinity:
        each[np.isinf(each)] = 0.0
    if reduction == "mean":
        each = each / np.maximum(target_lengths, 1)
    return reduced(each, reduction)


def lengths(*values: int) -> np.ndarray:
    return np.array(values, dtype=int)


TARGETS = np.array([[1, 2, 2], [3, 9, 9]])
CASES: dict[str, list[Case]] = {
    "ctc_loss": [
        *(
            Case(log_chances(4, 2, 4), TARGETS[:2, :2], lengths(4, 3), lengths(2, 1), reduction=r)
            for r in ("mean", "sum", "none")
        ),
        Case(log_chances(4, 2, 3), np.array([1, 2, 2]), lengths(4, 2), lengths(2, 1)),
        Case(
            log_chances(4, 2, 3), np.array([[0, 1], [1, 1]]), lengths(4, 4), lengths(2, 2), blank=2
        ),
        Case(log_chances(1, 1, 2), np.array([[1]]), lengths(1), lengths(1)),
        Case(log_chances(3, 2, 3), np.zeros((2, 0), int), lengths(3, 2), lengths(0, 0)),
        Case(log_chances(3, 2, 3), np.array([[1], [2]], np.uint8), lengths(3, 2), lengths(0, 1)),
        Case(log_chances(2, 3, 4).transpose(1, 0, 2), TARGETS[:2], lengths(3, 3), lengths(2, 1)),
        Case(log_chances(4, 1, 3)[::-1], np.array([[2, 1]]), lengths(4), lengths(2)),
        Case(normal(4, 1, 3), np.array([[2, 1]]), lengths(4), lengths(2)),
        Case(log_chances(2, 2, 3), TARGETS[:2] % 3, lengths(2, 2), lengths(3, 0), order=0),
        Case(
            log_chances(2, 2, 3),
            np.array([[1, 1], [1, 2]]),
            lengths(2, 2),
            lengths(2, 2),
            zero_infinity=True,
        ),
        Case(log_chances(2, 0, 3), np.zeros((0, 2), int), lengths(), lengths(), reduction="sum"),
    ],
}

REFERENCES: dict[str, Callable[..., Any]] = {"ctc_loss": _ctc}

TORCH: dict[
    str, Any
] = {}  # whose gradient has that of log_softmax in it: see tests/ops/test_ctc.py
