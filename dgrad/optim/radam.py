"""RAdam: Adam that waits with its scaling until the variance can be told."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from dgrad.optim.axpby import axpby, axpy
from dgrad.optim.block import State
from dgrad.optim.optimizer import Optimizer
from dgrad.registry import Fraction, NonNegative, optimizers

__all__ = ["RAdam"]


@optimizers.register("radam")
class RAdam(Optimizer):
    """p <- p - lr r m' sqrt(1 - b2^t) / (sqrt(v) + eps) where rho > 5, p <- p - lr m' before.

    m, v, m' as in Adam; R = 2 / (1-b2) - 1, rho = R - 2 t b2^t / (1-b2^t),
    r^2 = (rho-4)(rho-2) R / ((R-4)(R-2) rho). Liu et al. 2020, PyTorch's form.
    weight_decay adds weight_decay p to g, or, decoupled, shrinks p as AdamW does.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: NonNegative = 1e-3,
        betas: tuple[Fraction, Fraction] = (0.9, 0.999),
        eps: NonNegative = 1e-8,
        weight_decay: NonNegative = 0.0,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        settings = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, settings)

    def slots(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        """The moments m and v."""
        return ("exp_avg", "exp_avg_sq")

    def update(self, p: np.ndarray, g: np.ndarray, state: State, group: Mapping[str, Any]) -> None:
        """One step of the formula above."""
        (t,) = state.scratch
        lr, decay, (b1, b2) = group["lr"], group["weight_decay"], group["betas"]
        if decay and group["decoupled_weight_decay"]:
            np.multiply(p, 1 - lr * decay, out=p)
        elif decay:
            axpy(decay, p, g, t)
        m, v = state["exp_avg"], state["exp_avg_sq"]
        axpby(1 - b1, g, b1, m, t)
        axpby(1 - b2, np.multiply(g, g, out=g), b2, v, g)
        rate = lr / (1 - b1**state.step)
        rectification = _rectification(b2, state.step)
        if rectification is None:
            axpy(-rate, m, p, t)
            return
        np.add(np.sqrt(v, out=g), group["eps"], out=g)
        rate *= rectification * math.sqrt(1 - b2**state.step)
        axpy(-rate, np.divide(m, g, out=g), p, g)


def _rectification(b2: float, step: int) -> float | None:
    """r of the formula; None while the variance has no estimate."""
    most = 2 / (1 - b2) - 1
    rho = most - 2 * step * b2**step / (1 - b2**step)
    if rho <= 5:
        return None
    return math.sqrt((rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho))
