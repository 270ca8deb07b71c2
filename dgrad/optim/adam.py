"""Adam: steps scaled by running moments of the gradient."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np

from dgrad.optim.axpby import axpby, axpy
from dgrad.optim.block import State
from dgrad.optim.optimizer import Optimizer
from dgrad.registry import Fraction, NonNegative, optimizers

__all__ = ["Adam", "adam_step"]


@optimizers.register("adam")
class Adam(Optimizer):
    """m <- b1 m + (1-b1) g;  v <- b2 v + (1-b2) g^2;  p <- p - lr m' / (sqrt(v') + eps).

    m' = m / (1 - b1^t), v' = v / (1 - b2^t), t the step. Kingma & Ba 2015, algorithm 1.
    weight_decay adds weight_decay p to g. amsgrad: the largest v so far (Reddi et al. 2018).
    """

    decoupled: ClassVar[bool] = False
    """Whether weight decay moves p directly, apart from the gradient and its moments."""

    def __init__(
        self,
        params: Iterable[Any],
        lr: NonNegative = 1e-3,
        betas: tuple[Fraction, Fraction] = (0.9, 0.999),
        eps: NonNegative = 1e-8,
        weight_decay: NonNegative = 0.0,
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
        """The moments m and v, and with amsgrad the largest v."""
        largest = ("max_exp_avg_sq",) if group["amsgrad"] else ()
        return ("exp_avg", "exp_avg_sq", *largest)

    def update(self, p: np.ndarray, g: np.ndarray, state: State, group: Mapping[str, Any]) -> None:
        """One step, after the weight decay."""
        (t,) = state.scratch
        lr, decay = group["lr"], group["weight_decay"]
        if decay and not self.decoupled:
            axpy(decay, p, g, t)
        keep = 1 - lr * decay if self.decoupled else 1.0
        adam_step(p, g, state, t, lr=lr, betas=group["betas"], eps=group["eps"], keep=keep)


def adam_step(
    p: np.ndarray,
    g: np.ndarray,
    state: State,
    t: np.ndarray,
    *,
    lr: float,
    betas: tuple[float, float],
    eps: float,
    keep: float,
) -> None:
    """p <- keep p less Adam's step for the gradient g, which is overwritten; t: to compute in.

    The bias of v is taken out of lr and eps: lr / (1-b1^t) m / (sqrt(v) / c + eps) =
    lr c / (1-b1^t) m / (sqrt(v) + c eps), c^2 = 1-b2^t. A max_exp_avg_sq in the state is used.
    """
    b1, b2 = betas
    m, v = state["exp_avg"], state["exp_avg_sq"]
    axpby(1 - b1, g, b1, m, t)
    axpby(1 - b2, np.multiply(g, g, out=g), b2, v, g)
    if "max_exp_avg_sq" in state:
        v = np.maximum(state["max_exp_avg_sq"], v, out=state["max_exp_avg_sq"])
    c = math.sqrt(1 - b2**state.step)
    np.add(np.sqrt(v, out=g), eps * c, out=g)
    np.divide(m, g, out=g)
    axpby(-lr * c / (1 - b1**state.step), g, keep, p, g)
