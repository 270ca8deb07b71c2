"""NAdam: Adam with Nesterov's look ahead."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from dgrad.optim.axpby import axpby, axpy
from dgrad.optim.block import State
from dgrad.optim.optimizer import Optimizer
from dgrad.registry import Fraction, NonNegative, optimizers

__all__ = ["NAdam"]


@optimizers.register("nadam")
class NAdam(Optimizer):
    """p <- p - lr (mu_{t+1} m / (1 - M mu_{t+1}) + (1 - mu_t) g / (1 - M)) / (sqrt(v') + eps).

    m, v, v' as in Adam; mu_t = b1 (1 - 0.96^(t momentum_decay) / 2), M the product of mu_1 to mu_t.
    Dozat 2016. weight_decay adds weight_decay p to g, or, decoupled, shrinks p as AdamW does.
    """

    scratch = 2
    scalars = MappingProxyType({"mu_product": 1.0})

    def __init__(
        self,
        params: Iterable[Any],
        lr: NonNegative = 2e-3,
        betas: tuple[Fraction, Fraction] = (0.9, 0.999),
        eps: NonNegative = 1e-8,
        weight_decay: NonNegative = 0.0,
        momentum_decay: NonNegative = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        settings = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, settings)

    def slots(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        """The moments m and v."""
        return ("exp_avg", "exp_avg_sq")

    def prepare(self, state: State, group: Mapping[str, Any]) -> None:
        """M <- M mu_t."""
        state.scalars["mu_product"] *= _mu(state.step, group)

    def update(self, p: np.ndarray, g: np.ndarray, state: State, group: Mapping[str, Any]) -> None:
        """One step of the formula above."""
        d, t = state.scratch
        lr, decay, (b1, b2) = group["lr"], group["weight_decay"], group["betas"]
        if decay and group["decoupled_weight_decay"]:
            np.multiply(p, 1 - lr * decay, out=p)
        elif decay:
            axpy(decay, p, g, t)
        m, v = state["exp_avg"], state["exp_avg_sq"]
        axpby(1 - b1, g, b1, m, t)
        axpby(1 - b2, np.multiply(g, g, out=t), b2, v, t)
        c = math.sqrt(1 - b2**state.step)
        np.add(np.sqrt(v, out=d), group["eps"] * c, out=d)  # c times the denominator
        mu, ahead = (_mu(step, group) for step in (state.step, state.step + 1))
        product = state.scalars["mu_product"]
        axpby(lr * c * ahead / (1 - product * ahead), m, lr * c * (1 - mu) / (1 - product), g, t)
        np.subtract(p, np.divide(g, d, out=g), out=p)


def _mu(step: int, group: Mapping[str, Any]) -> float:
    """The weight of the momentum at a step."""
    return float(group["betas"][0] * (1 - 0.5 * 0.96 ** (step * group["momentum_decay"])))
