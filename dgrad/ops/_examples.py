"""Example arguments of ops: normal numbers, and for those not smooth on the whole line others."""

from __future__ import annotations

from typing import Any

import numpy as np

from dgrad.core.op import Example

__all__ = ["complex_normal", "normal", "uniform"]


def normal(*shapes: tuple[int, ...], **params: Any) -> Example:
    """An example: normal arrays of those shapes, and the parameters."""
    return lambda rng: (tuple(np.asarray(rng.normal(size=shape)) for shape in shapes), params)


def complex_normal(*shapes: tuple[int, ...], **params: Any) -> Example:
    """An example: arrays of those shapes, normal in both parts, and the parameters."""

    def example(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        parts = ((rng.normal(size=shape), rng.normal(size=shape)) for shape in shapes)
        return tuple(np.asarray(real + 1j * imaginary) for real, imaginary in parts), params

    return example


def uniform(*bounds: tuple[float, float]) -> Example:
    """An example of one array of shape (3, 4) for each (low, high), drawn between the two."""
    return lambda rng: (tuple(np.asarray(rng.uniform(*pair, size=(3, 4))) for pair in bounds), {})
