"""Layers that only rearrange axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from dgrad.nn.module import Module
from dgrad.ops.shape import flatten
from dgrad.registry import layers

__all__ = ["Flatten"]


@layers.register("flatten")
class Flatten(Module):
    """Axes start_dim to end_dim joined into one.   x: (n, c, h, w) -> (n, c h w)."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, x: Any) -> Any:
        """x: (n, ...) -> (n, product of the rest)."""
        return flatten(x, start_dim=self.start_dim, end_dim=self.end_dim)

    def extra_repr(self) -> str:
        """The axes."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"

    @classmethod
    def example(cls, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """A grid of 2 by 3."""
        return (rng.normal(size=(3, 2, 3)),), {}
