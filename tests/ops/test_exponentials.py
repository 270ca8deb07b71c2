"""Exponentials written in place, beside NumPy's of wider floats."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dgrad.ops._exponentials import write_exp


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("rate", [1, -1, 0.3])
def test_write_exp_is_exp(dtype: Any, rate: float) -> None:
    x = np.random.default_rng(0).uniform(-8, 8, 1000).astype(dtype)
    expected = np.exp(rate * x.astype(np.longdouble))
    out = np.empty_like(x)
    write_exp(x, rate, out)
    error = np.abs(out / expected - 1)
    assert (error <= 4 * np.finfo(dtype).eps * (np.abs(x * rate) + 1)).all()
    write_exp(x, rate, x)
    np.testing.assert_array_equal(x, out)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_write_exp_at_its_limits(dtype: Any) -> None:
    x = np.array([-np.inf, -1e30, -0.0, 0.0, np.inf, np.nan], dtype)
    write_exp(x, 1, x)
    np.testing.assert_array_equal(x, [0, 0, 1, 1, np.inf, np.nan])
