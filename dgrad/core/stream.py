"""The stream of keys that initialisation and dropout draw from: a place, and a count from there.

A draw is a function of its key, so a run is resumed by telling the stream where it is.
"""

from __future__ import annotations

import threading

import numpy as np

from dgrad.randomness import Purpose, check_seed, philox

__all__ = ["Key", "Stream", "at", "current", "generator", "manual_seed", "thread"]

Key = tuple[int, Purpose, int, int]  # (seed, purpose, place, number of the draw)


def generator(key: Key) -> np.random.Generator:
    """A NumPy generator at the start of the key's own words."""
    return np.random.Generator(philox(*key))


class Stream:
    """Hands out keys: (seed, purpose, place, 0), (seed, purpose, place, 1), ..."""

    __slots__ = ("number", "place", "purpose", "seed")

    def __init__(self, seed: int = 0, purpose: Purpose = Purpose.INIT, place: int = 0) -> None:
        self.seed, self.purpose, self.place, self.number = seed, purpose, place, 0

    def key(self) -> Key:
        """The next key."""
        key = (self.seed, self.purpose, self.place, self.number)
        self.number += 1
        return key


class _Thread(threading.local):
    """Each thread has a stream of its own, so that none disturbs the draws of another."""

    def __init__(self) -> None:
        self.stream = Stream()


thread = _Thread()


def current() -> Stream:
    """The stream that this thread draws from: that of `manual_seed(0)` until it is told another."""
    return thread.stream


class at(Stream):
    """Context: draw from the start of (seed, purpose, place); afterwards from where it was before.

    place: a training step's number, say.
    """

    __slots__ = ("_before",)

    def __enter__(self) -> Stream:
        self._before = thread.stream
        thread.stream = self
        return self

    def __exit__(self, *_: object) -> None:
        thread.stream = self._before


def manual_seed(seed: int) -> None:
    """Restart this thread's stream. Raises ParameterError unless seed lies in 0..2^64-1."""
    check_seed(seed)
    thread.stream = Stream(seed)
