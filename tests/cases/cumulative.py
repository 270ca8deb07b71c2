"""Cases of dgrad/ops/cumulative.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *

__all__ = ["CASES", "REFERENCES", "TORCH"]

ZEROS = np.array([[0.5, 0.0, 2.0, 0.0, 3.0], [0.0, 1.0, -1.0, 2.0, 0.5]])


def along(draw: Callable[..., Any]) -> list[Case]:
    """Cases for a scan along one axis."""
    return [
        Case(draw(4)),
        Case(draw(2, 3), axis=0),
        Case(draw(2, 3), axis=1),
        Case(draw(2, 3, 2), axis=-2),
        Case(draw(2, 1, 3), axis=1),
        Case(draw(1)),
        Case(draw(0, 3), axis=1),
        Case(draw(3, 0), axis=1),
        Case(draw(4, 3).T, axis=1),
        Case(draw(5)[::-1], axis=0),
        Case(draw(4, 6)[::2, ::3], axis=0),
        Case(repeated(draw(3), 2), axis=1),
    ]


FLATTENED = [Case(normal(2, 3)), Case(normal()), Case(normal(0, 2)), Case(normal(3, 2).T)]


def _linear_recurrence(a: Any, b: Any, axis: int = -1, reverse: bool = False) -> Any:
    """As a sum over all pairs: out[k] = sum over j <= k of a[j+1] ... a[k] b[j]."""
    a, b = (np.moveaxis(v, axis, 0)[:: -1 if reverse else 1] for v in (a, b))
    out = np.zeros(b.shape, b.dtype)
    for k in range(len(b)):
        for j in range(k + 1):
            out[k] += np.prod(a[j + 1 : k + 1], axis=0) * b[j]
    return np.moveaxis(out[:: -1 if reverse else 1], 0, axis)


def _logcumsumexp(x: Any, axis: int = -1) -> Any:
    with np.errstate(divide="ignore"):
        return np.log(np.cumsum(np.exp(x), axis))


def _diff(x: Any, n: int = 1, axis: int = -1) -> Any:
    return np.diff(x, n, axis) if n else x


def _over(torch: Any, name: str) -> Callable[..., Any]:
    """torch.cumsum or cumprod with NumPy's axis=None."""

    def call(x: Any, axis: int | None = None) -> Any:
        function = getattr(torch, name)
        return function(x.reshape(-1), 0) if axis is None else function(x, axis)

    return call


def _torch_recurrence(torch: Any) -> Callable[..., Any]:
    def recurrence(a: Any, b: Any, axis: int = -1, reverse: bool = False) -> Any:
        factors, terms = a.unbind(axis), b.unbind(axis)
        out: list[Any] = []
        for k in reversed(range(len(terms))) if reverse else range(len(terms)):
            out.append(factors[k] * out[-1] + terms[k] if out else terms[k] + factors[k] * 0)
        return torch.stack(out[::-1] if reverse else out, axis)

    return recurrence


CASES: dict[str, list[Case]] = {
    "cummax": along(distinct),
    "cummin": along(distinct),
    "cumprod": [
        *along(positive),
        *FLATTENED,
        Case(ZEROS, axis=1),
        Case(ZEROS, axis=0),
        Case(ZEROS),
        Case(np.zeros(3), axis=0),
    ],
    "cumsum": [*along(normal), *FLATTENED],
    "diff": [
        *along(normal),
        *(Case(normal(5, 2), n=n, axis=0) for n in (0, 2, 3, 4)),
        Case(normal(3), n=3),
        Case(normal(3), n=5),
    ],
    "linear_recurrence": [
        *(
            Case(positive(*shape), normal(*shape), axis=axis, reverse=reverse)
            for shape, axis in [((4,), 0), ((2, 3), 1), ((3, 2), 0), ((2, 3, 1), -2), ((1, 2), 0)]
            for reverse in (False, True)
        ),
        Case(np.zeros(4), normal(4)),
        Case(positive(3, 0), normal(3, 0), axis=1, torch=False),
        Case(positive(0, 3), normal(0, 3)),
        Case(positive(4, 3).T, normal(3, 4)[::-1]),
        Case(repeated(positive(3), 2), repeated(normal(3), 2)),
    ],
    "logcumsumexp": [
        *along(normal),
        Case(WIDE, order=0),
        Case(WIDE[::-1], order=0),
        Case(np.array([-np.inf, -np.inf, 1.0, -np.inf, 2.0]), order=0),
    ],
}
as_complex(CASES, "cumprod", "cumsum", "diff", "linear_recurrence")

REFERENCES: dict[str, Callable[..., Any]] = {
    "cummax": lambda x, axis=-1: np.maximum.accumulate(x, axis),
    "cummin": lambda x, axis=-1: np.minimum.accumulate(x, axis),
    "diff": _diff,
    "linear_recurrence": _linear_recurrence,
    "logcumsumexp": extended(_logcumsumexp),
}

TORCH: dict[str, Any] = {
    "cummax": lambda torch: lambda x, axis=-1: torch.cummax(x, axis).values,
    "cummin": lambda torch: lambda x, axis=-1: torch.cummin(x, axis).values,
    "cumprod": lambda torch: _over(torch, "cumprod"),
    "cumsum": lambda torch: _over(torch, "cumsum"),
    "diff": lambda torch: lambda x, n=1, axis=-1: torch.diff(x, n, axis),
    "linear_recurrence": _torch_recurrence,
    "logcumsumexp": lambda torch: lambda x, axis=-1: torch.logcumsumexp(x, axis),
}
