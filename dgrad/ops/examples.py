"""Example arguments of ops, for those that are not defined, or not smooth, on the whole line."""

from __future__ import annotations

import numpy as np

from dgrad.core.op import Example

__all__ = ["uniform"]


def uniform(*bounds: tuple[float, float]) -> Example:
    """An example of one array of shape (3, 4) for each (low, high), drawn between the two."""
    return lambda rng: (tuple(np.asarray(rng.uniform(*pair, size=(3, 4))) for pair in bounds), {})
