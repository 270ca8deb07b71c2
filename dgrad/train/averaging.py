"""Averages of the weights over the steps of training: exponential, and stochastic weight averaging.

The averaged weights are what is evaluated, while training goes on with its own.
"""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from dgrad.core.modes import no_grad
from dgrad.core.tensor import Tensor
from dgrad.errors import CheckpointError
from dgrad.nn.module import Module, evaluating

__all__ = ["EMA", "SWA", "WeightAverage"]

SMALL = 8192  # elements: smaller parameters are averaged together, as a NumPy call costs as much

Rows = Callable[[], Iterable[np.ndarray]]


class _Piece:
    """The average of some parameters of a dtype, in one flat array."""

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self.parameters = parameters
        dtype, size = parameters[0].dtype, sum(p.size for p in parameters)
        self.average, self._change = np.empty((2, size), dtype)
        ends = itertools.accumulate((p.size for p in parameters), initial=0)
        self.views = [
            self.average[start : start + math.prod(p.shape)].reshape(p.shape)
            for start, p in zip(ends, parameters, strict=False)
        ]

    def move(self, share: float) -> None:
        """average += share (weights - average)."""
        arrays = [p.data for p in self.parameters]
        if share == 1:
            np.concatenate(arrays, axis=None, out=self.average)
            return
        if len(arrays) > 1:
            np.concatenate(arrays, axis=None, out=self._change)
            self._change -= self.average
        else:
            np.subtract(arrays[0], self.views[0], out=self._change.reshape(arrays[0].shape))
        self._change *= share
        self.average += self._change


class WeightAverage(ABC):
    """Base of averages: `share` says how far the average of `count` weights goes to the next ones.

    The average covers all parameters of `model`. Buffers are not averaged: the model's own are
    used, but see SWA. section: what its tensors are called in checkpoints.
    """

    section: str

    def __init__(self, model: Module) -> None:
        self.model = model
        self.count = 0
        large: list[list[Tensor]] = []
        small: dict[np.dtype[Any], list[Tensor]] = {}
        for p in model.parameters():
            if p.size > SMALL:
                large.append([p])
            else:
                small.setdefault(p.dtype, []).append(p)
        self._pieces = [_Piece(parameters) for parameters in [*large, *small.values()]]
        places = {
            id(p): view
            for piece in self._pieces
            for p, view in zip(piece.parameters, piece.views, strict=True)
        }
        self._named = [(name, p, places[id(p)]) for name, p in model.named_parameters()]

    @abstractmethod
    def share(self, step: int) -> float | None:
        """The share of the weights after `step` updates in the average; None: they are left out."""

    def update(self, step: int) -> None:
        """Take the weights after `step` updates into the average."""
        share = self.share(step)
        if share is not None:
            for piece in self._pieces:
                piece.move(share)
            self.count += 1

    @contextmanager
    def applied(self, rows: Rows) -> Iterator[None]:
        """Within, the model has the averaged weights, once there are any. rows: training inputs."""
        if not self.count:
            yield
            return
        before = [p.data for _, p, _ in self._named]
        try:
            for _, p, view in self._named:
                p.data = view
            with self._with_buffers(rows):
                yield
        finally:
            for (_, p, _), array in zip(self._named, before, strict=True):
                p.data = array

    @contextmanager
    def _with_buffers(self, rows: Rows) -> Iterator[None]:
        yield

    def tensors(self) -> dict[str, np.ndarray]:
        """Copies of the averaged parameters, by name; none before the first."""
        return {name: view.copy() for name, _, view in self._named} if self.count else {}

    def load(self, tensors: Mapping[str, np.ndarray], count: int) -> None:
        """Go on from the result of `tensors`, an average of `count`. Raises CheckpointError."""
        wanted = {name: view.shape for name, _, view in self._named} if count else {}
        given = {name: array.shape for name, array in tensors.items() if name in wanted}
        if given != wanted:
            raise CheckpointError(
                f"the averaged weights, {self.section}, do not fit the model: expected "
                f"{len(wanted)} arrays of its parameters' shapes, {len(given)} of them are there",
                fault="K15",
            )
        for name, _, view in self._named if count else ():
            view[...] = tensors[name]
        self.count = count


class EMA(WeightAverage):
    """average <- decay average + (1 - decay) weights after every step; first the weights alone.

    Polyak & Juditsky 1992. PyTorch's AveragedModel with get_ema_multi_avg_fn. Buffers, such as
    batch norm's running statistics, are the model's own: they are averages already.
    """

    section = "ema"

    def __init__(self, model: Module, decay: float) -> None:
        super().__init__(model)
        self.decay = decay

    def share(self, step: int) -> float:
        """1 - decay."""
        return 1 - self.decay if self.count else 1.0


class SWA(WeightAverage):
    """The mean of the weights after `start` steps and after each `every` more.

    Izmailov et al. 2018. PyTorch's AveragedModel. No average of batch norm's running statistics
    belongs to the averaged weights: they are measured anew, on all training rows, with what is
    not batch norm in evaluation mode.
    """

    section = "swa"

    def __init__(self, model: Module, start: int, every: int) -> None:
        super().__init__(model)
        self.start, self.every = start, every
        self._norms: dict[str, Any] = {
            name: each for name, each in model.named_modules() if _has_statistics(each)
        }
        self._statistics: dict[str, np.ndarray] = {}  # of the average as it is now, once measured

    def share(self, step: int) -> float | None:
        """1 / (count + 1), when it is time."""
        due = step >= self.start and (step - self.start) % self.every == 0
        return 1 / (self.count + 1) if due else None

    def update(self, step: int) -> None:
        """As of the base; the statistics are out of date then."""
        before = self.count
        super().update(step)
        if self.count != before:
            self._statistics = {}

    def tensors(self) -> dict[str, np.ndarray]:
        """As of the base, and the statistics where they were measured for this average."""
        return {**super().tensors(), **self._statistics}

    def load(self, tensors: Mapping[str, np.ndarray], count: int) -> None:
        """As of the base; statistics that are not among them are measured when needed."""
        super().load(tensors, count)
        names = _read(self._norms)
        whole = all(name in tensors for name in names)
        self._statistics = {name: np.array(tensors[name]) for name in names} if whole else {}

    @contextmanager
    def _with_buffers(self, rows: Rows) -> Iterator[None]:
        before = _read(self._norms)
        try:
            if not self._statistics:
                self._statistics = self._measured(rows)
            _write(self._norms, self._statistics)
            yield
        finally:
            _write(self._norms, before)

    def _measured(self, rows: Rows) -> dict[str, np.ndarray]:
        """The means of the statistics of all batches."""
        norms = list(self._norms.values())
        momenta = [norm.momentum for norm in norms]
        with evaluating(self.model), no_grad():
            for norm in norms:
                norm.num_batches_tracked = np.zeros_like(norm.num_batches_tracked)
                norm.momentum, norm.training = None, True  # null: the mean of all batches
            try:
                for x in rows() if norms else ():
                    self.model(Tensor(x))
            finally:
                for norm, momentum in zip(norms, momenta, strict=True):
                    norm.momentum = momentum
        return _read(self._norms)


_BUFFERS = ("running_mean", "running_var", "num_batches_tracked")


def _has_statistics(module: Module) -> bool:
    """Whether it keeps running statistics, as batch norm does unless told otherwise."""
    return set(_BUFFERS) <= {name for name, _ in module.named_buffers(recurse=False)}


def _read(norms: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Copies of the buffers by dotted name."""
    return {
        f"{path}.{name}".lstrip("."): np.array(getattr(norm, name))
        for path, norm in norms.items()
        for name in _BUFFERS
    }


def _write(norms: Mapping[str, Any], buffers: Mapping[str, np.ndarray]) -> None:
    """Give every norm copies of its buffers: it may move them in place."""
    for path, norm in norms.items():
        for name in _BUFFERS:
            setattr(norm, name, buffers[f"{path}.{name}".lstrip(".")].copy())
