"""Adafactor: the mean squares of a matrix kept as one number a row and one a column."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import numpy as np

from dgrad.optim.axpby import axpby, axpy
from dgrad.optim.block import Shapes, State
from dgrad.optim.optimizer import Optimizer
from dgrad.registry import NonNegative, Range, optimizers

__all__ = ["Adafactor"]


@optimizers.register("adafactor")
class Adafactor(Optimizer):
    """p <- p - a u / max(1, rms(u) / d);  u = g / sqrt(v).

    a = max(eps2, rms(p)) min(lr, 1 / sqrt(t)), t the step. v of a vector: the running mean of
    g^2, the new one's weight t^beta2_decay. Of a matrix (the last two axes): R C / mean(R), R and C
    such means over each row and each column, mean(R) at least eps1; v is at least eps1^2.
    eps: (eps1, eps2), eps1 the dtype's epsilon where None. weight_decay shrinks p as AdamW does.
    Shazeer & Stern 2018, PyTorch's form.
    """

    elementwise = False

    def __init__(
        self,
        params: Iterable[Any],
        lr: NonNegative = 1e-2,
        beta2_decay: Annotated[float, Range(high=0)] = -0.8,
        eps: tuple[NonNegative | None, NonNegative] = (None, 1e-3),
        d: Annotated[float, Range(low=1, high_open=True)] = 1.0,
        weight_decay: NonNegative = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        settings = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, settings)

    def slot_shapes(self, group: Mapping[str, Any], shape: tuple[int, ...]) -> Shapes:
        """A number for each row and each column, or v itself below two axes."""
        if len(shape) < 2:
            return {"variance": shape}
        return {"row_var": (*shape[:-1], 1), "col_var": (*shape[:-2], 1, shape[-1])}

    def update(self, p: np.ndarray, g: np.ndarray, state: State, group: Mapping[str, Any]) -> None:
        """One step of the formula above."""
        (t,) = state.scratch
        least, smallest_scale = group["eps"]
        least = float(np.finfo(p.dtype).eps) if least is None else least
        rate = max(smallest_scale, _rms(p)) * min(group["lr"], 1 / math.sqrt(state.step))
        if group["weight_decay"]:
            np.multiply(p, 1 - group["lr"] * group["weight_decay"], out=p)
        weight = float(state.step ** group["beta2_decay"])
        np.multiply(g, g, out=t)
        if p.ndim < 2:
            axpby(weight, t, 1 - weight, state["variance"], t)
            np.copyto(t, state["variance"])
        else:
            row, column = state["row_var"], state["col_var"]
            for mean, axis in ((row, -1), (column, -2)):
                new = np.mean(t, axis=axis, keepdims=True)
                axpby(weight, new, 1 - weight, mean, new)
            np.multiply(row, column, out=t)
            np.divide(t, np.maximum(row.mean(axis=-2, keepdims=True), least), out=t)
        np.sqrt(np.maximum(t, least * least, out=t), out=t)
        np.divide(g, t, out=g)
        axpy(-rate / max(1.0, _rms(g) / group["d"]), g, p, g)


def _rms(array: np.ndarray) -> float:
    """The root mean square."""
    return math.sqrt(float(np.vdot(array, array)) / array.size)
