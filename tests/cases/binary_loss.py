"""Cases of dgrad/ops/binary_loss.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *
from tests.cases.regression_loss import chances, compared, reduced

__all__ = ["CASES", "REFERENCES", "TORCH"]


def signs(*shape: int) -> np.ndarray:
    return np.asarray(rng.choice([-1, 1], shape))


def scores(*shape: int) -> np.ndarray:
    """Numbers at least 0.08 away from -1, 0 and 1, where hinges have kinks."""
    return np.asarray(rng.choice([-1.6, -0.5, 0.5, 1.6], shape) + rng.uniform(-0.4, 0.4, shape))


def _bce_with_logits(
    x: Any, target: Any, reduction: str = "mean", weight: Any = 1.0, pos_weight: Any = 1.0
) -> Any:
    x = np.asarray(x, np.longdouble)
    each = pos_weight * target * np.log1p(np.exp(-x)) + (1 - target) * np.log1p(np.exp(x))
    return np.asarray(reduced(weight * each, reduction), np.float64)


def _bce(x: Any, target: Any, reduction: str = "mean", weight: Any = 1.0) -> Any:
    with np.errstate(divide="ignore"):
        yes, no = np.maximum(np.log(x), -100), np.maximum(np.log1p(-x), -100)
    return reduced(-weight * (target * yes + (1 - target) * no), reduction)


def _focal(
    x: Any, target: Any, reduction: str = "mean", alpha: float | None = 0.25, gamma: float = 2.0
) -> Any:
    x = np.asarray(x, np.longdouble)
    p = 1 / (1 + np.exp(-x))
    right = p * target + (1 - p) * (1 - target)
    entropy = target * np.log1p(np.exp(-x)) + (1 - target) * np.log1p(np.exp(x))
    balance = 1.0 if alpha is None else alpha * target + (1 - alpha) * (1 - target)
    return np.asarray(reduced(balance * (1 - right) ** gamma * entropy, reduction), np.float64)


def _torch_bce_with_logits(torch: Any) -> Callable[..., Any]:
    def bce_with_logits(x: Any, target: Any, **params: Any) -> Any:
        given = {k: torch.tensor(v) if not isinstance(v, str) else v for k, v in params.items()}
        return torch.nn.functional.binary_cross_entropy_with_logits(x, target, **given)

    return bce_with_logits


def _torch_bce(torch: Any) -> Callable[..., Any]:
    def bce(x: Any, target: Any, reduction: str = "mean", weight: Any = None) -> Any:
        weight = None if weight is None else torch.tensor(weight)
        return torch.nn.functional.binary_cross_entropy(x, target, weight, reduction=reduction)

    return bce


def _torch_focal(torch: Any) -> Callable[..., Any]:
    def focal(
        x: Any, target: Any, reduction: str = "mean", alpha: Any = 0.25, gamma: float = 2.0
    ) -> Any:
        p = torch.sigmoid(x)
        entropy = torch.nn.functional.binary_cross_entropy_with_logits(x, target, reduction="none")
        losses = entropy * (1 - p * target - (1 - p) * (1 - target)) ** gamma
        if alpha is not None:
            losses = losses * (alpha * target + (1 - alpha) * (1 - target))
        return {"mean": torch.mean, "sum": torch.sum, "none": lambda x: x}[reduction](losses)

    return focal


WEIGHT = np.array([0.5, 2.0])
CASES: dict[str, list[Case]] = {
    "bce": [
        *compared(chances, chances),
        Case(chances(3, 2), chances(3, 2), weight=WEIGHT),
        Case(np.array([0.0, 1.0, 0.0, 1.0]), np.array([0.0, 1.0, 1.0, 0.0]), order=0),
        Case(np.array([1e-60, 1e-20]), np.array([1.0, 0.0]), order=0, reduction="none"),
    ],
    "bce_with_logits": [
        *compared(normal, chances),
        Case(WIDE, (WIDE > 0) * 1.0, order=0, reduction="none"),
        Case(WIDE, (WIDE < 0) * 1.0, order=0, reduction="none"),
        Case(WIDE, (WIDE < 0) * 1.0, order=0, reduction="none", pos_weight=np.array(3.0)),
        Case(normal(3, 2), chances(3, 2), pos_weight=WEIGHT),
        Case(normal(3, 2), chances(3, 2), reduction="none", weight=WEIGHT, pos_weight=WEIGHT),
        Case(normal(2, 3), chances(2, 3), weight=positive(2, 1), reduction="sum"),
    ],
    "hinge_embedding_loss": [
        *compared(scores, signs),
        Case(scores(3, 2), signs(3, 2), margin=0.02),
        Case(np.array([1.0, 1e300, -1e300]), np.array([-1, -1, 1]), order=0, reduction="none"),
    ],
    "hinge_loss": [
        *compared(scores, signs),
        *compared(scores, lambda *shape: np.asarray(signs(*shape) * 1.0))[:5],
        Case(scores(3, 2), signs(3, 2), margin=0.02),
    ],
    "sigmoid_focal_loss": [
        *compared(normal, chances),
        Case(normal(3, 2), chances(3, 2), alpha=None),
        Case(normal(3, 2), chances(3, 2), gamma=0.0, reduction="sum"),
        Case(normal(3, 2), chances(3, 2), gamma=0.5, alpha=0.7),
        Case(normal(3, 2), mask(3, 2).astype(int), gamma=1.0, reduction="none", torch=False),
        Case(WIDE, (WIDE > 0) * 1.0, order=0, reduction="none"),
        Case(WIDE, (WIDE < 0) * 1.0, order=0, reduction="none", gamma=0.5),
    ],
    "soft_margin_loss": [
        *compared(normal, signs),
        *compared(normal, lambda *shape: np.asarray(signs(*shape) * 1.0), torch=False)[:5],
        Case(WIDE, np.sign(WIDE) * 1.0, order=0, reduction="none"),
        Case(WIDE, -np.sign(WIDE) * 1.0, order=0, reduction="none"),
    ],
}

REFERENCES: dict[str, Callable[..., Any]] = {
    "bce": _bce,
    "bce_with_logits": _bce_with_logits,
    "hinge_embedding_loss": lambda x, target, reduction="mean", margin=1.0: reduced(
        np.where(target == 1, x, np.maximum(0.0, margin - x)), reduction
    ),
    "hinge_loss": lambda x, target, reduction="mean", margin=1.0: reduced(
        np.maximum(0.0, margin - target * x), reduction
    ),
    "sigmoid_focal_loss": _focal,
    "soft_margin_loss": lambda x, target, reduction="mean": reduced(
        np.logaddexp(0.0, -target * x), reduction
    ),
}

TORCH: dict[str, Any] = {
    "bce": _torch_bce,
    "bce_with_logits": _torch_bce_with_logits,
    "hinge_embedding_loss": lambda torch: (
        lambda x, target, reduction="mean", margin=1.0: torch.nn.functional.hinge_embedding_loss(
            x, target, margin, reduction=reduction
        )
    ),
    "sigmoid_focal_loss": _torch_focal,
    "soft_margin_loss": "nn.functional.soft_margin_loss",
}
