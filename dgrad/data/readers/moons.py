"""The moons reader: two half circles that reach into each other."""

from __future__ import annotations

import numpy as np

from dgrad.data.dataset import Dataset
from dgrad.data.readers.draws import Seed, normal, uniform
from dgrad.data.readers.points import labelled, labels
from dgrad.registry import Count, NonNegative, readers

__all__ = ["make_moons"]


@readers.register("moons")
def make_moons(rows: Count = 1000, *, noise: NonNegative = 0.1, seed: Seed = 0) -> Dataset:
    """Two half circles of points that reach into each other, each a class; generated.

    Class 0: (cos a, sin a), class 1: (1 - cos a, 1/2 - sin a), a from U(0, pi), + noise N(0, 1).
    inputs: (rows, 2) float32; targets: (rows,) int64, 0 and 1 in turns. noise: a standard
    deviation.
    """
    targets = labels(rows, 2)
    angle = np.pi * uniform(seed, 0, rows)
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)  # (rows, 2)
    points = np.where(targets[:, None] == 0, upper, np.array([1.0, 0.5]) - upper)
    return labelled("moons", points + noise * normal(seed, 1, rows, 2), targets, 2)
