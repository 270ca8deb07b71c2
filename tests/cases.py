"""The op table: for every op, inputs to try it at, and what it must be equal to.

A row tests an op in every way that tests/ops/test_ops.py knows. A new op needs a row here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dgrad.randomness import Purpose

__all__ = ["CASES", "Case"]

rng = np.random.default_rng(20240229)


class Case:
    """One call of an op: its arrays, its static parameters, and how far to check it.

    order: how many times it is differentiated against finite differences; 0 at kinks and extremes.
    reference: what the result must be equal to, if not what tests/ops/references.py says.
    """

    def __init__(
        self,
        *args: Any,
        order: int = 2,
        reference: Callable[..., Any] | None = None,
        **params: Any,
    ) -> None:
        self.args = args
        self.params = params
        self.order = order
        self.reference = reference


def normal(*shape: int) -> np.ndarray:
    """Normal numbers."""
    return np.asarray(rng.normal(size=shape))


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

INDICES: list[Any] = [
    1,
    -1,
    (1, 2),
    slice(1, None),
    slice(None, None, -2),
    (slice(0, 2), 1),
    (..., 0),
    (None, 1, ..., None),
    (),
    ...,
    slice(2, 2),
    np.array([2, 0, 2, 2]),
    np.array([[0, 1], [1, -1]]),
    np.array(1),
    np.array([], dtype=np.intp),
    (np.array([0, 2]), np.array([1, 1])),
    (np.array([0, 0]), slice(None), np.array([3, 3])),  # a slice between: its axis goes last
    (slice(None), np.array([2, 2, 0])),
    (np.array([[1], [0]]), np.array([2, 2]), slice(1, 3)),
    (0, slice(None), np.array([1, 1])),
    np.array([True, False, True]),
    np.arange(12).reshape(3, 4) % 3 == 0,
    (np.array([True, True, False]), np.array([1, 1])),
    np.zeros(3, bool),
]


def scattered(index: Any) -> Case:
    shape = (3, 4, 4)
    return Case(normal(*np.empty(shape)[index].shape), index=index, shape=shape)


MATRICES = [
    ((2, 3), (3, 4)),
    ((3,), (3,)),
    ((3,), (3, 2)),
    ((2, 3), (3,)),
    ((4, 2, 3), (3,)),
    ((3,), (4, 3, 2)),
    ((4, 2, 3), (3, 2)),
    ((2, 3), (4, 3, 2)),
    ((4, 2, 3), (4, 3, 2)),
    ((4, 1, 2, 3), (5, 3, 2)),
    ((1, 2, 3), (4, 3, 1)),
    ((1, 1), (1, 1)),
    ((0, 3), (3, 2)),
    ((2, 0), (0, 3)),
    ((2, 3), (3, 0)),
    ((0, 2, 3), (3, 2)),
]

WIDE = np.array([-800.0, -50.0, -1e-300, 0.0, 1e-300, 50.0, 800.0])
CLASSES = np.array([2, 0, 3, 3])


def classified(dtype: Any) -> Case:
    return Case(normal(4, 4), CLASSES.astype(dtype))


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


COMPARISONS = [
    *binary(normal),
    Case(np.array([1.0, 2.0, np.nan]), np.array([1.0, 3.0, np.nan])),
    Case(np.arange(3), np.array([0, 2, 1])),
]
LOGIC = [Case(mask(3, 4), mask(3, 4)), Case(mask(3, 1), mask(4)), Case(mask(), True)]
INTEGERS = Case(np.arange(6), np.array([3]))

CASES: dict[str, list[Case]] = {
    # elementwise
    "abs": unary(distinct, -800.0, -0.0, 0.0, 800.0),
    "add": binary(normal),
    "astype": [
        *unary(normal, dtype=np.float64),
        Case(normal(2, 3).astype(np.float32), dtype=np.float64, order=0),
        Case(normal(2, 3), dtype="float32", order=0),
    ],
    "bitwise_and": [*LOGIC, INTEGERS],
    "bitwise_or": [*LOGIC, INTEGERS],
    "clip": [
        *unary(distinct, -800.0, -0.5, 0.7, 800.0, min=-0.5, max=0.7),
        Case(distinct(3, 4), min=0.25),
        Case(distinct(3, 4), max=0.25),
        Case(distinct(3, 4)),
    ],
    "cos": unary(normal, -800.0, 0.0, 800.0),
    "divide": binary(normal, positive),
    "equal": COMPARISONS,
    "exp": unary(normal, -800.0, 0.0, 700.0),
    "expm1": unary(normal, -800.0, -1e-20, 0.0, 1e-20, 700.0),
    "greater": COMPARISONS,
    "greater_equal": COMPARISONS,
    "invert": [Case(mask(3, 4)), Case(mask()), Case(np.arange(4))],
    "isfinite": unary(normal, -np.inf, 0.0, np.inf, np.nan),
    "isnan": unary(normal, -np.inf, 0.0, np.inf, np.nan),
    "less": COMPARISONS,
    "less_equal": COMPARISONS,
    "log": unary(positive, 1e-300, 1.0, 1e300),
    "log1p": unary(positive, -1 + 1e-15, 1e-20, 0.0, 1e300),
    "logical_and": [*LOGIC, INTEGERS, Case(normal(3), np.array([0.0, 1.0, np.nan]))],
    "logical_not": [Case(mask(3, 4)), Case(np.arange(4)), Case(np.array([0.0, 2.0, np.nan]))],
    "logical_or": [*LOGIC, INTEGERS, Case(normal(3), np.array([0.0, 1.0, np.nan]))],
    "maximum": [
        *binary(distinct, shifted(distinct, 0.2)),
        Case(WIDE, WIDE[::-1], order=0),
        Case(np.array([1.0, 2.0]), np.array([1.0, 3.0]), order=0),
    ],
    "minimum": [
        *binary(distinct, shifted(distinct, 0.2)),
        Case(WIDE, WIDE[::-1], order=0),
        Case(np.array([1.0, 2.0]), np.array([1.0, 3.0]), order=0),
    ],
    "multiply": binary(normal),
    "negative": unary(normal, -800.0, 0.0, 800.0),
    "not_equal": COMPARISONS,
    "power": [
        *binary(positive, normal),
        Case(normal(2, 3), 3),
        Case(normal(2, 3), 0),
        Case(normal(2, 3), 1),
        Case(positive(2, 3), -2),
        Case(positive(2, 3), 0.5),
        Case(np.array([0.0, 0.0, 1.0, 0.0]), np.array([0.0, 2.0, 0.0, 1.0]), order=0),
        Case(np.array([-2.0, -0.5]), 2.0),
    ],
    "sign": unary(distinct, -0.0, 0.0, np.inf),
    "sin": unary(normal, -800.0, 0.0, 800.0),
    "sqrt": unary(positive, 0.0, 1e-300, 1e300),
    "square": unary(normal, -1e150, 0.0, 1e150),
    "subtract": binary(normal),
    "where": [
        Case(mask(3, 4), normal(3, 4), normal(3, 4)),
        Case(mask(3, 1), normal(4), normal(3, 4)),
        Case(mask(4), normal(3, 1), 0.0),
        Case(mask(2, 3), 1.0, normal()),
        Case(mask(), normal(2), normal(3, 1)),
        Case(np.array([0, 2, 1]), normal(3), normal(3)),
        Case(mask(0, 3), normal(3), normal(1, 3)),
        Case(mask(3, 2).T, normal(3, 2).T, normal(2, 3)[::-1]),
    ],
    # activation
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
    # reduction
    "argmax": [*positions(), Case(np.array([1.0, 3.0, 3.0]))],
    "argmin": [*positions(), Case(np.array([1.0, 0.5, 0.5]))],
    "logsumexp": [
        *reduction(normal),
        Case(normal()),
        Case(WIDE, order=0),
        Case(np.array([[-np.inf, -np.inf], [-np.inf, 1.0]]), axis=1, order=0),
        Case(np.array([[np.inf, 1.0], [np.nan, 1.0]]), axis=1, order=0),
    ],
    "max": [*reduction(distinct), *SCALAR_REDUCTION, Case(np.array([1.0, 3.0, 3.0]), order=0)],
    "mean": [
        *reduction(normal),
        Case(normal()),
        Case(normal(0, 3), axis=0, reference=lambda x, axis: np.full(3, np.nan)),
        Case(normal(0), reference=lambda x: np.float64(np.nan)),
    ],
    "min": [*reduction(distinct), *SCALAR_REDUCTION, Case(np.array([1.0, 0.5, 0.5]), order=0)],
    "std": [*reduction(distinct), Case(normal(3, 4), axis=1, ddof=1), Case(normal(), order=0)],
    "sum": [
        *reduction(normal),
        *SCALAR_REDUCTION,
        Case(normal(0, 3), axis=0),
        Case(normal(0), keepdims=True),
    ],
    "var": [
        *reduction(normal),
        Case(normal()),
        Case(normal(3, 4), axis=1, ddof=1),
        Case(normal(3, 4), axis=(), ddof=-1),
        Case(normal(2, 1), axis=1, ddof=1, order=0, reference=lambda x, **_: np.full(2, np.nan)),
        Case(normal(0, 2), axis=0, order=0, reference=lambda x, **_: np.full(2, np.nan)),
    ],
    # shape
    "broadcast_to": [
        Case(normal(3), shape=(2, 3)),
        Case(normal(3, 1), shape=(2, 3, 4)),
        Case(normal(), shape=(2, 2)),
        Case(normal(2, 3), shape=(2, 3)),
        Case(normal(1, 3), shape=(0, 3)),
        Case(normal(3, 1).T, shape=(2, 3)),
    ],
    "concatenate": [
        Case(normal(2, 3), normal(1, 3)),
        Case(normal(2, 3), normal(2, 1), normal(2, 2), axis=1),
        Case(normal(2, 3), normal(2, 3), axis=-1),
        Case(normal(0, 3), normal(2, 3), normal(0, 3)),
        Case(normal(4)),
        Case(normal(3, 2).T, normal(2, 3)[::-1], axis=0),
    ],
    "expand_dims": [
        Case(normal(2, 3), axis=0),
        Case(normal(2, 3), axis=-1),
        Case(normal(2, 3), axis=(0, 2)),
        Case(normal(), axis=0),
        Case(normal(0), axis=1),
        Case(normal(3, 2).T, axis=1),
    ],
    "flatten": [
        Case(normal(2, 3, 2)),
        Case(normal(2, 3, 2), start_dim=1),
        Case(normal(2, 3, 2), start_dim=0, end_dim=-2),
        Case(normal()),
        Case(normal(0, 3), start_dim=1),
        Case(normal(2, 3, 2).T),
    ],
    "pad": [
        Case(normal(2, 3), pad_width=1),
        Case(normal(2, 3), pad_width=((1, 0), (2, 1)), constant_values=3.0),
        Case(normal(2, 3), pad_width=(1, 2)),
        Case(normal(3), pad_width=0),
        Case(normal(0, 2), pad_width=1),
        Case(normal(3, 2).T, pad_width=((0, 1), (1, 0))),
    ],
    "reshape": [
        Case(normal(2, 6), shape=(3, 4)),
        Case(normal(2, 6), shape=(2, -1, 3)),
        Case(normal(2, 6), shape=-1),
        Case(normal(1, 1), shape=()),
        Case(normal(), shape=(1, 1)),
        Case(normal(0, 3), shape=(3, 0)),
        Case(normal(3, 4).T, shape=(2, 6)),
        Case(normal(2, 6)[::-1], shape=12),
    ],
    "squeeze": [
        Case(normal(1, 3, 1)),
        Case(normal(1, 3, 1), axis=0),
        Case(normal(1, 3, 1), axis=(0, -1)),
        Case(normal(1, 1)),
        Case(normal()),
        Case(normal(1, 0)),
        Case(normal(3, 1).T),
    ],
    "stack": [
        Case(normal(2, 3), normal(2, 3)),
        Case(normal(2, 3), normal(2, 3), normal(2, 3), axis=1),
        Case(normal(2, 3), normal(2, 3), axis=-1),
        Case(normal(), normal()),
        Case(normal(3)),
        Case(normal(0, 2), normal(0, 2)),
        Case(normal(3, 2).T, normal(2, 3)[::-1], axis=-2),
    ],
    "swapaxes": [
        Case(normal(2, 3, 4), axis1=0, axis2=2),
        Case(normal(2, 3), axis1=-1, axis2=-2),
        Case(normal(2, 0, 1), axis1=1, axis2=1),
    ],
    "transpose": [
        Case(normal(2, 3)),
        Case(normal(2, 3, 4), axes=(1, 2, 0)),
        Case(normal(2, 3, 4), axes=(-1, 0, 1)),
        Case(normal(2, 3, 4), axes=[0, 2, 1]),
        Case(normal(4)),
        Case(normal()),
        Case(normal(0, 2)),
        Case(normal(2, 3)[::-1]),
    ],
    # indexing
    "getitem": [
        *(Case(normal(3, 4, 4), index=index) for index in INDICES),
        Case(normal(3), index=[0, 0, 2]),
        Case(normal(3), index=[True, False, True]),
        Case(normal(4, 3).T, index=(np.array([0, 0]), slice(1, 3))),
        Case(normal(), index=()),
    ],
    "scatter_add": [
        *(scattered(index) for index in INDICES),
        Case(normal(3), index=[0, 0, 2], shape=(3,)),
        Case(normal(4, 2).T, index=np.array([1, 1]), shape=(3, 4)),
    ],
    # linear algebra
    "linear": [
        Case(normal(2, 3), normal(4, 3), normal(4)),
        Case(normal(2, 3), normal(4, 3), None),
        Case(normal(2, 3), normal(4, 3)),
        Case(normal(3), normal(4, 3), normal(4)),
        Case(normal(2, 5, 3), normal(4, 3), normal(4)),
        Case(normal(0, 3), normal(4, 3), normal(4)),
        Case(normal(2, 0), normal(4, 0), normal(4)),
        Case(normal(2, 1, 0), normal(4, 0), normal(4)),
        Case(normal(1, 1), normal(1, 1), normal(1)),
        Case(normal(2, 520), normal(3, 520), normal(3), order=1),  # long rows: weight x^T
        Case(normal(3, 2).T, normal(3, 4).T, normal(4)[::-1]),
    ],
    "matmul": [
        *(Case(normal(*a), normal(*b)) for a, b in MATRICES),
        Case(normal(3, 2).T, normal(3, 4)[::-1]),
        Case(repeated(normal(3), 2), repeated(normal(2), 3)),
    ],
    # losses
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
    # random
    "dropout": [
        *(Case(normal(3, 4), p=p, key=(1, Purpose.STEP, 2, 3)) for p in (0.0, 0.3, 1.0)),
        *unary(normal, p=0.5, key=(0, Purpose.STEP, 0, 0)),
    ],
    # special
    "normal_cdf": unary(normal, -37.0, -9.0, 0.0, 9.0, 800.0),
}
