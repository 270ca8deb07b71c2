"""Accuracy of the error and gamma functions and of sinc, against 40 digits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dgrad import ops
from tests.ops.test_kinks import gradient

mpmath = pytest.importorskip("mpmath", reason="mpmath is the oracle of these tests")


def exact(function: Callable[[Any], Any], x: np.ndarray) -> list[float]:
    with mpmath.workdps(40):
        return [float(function(mpmath.mpf(float(v)))) for v in x]


def polygamma(n: int) -> Callable[[Any], Any]:
    return lambda v: mpmath.polygamma(n, v)


LINE = np.linspace(-6, 6, 601)
RIGHT = np.concatenate([np.geomspace(1e-12, 1e6, 400), np.linspace(0.05, 12, 240)])
LEFT = -RIGHT[(RIGHT < 40) & (np.abs(RIGHT - np.rint(RIGHT)) > 1e-3)]
UNIT = np.concatenate([np.linspace(-0.999, 0.999, 400), 1 - np.geomspace(1e-15, 0.5, 60), [1e-200]])

ACCURATE = [
    pytest.param(ops.erf, mpmath.erf, LINE, 2e-15, id="erf"),
    pytest.param(ops.erf, mpmath.erf, np.geomspace(1e-300, 1, 60), 2e-15, id="erf near 0"),
    pytest.param(ops.erfc, mpmath.erfc, np.linspace(-6, 26, 601), 5e-13, id="erfc"),
    pytest.param(ops.erfinv, mpmath.erfinv, UNIT, 2e-14, id="erfinv"),
    pytest.param(ops.lgamma, mpmath.loggamma, RIGHT, 1e-12, id="lgamma"),
    pytest.param(
        ops.lgamma, mpmath.loggamma, 1 + np.geomspace(1e-15, 0.2, 60), 1e-12, id="lgamma near 1"
    ),
    pytest.param(
        ops.lgamma, mpmath.loggamma, 2 - np.geomspace(1e-15, 0.2, 60), 1e-12, id="lgamma near 2"
    ),
    *(
        pytest.param(lambda x, n=n: ops.polygamma(x, n=n), polygamma(n), RIGHT, 1e-12, id=f"psi{n}")
        for n in (1, 2, 3, 6)
    ),
]


@pytest.mark.parametrize(("function", "oracle", "x", "relative"), ACCURATE)
def test_relative_accuracy(function: Any, oracle: Any, x: np.ndarray, relative: float) -> None:
    np.testing.assert_allclose(function(x), exact(oracle, x), rtol=relative)
    single = x[np.abs(x) > 0.1].astype(np.float32)
    assert function(single).dtype == np.float32


@pytest.mark.parametrize(
    ("function", "oracle", "x"),
    [
        (ops.digamma, mpmath.digamma, RIGHT),  # zero at 1.46
        (ops.digamma, mpmath.digamma, LEFT),
        (ops.lgamma, lambda v: mpmath.log(abs(mpmath.gamma(v))), LEFT),
        (lambda x: ops.polygamma(x, n=1), polygamma(1), LEFT),
        (lambda x: ops.polygamma(x, n=2), polygamma(2), LEFT),
    ],
)
def test_accuracy_where_there_are_zeros(function: Any, oracle: Any, x: np.ndarray) -> None:
    np.testing.assert_allclose(function(x), exact(oracle, x), rtol=1e-12, atol=2e-13)


def test_ends_and_poles() -> None:
    nan, inf = np.nan, np.inf
    ends = np.array([-inf, inf, nan, 0.0, -2.0])
    np.testing.assert_array_equal(ops.erf(ends[:4]), [-1, 1, nan, 0])
    np.testing.assert_array_equal(ops.erfc(ends[:4]), [2, 0, nan, 1])
    np.testing.assert_array_equal(ops.lgamma(ends), [inf, inf, nan, inf, inf])
    np.testing.assert_array_equal(ops.digamma(ends), [nan, inf, nan, -inf, nan])
    np.testing.assert_array_equal(ops.polygamma(ends[1:], n=1), [0, nan, inf, inf])
    np.testing.assert_array_equal(ops.polygamma(ends[1:], n=2), [0, nan, nan, nan])
    np.testing.assert_array_equal(
        ops.erfinv(np.array([-1.0, 1.0, 2.0, nan, -0.0])), [-inf, inf, nan, nan, 0]
    )
    assert np.signbit(ops.erfinv(np.array([-0.0])))[0]


@pytest.mark.parametrize("order", [1, 2])
def test_derivatives_of_sinc_hold_near_zero(order: int) -> None:
    x = np.concatenate([np.geomspace(1e-12, 0.45, 20), [0.0, 0.5, 0.50001, 0.7, 1.0, -0.2, 9.5]])

    def derivative(v: Any) -> Any:
        """By the integral of cos(pi x t) for t from 0 to 1."""
        if order == 1:
            return mpmath.quad(lambda t: -mpmath.pi * t * mpmath.sin(mpmath.pi * v * t), [0, 1])
        return mpmath.quad(
            lambda t: -((mpmath.pi * t) ** 2) * mpmath.cos(mpmath.pi * v * t), [0, 1]
        )

    np.testing.assert_allclose(gradient(np.sinc, x, order=order), exact(derivative, x), rtol=1e-12)


def test_slopes_near_the_ends_of_the_inverses_are_exact() -> None:
    x = 1 - np.geomspace(1e-12, 0.1, 30)
    for function, slope in (
        (np.arcsin, lambda v: 1 / mpmath.sqrt(1 - v * v)),
        (np.arccos, lambda v: -1 / mpmath.sqrt(1 - v * v)),
        (np.arctanh, lambda v: 1 / (1 - v * v)),
    ):
        np.testing.assert_allclose(gradient(function, x), exact(slope, x), rtol=1e-14)
    y = 1 + np.geomspace(1e-12, 10, 30)
    np.testing.assert_allclose(
        gradient(np.arccosh, y), exact(lambda v: 1 / mpmath.sqrt(v * v - 1), y), rtol=1e-13
    )
