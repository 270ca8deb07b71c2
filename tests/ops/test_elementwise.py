"""Arithmetic, powers, exponentials, choices and rounding: kinks, poles, NaN, methods, dtypes."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dgrad
from dgrad import Tensor, ops
from dgrad.errors import DtypeError, GraphError
from tests.ops.test_kinks import gradient

NAN, INF = np.nan, np.inf


def pair(x: Any, y: Any) -> tuple[Tensor, Tensor]:
    return tuple(Tensor(np.array(a, np.float64), requires_grad=True) for a in (x, y))  # type: ignore[return-value]


def shares(function: Callable[..., Any], x: Any, y: Any) -> list[list[float]]:
    """Gradients of the sum of function(x, y)."""
    inputs = pair(x, y)
    return [g.data.tolist() for g in dgrad.grad(function(*inputs).sum(), inputs)]


ROUNDING = [
    ops.floor,
    ops.ceil,
    ops.trunc,
    ops.rint,
    ops.round,
    ops.sign,
    ops.signbit,
    ops.isfinite,
    np.floor,
    np.fix,
    np.round,
    np.sign,
    lambda x: x // 0.5,
    lambda x: 3 // x,
    lambda x: x > 0.5,
    lambda x: x.argmax(),
    lambda x: x.round(decimals=1),
    lambda x: np.heaviside(x, 0.5),
]


@pytest.mark.parametrize("function", ROUNDING)
def test_P25_what_rounds_or_compares_does_not_require_grad(function: Any) -> None:
    x = Tensor(np.array([0.3, -1.2, 2.5]), requires_grad=True)
    out = function(x)
    assert isinstance(out, Tensor)
    assert not out.requires_grad
    np.testing.assert_array_equal(out.data, function(x.detach()).data)
    with pytest.raises(GraphError, match="does not require grad"):
        out.sum().backward()


def test_P25_integers_and_booleans_cannot_require_grad() -> None:
    for data in (np.arange(3), np.array([True, False])):
        with pytest.raises(DtypeError, match="only floats"):
            Tensor(data, requires_grad=True)


def test_P25_a_straight_through_estimate_has_a_gradient() -> None:
    straight = gradient(lambda x: (x + (ops.round(x) - x).detach()) * x, [0.3, 1.7])
    np.testing.assert_allclose(straight, [0.0 + 0.3, 2.0 + 1.7])


@pytest.mark.parametrize("function", [ops.maximum, np.maximum])
def test_P31_maximum_sends_the_gradient_to_nan_and_halves_ties(function: Any) -> None:
    x, y = [NAN, 1.0, NAN, 2.0, INF], [1.0, NAN, NAN, 2.0, INF]
    assert shares(function, x, y) == [[1, 0, 0.5, 0.5, 0.5], [0, 1, 0.5, 0.5, 0.5]]
    assert shares(ops.minimum, x, y) == [[1, 0, 0.5, 0.5, 0.5], [0, 1, 0.5, 0.5, 0.5]]


@pytest.mark.parametrize("function", [ops.fmax, ops.fmin, np.fmax, np.fmin])
def test_fmax_and_fmin_send_the_gradient_away_from_nan(function: Any) -> None:
    x, y = [NAN, 1.0, NAN, 2.0], [1.0, NAN, NAN, 2.0]
    assert shares(function, x, y) == [[0, 1, 0.5, 0.5], [1, 0, 0.5, 0.5]]


@pytest.mark.parametrize("function", [ops.power, ops.float_power, operator.pow])
def test_P34_powers_at_zero(function: Any) -> None:
    x, y = [0.0, 0.0, 0.0, 3.0], [0.0, 1.0, 2.0, 0.0]
    assert shares(function, x, y) == [[0, 1, 0, 0], [0, 0, 0, np.log(3.0)]]
    base, exponent = pair([0.0], [-1.0])
    with np.errstate(divide="ignore"):
        (g,) = dgrad.grad(function(base, exponent), exponent, np.ones(1))
    assert g.data[0] == -INF
    np.testing.assert_array_equal(gradient(lambda x: function(x, 3), [-2.0, 0.0]), [12.0, 0.0])


def test_P35_where_takes_one_branch_whatever_the_other_holds() -> None:
    with np.errstate(divide="ignore", invalid="ignore"):
        got = gradient(lambda x: np.where(x > 0, np.log(x), x * 3), [-1.0, 0.0, 2.0])
    np.testing.assert_array_equal(got, [3.0, 3.0, 0.5])


SINGULAR = [
    (ops.reciprocal, 0.0, 2.0),
    (ops.cbrt, 0.0, 2.0),
    (ops.log2, 0.0, 2.0),
    (ops.log10, 0.0, 2.0),
    (lambda x: ops.float_power(x, 0.5), 0.0, 2.0),
    (lambda x: ops.float_power(x, 1.5), -1.0, 2.0),
    (lambda x: 2.0 % x, 0.0, 0.75),
    (lambda x: np.fmod(2.0, x), 0.0, 0.75),
    (lambda x: (x * x) % x, 0.0, 0.75),
    (ops.arcsin, 1.0, 0.5),
    (ops.arcsin, -2.0, 0.5),
    (ops.arccos, -1.0, 0.5),
    (ops.arccos, 2.0, 0.5),
    (ops.arccosh, 1.0, 2.0),
    (ops.arccosh, -0.5, 2.0),
    (ops.arctanh, 1.0, 0.5),
    (ops.arctanh, -1.0, 0.5),
    (ops.logit, 0.0, 0.25),
    (ops.logit, 1.0, 0.25),
    (ops.logit, 2.0, 0.25),
    (ops.erfinv, 1.0, 0.5),
    (ops.erfinv, -3.0, 0.5),
    (ops.lgamma, 0.0, 1.5),
    (ops.lgamma, -2.0, 1.5),
    (ops.lgamma, -2.0, 2.0),
    (ops.lgamma, -2.0, -1.5),
    (ops.digamma, 0.0, 1.5),
    (lambda x: ops.polygamma(x, n=1), -1.0, 1.5),
    (lambda x: np.hypot(x, x), 0.0, 1.5),
    (lambda x: np.arctan2(x, x * x), 0.0, 1.5),
]


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(("function", "pole", "regular"), SINGULAR)
def test_a_branch_not_taken_does_not_poison_the_gradient(
    function: Any, pole: float, regular: float, order: int
) -> None:
    chosen = np.array([False, True])
    with np.errstate(divide="ignore", invalid="ignore"):  # the forward at the pole
        whole = gradient(lambda x: np.where(chosen, function(x), 0.0), [pole, regular], order=order)
        alone = gradient(function, [regular], order=order)
    assert np.isfinite(alone[0])
    np.testing.assert_allclose(whole, [0.0, alone[0]], rtol=1e-14)


@pytest.mark.parametrize(("function", "pole", "regular"), SINGULAR)
def test_a_zero_gradient_stays_linear_at_regular_points(
    function: Any, pole: float, regular: float
) -> None:
    x = Tensor(np.array([regular]), requires_grad=True)
    v = Tensor(np.array([0.0]), requires_grad=True)
    (g,) = dgrad.grad(function(x), x, v, create_graph=True)
    (slope,) = dgrad.grad(g, v, np.array([1.0]))
    np.testing.assert_allclose(slope.data, gradient(function, [regular]), rtol=1e-14)


@pytest.mark.parametrize(
    ("function", "at", "expected"),
    [
        (ops.reciprocal, 0.0, -INF),
        (ops.cbrt, 0.0, INF),
        (ops.log2, 0.0, INF),
        (ops.log10, 0.0, INF),
        (ops.arcsin, 1.0, INF),
        (ops.arccos, -1.0, -INF),
        (ops.arccosh, 1.0, INF),
        (ops.arctanh, 1.0, INF),
        (ops.logit, 0.0, INF),
        (ops.erfinv, 1.0, INF),
        (ops.lgamma, 0.0, -INF),
        (ops.digamma, 0.0, INF),
        (ops.digamma, -1.0, INF),
    ],
)
def test_a_gradient_that_comes_in_at_a_pole_is_infinite(
    function: Any, at: float, expected: float
) -> None:
    with np.errstate(divide="ignore"):
        assert gradient(function, [at])[0] == expected


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("function", [np.fabs, lambda x: np.copysign(x, 1.0)])
def test_other_spellings_of_abs_have_no_slope_at_zero(function: Any, order: int) -> None:
    got = gradient(lambda x: function(x) * x, [-2.0, 0.0, 2.0], order=order)
    np.testing.assert_array_equal(got, [[4.0, 0.0, 4.0], [-2.0, 0.0, 2.0]][order - 1])
    np.testing.assert_array_equal(gradient(function, [-2.0, 0.0, 2.0]), [-1.0, 0.0, 1.0])


def test_hypot_and_arctan2_at_the_origin_are_flat() -> None:
    for function in (np.hypot, np.arctan2):
        x, y = pair([0.0], [0.0])
        first = dgrad.grad(function(x, y).sum(), (x, y), create_graph=True)
        for g in dgrad.grad(first[0].sum() + 2 * first[1].sum(), (x, y)):
            assert g.tolist() == [0.0]
    assert shares(np.hypot, [0.0, 3.0], [0.0, 4.0]) == [[0, 0.6], [0, 0.8]]
    y, x = shares(np.arctan2, [0.0, 3.0], [0.0, 4.0])
    np.testing.assert_allclose([y, x], [[0, 0.16], [0, -0.12]], rtol=1e-15)


def test_copysign_sends_nothing_to_the_sign() -> None:
    assert shares(np.copysign, [2.0, -2.0, 2.0], [-0.0, -3.0, 1.0]) == [[-1, 1, 1], [0, 0, 0]]


def test_the_gradient_of_a_remainder_by_its_divisor_is_minus_the_whole_quotient() -> None:
    x, y = [5.3, -5.3, 5.3, -5.3, 6.0], [2.0, 2.0, -2.0, -2.0, 2.0]
    assert shares(operator.mod, x, y) == [[1] * 5, [-2, 3, 3, -2, -3]]
    assert shares(np.fmod, x, y) == [[1] * 5, [-2, 2, 2, -2, -3]]


@pytest.mark.parametrize("function", [np.logaddexp, np.logaddexp2])
def test_sums_in_logarithms_of_nothing_have_no_gradient(function: Any) -> None:
    x, y = [-INF, -INF, 3.0, -800.0], [-INF, 3.0, -INF, 800.0]
    assert shares(function, x, y) == [[0, 0, 1, 0], [0, 1, 0, 1]]
    inputs = pair(x, y)
    first = dgrad.grad(function(*inputs).sum(), inputs, create_graph=True)
    for g in dgrad.grad(first[0].sum(), inputs):
        np.testing.assert_array_equal(g.data, np.zeros(4))


@pytest.mark.parametrize("function", [np.logaddexp, np.logaddexp2])
def test_sums_in_logarithms_that_are_infinite_follow_the_infinite_one(function: Any) -> None:
    x, y = [INF, 3.0, INF, INF], [3.0, INF, -INF, INF]
    assert shares(function, x, y) == [[1, 0, 1, 0], [0, 1, 0, 0]]


def test_replaced_numbers_get_no_gradient() -> None:
    at = [NAN, INF, -INF, 2.0]
    np.testing.assert_array_equal(gradient(lambda x: np.nan_to_num(x) * 0.5, at), [0, 0, 0, 0.5])
    replaced = np.nan_to_num(Tensor(np.array(at)), nan=7.0, posinf=8.0, neginf=9.0)
    assert replaced.tolist() == [7.0, 8.0, 9.0, 2.0]


OPERATORS: list[tuple[Callable[[Any], Any], Callable[[Any], Any]]] = [
    (lambda t: +t, np.positive),
    (lambda t: t % 0.7, lambda a: np.remainder(a, 0.7)),
    (lambda t: 2.0 % t, lambda a: np.remainder(2.0, a)),
    (lambda t: t // 0.7, lambda a: np.floor_divide(a, 0.7)),
    (lambda t: 2.0 // t, lambda a: np.floor_divide(2.0, a)),
    (lambda t: (t > 1) ^ (t > 0.5), lambda a: (a > 1) ^ (a > 0.5)),
]


@pytest.mark.parametrize(("ours", "numpys"), OPERATORS)
def test_operators(ours: Any, numpys: Any) -> None:
    data = np.array([[0.3, 1.7, 0.9], [1.2, 0.4, 2.1]])
    np.testing.assert_array_equal(ours(Tensor(data)).data, numpys(data))


METHODS = [
    *("arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctanh", "ceil", "conj", "cosh"),
    *("deg2rad", "digamma", "erf", "erfc", "erfinv", "exp2", "expm1", "floor", "lgamma", "log10"),
    *("log1p", "log2", "logit", "nan_to_num", "rad2deg", "reciprocal", "round", "sign", "sinc"),
    *("sinh", "softmin", "square", "tan", "trunc", "angle"),
]


@pytest.mark.parametrize("name", METHODS)
def test_methods_are_the_functions(name: str) -> None:
    t = Tensor(np.array([1.0 if name == "arccosh" else 0.3, 1.0]) - (name == "logit") * 0.1)
    with np.errstate(divide="ignore"):
        np.testing.assert_array_equal(getattr(t, name)().data, getattr(ops, name)(t.data))


def test_numpys_other_names_mean_the_same_ops() -> None:
    t = Tensor(np.array([30.0, 1.6]), requires_grad=True)
    for function, data in (
        (np.radians, np.deg2rad(t.data)),
        (np.degrees, np.rad2deg(t.data)),
        (np.fix, np.trunc(t.data)),
        (np.mod, None),
        (np.float_power, None),
    ):
        if data is None:
            assert function(t, 2.0).grad_fn is not None
        else:
            np.testing.assert_array_equal(function(t).data, data)


def test_integers_become_floats_where_the_result_is_no_integer() -> None:
    assert ops.float_power(np.array([1, 2, 4]), -1).tolist() == [1.0, 0.5, 0.25]
    assert ops.fabs(np.arange(-1, 2)).tolist() == [1.0, 0.0, 1.0]
    for function in (ops.erf, ops.erfc, ops.lgamma, ops.digamma, ops.mish, ops.elu, ops.softsign):
        for dtype, expected in ((np.uint8, np.float32), (np.int64, np.float64)):
            out = function(np.array([3, 2, 1], dtype))
            assert out.dtype == expected
            np.testing.assert_allclose(out, function(np.array([3.0, 2.0, 1.0])), rtol=1e-6)


def test_ldexp_takes_integers_for_its_exponent_and_keeps_float32() -> None:
    x = Tensor(np.array([0.75], np.float32), requires_grad=True)
    out = ops.ldexp(x, np.array([4]))
    assert out.dtype == np.float32
    assert dgrad.grad(out, x, np.ones(1, np.float32))[0].tolist() == [16.0]
    with pytest.raises(DtypeError, match="ldexp"):
        ops.ldexp(x, 0.5)
