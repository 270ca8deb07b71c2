"""Cases of dgrad/ops/activation.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *

__all__ = ["CASES", "REFERENCES", "TORCH"]


def inner(*shape: int) -> np.ndarray:
    """Numbers between 0.1 and 0.9."""
    return np.asarray(rng.uniform(0.1, 0.9, size=shape))


def _glu(x: Any, axis: int = -1) -> Any:
    a, b = np.split(x, 2, axis)
    return a / (1 + np.exp(-b))


def _logit(x: Any, eps: float | None = None) -> Any:
    x = x if eps is None else np.minimum(np.maximum(x, eps), 1 - eps)
    return np.log(x / (1 - x))


CASES: dict[str, list[Case]] = {
    "glu": [
        *(Case(normal(2, 4, 6), axis=axis) for axis in (0, 1, -1)),
        Case(normal(6)),
        Case(normal(3, 2)),
        Case(normal(0, 4)),
        Case(normal(2, 0), axis=-1),
        Case(normal(3, 4).T, axis=0),
        Case(repeated(normal(4), 2)),
        Case(np.array([-800.0, 3.0, 800.0, 1.0, 800.0, -800.0]), order=0),
    ],
    "log_softmax": [
        *(Case(normal(2, 3, 4), axis=axis) for axis in (0, 1, -1)),
        Case(normal(5)),
        Case(normal(3, 1)),
        Case(normal(0, 3)),
        Case(normal(3, 4).T),
        Case(repeated(normal(3), 2), axis=0),
        Case(WIDE, order=0),
    ],
    "logit": [
        *unary(inner, 1e-300, 0.5, 1 - 1e-15),
        Case(inner(3, 4), eps=1e-6),
        Case(np.array([-0.3, 0.01, 0.4, 0.95, 1.2]), eps=0.1),
        Case(np.array([0.1, 0.0, 1.0, 0.9]), eps=0.1, order=0),
    ],
    "logsigmoid": unary(normal, *WIDE),
    "mish": unary(normal, *WIDE),
    "sigmoid": [*unary(normal, *WIDE), Case(normal(300, 250).T, order=0)],  # in two blocks
    "silu": unary(normal, *WIDE),
    "softmax": [
        *(Case(normal(2, 3, 4), axis=axis) for axis in (0, 1, -1)),
        Case(normal(5)),
        Case(normal(3, 1)),
        Case(normal(0, 3)),
        Case(normal(3, 4).T),
        Case(repeated(normal(3), 2), axis=0),
        Case(WIDE, order=0),
    ],
    "softmin": [
        *(Case(normal(2, 3, 4), axis=axis) for axis in (0, 1, -1)),
        Case(normal(5)),
        Case(normal(3, 1)),
        Case(normal(0, 3)),
        Case(normal(3, 4).T),
        Case(repeated(normal(3), 2), axis=0),
        Case(WIDE, order=0),
    ],
    "softsign": unary(distinct, *WIDE, -1e200),
    "tanhshrink": unary(normal, *WIDE),
    "softplus": [*unary(normal, *WIDE), Case(normal(3, 4), beta=2.0)],
    "tanh": unary(normal, *WIDE),
}

REFERENCES: dict[str, Callable[..., Any]] = {
    "log_softmax": extended(lambda x, axis=-1: x - np.log(np.sum(np.exp(x), axis, keepdims=True))),
    "sigmoid": extended(lambda x: 1 / (1 + np.exp(-x))),
    "glu": extended(_glu),
    "logit": extended(_logit),
    "logsigmoid": extended(lambda x: -np.log1p(np.exp(-x))),
    "mish": extended(lambda x: x * np.tanh(np.log1p(np.exp(x)))),
    "softmin": extended(lambda x, axis=-1: np.exp(-x) / np.sum(np.exp(-x), axis, keepdims=True)),
    "softsign": lambda x: x / (1 + abs(x)),
    "tanhshrink": lambda x: x - np.tanh(x),
    "silu": extended(lambda x: x / (1 + np.exp(-x))),
    "softmax": extended(lambda x, axis=-1: np.exp(x) / np.sum(np.exp(x), axis, keepdims=True)),
    "softplus": extended(lambda x, beta=1.0: np.log1p(np.exp(beta * x)) / beta),
}

TORCH: dict[str, Any] = {
    "log_softmax": lambda torch: lambda x, axis=-1: torch.log_softmax(x, axis),
    "sigmoid": "sigmoid",
    "glu": lambda torch: lambda x, axis=-1: torch.nn.functional.glu(x, axis),
    "logit": "logit",
    "logsigmoid": "nn.functional.logsigmoid",
    "mish": "nn.functional.mish",
    "softmin": lambda torch: lambda x, axis=-1: torch.nn.functional.softmin(x, axis),
    "softsign": "nn.functional.softsign",
    "tanhshrink": "nn.functional.tanhshrink",
    "silu": "nn.functional.silu",
    "softmax": lambda torch: lambda x, axis=-1: torch.softmax(x, axis),
    "softplus": lambda torch: lambda x, beta=1.0: torch.nn.functional.softplus(x, beta, 1000.0),
    "tanh": "tanh",
}
