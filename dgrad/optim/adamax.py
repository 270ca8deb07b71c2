"""Adamax: Adam with the largest gradient in place of the mean square."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from dgrad.optim.axpby import axpby, axpy
from dgrad.optim.block import State
from dgrad.optim.optimizer import Optimizer
from dgrad.registry import Fraction, NonNegative, optimizers

__all__ = ["Adamax"]


@optimizers.register("adamax")
class Adamax(Optimizer):
    """m <- b1 m + (1-b1) g;  u <- max(b2 u, |g| + eps);  p <- p - lr / (1-b1^t) m / u.

    Kingma & Ba 2015, algorithm 2, PyTorch's form. weight_decay adds weight_decay p to g.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: NonNegative = 2e-3,
        betas: tuple[Fraction, Fraction] = (0.9, 0.999),
        eps: NonNegative = 1e-8,
        weight_decay: NonNegative = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        settings = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, settings)

    def slots(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        """m, and the largest gradient u."""
        return ("exp_avg", "exp_inf")

    def update(self, p: np.ndarray, g: np.ndarray, state: State, group: Mapping[str, Any]) -> None:
        """One step of the formula above."""
        (t,) = state.scratch
        b1, b2 = group["betas"]
        m, u = state["exp_avg"], state["exp_inf"]
        if group["weight_decay"]:
            axpy(group["weight_decay"], p, g, t)
        axpby(1 - b1, g, b1, m, t)
        np.add(np.abs(g, out=g), group["eps"], out=g)
        np.maximum(np.multiply(u, b2, out=u), g, out=u)
        axpy(-group["lr"] / (1 - b1**state.step), np.divide(m, u, out=g), p, g)
