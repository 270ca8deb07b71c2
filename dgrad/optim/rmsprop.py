"""RMSprop: gradients divided by their running root mean square."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from dgrad.optim.axpby import axpby, axpy
from dgrad.optim.block import State
from dgrad.optim.optimizer import Optimizer
from dgrad.registry import Fraction, NonNegative, optimizers

__all__ = ["RMSprop"]


@optimizers.register("rmsprop")
class RMSprop(Optimizer):
    """v <- alpha v + (1-alpha) g^2;  p <- p - lr g / (sqrt(v) + eps).

    Tieleman & Hinton 2012, PyTorch's form. momentum: b <- momentum b + g / (sqrt(v) + eps), and p
    moves by b. centered: v less the square of the gradient's running mean (Graves 2013).
    weight_decay adds weight_decay p to g.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: NonNegative = 1e-2,
        alpha: Fraction = 0.99,
        eps: NonNegative = 1e-8,
        weight_decay: NonNegative = 0.0,
        momentum: NonNegative = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        settings = {
            "lr": lr,
            "alpha": alpha,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "centered": centered,
            "maximize": maximize,
        }
        super().__init__(params, settings)

    def slots(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        """v, and with the options the mean and the velocity."""
        wanted = {"grad_avg": group["centered"], "momentum_buffer": group["momentum"]}
        return ("square_avg", *(name for name, is_used in wanted.items() if is_used))

    def gradient_scale(self, group: Mapping[str, Any]) -> float:
        """sqrt(1 - alpha), so that the square is what v takes."""
        return super().gradient_scale(group) * math.sqrt(1 - group["alpha"])

    def update(self, p: np.ndarray, g: np.ndarray, state: State, group: Mapping[str, Any]) -> None:
        """One step of the formula above."""
        (t,) = state.scratch
        lr, decay, alpha = group["lr"], group["weight_decay"], group["alpha"]
        scale = math.sqrt(1 - alpha)
        if decay:
            axpy(scale * decay, p, g, t)
        v = state["square_avg"]
        axpby(1, np.multiply(g, g, out=t), alpha, v, t)
        if group["centered"]:
            mean = state["grad_avg"]
            axpby(scale, g, alpha, mean, t)
            np.subtract(v, np.multiply(mean, mean, out=t), out=t)
            v = t
        np.add(np.sqrt(v, out=t), group["eps"], out=t)
        np.divide(g, t, out=g)
        if group["momentum"]:
            axpby(1 / scale, g, group["momentum"], state["momentum_buffer"], g)
            axpy(-lr, state["momentum_buffer"], p, t)
        else:
            axpy(-lr / scale, g, p, g)
