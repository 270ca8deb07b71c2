"""Cases of dgrad/ops/regression_loss.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *

__all__ = ["CASES", "REFERENCES", "TORCH", "away", "chances", "compared", "reduced"]


def reduced(values: Any, reduction: str) -> Any:
    """The mean or sum of each element's loss, or all of them."""
    return {"mean": np.mean, "sum": np.sum, "none": np.asarray}[reduction](values)


def compared(*draws: Callable[..., Any], **params: Any) -> list[Case]:
    """Cases for a loss of arrays of one shape, one of each draw."""

    def of(*shape: int, order: Any = None, **more: Any) -> Case:
        arrays = [draw(*shape) for draw in draws]
        if order:
            arrays = [order(a) for a in arrays]
        return Case(*arrays, **params, **more)

    return [
        *(of(3, 2, reduction=r) for r in ("mean", "sum", "none")),
        of(),
        of(1, 3, 1),
        of(5, reduction="none"),
        of(3, 2, order=lambda a: a.T, reduction="none"),
        of(5, order=lambda a: a[::-1], reduction="sum"),
        Case(*(repeated(draw(3), 2) for draw in draws), **params),
        of(0, 2, reduction="sum"),
        of(0, 2, reduction="none"),
        of(0, 2, reference=lambda *_, **__: np.float64(np.nan)),
    ]


def away(*shape: int) -> np.ndarray:
    """Numbers whose distance to those of `distinct` is no multiple of 0.4, so never near 0 or 1."""
    return np.asarray(distinct(*shape) + 0.13)


def log_chances(*shape: int) -> np.ndarray:
    return np.asarray(np.log(rng.uniform(0.1, 0.9, shape)))


def chances(*shape: int) -> np.ndarray:
    return np.asarray(rng.uniform(0.1, 0.9, shape))


def counts(*shape: int) -> np.ndarray:
    """Positive numbers on both sides of 1, none close to it."""
    return np.asarray(rng.choice([0.2, 0.7, 2.0, 5.0], shape) + rng.uniform(0, 0.2, shape))


def _huber(x: Any, target: Any, reduction: str = "mean", delta: float = 1.0) -> Any:
    d = np.abs(x - target)
    return reduced(np.where(d <= delta, d**2 / 2, delta * (d - delta / 2)), reduction)


def _smooth_l1(x: Any, target: Any, reduction: str = "mean", beta: float = 1.0) -> Any:
    d = np.abs(x - target)
    near = d**2 / (2 * (beta or 1))
    return reduced(np.where(d < beta, near, d - beta / 2), reduction)


def _kl(x: Any, target: Any, reduction: str = "mean", log_target: bool = False) -> Any:
    p = np.exp(target) if log_target else target
    safe = np.where(p > 0, p, 1)
    terms = np.where(p > 0, p * (np.log(safe) - np.where(p > 0, x, 0)), 0.0)
    if reduction == "batchmean":
        return np.sum(terms) / (len(x) if np.ndim(x) else 1)
    return reduced(terms, reduction)


def _poisson(
    x: Any,
    target: Any,
    reduction: str = "mean",
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
) -> Any:
    losses = np.exp(x) - target * x if log_input else x - target * np.log(x + eps)
    if full:
        t = np.maximum(target, 1)
        added = t * np.log(t) - t + 0.5 * np.log(2 * np.pi * t)
        losses = losses + np.where(target > 1, added, 0)
    return reduced(losses, reduction)


def _gaussian(
    x: Any, target: Any, var: Any, reduction: str = "mean", full: bool = False, eps: float = 1e-6
) -> Any:
    v = np.maximum(var, eps)
    constant = np.log(2 * np.pi) if full else 0.0
    return reduced(0.5 * (np.log(v) + (x - target) ** 2 / v + constant), reduction)


def _torch_kl(torch: Any) -> Callable[..., Any]:
    """Without PyTorch's warning about its mean."""

    def kl_div(x: Any, target: Any, reduction: str = "mean", log_target: bool = False) -> Any:
        asked = "none" if reduction == "mean" else reduction
        out = torch.nn.functional.kl_div(x, target, reduction=asked, log_target=log_target)
        return out.mean() if reduction == "mean" else out

    return kl_div


CERTAIN = np.array([0.0, 1.0, 0.5, 0.0])
CASES: dict[str, list[Case]] = {
    "gaussian_nll_loss": [
        *compared(normal, normal, positive),
        *compared(normal, normal, positive, full=True)[:3],
        Case(normal(4), normal(4), np.array([0.0, 1e-9, 0.5, 2.0]), eps=0.1, torch=False),
    ],
    "huber_loss": [
        *compared(distinct, away),
        *compared(distinct, away, delta=2.5)[:4],
        Case(np.array([-1e100, 1e100, 1.0, 2.0]), np.array([0.0, 0.0, 0.0, 2.0]), order=0),
    ],
    "kl_div": [
        *compared(log_chances, chances),
        *compared(log_chances, log_chances, log_target=True)[:7],
        Case(log_chances(3, 2), chances(3, 2), reduction="batchmean"),
        Case(np.array(-0.7), np.array(0.3), reduction="batchmean", torch=False),
        Case(
            log_chances(0, 2),
            chances(0, 2),
            reduction="batchmean",
            order=0,
            reference=lambda *_, **__: np.float64(np.nan),
        ),
        Case(log_chances(4), CERTAIN, reduction="none", order=0),
        Case(np.array([-np.inf, -1.0, -2.0]), np.array([0.0, 0.3, 0.7]), order=0),
        Case(log_chances(2), np.array([-np.inf, 0.0]), log_target=True, order=0),
    ],
    "l1_loss": compared(distinct, away),
    "mse_loss": compared(normal, normal),
    "poisson_nll_loss": [
        *compared(normal, counts),
        *compared(positive, counts, log_input=False)[:4],
        Case(np.array([0.5, 1.5]), np.array([2.0, 0.0]), log_input=False, eps=0.1),
        *compared(normal, counts, full=True)[:4],
    ],
    "smooth_l1_loss": [
        *compared(distinct, away),
        *compared(distinct, away, beta=0.5)[:4],
        *compared(distinct, away, beta=0.0)[:4],
    ],
}

REFERENCES: dict[str, Callable[..., Any]] = {
    "gaussian_nll_loss": _gaussian,
    "huber_loss": _huber,
    "kl_div": _kl,
    "l1_loss": lambda x, target, reduction="mean": reduced(np.abs(x - target), reduction),
    "mse_loss": lambda x, target, reduction="mean": reduced((x - target) ** 2, reduction),
    "poisson_nll_loss": _poisson,
    "smooth_l1_loss": _smooth_l1,
}

TORCH: dict[str, Any] = {
    "gaussian_nll_loss": "nn.functional.gaussian_nll_loss",
    "huber_loss": "nn.functional.huber_loss",
    "kl_div": _torch_kl,
    "l1_loss": "nn.functional.l1_loss",
    "mse_loss": "nn.functional.mse_loss",
    "poisson_nll_loss": "nn.functional.poisson_nll_loss",
    "smooth_l1_loss": "nn.functional.smooth_l1_loss",
}
