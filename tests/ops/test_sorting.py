"""Order: ties, NaNs and the chosen element; quantiles between elements; what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dgrad
from dgrad import Tensor, ops
from dgrad.errors import DtypeError, ParameterError, ShapeError

NAN = np.nan
TIES = [2.0, 1.0, 2.0, 1.0]


def slope(function: Any, at: Any, seed: Any = None) -> Any:
    x = Tensor(np.array(at), requires_grad=True)
    out = function(x)
    return dgrad.grad(out, x, np.ones(out.shape) if seed is None else np.array(seed))[0].data


@pytest.mark.parametrize("function", [ops.sort, np.sort, lambda x: x.sort(axis=0)])
def test_P32_sort_puts_the_gradient_back_and_is_stable_under_ties(function: Any) -> None:
    np.testing.assert_array_equal(slope(function, TIES, [1.0, 2.0, 3.0, 4.0]), [3, 1, 4, 2])


def test_P32_descending_order_is_stable_too() -> None:
    found = slope(lambda x: ops.sort(x, descending=True), TIES, [1.0, 2.0, 3.0, 4.0])
    np.testing.assert_array_equal(found, [1, 3, 2, 4])
    assert ops.argsort(np.array(TIES), descending=True).tolist() == [0, 2, 1, 3]
    assert ops.argsort(np.array([3, 1, 3], np.uint8), descending=True).tolist() == [0, 2, 1]


def test_P32_topk_takes_the_first_of_ties() -> None:
    x = Tensor(np.array(TIES), requires_grad=True)
    values, indices = top = x.topk(3)
    assert top.values is values
    assert top.indices is indices
    assert (values.tolist(), indices.tolist()) == ([2, 2, 1], [0, 2, 1])
    assert not indices.requires_grad
    (g,) = dgrad.grad(values, x, np.array([1.0, 2.0, 4.0]))
    np.testing.assert_array_equal(g.data, [1, 4, 2, 0])
    assert ops.topk(np.array(TIES), k=3, largest=False).indices.tolist() == [1, 3, 0]


def test_nans_are_largest() -> None:
    at = np.array([1.0, NAN, 2.0])
    assert ops.argsort(at).tolist() == [0, 2, 1]
    assert ops.argsort(at, descending=True).tolist() == [1, 2, 0]
    assert ops.topk(at, k=1).indices.tolist() == [1]


def test_max_with_index_gives_the_chosen_element_everything() -> None:
    at = [3.0, 1.0, 3.0]
    for axis_kept in (False, True):
        function = lambda x, k=axis_kept: ops.max_with_index(x, axis=0, keepdims=k).values  # noqa: E731
        np.testing.assert_array_equal(slope(function, at), [1, 0, 0])
    np.testing.assert_array_equal(slope(ops.max, at), [0.5, 0, 0.5])
    lowest = slope(lambda x: ops.min_with_index(-x, axis=0).values, at)
    np.testing.assert_array_equal(lowest, [-1, 0, 0])
    found = ops.max_with_index(np.array([[1.0, 5.0], [7.0, 2.0]]), axis=1)
    assert (found.values.tolist(), found.indices.tolist()) == ([5, 7], [1, 0])


def test_an_extreme_with_index_sends_the_gradient_to_nan() -> None:
    for function in (ops.max_with_index, ops.min_with_index):
        np.testing.assert_array_equal(
            slope(lambda x, f=function: f(x, axis=0).values, [1.0, NAN, 3.0]), [0, 1, 0]
        )


def test_the_median_shares_between_the_middle_two() -> None:
    for function in (ops.median, np.median, lambda x: x.median()):
        np.testing.assert_array_equal(slope(function, [4.0, 1.0, 3.0, 2.0]), [0, 0, 0.5, 0.5])
        np.testing.assert_array_equal(slope(function, [4.0, 1.0, 3.0]), [0, 0, 1])
        np.testing.assert_array_equal(slope(function, [2.0, 1.0, 2.0]), [1, 0, 0])


def test_quantiles_of_infinite_elements() -> None:
    at = np.array([-np.inf, 1.0, np.inf])
    assert ops.median(at) == 1.0
    assert ops.quantile(at, q=[0, 1.0]).tolist() == [-np.inf, np.inf]
    assert ops.median(at[1:]) == np.inf


def test_percentile_is_quantile_of_a_hundredth() -> None:
    at = np.random.default_rng(0).normal(size=(4, 5))
    for q in (0, 37.5, [10, 90], 100):
        np.testing.assert_array_equal(
            slope(lambda x, q=q: np.percentile(x, q, axis=1), at),
            slope(lambda x, q=q: np.quantile(x, np.divide(q, 100), axis=1), at),
        )


def test_a_descending_sort_puts_gradients_back_along_its_axis() -> None:
    seed = [[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]]
    at = [[1.0, 6.0, 2.0], [4.0, 3.0, 5.0]]
    found = slope(lambda x: ops.sort(x, axis=0, descending=True) * np.array(seed), at)
    np.testing.assert_array_equal(found, [[10.0, 2.0, 30.0], [1.0, 20.0, 3.0]])


def test_integers_are_sorted_and_their_quantiles_are_floats() -> None:
    at = np.array([3, 1, 2, 7])
    assert ops.sort(at).dtype == at.dtype
    assert ops.median(at) == 2.5
    assert ops.median(at.astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda t: t.topk(5), ParameterError, "topk: k must be >= 0 and <= 4, got 5"),
        (lambda t: t.topk(-1), ParameterError, "topk: k"),
        (lambda t: np.quantile(t, 1.1), ParameterError, "quantile: q must be between 0 and 1"),
        (lambda t: np.percentile(t, [5, NAN]), ParameterError, "percentile: q"),
        (lambda t: np.median(t[:0]), ParameterError, "median: x must be of at least one element"),
        (lambda t: np.sort(t, axis=1), ShapeError, "sort"),
        (lambda t: ops.max_with_index(t, axis=2), ShapeError, "max_with_index"),
        (lambda t: np.sort(np.array([1j]) * t), DtypeError, "sort: .*no order"),
    ],
)
def test_what_sorting_refuses(call: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        call(Tensor(np.array(TIES), requires_grad=True))
