"""The spirals reader: arms that wind around each other, one class each (Lang, Witbrock 1988)."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from dgrad.data.dataset import Dataset
from dgrad.data.readers.draws import Seed, normal, uniform
from dgrad.data.readers.points import labelled, labels
from dgrad.registry import Count, NonNegative, Positive, Range, readers

__all__ = ["make_spirals"]


@readers.register("spirals")
def make_spirals(
    rows: Count = 1000,
    *,
    classes: Annotated[int, Range(low=2)] = 2,
    turns: Positive = 1.5,
    noise: NonNegative = 0.02,
    seed: Seed = 0,
) -> Dataset:
    """Arms of points that wind around each other, each a class; generated.

    A point is r (cos a, sin a) + noise N(0, 1) with a = 2 pi (turns r + class / classes).
    inputs: (rows, 2) float32; targets: (rows,) int64, row i of class i mod classes. The radius r
    is sqrt(U(0, 1)), so that the points lie evenly over the unit disc. noise: a standard deviation.
    """
    targets = labels(rows, classes)
    radius = np.sqrt(uniform(seed, 0, rows))
    angle = 2 * np.pi * (turns * radius + targets / classes)
    points = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return labelled("spirals", points + noise * normal(seed, 1, rows, 2), targets, classes)
