"""What the probabilities of the classes are worth: perplexity, bits, calibration."""

from __future__ import annotations

import math
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from dgrad.registry import Range, metrics, name_of
from dgrad.targets import IGNORED
from dgrad.train.metrics.metric import Metric, mean_of
from dgrad.train.metrics.rows import class_rows

__all__ = ["BitsPerCharacter", "ExpectedCalibrationError", "Perplexity"]

_Bins = Annotated[int, Range(low=1, high=10_000)]


class _Surprise(Metric):
    """Sum over all targets of -log softmax(outputs)[target], in float64."""

    targets = "classes"
    higher_is_better = False
    supplied = ("ignore_index",)

    def __init__(self, *, ignore_index: int = IGNORED) -> None:
        self.ignore_index = ignore_index
        super().__init__()

    def reset(self) -> None:
        """Forget all batches."""
        self.total = 0.0
        self.count = 0

    def update(self, outputs: NDArray[Any], targets: NDArray[Any]) -> None:
        """Count a batch."""
        rows, actual = class_rows(name_of(type(self)), outputs, targets, self.ignore_index)
        log_p = _log_softmax(rows)
        self.total -= float(np.sum(np.take_along_axis(log_p, actual[:, None], axis=1)))
        self.count += len(actual)

    def mean(self) -> float:
        """total / count, in nats."""
        return mean_of(self.total, self.count)


@metrics.register("perplexity")
class Perplexity(_Surprise):
    """exp(mean of -log softmax(outputs)[target]): as unsure as among so many equal choices.

    outputs: (..., classes) logits or log-probabilities, targets: (...) class indices.
    """

    name = "perplexity"

    def result(self) -> float:
        """exp of the mean."""
        mean = self.mean()
        with np.errstate(over="ignore"):
            return float(np.exp(mean)) if self.count else mean


@metrics.register("bits_per_character")
class BitsPerCharacter(_Surprise):
    """Mean of -log2 softmax(outputs)[target]: bits that coding a target takes.

    Of characters where the targets are characters. outputs: (..., classes) logits or
    log-probabilities, targets: (...) class indices.
    """

    name = "bits_per_character"

    def result(self) -> float:
        """The mean in bits."""
        return self.mean() / math.log(2) if self.count else self.mean()


@metrics.register("expected_calibration_error")
class ExpectedCalibrationError(Metric):
    """Mean distance of confidence from accuracy: sum over bins of n_b / n |acc_b - conf_b|.

    The confidence is the largest softmax(outputs) of a row; rows are collected by it in bins of
    equal width, the upper bound included (Guo et al. 2017, equation 3).
    outputs: (..., classes) logits or log-probabilities, targets: (...) class indices. NaN when an
    output is.
    """

    targets = "classes"
    higher_is_better = False
    supplied = ("ignore_index",)

    def __init__(self, bins: _Bins = 15, *, ignore_index: int = IGNORED) -> None:
        self.bins, self.ignore_index = bins, ignore_index
        super().__init__()

    def reset(self) -> None:
        """Forget all batches."""
        self.apart = np.zeros(self.bins)  # (bins,) sum of right (0 or 1) less confidence
        self.rows = 0

    def update(self, outputs: NDArray[Any], targets: NDArray[Any]) -> None:
        """Count a batch."""
        rows, actual = class_rows(name_of(type(self)), outputs, targets, self.ignore_index)
        confidence = np.exp(np.max(_log_softmax(rows), axis=1))
        right = np.argmax(rows, axis=1) == actual
        bounds = np.linspace(0, 1, self.bins + 1)[1:-1]
        index = np.searchsorted(bounds, confidence)
        self.apart += np.bincount(index, right - confidence, self.bins)
        self.rows += len(actual)

    def result(self) -> float:
        """The mean over rows."""
        return mean_of(float(np.sum(np.abs(self.apart))), self.rows)


def _log_softmax(rows: NDArray[Any]) -> NDArray[np.float64]:
    """log softmax of (rows, classes), in float64."""
    shifted = rows - np.max(rows, axis=1, keepdims=True).astype(np.float64)
    return np.asarray(shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True)))
