"""Case: one call of an op to test it at; and draws of arrays, and lists of cases, of every sort."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = [
    "AXES",
    "CLASSES",
    "LOGIC",
    "PAIRS",
    "SCALAR_REDUCTION",
    "WIDE",
    "Case",
    "as_complex",
    "binary",
    "complex_normal",
    "distinct",
    "extended",
    "losses",
    "mask",
    "normal",
    "positions",
    "positive",
    "reduction",
    "repeated",
    "rng",
    "shifted",
    "unary",
]

rng = np.random.default_rng(20240229)


class Case:
    """One call of an op: its arrays, its static parameters, and how far to check it.

    order: how many times it is differentiated against finite differences; 0 at kinks and extremes.
    reference: what the result must be equal to, if not what its family's REFERENCES say.
    torch: whether PyTorch has the call and means the same by it.
    """

    def __init__(
        self,
        *args: Any,
        order: int = 2,
        reference: Callable[..., Any] | None = None,
        torch: bool = True,
        **params: Any,
    ) -> None:
        self.args = args
        self.params = params
        self.order = order
        self.reference = reference
        self.torch = torch


def normal(*shape: int) -> np.ndarray:
    """Normal numbers."""
    return np.asarray(rng.normal(size=shape))


def complex_normal(*shape: int) -> np.ndarray:
    """Normal numbers in both parts."""
    return np.asarray(normal(*shape) + 1j * normal(*shape))


def positive(*shape: int) -> np.ndarray:
    """Numbers between 0.5 and 2."""
    return np.asarray(rng.uniform(0.5, 2.0, size=shape))


def distinct(*shape: int) -> np.ndarray:
    """Numbers at least 0.4 apart from each other and 0.1 from zero: no kink is close."""
    count = math.prod(shape)
    return np.asarray((rng.permutation(count).reshape(shape) - count // 2 + 0.3) * 0.4)


def mask(*shape: int) -> np.ndarray:
    """True or False."""
    return rng.random(shape) < 0.5


def as_complex(cases: dict[str, list[Case]], *names: str) -> None:
    """Give the ops of these names their first two cases in complex numbers too."""

    def twin(a: Any) -> Any:
        floats = isinstance(a, np.ndarray) and a.dtype.kind == "f"
        return np.asarray(a + 1j * rng.normal(size=a.shape)) if floats else a

    for name in names:
        cases[name] += [
            Case(*map(twin, case.args), order=case.order, torch=case.torch, **case.params)
            for case in cases[name][:2]
        ]


def repeated(row: np.ndarray, times: int) -> np.ndarray:
    """A read-only array of equal rows with stride 0."""
    return np.broadcast_to(row, (times, *row.shape))


def unary(draw: Callable[..., Any], *extremes: float, **params: Any) -> list[Case]:
    """Cases for a function of one array: ranks, empty, strides of every sort, extreme values."""
    arrays = [
        draw(3, 4),
        draw(),
        draw(1),
        draw(0, 3),
        draw(2, 1, 3),
        draw(3, 2).T,
        draw(5)[::-1],
        draw(4, 4)[::2, 1::2],
        repeated(draw(3), 2),
    ]
    cases = [Case(x, **params) for x in arrays]
    return [*cases, Case(np.array(extremes), order=0, **params)] if extremes else cases


PAIRS = [
    ((3, 4), (3, 4)),
    ((), ()),
    ((), (2, 3)),
    ((2, 3), ()),
    ((3, 1), (1, 4)),
    ((4,), (2, 3, 4)),
    ((2, 3, 4), (3, 1)),
    ((1,), (1, 1)),
    ((0, 3), (1, 3)),
    ((1, 3), (0, 3)),
    ((2, 1), (0,)),
]


def binary(x: Callable[..., Any], y: Callable[..., Any] | None = None) -> list[Case]:
    """Cases for a function of two arrays: broadcasting both ways, strides, Python numbers."""
    y = y or x
    return [
        *(Case(x(*a), y(*b)) for a, b in PAIRS),
        Case(x(4, 3).T, y(3, 4)[::-1]),
        Case(repeated(x(3), 2), repeated(y(3), 2)),
        Case(x(2, 3), 1.5),
        Case(x(2, 3), 2),
        Case(2, y(2, 3)),
        Case(0.5, y()),
    ]


def shifted(draw: Callable[..., Any], by: float) -> Callable[..., Any]:
    """The same numbers moved, so that two draws have no equal elements."""
    return lambda *shape: np.asarray(draw(*shape) + by)


AXES: list[dict[str, Any]] = [
    {},
    {"axis": None, "keepdims": True},
    {"axis": 0},
    {"axis": -1, "keepdims": True},
    {"axis": 1},
    {"axis": (0, 2)},
    {"axis": (-1, 0), "keepdims": True},
    {"axis": ()},
    {"axis": (0, 1, 2)},
]


def reduction(draw: Callable[..., Any], **params: Any) -> list[Case]:
    """Cases for a reduction: every spelling of axis, ranks, lengths of 1, strides."""
    return [
        *(Case(draw(2, 3, 4), **axes, **params) for axes in AXES),
        Case(draw(5), **params),
        Case(draw(3, 2), axis=np.int64(1), **params),
        Case(draw(2, 3, 1), axis=1, **params),
        Case(draw(4, 3, 2).T, axis=(0, 1), **params),
        Case(draw(4, 6)[::-2, ::3], axis=0, **params),
        Case(repeated(draw(3), 2), axis=1, **params),
        Case(draw(0, 3), axis=1, **params),
    ]


def positions() -> list[Case]:
    """Cases for the index of an extreme."""
    return [
        Case(distinct(2, 3)),
        Case(distinct(2, 3), axis=0),
        Case(distinct(2, 3), axis=-1, keepdims=True),
        Case(distinct(3, 2).T, axis=1),
        Case(distinct(0, 3), axis=1),
        Case(distinct()),
    ]


SCALAR_REDUCTION = [Case(normal()), Case(normal(), axis=0), Case(normal(), axis=-1, keepdims=True)]

WIDE = np.array([-800.0, -50.0, -1e-300, 0.0, 1e-300, 50.0, 800.0])
CLASSES = np.array([2, 0, 3, 3])

LOGIC = [
    Case(mask(3, 4), mask(3, 4)),
    Case(mask(3, 1), mask(4)),
    Case(mask(), True),
    Case(mask(0, 3), mask(3)),
    Case(mask(3, 2).T, mask(2, 3)[::-1]),
    Case(repeated(mask(3), 2), mask(1, 3)),
    Case(mask(2, 1, 3), mask(2, 1)),
]


def losses(targets: Callable[..., Any]) -> list[Case]:
    """Cases for a loss of two arrays of one shape."""
    return [
        *(Case(normal(3, 2), targets(3, 2), reduction=r) for r in ("mean", "sum", "none")),
        Case(normal(), targets()),
        Case(normal(4), targets(4)),
        Case(normal(3, 2).T, targets(2, 3)[::-1], reduction="none"),
        Case(repeated(normal(3), 2), repeated(targets(3), 2)),
        Case(normal(0, 2), targets(0, 2), reduction="sum"),
        Case(normal(0, 2), targets(0, 2), reduction="none"),
        Case(normal(0, 2), targets(0, 2), reference=lambda x, target: np.float64(np.nan)),
    ]


def extended(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function in extended precision, where a plain formula does not cancel or overflow."""

    def reference(*args: Any, **params: Any) -> Any:
        wide = [np.asarray(a, np.longdouble) if isinstance(a, np.ndarray) else a for a in args]
        with np.errstate(over="ignore"):
            return np.asarray(function(*wide, **params), np.float64)

    return reference
