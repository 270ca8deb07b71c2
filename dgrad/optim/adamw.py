"""AdamW: Adam with weight decay apart from the gradient."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np

from dgrad.optim.adam import adam_slots, adam_step
from dgrad.optim.block import State
from dgrad.optim.optimizer import Optimizer
from dgrad.registry import Fraction, NonNegative, optimizers

__all__ = ["AdamW"]


@optimizers.register("adamw")
class AdamW(Optimizer):
    """p <- p - lr weight_decay p, then Adam's step.   Loshchilov & Hutter 2019, PyTorch's form."""

    scratch: ClassVar[int] = 2

    def __init__(
        self,
        params: Iterable[Any],
        lr: NonNegative = 1e-3,
        betas: tuple[Fraction, Fraction] = (0.9, 0.999),
        eps: NonNegative = 1e-8,
        weight_decay: NonNegative = 0.01,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        settings = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
        }
        super().__init__(params, settings)

    def slots(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        """The moments."""
        return adam_slots(group)

    def update(self, p: np.ndarray, g: np.ndarray, state: State, group: Mapping[str, Any]) -> None:
        """One step, weight decay straight on p."""
        d, t = state.scratch
        if group["maximize"]:
            g = np.negative(g, out=d)
        if group["weight_decay"]:
            np.multiply(p, 1 - group["lr"] * group["weight_decay"], out=p)
        adam_step(p, g, state, t, group)
