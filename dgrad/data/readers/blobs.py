"""The blobs reader: a round cloud of points for each class."""

from __future__ import annotations

from dgrad.data.dataset import Dataset
from dgrad.data.readers.draws import Seed, normal, uniform
from dgrad.data.readers.points import labelled, labels
from dgrad.registry import Count, NonNegative, readers

__all__ = ["make_blobs"]

_HALF_WIDTH = 10.0


@readers.register("blobs")
def make_blobs(
    rows: Count = 1000,
    *,
    classes: Count = 3,
    features: Count = 2,
    std: NonNegative = 1.0,
    seed: Seed = 0,
) -> Dataset:
    """A round cloud of points for each class; generated.

    Points are from N(centre, std^2), the centres from U(-10, 10) in every feature.
    inputs: (rows, features) float32; targets: (rows,) int64, row i of class i mod classes.
    """
    targets = labels(rows, classes)
    centres = _HALF_WIDTH * (2 * uniform(seed, 0, classes, features) - 1)
    points = centres[targets] + std * normal(seed, 1, rows, features)
    return labelled("blobs", points, targets, classes)
