"""How much memory training takes besides the activations of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dgrad.core.tensor import Tensor
from dgrad.optim.optimizer import Optimizer

__all__ = ["Footprint", "footprint"]


@dataclass(frozen=True)
class Footprint:
    """Bytes. average: of the weights, with what it is moved by."""

    parameters: int
    gradients: int
    optimizer: int
    average: int

    @property
    def held(self) -> int:
        """All through training."""
        return self.parameters + self.gradients + self.optimizer + self.average

    @property
    def saved(self) -> int:
        """Of the copies that a checkpoint is written from: half of `average` is such."""
        return self.parameters + self.optimizer + self.average // 2


def footprint(parameters: Sequence[Tensor], optimizer: Optimizer, *, averaged: bool) -> Footprint:
    """What training these parameters takes. averaged: with EMA or SWA."""
    held = sum(p.data.nbytes for p in parameters)
    gradients = sum(p.data.nbytes for p in parameters if p.requires_grad)
    return Footprint(held, gradients, optimizer.state_bytes(), 2 * held if averaged else 0)
