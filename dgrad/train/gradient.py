"""The gradient of a training step: forward, loss, backward, over one batch or several; limits."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator

import numpy as np

from dgrad.core import stream
from dgrad.core.tensor import Tensor
from dgrad.errors import DivergedError
from dgrad.nn.module import Module
from dgrad.optim.clipping import (
    clip_grad_norm_,
    clip_grad_value_,
    get_total_norm,
    nonfinite_gradients,
)
from dgrad.randomness import Purpose
from dgrad.train.divergence import first_fault
from dgrad.train.evaluation import weight_of
from dgrad.train.settings import Settings

__all__ = ["Gradient"]

_Part = tuple[np.ndarray, np.ndarray, float, int]


class Gradient:
    """Fills the parameters' `.grad` with the gradient of the mean loss over the rows of a step.

    The rows are taken in parts of `settings.batch_size`, each with random draws of its own. A part
    counts by what it weighs in the loss: its rows, or what else Loss.weight_of says.
    """

    def __init__(self, model: Module, loss: Module, settings: Settings) -> None:
        self.model, self.loss, self.settings = model, loss, settings
        self.parameters = list(model.parameters())

    def add(self, inputs: np.ndarray, targets: np.ndarray, step: int) -> float:
        """Add the gradient to every `.grad`; returns the loss. Raises DivergedError T01."""
        if self.settings.accumulate == 1:
            return self._add_part(inputs, targets, None, step)
        parts = self._parts(inputs, targets, step)
        return sum(share * self._add_part(x, y, share, place) for x, y, share, place in parts)

    def _parts(self, inputs: np.ndarray, targets: np.ndarray, step: int) -> Iterator[_Part]:
        """(inputs, targets, share of the whole, place of its random draws) of every part."""
        count = self.settings.accumulate
        size = self.settings.batch_size if count > 1 else len(inputs)
        starts = range(0, len(inputs), size)
        weights = [weight_of(self.loss, targets[start : start + size]) for start in starts]
        for i, (start, weight) in enumerate(zip(starts, weights, strict=True)):
            if weight:  # the mean of nothing is NaN
                rows = slice(start, start + size)
                yield inputs[rows], targets[rows], weight / sum(weights), step * count + i

    def _add_part(
        self, inputs: np.ndarray, targets: np.ndarray, share: float | None, place: int
    ) -> float:
        """Add the gradient of share times the loss; returns the loss."""
        with stream.at(self.settings.seed, Purpose.STEP, place):
            loss = self.loss(self.model(Tensor(inputs)), Tensor(targets))
            value = float(loss.data)
            if not math.isfinite(value):
                step = place // self.settings.accumulate
                raise DivergedError(
                    f"the loss is {value} at step {step + 1}; nothing was updated. "
                    f"{self._first_fault(inputs, targets, place)}"
                    f"Try a lower learning rate, train.clip_norm, or look for bad values in the "
                    f"data"
                )
            loss.backward(None if share is None else np.asarray(share, loss.dtype))
        return value

    def clip(self, inputs: np.ndarray, targets: np.ndarray, step: int) -> None:
        """Limit the gradients as the settings say. Raises DivergedError T02.

        inputs, targets: of the step, to look for the fault in.
        """
        limit, most = self.settings.clip_norm, self.settings.clip_value
        if limit is not None:
            norm = clip_grad_norm_(self.parameters, limit)
        elif most is not None:
            norm = get_total_norm(self.parameters)
        else:
            return
        if not math.isfinite(norm):
            names = nonfinite_gradients(self.model.named_parameters())
            parts = self._parts(inputs, targets, step)
            faults = (self._first_fault(x, y, place) for x, y, _, place in parts)
            raise DivergedError(
                f"the norm of the gradients is {norm} at step {step + 1}: that of "
                f"{', '.join(names)} is not finite; nothing was updated. "
                f"{next(filter(None, faults), '')}Try a lower learning rate",
                fault="T02",
            )
        if most is not None:
            clip_grad_value_(self.parameters, most)

    def _first_fault(self, inputs: np.ndarray, targets: np.ndarray, place: int) -> str:
        """What was not finite first, with the random draws of that place; see divergence."""
        draws = functools.partial(stream.at, self.settings.seed, Purpose.STEP, place)
        return first_fault(self.model, self.loss, inputs, targets, draws)
