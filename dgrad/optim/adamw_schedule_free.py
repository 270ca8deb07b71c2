"""Schedule-free AdamW: an average of the iterates in place of a falling learning rate."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Annotated, Any

import numpy as np

from dgrad.core.versions import mark_written
from dgrad.optim.axpby import axpby, axpy
from dgrad.optim.block import State
from dgrad.optim.optimizer import Optimizer
from dgrad.registry import Fraction, NonNegative, Range, optimizers

__all__ = ["AdamWScheduleFree"]


@optimizers.register("adamw_schedule_free")
class AdamWScheduleFree(Optimizer):
    """z <- z - r (g / (sqrt(v) + eps) + weight_decay y);  x <- (1-c) x + c z;  y = b1 x + (1-b1) z.

    v <- b2 v + (1-b2) g^2, r = lr sqrt(1 - b2^t) min(1, t / warmup_steps), c = r^2 / the sum of all
    r^2. Gradients are taken at y, which the parameters hold; the weights to use are the average x,
    which they hold within `averaged()`. Defazio et al. 2024, algorithm 1. It wants no schedule.
    """

    scalars = MappingProxyType({"weight_sum": 0.0})
    averages = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: NonNegative = 2.5e-3,
        betas: tuple[Fraction, Fraction] = (0.9, 0.999),
        eps: NonNegative = 1e-8,
        weight_decay: NonNegative = 0.0,
        warmup_steps: Annotated[int, Range(low=0)] = 0,
        *,
        maximize: bool = False,
    ) -> None:
        settings = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "warmup_steps": warmup_steps,
            "maximize": maximize,
        }
        super().__init__(params, settings)

    def slots(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        """The iterate z, its average x, and v."""
        return ("z", "x", "exp_avg_sq")

    def prepare(self, state: State, group: Mapping[str, Any]) -> None:
        """Add r^2 to the sum."""
        rate = _rate(state.step, group)
        state.scalars["weight_sum"] += rate * rate  # not **, which raises where this is inf

    def update(self, p: np.ndarray, g: np.ndarray, state: State, group: Mapping[str, Any]) -> None:
        """One step of the formula above; p is y."""
        (t,) = state.scratch
        z, x, v = state["z"], state["x"], state["exp_avg_sq"]
        if state.step == 1:
            np.copyto(z, p)
            np.copyto(x, p)
        b2 = group["betas"][1]
        axpby(1 - b2, np.multiply(g, g, out=t), b2, v, t)
        np.add(np.sqrt(v, out=t), group["eps"], out=t)
        np.divide(g, t, out=g)
        if group["weight_decay"]:
            axpy(group["weight_decay"], p, g, t)
        rate, total = _rate(state.step, group), state.scalars["weight_sum"]
        axpy(-rate, g, z, g)
        c = rate * rate / total if total else 0.0
        axpby(c, z, 1 - c, x, t)
        np.multiply(x, group["betas"][0], out=p)
        axpy(1 - group["betas"][0], z, p, t)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Within: the parameters hold x; afterwards y again, bit for bit."""
        known = self._known()
        held = [
            (p, p.data.copy(), known[id(p)]["x"])
            for group in self.param_groups
            for p in group["params"]
            if id(p) in known and known[id(p)].step
        ]
        for p, _, x in held:
            mark_written(p.data, "averaged()")
            p.data[...] = x
        try:
            yield
        finally:
            for p, y, _ in held:
                mark_written(p.data, "averaged()")
                p.data[...] = y


def _rate(step: int, group: Mapping[str, Any]) -> float:
    """r of the formula."""
    warmup = min(1.0, step / group["warmup_steps"]) if group["warmup_steps"] else 1.0
    return float(group["lr"] * warmup * math.sqrt(1 - group["betas"][1] ** step))
