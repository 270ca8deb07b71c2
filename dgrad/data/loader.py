"""Batches of a data set, in an order that is a pure function of (seed, epoch)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgrad.errors import DataError, ParameterError, ShapeError
from dgrad.randomness import Purpose, philox

__all__ = ["Batches", "permutation"]


def permutation(
    n: int, *, seed: int, epoch: int = 0, purpose: Purpose = Purpose.SHUFFLE
) -> NDArray[np.int64]:
    """A random order of 0..n-1, (n,) int64: the same for the same arguments, always.

    The order that sorts n raw words of `dgrad.randomness`: they are the same in every version of
    NumPy, as `Generator.permutation` is not.
    Raises ParameterError unless seed and epoch lie in 0..2^64-1.
    """
    words = philox(seed, purpose, epoch).random_raw(n)
    return np.argsort(words, kind="stable").astype(np.int64, copy=False)


class Batches:
    """(inputs, targets) in batches of `batch_size` rows, an epoch at a time.

    inputs: (n, ...); targets: (n, ...). The last batch of an epoch holds the rows that are left,
    or is left out with drop_last. With shuffle, epoch k visits the rows in the order of
    `permutation(n, seed=seed, epoch=k)`; without it, in their own order.
    Raises ParameterError (batch_size < 1), ShapeError (lengths differ), DataError (D10) when an
    epoch would have no batch.
    """

    def __init__(
        self,
        inputs: NDArray[Any],
        targets: NDArray[Any],
        *,
        batch_size: int,
        shuffle: bool,
        seed: int,
        drop_last: bool = False,
    ) -> None:
        if batch_size < 1:
            raise ParameterError("batches", "batch_size", ">= 1", batch_size)
        if len(inputs) != len(targets):
            raise ShapeError(f"batches: {len(inputs)} inputs but {len(targets)} targets")
        self.inputs = inputs
        self.targets = targets
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.drop_last = drop_last
        if len(self) == 0:
            reason = "drop_last leaves it out" if len(inputs) else "there are none"
            raise DataError(
                f"{len(inputs)} rows make no batch of {batch_size} ({reason}); "
                f"give more rows, a smaller batch_size, or drop_last: false",
                fault="D10",
            )

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        whole, rest = divmod(len(self.inputs), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def epoch(self, k: int, start: int = 0) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        """The batches of epoch k: ((b, ...) inputs, (b, ...) targets), b = batch_size or the rest.

        start: how many batches to pass over, as they were seen before a run was interrupted.
        A batch is valid until the next one is asked for: copy what must stay. Shuffled batches of
        contiguous arrays lie in one buffer that is filled again each time (the last, short one is
        a view of its start). Unshuffled ones are views of the data set: do not write to them.
        """
        starts = range(start * self.batch_size, len(self) * self.batch_size, self.batch_size)
        return self._shuffled(k, starts) if self.shuffle else self._in_order(starts)

    def _in_order(self, starts: range) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        for start in starts:
            stop = start + self.batch_size
            yield self.inputs[start:stop], self.targets[start:stop]

    def _shuffled(self, k: int, starts: range) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        order = permutation(len(self.inputs), seed=self.seed, epoch=k)
        rows = min(self.batch_size, len(order))
        inputs, targets = _buffer(self.inputs, rows), _buffer(self.targets, rows)
        for start in starts:
            chosen = order[start : start + self.batch_size]
            yield _gather(self.inputs, chosen, inputs), _gather(self.targets, chosen, targets)


def _buffer(source: NDArray[Any], rows: int) -> NDArray[Any] | None:
    """Room for a batch, None where `_gather` needs none."""
    if not source.flags.c_contiguous:
        return None
    return np.empty((rows, *source.shape[1:]), source.dtype)


def _gather(
    source: NDArray[Any], chosen: NDArray[np.int64], buffer: NDArray[Any] | None
) -> NDArray[Any]:
    """source[chosen], in the buffer if there is one."""
    if buffer is None:
        # np.take would first copy all of a strided source: of 10^6 windows, say.
        return source[chosen]
    # mode="clip": every index is valid, and mode="raise" would go through a second buffer.
    return np.take(source, chosen, axis=0, out=buffer[: len(chosen)], mode="clip")
