"""Layers that drop activations at random in training."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from dgrad.core import stream
from dgrad.core.tensor import array_of
from dgrad.nn.input_shapes import channels_of
from dgrad.nn.module import Module
from dgrad.ops.random import dropout
from dgrad.registry import Range, layers

__all__ = ["Dropout", "Dropout2d"]


@layers.register("dropout")
class Dropout(Module):
    """y = x m / (1 - p), m = 0 with probability p in training; y = x in eval mode.

    x: any shape -> same shape. Each call draws the next key of dgrad's stream, so the same seed
    gives the same masks. Srivastava et al. 2014.
    """

    def __init__(self, p: Annotated[float, Range(0, 1)] = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Any) -> Any:
        """x: any shape -> same shape."""
        if not self.training or self.p == 0:
            return x
        return dropout(x, p=self.p, key=stream.current().key())

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.p}"


@layers.register("dropout2d")
class Dropout2d(Dropout):
    """Dropout of whole channels, as neighbouring pixels tell the same. Tompson et al. 2015.

    x: (n, c, h, w) -> same shape; each channel of each image is 0 with probability p in training.
    """

    def forward(self, x: Any) -> Any:
        """x: (n, c, h, w) -> same shape."""
        if not self.training or self.p == 0:
            return x
        images = array_of(x)
        kept = np.ones_like(images[:, :, :1, :1])  # in memory as x lies, so that y does
        return x * dropout(kept, p=self.p, key=stream.current().key())

    @classmethod
    def infer(cls, *shapes: tuple[int, ...]) -> dict[str, Any]:
        """Nothing; raises ShapeError unless the inputs are images of channels."""
        channels_of("dropout2d", shapes[0], 2)
        return {}

    @classmethod
    def example(cls, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Small images of several channels."""
        return (rng.normal(size=(3, 4, 2, 2)),), {}
