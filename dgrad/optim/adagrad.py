"""Adagrad: gradients divided by the root of the sum of their squares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from dgrad.optim.axpby import axpy
from dgrad.optim.block import State
from dgrad.optim.optimizer import Optimizer
from dgrad.registry import NonNegative, optimizers

__all__ = ["Adagrad"]


@optimizers.register("adagrad")
class Adagrad(Optimizer):
    """s <- s + g^2;  p <- p - lr / (1 + (t-1) lr_decay) g / (sqrt(s) + eps).   Duchi et al. 2011.

    t: the step. s starts at initial_accumulator_value. weight_decay adds weight_decay p to g.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: NonNegative = 1e-2,
        lr_decay: NonNegative = 0.0,
        weight_decay: NonNegative = 0.0,
        initial_accumulator_value: NonNegative = 0.0,
        eps: NonNegative = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        settings = {
            "lr": lr,
            "lr_decay": lr_decay,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "eps": eps,
            "maximize": maximize,
        }
        super().__init__(params, settings)

    def slots(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        """The sum of squares s."""
        return ("sum",)

    def update(self, p: np.ndarray, g: np.ndarray, state: State, group: Mapping[str, Any]) -> None:
        """One step of the formula above."""
        (t,) = state.scratch
        total = state["sum"]
        if state.step == 1:
            total.fill(group["initial_accumulator_value"])
        if group["weight_decay"]:
            axpy(group["weight_decay"], p, g, t)
        np.add(total, np.multiply(g, g, out=t), out=total)
        np.add(np.sqrt(total, out=t), group["eps"], out=t)
        rate = group["lr"] / (1 + (state.step - 1) * group["lr_decay"])
        axpy(-rate, np.divide(g, t, out=g), p, g)
