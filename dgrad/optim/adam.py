"""Adam: steps scaled by running moments of the gradient."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np

from dgrad.optim.block import State
from dgrad.optim.optimizer import Optimizer
from dgrad.registry import Fraction, NonNegative, optimizers

__all__ = ["Adam"]


@optimizers.register("adam")
class Adam(Optimizer):
    """m <- b1 m + (1-b1) g;  v <- b2 v + (1-b2) g^2;  p <- p - lr m' / (sqrt(v') + eps).

    m' = m / (1 - b1^t), v' = v / (1 - b2^t), t the step. Kingma & Ba 2015, algorithm 1.
    weight_decay adds weight_decay p to g. amsgrad: the largest v so far (Reddi et al. 2018).
    """

    scratch: ClassVar[int] = 2
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
        d, t = state.scratch
        decay = group["weight_decay"]
        if group["maximize"]:
            g = np.negative(g, out=d)
        if decay and self.decoupled:
            np.multiply(p, 1 - group["lr"] * decay, out=p)
        elif decay:
            g = np.add(g, np.multiply(p, decay, out=t), out=d)
        _step(p, g, state, t, group)


def _step(
    p: np.ndarray, g: np.ndarray, state: State, t: np.ndarray, group: Mapping[str, Any]
) -> None:
    """Move p by Adam's step for g, computing in t; the bias of v is taken out of lr and eps.

    lr / (1-b1^t) m / (sqrt(v) / c + eps) = lr c / (1-b1^t) m / (sqrt(v) + c eps), c^2 = 1-b2^t.
    """
    b1, b2 = group["betas"]
    m, v = state["exp_avg"], state["exp_avg_sq"]
    np.multiply(m, b1, out=m)
    np.add(m, np.multiply(g, 1 - b1, out=t), out=m)
    np.multiply(v, b2, out=v)
    np.multiply(np.multiply(g, g, out=t), 1 - b2, out=t)
    np.add(v, t, out=v)
    if group["amsgrad"]:
        v = np.maximum(state["max_exp_avg_sq"], v, out=state["max_exp_avg_sq"])
    c = math.sqrt(1 - b2**state.step)
    np.add(np.sqrt(v, out=t), group["eps"] * c, out=t)
    np.divide(m, t, out=t)
    np.multiply(t, group["lr"] * c / (1 - b1**state.step), out=t)
    np.subtract(p, t, out=p)
