"""LAMB: Adam's step, as long as a share of each parameter's own norm."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from dgrad.optim.axpby import axpby, axpy
from dgrad.optim.block import State
from dgrad.optim.optimizer import Optimizer
from dgrad.registry import Fraction, NonNegative, optimizers

__all__ = ["LAMB"]


@optimizers.register("lamb")
class LAMB(Optimizer):
    """u = m' / (sqrt(v') + eps) + weight_decay p;  p <- p - lr |p| / |u| u.   You et al. 2020.

    m', v' as in Adam; |p|, |u| the 2-norms of the whole parameter and its step, their quotient 1
    where one of them is 0. For large batches.
    """

    elementwise = False

    def __init__(
        self,
        params: Iterable[Any],
        lr: NonNegative = 1e-3,
        betas: tuple[Fraction, Fraction] = (0.9, 0.999),
        eps: NonNegative = 1e-6,
        weight_decay: NonNegative = 0.01,
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
        """The moments m and v."""
        return ("exp_avg", "exp_avg_sq")

    def update(self, p: np.ndarray, g: np.ndarray, state: State, group: Mapping[str, Any]) -> None:
        """One step of the formula above."""
        (t,) = state.scratch
        b1, b2 = group["betas"]
        m, v = state["exp_avg"], state["exp_avg_sq"]
        axpby(1 - b1, g, b1, m, t)
        axpby(1 - b2, np.multiply(g, g, out=g), b2, v, g)
        c = math.sqrt(1 - b2**state.step)
        np.add(np.sqrt(v, out=g), group["eps"] * c, out=g)
        u = np.divide(m, g, out=g)
        np.multiply(u, c / (1 - b1**state.step), out=u)
        if group["weight_decay"]:
            axpy(group["weight_decay"], p, u, t)
        length, step = _norm(p), _norm(u)
        trust = length / step if length > 0 and step > 0 else 1.0
        axpy(-group["lr"] * trust, u, p, u)


def _norm(array: np.ndarray) -> float:
    return math.sqrt(float(np.vdot(array, array)))
