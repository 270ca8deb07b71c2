"""Layers that drop activations at random in training."""

from __future__ import annotations

from typing import Annotated, Any

from dgrad.core import stream
from dgrad.nn.module import Module
from dgrad.ops.random import dropout
from dgrad.registry import Range, layers

__all__ = ["Dropout"]


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
