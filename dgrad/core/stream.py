"""Random streams without state to lose: every draw is a function of (seed, place, number).

Philox is a counter-based generator (Salmon et al. 2011): any point of its stream is reached
directly, so a run is resumed by telling the stream where it is.
"""

from __future__ import annotations

import numpy as np

from dgrad.errors import ParameterError

__all__ = ["Key", "Stream", "default_stream", "generator", "manual_seed"]

Key = tuple[int, int, int]  # (seed, place, number of the draw)


def generator(key: Key) -> np.random.Generator:
    """A NumPy generator at the start of the key's own stream of 2**64 blocks."""
    seed, place, number = key
    counter = np.array([0, number, place, 0], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=seed, counter=counter))


class Stream:
    """Hands out keys: (seed, place, 0), (seed, place, 1), ... until it is moved."""

    def __init__(self, seed: int = 0) -> None:
        self.move(seed)

    def move(self, seed: int, place: int = 0) -> None:
        """Go to the start of a place (a training step's number, say) of a seed's stream."""
        if not (0 <= seed < 2**64 and 0 <= place < 2**64):
            raise ParameterError("stream", "seed and place", ">= 0 and < 2**64", (seed, place))
        self.seed, self.place, self.number = seed, place, 0

    def key(self) -> Key:
        """The next key."""
        key = (self.seed, self.place, self.number)
        self.number += 1
        return key


default_stream = Stream()


def manual_seed(seed: int) -> None:
    """Restart the stream that initialisation and dropout draw from."""
    default_stream.move(seed)
