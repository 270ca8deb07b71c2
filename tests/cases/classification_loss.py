"""Cases of dgrad/ops/classification_loss.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *
from tests.cases.regression_loss import reduced

__all__ = ["CASES", "REFERENCES", "TORCH"]


def classified(dtype: Any) -> Case:
    return Case(normal(4, 4), CLASSES.astype(dtype))


def shares(*shape: int) -> np.ndarray:
    """Probabilities along the last axis."""
    x = rng.uniform(0.1, 1.0, shape)
    return np.asarray(x / np.sum(x, axis=-1, keepdims=True))


def _nll(
    log_p: Any,
    target: Any,
    reduction: str = "mean",
    weight: Any = None,
    ignore_index: int = -100,
) -> Any:
    each = np.zeros(target.shape)
    counts = np.zeros(target.shape)
    weight = np.ones(log_p.shape[-1]) if weight is None else weight
    for place in np.ndindex(target.shape):
        label = int(target[place])
        if label != ignore_index:
            each[place], counts[place] = -weight[label] * log_p[place][label], weight[label]
    return np.sum(each) / np.sum(counts) if reduction == "mean" else reduced(each, reduction)


def _cross_entropy(
    logits: Any,
    target: Any,
    reduction: str = "mean",
    weight: Any = None,
    label_smoothing: float = 0.0,
    ignore_index: int = -100,
) -> Any:
    wide = np.asarray(logits, np.longdouble)
    log_p = wide - np.log(np.sum(np.exp(wide), axis=-1, keepdims=True))
    classes = logits.shape[-1]
    weight = np.ones(classes) if weight is None else weight
    if target.dtype.kind == "f":
        part = target * (1 - label_smoothing) + label_smoothing / classes
        each = -np.sum(weight * part * np.where(part == 0, 0, log_p), axis=-1)
        return np.asarray(reduced(each, reduction), np.float64)
    hard = {"weight": weight, "ignore_index": ignore_index}
    sharp = _nll(log_p, target, reduction, **hard)
    if not label_smoothing:
        return np.asarray(sharp, np.float64)
    spread = -np.sum(weight * log_p, axis=-1) / classes * (target != ignore_index)
    if reduction == "mean":
        counted = np.where(target == ignore_index, 0, target)
        spread = np.sum(spread) / np.sum(weight[counted] * (target != ignore_index))
    else:
        spread = reduced(spread, reduction)
    return np.asarray((1 - label_smoothing) * sharp + label_smoothing * spread, np.float64)


def _multi_margin(
    x: Any,
    target: Any,
    reduction: str = "mean",
    p: int = 1,
    margin: float = 1.0,
    weight: Any = None,
) -> Any:
    each = np.zeros(target.shape)
    for place in np.ndindex(target.shape):
        label, row = target[place], x[place]
        over = np.maximum(0, margin - row[label] + np.delete(row, label)) ** p
        each[place] = np.sum(over) / len(row) * (1 if weight is None else weight[label])
    return reduced(each, reduction)


def _by_rows(name: str) -> Callable[..., Any]:
    """PyTorch's loss, which has the classes on axis 1, of rows."""

    def of(torch: Any) -> Callable[..., Any]:
        function = getattr(torch.nn.functional, name)

        def loss(x: Any, target: Any, reduction: str = "mean", **params: Any) -> Any:
            if params.get("weight") is not None:
                params["weight"] = torch.tensor(params["weight"])
            classes, lead = x.shape[-1], x.shape[:-1]
            chances = target.is_floating_point()
            labels = target.reshape(-1, classes) if chances else target.reshape(-1).long()
            each = function(x.reshape(-1, classes), labels, reduction=reduction, **params)
            return each.reshape(lead) if reduction == "none" else each

        return loss

    return of


def _torch_multi_margin(torch: Any) -> Callable[..., Any]:
    """Its formula, checked against the function, which has no second derivative."""
    theirs = _by_rows("multi_margin_loss")(torch)

    def loss(
        x: Any,
        target: Any,
        reduction: str = "mean",
        p: int = 1,
        margin: float = 1.0,
        weight: Any = None,
    ) -> Any:
        classes = x.shape[-1]
        label = target.long()[..., None]
        over = torch.clamp(margin - x.gather(-1, label) + x, min=0) ** p
        each = torch.where(torch.arange(classes) == label, 0.0, over).sum(-1) / classes
        if weight is not None:
            each = each * torch.tensor(weight)[label[..., 0]]
        out = {"mean": torch.mean, "sum": torch.sum, "none": lambda v: v}[reduction](each)
        expected = theirs(x, target, reduction, p=p, margin=margin, weight=weight)
        torch.testing.assert_close(out, expected)
        return out

    return loss


def labelled(**params: Any) -> list[Case]:
    """Cases for a loss of scores and labels: ranks, strides, empty ones, reductions."""
    nan = {"reference": lambda *_, **__: np.float64(np.nan)}
    return [
        *(Case(normal(4, 4), CLASSES, reduction=r, **params) for r in ("mean", "sum", "none")),
        Case(normal(4), np.array(2), **params),
        Case(normal(2, 2, 4), CLASSES.reshape(2, 2), reduction="none", **params),
        Case(normal(2, 2, 4), CLASSES.reshape(2, 2).T, **params),
        Case(normal(4, 4).T, CLASSES[::-1], **params),
        Case(repeated(normal(4), 2), np.array([0, 0]), reduction="none", **params),
        Case(normal(0, 4), np.zeros(0, int), reduction="sum", **params),
        Case(normal(0, 4), np.zeros(0, int), reduction="none", **params),
        Case(normal(0, 4), np.zeros(0, int), torch=False, **nan, **params),
    ]


WEIGHT = np.array([0.5, 2.0, 1.0, 0.7])
SOME = np.array([2, -100, 0, -100])
MASKED = np.array([[-np.inf, 1.0, 2.0], [0.5, -np.inf, 1.0]])
CASES: dict[str, list[Case]] = {
    "cross_entropy": [
        *labelled(),
        *labelled(weight=WEIGHT),
        *labelled(label_smoothing=0.1)[:4],
        *(classified(dtype) for dtype in (np.int8, np.uint8, np.int32, np.uint64)),
        Case(normal(2, 4, 2).transpose(2, 0, 1), CLASSES.reshape(2, 2)),
        Case(normal(3, 1), np.zeros(3, int)),
        Case(np.stack([WIDE, -WIDE]), np.array([0, 6]), order=0, reduction="none"),
        *(Case(normal(4, 4), SOME, reduction=r) for r in ("mean", "sum", "none")),
        Case(normal(4, 4), CLASSES, ignore_index=3),
        Case(normal(4, 4), CLASSES.astype(np.uint8), ignore_index=3, weight=WEIGHT),
        Case(normal(4, 4), SOME, weight=WEIGHT, label_smoothing=0.2),
        Case(normal(4, 4), SOME, weight=WEIGHT, label_smoothing=0.2, reduction="sum"),
        *(Case(normal(3, 4), shares(3, 4), reduction=r) for r in ("mean", "sum", "none")),
        Case(normal(4), shares(4)),
        Case(normal(2, 3, 4), shares(2, 3, 4), weight=WEIGHT, label_smoothing=0.3),
        Case(normal(4, 3).T, shares(3, 4)[::-1], weight=WEIGHT, reduction="none"),
        Case(normal(2, 4), np.eye(4)[[1, 3]], order=1),
        Case(MASKED, np.array([[0, 0.4, 0.6], [1.0, 0, 0]]), order=0, reduction="none"),
    ],
    "multi_margin_loss": [
        *(c for c in labelled() if c.args[0].size == 0),
        *(Case(distinct(4, 4), CLASSES, reduction=r, margin=0.9) for r in ("mean", "sum", "none")),
        Case(distinct(4, 4), CLASSES, margin=0.9, weight=WEIGHT),
        Case(distinct(4, 4), CLASSES.astype(np.uint8), p=2, margin=5.0, weight=WEIGHT),
        Case(distinct(4), np.array(2), p=2),
        Case(distinct(2, 2, 4), CLASSES.reshape(2, 2).T, reduction="none", margin=0.9),
        Case(distinct(3, 4).T[::-1], np.array([0, 2, 1, 0]), margin=0.9),
        Case(distinct(3, 1), np.zeros(3, int)),
    ],
    "nll_loss": [
        *labelled(),
        *labelled(weight=WEIGHT),
        *(Case(normal(4, 4), SOME, reduction=r) for r in ("mean", "sum", "none")),
        Case(normal(4, 4), CLASSES.astype(np.uint8), ignore_index=3, weight=WEIGHT),
        Case(MASKED, np.array([1, 2]), order=0),
    ],
}

REFERENCES: dict[str, Callable[..., Any]] = {
    "cross_entropy": _cross_entropy,
    "multi_margin_loss": _multi_margin,
    "nll_loss": _nll,
}

TORCH: dict[str, Any] = {name: _by_rows(name) for name in ("cross_entropy", "nll_loss")}
TORCH["multi_margin_loss"] = _torch_multi_margin
