"""Activations and losses of integers and booleans: the numbers that floats give, as floats."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dgrad import Tensor, grad, ops
from dgrad.randomness import Purpose

DTYPES = {
    np.bool_: np.float32,
    np.int8: np.float32,
    np.uint8: np.float32,
    np.int16: np.float32,
    np.uint16: np.float32,
    np.int32: np.float64,
    np.uint32: np.float64,
    np.int64: np.float64,
    np.uint64: np.float64,
}
VALUES = np.array([[3, 0, 1], [2, 100, 0]])
OTHER = np.array([[200, 1, 1], [0, 1, 100]])
LABELS = np.array([1, 2], np.uint8)

CALLS: dict[str, Callable[[Any], Any]] = {
    "sigmoid": ops.sigmoid,
    "silu": ops.silu,
    "leaky_relu": ops.leaky_relu,
    "softplus": lambda x: ops.softplus(x, beta=2),
    "gelu": ops.gelu,
    "gelu tanh": lambda x: ops.gelu(x, approximate="tanh"),
    "softmax": ops.softmax,
    "log_softmax": lambda x: ops.log_softmax(x, axis=0),
    "logsumexp": lambda x: ops.logsumexp(x, axis=1),
    "normal_cdf": ops.normal_cdf,
    "dropout": lambda x: ops.dropout(x, p=0.5, key=(0, Purpose.STEP, 0, 0)),
    "cross_entropy": lambda x: ops.cross_entropy(x, LABELS),
    "mse_loss": lambda x: ops.mse_loss(x, x[::-1]),
    "bce_with_logits": lambda x: ops.bce_with_logits(x, x[::-1]),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CALLS)
def test_integers_give_what_the_same_floats_give(name: str, dtype: Any) -> None:
    values = VALUES.astype(dtype)
    expected = CALLS[name](values.astype(np.float64))
    for x in (values, Tensor(values)):
        out = np.asarray(CALLS[name](x))
        assert out.dtype == DTYPES[dtype]
        rtol = 1e-14 if out.dtype == np.float64 else 1e-5
        np.testing.assert_allclose(out, expected, rtol=rtol, atol=1e-30)


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int8, np.int64])
@pytest.mark.parametrize("loss", [ops.mse_loss, ops.bce_with_logits])
def test_gradients_beside_integers_are_those_beside_floats(loss: Any, dtype: Any) -> None:
    fixed = (OTHER % 128).astype(dtype)
    floats = Tensor(VALUES / 128, requires_grad=True)
    for order in (lambda a, b: loss(a, b), lambda a, b: loss(b, a)):
        found = grad(order(floats, fixed), floats)[0].data
        expected = grad(order(floats, fixed.astype(np.float64)), floats)[0].data
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_python_numbers_and_lists_are_taken() -> None:
    assert ops.sigmoid(0) == ops.sigmoid(0.0) == 0.5
    np.testing.assert_array_equal(ops.softmax([1, 1]), [0.5, 0.5])
    np.testing.assert_allclose(ops.silu([-1, 1]), ops.silu(np.array([-1.0, 1.0])))


def test_floats_keep_their_dtype() -> None:
    for dtype in (np.float16, np.float32, np.float64):
        assert ops.sigmoid(VALUES.astype(dtype)).dtype == dtype
