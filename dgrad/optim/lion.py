"""Lion: the sign of an average of the gradient."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from dgrad.optim.axpby import axpby
from dgrad.optim.block import State
from dgrad.optim.optimizer import Optimizer
from dgrad.registry import Fraction, NonNegative, optimizers

__all__ = ["Lion"]


@optimizers.register("lion")
class Lion(Optimizer):
    """p <- p - lr (sign(b1 m + (1-b1) g) + weight_decay p);  m <- b2 m + (1-b2) g.

    Chen et al. 2023, algorithm 2. It wants an lr 3 to 10 times smaller than AdamW's, and a
    weight_decay as many times larger.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: NonNegative = 1e-4,
        betas: tuple[Fraction, Fraction] = (0.9, 0.99),
        weight_decay: NonNegative = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        settings = {"lr": lr, "betas": betas, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, settings)

    def slots(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        """The average m."""
        return ("exp_avg",)

    def gradient_scale(self, group: Mapping[str, Any]) -> float:
        """1 - b1, as the sign's average takes it."""
        return super().gradient_scale(group) * (1.0 - float(group["betas"][0]))

    def update(self, p: np.ndarray, g: np.ndarray, state: State, group: Mapping[str, Any]) -> None:
        """One step of the formula above."""
        (t,) = state.scratch
        lr, decay, (b1, b2) = group["lr"], group["weight_decay"], group["betas"]
        m = state["exp_avg"]
        np.add(np.multiply(m, b1, out=t), g, out=t)
        axpby(-lr, np.sign(t, out=t), 1 - lr * decay, p, t)
        axpby((1 - b2) / (1 - b1), g, b2, m, g)
