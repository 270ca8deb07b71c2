"""The friedman reader: a function of ten numbers to be found from noisy values (Friedman 1991)."""

from __future__ import annotations

import numpy as np

from dgrad.data.dataset import Dataset
from dgrad.data.readers.draws import Seed, fingerprint, normal, uniform
from dgrad.registry import Count, NonNegative, readers

__all__ = ["make_friedman"]

_FEATURES = 10


@readers.register("friedman")
def make_friedman(rows: Count = 1000, *, noise: NonNegative = 1.0, seed: Seed = 0) -> Dataset:
    """Noisy values of a function of ten numbers, five of which do not matter; generated.

    y = 10 sin(pi x1 x2) + 20 (x3 - 0.5)^2 + 10 x4 + 5 x5 + noise N(0, 1), x1 to x10 from U(0, 1)
    (Friedman 1991, Multivariate adaptive regression splines, 4.3).
    inputs: (rows, 10) float32, targets: (rows,) float32. noise: a standard deviation, the lowest
    error that any model can reach; the function's own is about 4.9.
    """
    x = uniform(seed, 0, rows, _FEATURES)
    exact = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * np.square(x[:, 2] - 0.5)
    exact += 10 * x[:, 3] + 5 * x[:, 4]  # (rows,)
    inputs = x.astype(np.float32)
    targets = (exact + noise * normal(seed, 1, rows)).astype(np.float32)
    return Dataset(
        inputs,
        targets,
        class_names=None,
        feature_names=tuple(f"x{i}" for i in range(1, _FEATURES + 1)),
        sources=(fingerprint("friedman", inputs, targets),),
    )
