"""Adadelta: steps as large as the former ones, for a gradient as large as the former ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from dgrad.optim.axpby import axpby, axpy
from dgrad.optim.block import State
from dgrad.optim.optimizer import Optimizer
from dgrad.registry import Fraction, NonNegative, optimizers

__all__ = ["Adadelta"]


@optimizers.register("adadelta")
class Adadelta(Optimizer):
    """d = g sqrt(u + eps) / sqrt(v + eps);  p <- p - lr d.   Zeiler 2012.

    v <- rho v + (1-rho) g^2 before, u <- rho u + (1-rho) d^2 after. weight_decay adds
    weight_decay p to g.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: NonNegative = 1.0,
        rho: Fraction = 0.9,
        eps: NonNegative = 1e-6,
        weight_decay: NonNegative = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        settings = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, settings)

    def slots(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        """v and u, the running means of the squares of gradients and of steps."""
        return ("square_avg", "acc_delta")

    def update(self, p: np.ndarray, g: np.ndarray, state: State, group: Mapping[str, Any]) -> None:
        """One step of the formula above."""
        (t,) = state.scratch
        rho, eps = group["rho"], group["eps"]
        v, u = state["square_avg"], state["acc_delta"]
        if group["weight_decay"]:
            axpy(group["weight_decay"], p, g, t)
        axpby(1 - rho, np.multiply(g, g, out=t), rho, v, t)
        np.divide(g, np.sqrt(np.add(v, eps, out=t), out=t), out=g)
        np.multiply(g, np.sqrt(np.add(u, eps, out=t), out=t), out=g)
        axpby(1 - rho, np.multiply(g, g, out=t), rho, u, t)
        axpy(-group["lr"], g, p, g)
