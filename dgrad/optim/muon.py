"""Muon: a matrix moves by the nearest orthogonal matrix to its momentum."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

import numpy as np

from dgrad.optim.adam import adam_step
from dgrad.optim.axpby import axpby
from dgrad.optim.block import Shapes, State
from dgrad.optim.optimizer import Optimizer
from dgrad.registry import Fraction, NonNegative, Range, optimizers

__all__ = ["Muon"]


@optimizers.register("muon")
class Muon(Optimizer):
    """m <- momentum m + (1-momentum) g;  p <- p - lr (r O(m) + weight_decay p), for 2-d parameters.

    O(m): m with its singular values brought near 1, by ns_steps of X <- a X + (b A + c A^2) X,
    A = X X^T, from m / max(|m|, eps). nesterov: O of (1-momentum) g + momentum m.
    r = sqrt(max(1, rows / columns)) ("original"), or 0.2 sqrt(max(rows, columns)), which suits
    AdamW's lr ("match_rms_adamw"). Jordan et al. 2024, PyTorch's form, in the parameter's dtype.
    What is not 2-d moves by AdamW, with the same lr and weight_decay; use_adamw, for a group, makes
    matrices do so too: an embedding should.
    """

    elementwise = False

    def __init__(
        self,
        params: Iterable[Any],
        lr: NonNegative = 1e-3,
        weight_decay: NonNegative = 0.1,
        momentum: Fraction = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: NonNegative = 1e-7,
        ns_steps: Annotated[int, Range(low=0, high=99)] = 5,
        adjust_lr_fn: Literal["original", "match_rms_adamw"] | None = None,
        *,
        use_adamw: bool = False,
        adamw_betas: tuple[Fraction, Fraction] = (0.9, 0.999),
        adamw_eps: NonNegative = 1e-8,
    ) -> None:
        settings = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "eps": eps,
            "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
            "use_adamw": use_adamw,
            "adamw_betas": adamw_betas,
            "adamw_eps": adamw_eps,
        }
        super().__init__(params, settings)

    def slot_shapes(self, group: Mapping[str, Any], shape: tuple[int, ...]) -> Shapes:
        """The momentum of a matrix, AdamW's moments of what is none."""
        is_matrix = len(shape) == 2 and not group["use_adamw"]
        return dict.fromkeys(
            ("momentum_buffer",) if is_matrix else ("exp_avg", "exp_avg_sq"), shape
        )

    def update(self, p: np.ndarray, g: np.ndarray, state: State, group: Mapping[str, Any]) -> None:
        """One step of the formula above."""
        (t,) = state.scratch
        lr, momentum = group["lr"], group["momentum"]
        keep = 1 - lr * group["weight_decay"]
        if p.ndim != 2 or group["use_adamw"]:
            betas = group["adamw_betas"]
            adam_step(p, g, state, t, lr=lr, betas=betas, eps=group["adamw_eps"], keep=keep)
            return
        m = state["momentum_buffer"]
        axpby(1 - momentum, g, momentum, m, t)
        if group["nesterov"]:
            axpby(momentum, m, 1 - momentum, g, t)
        ratio = _ratio(group["adjust_lr_fn"], *p.shape)
        x = _orthogonal(g if group["nesterov"] else m, group)
        axpby(-lr * ratio, np.ascontiguousarray(x), keep, p, t)


def _ratio(name: str | None, rows: int, columns: int) -> float:
    """r of the formula."""
    if name == "match_rms_adamw":
        return 0.2 * math.sqrt(max(rows, columns))
    return math.sqrt(max(1.0, rows / columns))


def _orthogonal(m: np.ndarray, group: Mapping[str, Any]) -> np.ndarray:
    """O(m), by the iteration of Newton and Schulz of degree five."""
    a, b, c = group["ns_coefficients"]
    is_tall = m.shape[0] > m.shape[1]
    x: np.ndarray = m.T if is_tall else m  # the products with the transpose are the smaller
    x = x / max(float(np.linalg.norm(x)), group["eps"])
    for _ in range(group["ns_steps"]):
        gram = x @ x.T
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return x.T if is_tall else x
