"""Choices by bits, beside np.where."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dgrad.ops._selection import chosen, kept_where, write_either

DTYPES = [np.float16, np.float32, np.float64, np.longdouble]
X = np.array([1.5, -np.inf, np.nan, -0.0, 2.0, np.inf])
MASK = np.array([True, False, False, True, False, True])


@pytest.mark.parametrize("dtype", DTYPES)
def test_chosen_is_where(dtype: Any) -> None:
    x, y = X.astype(dtype), X[::-1].astype(dtype)
    wide = y.astype(np.float64)
    some = slice(None, None, 2)
    for a, b in ((x, y), (x[some], y[::-2]), (x, wide), (x[:1], y)):
        mask = MASK[some] if len(b) == 3 else MASK
        expected = np.where(mask, a, b)
        out = chosen(mask, a, np.copy(b))
        assert out.dtype == expected.dtype
        np.testing.assert_array_equal(out, expected)
        np.testing.assert_array_equal(np.signbit(out), np.signbit(expected))
    np.testing.assert_array_equal(x, X.astype(dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_kept_where_is_where(dtype: Any) -> None:
    x = X.astype(dtype)
    for a, mask in ((x, MASK), (x[::-2], MASK[::2]), (x[:1].reshape(()), MASK[0]), (x, ~MASK)):
        out = kept_where(mask, a)
        assert out.dtype == dtype
        np.testing.assert_array_equal(out, np.where(mask, a, 0))
        assert not np.shares_memory(out, a)
    assert np.signbit(kept_where(MASK, x)).tolist() == [False, False, False, True, False, False]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("yes", "no"), [(1.0, 0.01), (1.0, -3.0), (-2.0, 1.5), (0.0, -0.0)])
def test_write_either_is_where(dtype: Any, yes: float, no: float) -> None:
    out = np.empty(6, dtype)
    write_either(MASK, yes, no, out)
    expected = np.where(MASK, dtype(yes), dtype(no))
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(np.signbit(out), np.signbit(expected))


def test_write_either_of_a_scalar() -> None:
    out = np.empty((), np.float32)
    write_either(np.True_, 1.0, 0.3, out)
    assert out == 1
