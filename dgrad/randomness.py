"""Where all random numbers come from: Philox words, found by (seed, purpose, place, number).

Philox is a counter-based generator (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2,
3"): any point of its stream is reached directly, so there is no state to store or to share. NumPy
promises its words for every version and machine.
"""

from __future__ import annotations

import enum

import numpy as np

from dgrad.errors import ParameterError

__all__ = ["Purpose", "check_seed", "philox"]


@enum.unique
class Purpose(enum.IntEnum):
    """What numbers are drawn for. No two purposes ever see the same words."""

    INIT = 0  # initial weights, and whatever is drawn outside of training steps
    STEP = 1  # dropout and the like; the place is the step
    SHUFFLE = 2  # the order of the rows; the place is the epoch
    SPLIT = 3  # which rows are held out
    GENERATE = 4  # the rows of generated data sets


def check_seed(seed: int) -> None:
    """Raise ParameterError unless seed lies in 0..2^64-1."""
    _check("seed", seed)


def philox(seed: int, purpose: Purpose, place: int = 0, number: int = 0) -> np.random.Philox:
    """The start of a stream of 2^66 words of its own for each (seed, purpose, place, number).

    Raises ParameterError unless all of them lie in 0..2^64-1.
    """
    for name, word in (("seed", seed), ("place", place), ("number", number)):
        _check(name, word)
    # Philox counts in the first word and carries into the next: 2^64 blocks of four words.
    return np.random.Philox(key=seed, counter=np.array([0, number, place, purpose], np.uint64))


def _check(name: str, word: int) -> None:
    if not 0 <= word < 2**64:
        raise ParameterError("randomness", name, "from 0 to 2^64 - 1", word)
