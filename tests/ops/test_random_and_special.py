"""What the op table cannot say: dropout's statistics, the accuracy of the normal distribution."""

from __future__ import annotations

import math

import numpy as np
import pytest

import dgrad
from dgrad import Tensor, ops
from dgrad.randomness import Purpose


def test_dropout_drops_the_share_p_and_keeps_the_mean() -> None:
    out = ops.dropout(np.ones(40_000), p=0.3, key=(5, Purpose.STEP, 0, 0))
    assert set(np.unique(out)) == {0.0, 1 / 0.7}
    assert abs(np.mean(out == 0) - 0.3) < 0.01


def test_dropout_is_a_function_of_its_key() -> None:
    x = np.ones((30, 30))
    step, init = Purpose.STEP, Purpose.INIT
    keys = [(1, step, 2, 3), (0, step, 2, 3), (1, init, 2, 3), (1, step, 0, 3), (1, step, 2, 0)]
    masks = [ops.dropout(x, p=0.5, key=key) for key in keys]
    np.testing.assert_array_equal(masks[0], ops.dropout(x, p=0.5, key=keys[0]))
    for i, mask in enumerate(masks):
        assert not any(np.array_equal(mask, other) for other in masks[:i])


def test_dropout_gives_its_gradient_to_what_it_kept() -> None:
    x = Tensor(np.full(50, 2.0), requires_grad=True)
    out = ops.dropout(x, p=0.5, key=(0, Purpose.STEP, 0, 0))
    (g,) = dgrad.grad(out.sum(), x)
    np.testing.assert_array_equal(g.data, out.data / 2)


@pytest.mark.parametrize(("dtype", "relative"), [(np.float64, 2e-14), (np.float32, 2e-6)])
def test_normal_cdf_is_accurate_in_both_tails(dtype: type, relative: float) -> None:
    x = np.linspace(-6, 6, 4001).astype(dtype)
    exact = [math.erfc(-v / math.sqrt(2)) / 2 for v in x.astype(float)]
    out = ops.normal_cdf(x)
    assert out.dtype == dtype
    np.testing.assert_allclose(out, exact, rtol=relative)


def test_normal_cdf_at_the_ends_of_the_line() -> None:
    got = ops.normal_cdf(np.array([-np.inf, np.inf, np.nan, 0.0]))
    np.testing.assert_array_equal(got, [0.0, 1.0, np.nan, 0.5])
    assert ops.normal_cdf(1) == pytest.approx(0.8413447460685429, rel=1e-15)
