"""Cases of dgrad/ops/activation.py."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *
from tests.cases.special import normal_cdf

__all__ = ["CASES", "REFERENCES", "TORCH"]


def _gelu(x: Any, approximate: str = "none") -> Any:
    if approximate == "tanh":
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return x * normal_cdf(x)


CASES: dict[str, list[Case]] = {
    "gelu": [
        *unary(normal, -800.0, -9.0, 0.0, 9.0, 800.0),
        *unary(normal, -800.0, -9.0, 0.0, 9.0, 800.0, approximate="tanh"),
    ],
    "leaky_relu": [*unary(distinct, *WIDE), Case(distinct(3, 4), negative_slope=0.3)],
    "log_softmax": [
        *(Case(normal(2, 3, 4), axis=axis) for axis in (0, 1, -1)),
        Case(normal(5)),
        Case(normal(3, 1)),
        Case(normal(0, 3)),
        Case(normal(3, 4).T),
        Case(repeated(normal(3), 2), axis=0),
        Case(WIDE, order=0),
    ],
    "relu": unary(distinct, *WIDE),
    "sigmoid": unary(normal, *WIDE),
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
    "softplus": [*unary(normal, *WIDE), Case(normal(3, 4), beta=2.0)],
    "tanh": unary(normal, *WIDE),
}

REFERENCES: dict[str, Callable[..., Any]] = {
    "gelu": _gelu,
    "leaky_relu": lambda x, negative_slope=0.01: np.where(x > 0, x, x * negative_slope),
    "log_softmax": extended(lambda x, axis=-1: x - np.log(np.sum(np.exp(x), axis, keepdims=True))),
    "relu": lambda x: np.where(x > 0, x, 0.0),
    "sigmoid": extended(lambda x: 1 / (1 + np.exp(-x))),
    "silu": extended(lambda x: x / (1 + np.exp(-x))),
    "softmax": extended(lambda x, axis=-1: np.exp(x) / np.sum(np.exp(x), axis, keepdims=True)),
    "softplus": extended(lambda x, beta=1.0: np.log1p(np.exp(beta * x)) / beta),
}

TORCH: dict[str, Any] = {
    "gelu": "nn.functional.gelu",
    "leaky_relu": "nn.functional.leaky_relu",
    "log_softmax": lambda torch: lambda x, axis=-1: torch.log_softmax(x, axis),
    "relu": "relu",
    "sigmoid": "sigmoid",
    "silu": "nn.functional.silu",
    "softmax": lambda torch: lambda x, axis=-1: torch.softmax(x, axis),
    "softplus": lambda torch: lambda x, beta=1.0: torch.nn.functional.softplus(x, beta, 1000.0),
    "tanh": "tanh",
}
