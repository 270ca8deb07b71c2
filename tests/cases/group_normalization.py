"""Cases of dgrad/ops/group_normalization.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *
from tests.cases.layer_normalization import standard

__all__ = ["CASES", "REFERENCES", "TORCH", "channels"]


def _group(x: Any, weight: Any = None, bias: Any = None, groups: int = 0, eps: float = 1e-5) -> Any:
    out = x.copy()
    groups = groups or x.shape[1]
    size = x.shape[1] // groups
    for row in range(len(x)):
        for start in range(0, x.shape[1], size):
            part = x[row, start : start + size]
            if part.size:
                out[row, start : start + size] = standard(part, tuple(range(part.ndim)), eps)
    lead = (-1, *(1,) * (x.ndim - 2))
    out = out * (1 if weight is None else weight.reshape(lead))
    return out + (0 if bias is None else bias.reshape(lead))


def channels(*shape: int) -> tuple[np.ndarray, ...]:
    """x and its weight and bias."""
    return (normal(*shape), normal(shape[1]), normal(shape[1]))


CASES: dict[str, list[Case]] = {
    "group_norm": [
        Case(*channels(2, 4, 3), groups=2),
        Case(*channels(2, 4, 3), groups=4),
        Case(*channels(2, 4, 3), groups=1, eps=0.1),
        Case(*channels(3, 4), groups=2, eps=0.1),
        Case(*channels(2, 4, 2, 3), groups=2),
        Case(normal(2, 4, 3), groups=2),
        Case(normal(2, 4, 3), normal(4), groups=2),
        Case(normal(2, 4, 3), None, normal(4), groups=2),
        Case(normal(3, 4, 2).T, normal(4)[::-1], normal(4), groups=2),
        Case(*channels(0, 4, 3), groups=2, torch=False),
        Case(*channels(1, 1, 4), groups=1),
        Case(repeated(normal(4, 2), 2), normal(4), normal(4), groups=2),
    ],
    "instance_norm": [
        Case(*channels(2, 4, 3)),
        Case(*channels(2, 3, 2, 2)),
        Case(*channels(2, 3, 2, 2), eps=0.1),
        Case(normal(2, 4, 3)),
        Case(normal(2, 4, 3), normal(4)),
        Case(normal(2, 4, 3), None, normal(4)),
        Case(normal(3, 4, 2).T, normal(4)[::-1], normal(4)),
        Case(*channels(0, 4, 3), torch=False),
        Case(*channels(2, 3), torch=False),
        Case(repeated(normal(4, 2), 2), normal(4), normal(4), eps=0.1),
    ],
}

REFERENCES: dict[str, Callable[..., Any]] = {
    "group_norm": _group,
    "instance_norm": _group,
}

TORCH: dict[str, Any] = {
    "group_norm": lambda torch: (
        lambda x, weight=None, bias=None, groups=1, eps=1e-5: torch.nn.functional.group_norm(
            x, groups, weight, bias, eps
        )
    ),
    "instance_norm": lambda torch: (
        lambda x, weight=None, bias=None, eps=1e-5: torch.nn.functional.instance_norm(
            x, weight=weight, bias=bias, eps=eps
        )
    ),
}
