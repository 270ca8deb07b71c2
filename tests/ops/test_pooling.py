"""Pooling and interpolation: ties, NaN and infinity, second order, what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dgrad
from dgrad import Tensor
from dgrad.errors import DtypeError, ParameterError, ShapeError
from dgrad.ops import (
    adaptive_avg_pool2d,
    adaptive_max_pool2d,
    avg_pool1d,
    avg_pool2d,
    interpolate,
    max_pool1d,
    max_pool2d,
)

RNG = np.random.default_rng(5)


def both_ways(function: Any, x: Any, **sizes: Any) -> np.ndarray:
    """The gradient of the sum of the result, the same by the fast rule and the recorded one."""
    t = Tensor(np.asarray(x), requires_grad=True)
    out = function(t, **sizes)
    (fast,) = dgrad.grad(out, t, np.ones(out.shape), retain_graph=True)
    (recorded,) = dgrad.grad(out, t, np.ones(out.shape), create_graph=True)
    np.testing.assert_array_equal(fast.data, recorded.data)
    return fast.data


def test_P31_the_first_of_equal_elements_gets_the_whole_gradient() -> None:
    got = both_ways(max_pool2d, np.zeros((1, 1, 4, 4)), kernel_size=2)
    np.testing.assert_array_equal(np.argwhere(got[0, 0]), [[0, 0], [0, 2], [2, 0], [2, 2]])
    got = both_ways(max_pool2d, np.zeros((1, 1, 3, 3)), kernel_size=2, stride=1)
    np.testing.assert_array_equal(got[0, 0], [[1, 1, 0], [1, 1, 0], [0, 0, 0]])
    got = both_ways(max_pool1d, [[0.0, -0.0, 0.0]], kernel_size=3)
    np.testing.assert_array_equal(got, [[1, 0, 0]])
    got = both_ways(adaptive_max_pool2d, np.ones((1, 1, 2, 3)), output_size=1)
    np.testing.assert_array_equal(got[0, 0], [[1, 0, 0], [0, 0, 0]])


@pytest.mark.parametrize("size", [1, 2, 3, 4, 6, (2, 5), (6, 1), (None, 3), 8])
@pytest.mark.parametrize("shape", [(2, 3, 6, 6), (3, 6, 12), (2, 1, 7, 5), (0, 2, 6, 6)])
def test_P31_adaptive_maxima_are_the_first_of_their_shares(shape: Any, size: Any) -> None:
    x = RNG.integers(0, 3, shape).astype(np.float64)
    both_ways(adaptive_max_pool2d, x, output_size=size)
    both_ways(adaptive_max_pool2d, np.where(x == 2, np.nan, x), output_size=size)
    both_ways(
        adaptive_max_pool2d, np.asfortranarray(np.where(x == 0, -np.inf, x)), output_size=size
    )


def test_P31_the_first_nan_of_a_window_gets_its_gradient() -> None:
    x = np.array([[1.0, np.nan, np.nan, 7.0, 2.0, 3.0]])
    assert np.isnan(max_pool1d(x, kernel_size=3)[0, 0])
    np.testing.assert_array_equal(both_ways(max_pool1d, x, kernel_size=3), [[0, 1, 0, 1, 0, 0]])
    np.testing.assert_array_equal(
        both_ways(max_pool1d, x, kernel_size=2, stride=1), [[0, 2, 1, 1, 0, 1]]
    )


def test_minus_infinity_of_the_image_comes_before_that_of_the_padding() -> None:
    x = np.full((1, 1, 2, 2), -np.inf)
    got = both_ways(max_pool2d, x, kernel_size=2, stride=1, padding=1)
    assert got.sum() == 9
    np.testing.assert_array_equal(got[0, 0], [[4, 2], [2, 1]])


def test_an_infinite_gradient_stays_where_it_belongs() -> None:
    x = Tensor(np.array([[1.0, 2.0, 4.0, 3.0]]), requires_grad=True)
    for sizes in ({"kernel_size": 2}, {"kernel_size": 2, "stride": 1}):
        out = max_pool1d(x, **sizes)
        g = np.where(np.arange(out.shape[1]) == 0, np.inf, 1.0)[None]
        (got,) = dgrad.grad(out, x, g)
        assert not np.isnan(got.data).any()
        assert got.data[0, 1] == np.inf


def test_integers_are_pooled_above_their_least() -> None:
    x = np.array([[-5, -7, -6]], np.int8)
    np.testing.assert_array_equal(max_pool1d(x, kernel_size=2, padding=1), [[-5, -6]])
    np.testing.assert_array_equal(avg_pool1d(x, kernel_size=3), [[-6.0]])
    longs = RNG.normal(size=(1, 2, 6)).astype(np.longdouble)
    got = both_ways(max_pool1d, longs, kernel_size=2)
    assert got.dtype == np.longdouble
    assert got.sum() == 6


def test_second_order_of_a_function_of_the_maximum() -> None:
    """sum(max^3 / 3): second derivative 2 max at the largest elements, 0 elsewhere."""
    x = Tensor(RNG.permutation(16).reshape(1, 1, 4, 4) * 1.0, requires_grad=True)
    out = max_pool2d(x, kernel_size=2)
    (first,) = dgrad.grad((out**3).sum() / 3, x, create_graph=True)
    (second,) = dgrad.grad(first.sum(), x)
    np.testing.assert_array_equal(second.data, 2 * np.sqrt(first.data))


@pytest.mark.parametrize("order", ["C", "batch last", "channels last"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_memory_order_is_kept_and_changes_nothing(order: str, dtype: Any) -> None:
    axes = {"C": (0, 1, 2, 3), "batch last": (1, 2, 3, 0), "channels last": (0, 2, 3, 1)}[order]
    plain = RNG.normal(size=(3, 2, 6, 4)).astype(dtype)
    x = np.transpose(np.transpose(plain, axes).copy(), np.argsort(axes))
    for sizes in ({"kernel_size": 2}, {"kernel_size": 3, "stride": 1, "padding": 1}):
        out = max_pool2d(x, **sizes)
        np.testing.assert_array_equal(out, max_pool2d(plain, **sizes))
        assert np.transpose(out, axes).flags.c_contiguous
        np.testing.assert_allclose(
            avg_pool2d(x, **sizes), avg_pool2d(plain, **sizes), rtol=1e-5, atol=1e-6
        )


def test_a_mean_without_weight_does_not_read_what_it_leaves_out() -> None:
    x = np.array([[np.inf, 1.0, 2.0, 3.0]])
    got = avg_pool1d(x, kernel_size=3, stride=3, padding=1)
    np.testing.assert_allclose(got, [[np.inf, 5 / 3]])


def test_constants_stay_constant_under_resizing() -> None:
    x = np.full((1, 1, 5, 3), 4.0)
    for mode in ("nearest", "nearest-exact", "bilinear", "bicubic", "area"):
        np.testing.assert_allclose(interpolate(x, size=(7, 2), mode=mode), 4.0)
    np.testing.assert_allclose(adaptive_avg_pool2d(x, output_size=(4, 2)), 4.0)


IMAGE = np.zeros((1, 2, 4, 5))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: max_pool2d(IMAGE, kernel_size=6), ShapeError, r"max_pool2d.*\(6, 6\).*\(4, 5\)"),
        (lambda: max_pool2d(IMAGE, kernel_size=0), ParameterError, "kernel_size"),
        (lambda: max_pool2d(IMAGE, kernel_size=2, stride=0), ParameterError, "stride"),
        (lambda: max_pool2d(IMAGE, kernel_size=2, padding=2), ParameterError, "meets the image"),
        (lambda: max_pool2d(IMAGE[0, 0], kernel_size=2), ShapeError, "batch, channels, height"),
        (lambda: max_pool2d([[1.0]], kernel_size=1), DtypeError, "list"),
        (lambda: max_pool1d(IMAGE, kernel_size=2), ShapeError, "batch, channels, length"),
        (
            lambda: avg_pool2d(IMAGE, kernel_size=2, divisor_override=0),
            ParameterError,
            "divisor_override",
        ),
        (lambda: avg_pool1d(IMAGE[0], kernel_size=7), ShapeError, "avg_pool1d"),
        (lambda: adaptive_avg_pool2d(IMAGE, output_size=0), ParameterError, "output_size"),
        (lambda: adaptive_max_pool2d(IMAGE, output_size=(1, 2, 3)), ParameterError, "output_size"),
        (lambda: adaptive_avg_pool2d(IMAGE[:, :, :0], output_size=1), ShapeError, "no pixels"),
        (lambda: interpolate(IMAGE), ParameterError, "size"),
        (lambda: interpolate(IMAGE, size=3, scale_factor=2), ParameterError, "size"),
        (lambda: interpolate(IMAGE, size=3, mode="linear"), ParameterError, "bilinear"),
        (lambda: interpolate(IMAGE, size=(3, 3, 3)), ShapeError, "2 axes"),
        (lambda: interpolate(IMAGE, scale_factor=0.1), ShapeError, "cannot become"),
        (lambda: interpolate(IMAGE[0, 0], size=3), ShapeError, r"n, c, l"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(call: Any, error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        call()
