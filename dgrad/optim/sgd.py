"""Stochastic gradient descent with momentum."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from dgrad.errors import ParameterError
from dgrad.optim.axpby import axpby, axpy
from dgrad.optim.block import State
from dgrad.optim.optimizer import Optimizer
from dgrad.registry import Fraction, NonNegative, optimizers

__all__ = ["SGD"]


@optimizers.register("sgd")
class SGD(Optimizer):
    """v <- momentum v + (1 - dampening) g;  p <- p - lr v.   Sutskever et al. 2013, PyTorch's form.

    The first step sets v = g. nesterov: p <- p - lr (g + momentum v). weight_decay adds
    weight_decay p to g. maximize turns g around.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: NonNegative = 1e-3,
        momentum: Fraction = 0.0,
        dampening: float = 0.0,
        weight_decay: NonNegative = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        if nesterov and (momentum == 0 or dampening != 0):
            raise ParameterError(
                "sgd", "nesterov", "false without momentum or with dampening", True
            )
        settings = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
        }
        super().__init__(params, settings)

    def slots(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        """The velocity, if there is momentum."""
        return ("momentum_buffer",) if group["momentum"] else ()

    def gradient_scale(self, group: Mapping[str, Any]) -> float:
        """lr where nothing remembers the gradient."""
        sign = -1.0 if group["maximize"] else 1.0
        return sign if group["momentum"] else sign * float(group["lr"])

    def update(self, p: np.ndarray, g: np.ndarray, state: State, group: Mapping[str, Any]) -> None:
        """One step of the formula above."""
        (t,) = state.scratch
        lr, momentum, decay = group["lr"], group["momentum"], group["weight_decay"]
        if decay:
            axpy(decay if momentum else lr * decay, p, g, t)
        if not momentum:
            np.subtract(p, g, out=p)
            return
        v = state["momentum_buffer"]
        if state.step == 1:
            np.copyto(v, g)
        else:
            axpby(1 - group["dampening"], g, momentum, v, t)
        if group["nesterov"]:
            axpy(momentum, v, g, t)
        axpy(-lr, g if group["nesterov"] else v, p, t)
