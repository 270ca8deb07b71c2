"""Cases of dgrad/ops/loss.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *

__all__ = ["CASES", "REFERENCES", "TORCH", "reduced"]


def classified(dtype: Any) -> Case:
    return Case(normal(4, 4), CLASSES.astype(dtype))


def reduced(values: Any, reduction: str) -> Any:
    """The mean or sum of each element's loss, or all of them."""
    return {"mean": np.mean, "sum": np.sum, "none": np.asarray}[reduction](values)


def _cross_entropy(logits: Any, target: Any, reduction: str = "mean") -> Any:
    wide = np.asarray(logits, np.longdouble)
    picked = np.take_along_axis(wide, target[..., None].astype(int), axis=-1)[..., 0]
    total = np.log(np.sum(np.exp(wide), axis=-1))
    return np.asarray(reduced(total - picked, reduction), np.float64)


def _bce_with_logits(x: Any, target: Any, reduction: str = "mean") -> Any:
    x = np.asarray(x, np.longdouble)
    each = target * np.log1p(np.exp(-x)) + (1 - target) * np.log1p(np.exp(x))
    return np.asarray(reduced(each, reduction), np.float64)


def _torch_cross_entropy(torch: Any) -> Callable[..., Any]:
    def cross_entropy(logits: Any, target: Any, reduction: str = "mean") -> Any:
        rows = logits.reshape(-1, logits.shape[-1])
        each = torch.nn.functional.cross_entropy(
            rows, target.reshape(-1).long(), reduction=reduction
        )
        return each.reshape(target.shape) if reduction == "none" else each

    return cross_entropy


CASES: dict[str, list[Case]] = {
    "bce_with_logits": [
        *losses(lambda *shape: np.asarray(rng.uniform(0.1, 0.9, shape))),
        Case(WIDE, (WIDE > 0) * 1.0, order=0, reduction="none"),
        Case(WIDE, (WIDE < 0) * 1.0, order=0, reduction="none"),
    ],
    "cross_entropy": [
        *(Case(normal(4, 4), CLASSES, reduction=r) for r in ("mean", "sum", "none")),
        *(classified(dtype) for dtype in (np.int8, np.uint8, np.int32, np.uint64)),
        Case(normal(4), np.array(2)),
        Case(normal(2, 2, 4), CLASSES.reshape(2, 2), reduction="none"),
        Case(normal(2, 2, 4), CLASSES.reshape(2, 2).T),
        Case(normal(4, 4).T, CLASSES[::-1]),
        Case(normal(2, 4, 2).transpose(2, 0, 1), CLASSES.reshape(2, 2)),
        Case(repeated(normal(4), 2), np.array([0, 0]), reduction="none"),
        Case(normal(3, 1), np.zeros(3, int)),
        Case(normal(0, 3), np.zeros(0, int), reduction="sum"),
        Case(normal(0, 3), np.zeros(0, int), reduction="none"),
        Case(normal(0, 3), np.zeros(0, int), reference=lambda *_: np.float64(np.nan)),
        Case(np.stack([WIDE, -WIDE]), np.array([0, 6]), order=0, reduction="none"),
    ],
    "mse_loss": losses(normal),
}

REFERENCES: dict[str, Callable[..., Any]] = {
    "bce_with_logits": _bce_with_logits,
    "cross_entropy": _cross_entropy,
    "mse_loss": lambda x, target, reduction="mean": reduced((x - target) ** 2, reduction),
}

TORCH: dict[str, Any] = {
    "bce_with_logits": "nn.functional.binary_cross_entropy_with_logits",
    "cross_entropy": _torch_cross_entropy,
    "mse_loss": "nn.functional.mse_loss",
}
