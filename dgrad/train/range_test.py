"""The learning-rate range test: train with a rate that grows, and watch the loss."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from dgrad.errors import DivergedError, ParameterError
from dgrad.train.settings import Progress
from dgrad.train.trainer import Trainer

__all__ = ["RangeTest", "range_test"]

WORSE = 4.0  # a smoothed loss that is as many times the lowest has diverged


@dataclass
class RangeTest:
    """What a range test saw. rates, losses, smoothed: of every step that was made.

    diverged: whether it stopped before its end, as the loss had grown or was not finite.
    """

    rates: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    smoothed: list[float] = field(default_factory=list)
    diverged: bool = False

    @property
    def steepest(self) -> float | None:
        """The rate where the smoothed loss falls the fastest over log(rate); None if it never does.

        Looked for before the lowest point, but not in the first tenth, where the running mean is
        of a few losses and moves with each of them.
        """
        begin = len(self.rates) // 10
        end = int(np.argmin(self.smoothed)) + 1 if self.smoothed else 0
        if end - begin < 3:
            return None
        slopes = np.gradient(self.smoothed[begin:end], np.log(self.rates[begin:end]))
        return self.rates[begin + int(np.argmin(slopes))] if slopes.min() < 0 else None

    @property
    def minimum_tenth(self) -> float | None:
        """A tenth of the rate with the lowest smoothed loss; None if the loss never fell."""
        if self.steepest is None:
            return None
        return self.rates[int(np.argmin(self.smoothed))] / 10


def range_test(
    trainer: Trainer,
    *,
    start: float = 1e-7,
    end: float = 10.0,
    steps: int = 100,
    smooth: float = 0.05,
) -> RangeTest:
    """Train for `steps` steps with rates from start to end, evenly spaced in their logarithm.

    Smith 2017, "Cyclical learning rates for training neural networks", section 3.3. The smoothed
    loss is a running mean in which each new loss has the share `smooth`, without bias to its
    start. The rates are the optimizer's own; groups keep their ratio to it. Afterwards the
    trainer is as it was. Raises ParameterError.
    """
    for name, value, holds, expected in (
        ("start", start, 0 < start < math.inf, "a rate > 0"),
        ("end", end, start < end < math.inf, "a rate above start"),
        ("steps", steps, steps >= 2, "at least 2"),
        ("smooth", smooth, 0 < smooth <= 1, "a share > 0 and <= 1"),
    ):
        if not holds:
            raise ParameterError("range test", name, expected, value)
    before, progress = trainer.tensors(), trainer.progress
    schedule, average = trainer.schedule, trainer.average
    base = trainer.optimizer.defaults["lr"]
    rates = np.geomspace(start, end, steps)
    trainer.progress, trainer.average = Progress(), None
    trainer.schedule = lambda step: float(rates[step] / base)
    try:
        return _measured(trainer, rates, smooth)
    finally:
        trainer.schedule, trainer.average = schedule, average
        trainer.load_tensors(before, progress)


def _measured(trainer: Trainer, rates: np.ndarray, smooth: float) -> RangeTest:
    found, mean, weight = RangeTest(), 0.0, 0.0
    trainer.model.train()
    batches = _batches(trainer)
    with np.errstate(all="ignore"):  # what is not finite ends the test
        for rate in rates:
            try:
                loss = trainer.train_step(*next(batches))
            except DivergedError:
                found.diverged = True
                break
            if math.isnan(loss):  # nothing counted in this batch
                continue
            mean, weight = (1 - smooth) * mean + smooth * loss, (1 - smooth) * weight + smooth
            found.rates.append(float(rate))
            found.losses.append(loss)
            found.smoothed.append(mean / weight)
            if found.smoothed[-1] > WORSE * max(min(found.smoothed), 0.0) > 0:
                found.diverged = True
                break
    return found


def _batches(trainer: Trainer) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The batches of one epoch after another, without end."""
    epoch = 0
    while True:
        yield from trainer.batches.epoch(epoch)
        epoch += 1
