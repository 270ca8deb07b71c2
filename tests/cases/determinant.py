"""Cases of dgrad/ops/determinant.py."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from math import prod
from typing import Any

import numpy as np

from tests.cases.case import *
from tests.cases.linear_systems import complex_regular, regular

__all__ = ["CASES", "REFERENCES", "TORCH", "cofactors", "determinant"]


def determinant(x: Any) -> Any:
    """Leibniz's sum over permutations."""
    n = x.shape[-1]
    out = np.zeros(x.shape[:-2])
    for p in permutations(range(n)):
        inversions = sum(p[i] > p[j] for j in range(n) for i in range(j))
        terms = [x[..., i, k] for i, k in enumerate(p)]
        out = out + (-1) ** inversions * prod(terms, start=np.ones(x.shape[:-2]))
    return out


def cofactors(x: Any, along: Any = None) -> Any:
    """Every element's signed minor; or how it changes along a direction, an element at a time."""
    if along is not None:
        return _change(x, along)
    out = np.empty(x.shape, x.dtype)
    for i, j in np.ndindex(x.shape[-2:]):
        minor = np.delete(np.delete(x, i, -2), j, -1)
        out[..., i, j] = (-1) ** (i + j) * determinant(minor)
    return out


def _change(x: Any, along: Any) -> Any:
    """A minor is a + b x_kl, for each of its elements: the sum of all b times that of along."""
    out = np.zeros(x.shape, np.result_type(x, along))
    for k, m in np.ndindex(x.shape[-2:]):
        one, zero = np.array(x), np.array(x)
        one[..., k, m], zero[..., k, m] = 1, 0
        out += along[..., k, m, None, None] * (cofactors(one) - cofactors(zero))
    return out


SQUARES = [
    Case(regular(3, 3)),
    Case(regular(1, 1)),
    Case(-regular(2, 2)),
    Case(regular(2, 4, 4)),
    Case(regular(2, 1, 2, 2)),
    Case(regular(0, 3, 3)),
    Case(regular(0, 0)),
    Case(regular(3, 3).T),
    Case(regular(3, 3)[::-1]),
    Case(repeated(regular(2, 2), 2)),
    Case(np.eye(3)),  # equal singular values
]

COMPLEX = Case(complex_regular(2, 3, 3))
CHANGES = [
    Case(regular(3, 3), normal(3, 3), torch=False),
    Case(regular(2, 2, 2), normal(2, 2, 2), torch=False),
    Case(regular(1, 1), normal(1, 1), torch=False),
    Case(regular(0, 2, 2), normal(0, 2, 2), torch=False),
    Case(regular(3, 3).T, normal(3, 3)[::-1], torch=False),
    Case(np.eye(3), normal(3, 3), torch=False),
    Case(complex_regular(3, 3), complex_normal(3, 3), torch=False),
]

CASES: dict[str, list[Case]] = {
    "cofactor": [*SQUARES, COMPLEX, *CHANGES, Case(np.eye(3) * 1e100, order=0)],
    "det": [*SQUARES, COMPLEX, Case(np.diag([1e100, 1e-100, 1.0]), order=0)],
    "slogdet": [*SQUARES, Case(np.diag([1e200, 1e200, -1.0]), order=0)],
}

REFERENCES: dict[str, Callable[..., Any]] = {
    "cofactor": cofactors,
    "det": determinant,
    "slogdet": lambda x: tuple(np.linalg.slogdet(x)),
}


def _torch_cofactor(torch: Any) -> Callable[..., Any]:
    return lambda x: torch.linalg.det(x)[..., None, None] * torch.linalg.inv(x).mT


TORCH: dict[str, Any] = {
    "cofactor": _torch_cofactor,
    "det": "linalg.det",
    "slogdet": "linalg.slogdet",
}
