"""What generated data sets are drawn from: numbers that follow from a seed, on every machine."""

from __future__ import annotations

import hashlib
import math
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from dgrad.data.dataset import Source
from dgrad.data.loader import permutation
from dgrad.randomness import Purpose, philox
from dgrad.registry import Range

__all__ = ["Seed", "distinct", "fingerprint", "normal", "uniform"]

Seed = Annotated[int, Range(low=0)]

_FEW = 2**20
_BLOCK = 2**16


def uniform(seed: int, number: int, *shape: int) -> NDArray[np.float64]:
    """From U(0, 1), 0 included; the first 53 bits of Philox words. number: of the draw."""
    words = philox(seed, Purpose.GENERATE, number=number).random_raw(math.prod(shape))
    return np.ldexp((words >> np.uint64(11)).astype(np.float64), -53).reshape(shape)


def normal(seed: int, number: int, *shape: int) -> NDArray[np.float64]:
    """From N(0, 1) (Box and Muller 1958). number: of the draw.

    The last bits may depend on the machine's log and cos: round to float32, which hides them.
    """
    u, v = uniform(seed, number, 2, *shape)
    out: NDArray[np.float64] = np.sqrt(-2 * np.log1p(-u)) * np.cos(2 * np.pi * v)
    return out


def distinct(total: int, count: int, seed: int) -> NDArray[np.int64]:
    """`count` different numbers from 0..total-1 in random order, (count,). total: <= 2^53.

    Fewer are the first of more.
    """
    if total <= _FEW:
        return permutation(total, seed=seed, purpose=Purpose.GENERATE)[:count]
    found, number = np.empty(0, np.int64), 0
    while len(found) < count:
        drawn = (uniform(seed, number, _BLOCK) * total).astype(np.int64)
        found = np.concatenate([found, drawn])
        found = found[np.sort(np.unique(found, return_index=True)[1])]
        number += 1
    return found[:count]


def fingerprint(name: str, *arrays: NDArray[Any]) -> Source:
    """The Source of generated arrays: a run that comes back finds out if they are others now."""
    content = b"".join(array.tobytes() for array in arrays)
    return Source(f"{name} (generated)", len(content), hashlib.sha256(content).hexdigest())
