"""Reductions and norms at zeros, ties and NaNs; what they refuse; average's two spellings."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import dgrad
from dgrad import Tensor, ops
from dgrad.errors import ParameterError, ShapeError, UnsupportedError

NAN, INF = np.nan, np.inf


def leaf(values: Any) -> Tensor:
    return Tensor(np.array(values, np.float64), requires_grad=True)


def slope(function: Any, at: Any, seed: Any = None) -> Any:
    x = leaf(at)
    out = function(x)
    return dgrad.grad(out, x, np.ones(out.shape) if seed is None else np.array(seed))[0].data


def hessian(function: Any, at: Any) -> Any:
    """Second derivatives of a scalar function of a vector."""
    x = leaf(at)
    (g,) = dgrad.grad(function(x), x, create_graph=True)
    units = np.eye(len(at))
    return np.stack([dgrad.grad(g, x, unit, retain_graph=True)[0].data for unit in units])


@pytest.mark.parametrize("function", [ops.prod, np.prod, lambda x: x.prod()])
def test_P33_prod_is_right_at_zeros(function: Any) -> None:
    np.testing.assert_array_equal(slope(function, [2.0, 3.0, 4.0]), [12, 8, 6])
    np.testing.assert_array_equal(slope(function, [2.0, 0.0, 4.0]), [0, 8, 0])
    np.testing.assert_array_equal(slope(function, [0.0, 0.0, 4.0]), [0, 0, 0])
    np.testing.assert_array_equal(
        hessian(function, [0.0, 0.0, 4.0]), [[0, 4, 0], [4, 0, 0], [0, 0, 0]]
    )
    np.testing.assert_array_equal(
        hessian(function, [2.0, 0.0, 4.0]), [[0, 4, 0], [4, 0, 2], [0, 2, 0]]
    )


def test_P33_the_third_derivative_of_prod_at_zero_is_one() -> None:
    x = leaf([0.0, 0.0, 0.0])
    (g,) = dgrad.grad(x.prod(), x, create_graph=True)
    (h,) = dgrad.grad(g[0], x, create_graph=True)
    np.testing.assert_array_equal(dgrad.grad(h[1], x)[0].data, [0, 0, 1])


@pytest.mark.parametrize("order", [None, 1, 1.5, 2, 3, INF, -INF])
def test_the_gradient_of_a_norm_at_zero_is_zero(order: Any) -> None:
    np.testing.assert_array_equal(slope(lambda x: x.norm(order), [0.0, 0.0]), [0, 0])
    if order not in (INF, -INF):  # which share among ties
        assert np.isfinite(hessian(lambda x: x.norm(order) * x[0], [0.0, 0.0])).all()
    rows = slope(lambda x: np.linalg.norm(x, order, axis=1), [[0.0, 0.0], [3.0, 0.0]])
    np.testing.assert_allclose(rows, [[0, 0], [1 if order != -INF else 0, 0]], rtol=1e-14)


@pytest.mark.parametrize("order", [1, 1.5, 2, 3, np.inf, -1])
def test_a_norm_of_one_is_like_any_other(order: Any) -> None:
    x = Tensor(np.array([-1.0]), requires_grad=True)
    (g,) = dgrad.grad(np.linalg.vector_norm(x, ord=order), x)
    np.testing.assert_array_equal(g.data, [-1.0])


def test_a_zero_beside_other_elements_has_no_slope_in_any_norm() -> None:
    for order in (0.5, 1, 1.5, 2, 3):
        assert slope(lambda x, p=order: x.norm(p), [0.0, 3.0])[0] == 0.0


@pytest.mark.parametrize("order", [2, "nuc", -2, 3, 0])
def test_norms_of_a_matrix_that_need_singular_values_are_refused(order: Any) -> None:
    with pytest.raises(ParameterError, match="norm: ord must be None"):
        ops.norm(leaf([[1.0, 2.0], [3.0, 4.0]]), ord=order)


def test_a_norm_of_order_inf_shares_among_ties() -> None:
    np.testing.assert_array_equal(slope(lambda x: x.norm(INF), [3.0, -3.0, 1.0]), [0.5, -0.5, 0])
    found = slope(lambda x: np.linalg.norm(x, INF), [[1.0, -2.0], [2.0, 1.0]])
    np.testing.assert_array_equal(found, [[0.5, -0.5], [0.5, 0.5]])  # both rows sum to 3


def test_ptp_shares_at_both_ends_and_of_equal_elements_has_no_slope() -> None:
    np.testing.assert_allclose(slope(np.ptp, [1.0, 3.0, 3.0, 1.0, 2.0]), [-0.5, 0.5, 0.5, -0.5, 0])
    np.testing.assert_allclose(slope(np.ptp, [2.0, 2.0]), [0, 0])


def test_nansum_and_nanmean_give_nothing_to_nans() -> None:
    at = [[1.0, NAN, 3.0], [NAN, NAN, NAN]]
    np.testing.assert_array_equal(slope(np.nansum, at), [[1, 0, 1], [0, 0, 0]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = slope(lambda x: np.nanmean(x, axis=1), at)
    np.testing.assert_array_equal(found, [[0.5, 0, 0.5], [0, 0, 0]])


def test_average_takes_numpys_order_of_arguments() -> None:
    x, w = leaf([[1.0, 2.0], [3.0, 5.0]]), leaf([1.0, 3.0])
    for out in (np.average(x, 1, w), np.average(x, weights=w, axis=1), ops.average(x, w, axis=1)):
        np.testing.assert_allclose(out.data, [1.75, 4.5])
        gx, gw = dgrad.grad(out, (x, w), np.array([1.0, 10.0]))
        np.testing.assert_allclose(gx.data, [[0.25, 0.75], [2.5, 7.5]])
        np.testing.assert_allclose(gw.data, [(-0.75 - 15) / 4, (0.25 + 5) / 4])
    with pytest.raises(UnsupportedError, match=r"np\.average.*'returned'"):
        np.average(x, returned=True)


def test_average_refuses_weights_that_do_not_fit_or_sum_to_0() -> None:
    x = leaf(np.ones((2, 3)))
    for weights, axis in ((np.ones(2), 1), (np.ones(3), None), (np.ones((3, 2)), 0)):
        with pytest.raises(ShapeError, match=r"average: weights .* for x \(2, 3\)"):
            ops.average(x, weights, axis=axis)
    with pytest.raises(ParameterError, match="average: weights must be such that no sum is 0"):
        ops.average(x, np.array([1.0, -1.0, 0.0]), axis=1)


def test_integer_weights_leave_float32_as_it_is() -> None:
    x = Tensor(np.ones((2, 3), np.float32), requires_grad=True)
    assert ops.average(x, np.array([1, 2, 3]), axis=1).dtype == np.float32


def test_any_all_and_count_nonzero_of_a_tensor() -> None:
    t = leaf([[0.0, 1.0], [0.0, 0.0]])
    assert t.any(axis=1).tolist() == [True, False]
    assert (t == 0).all(axis=0).tolist() == [True, False]
    assert t.count_nonzero().item() == 1
    assert not t.any().requires_grad


def test_P26_means_and_products_over_repeated_or_missing_axes_are_refused() -> None:
    for function in (ops.prod, ops.mean, ops.nanmean, ops.ptp, ops.vector_norm):
        for axis in ((0, 0), (0, -2), 2):
            with pytest.raises(ShapeError, match=function.op.name):
                function(leaf(np.ones((2, 3))), axis=axis)


def test_P18_sums_over_nothing() -> None:
    x = leaf(np.zeros((0, 3)))
    for function, value in ((ops.sum, 0.0), (ops.prod, 1.0), (ops.nansum, 0.0), (ops.norm, 0.0)):
        out = function(x, axis=0)
        np.testing.assert_array_equal(out.data, np.full(3, value))
        assert dgrad.grad(out, x, np.ones(3))[0].shape == (0, 3)
