"""NumPy's own functions and operators on Tensors, in both directions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dgrad
from dgrad import Tensor
from dgrad.errors import GraphError, UnsupportedError
from tests.ops.differences import jacobian

DATA = np.array([[0.3, 1.7, 0.9], [1.2, 0.4, 2.1]])
OTHER = np.array([[0.7, 0.2, 1.5], [1.1, 0.8, 0.6]])
MASK = np.array([[True, False, True], [False, True, True]])

CALLS: dict[str, Callable[[Any], Any]] = {
    "exp": np.exp,
    "absolute": lambda t: np.abs(t),
    "ndarray * t": lambda t: OTHER * t,
    "ndarray - t": lambda t: OTHER - t,
    "ndarray / t": lambda t: OTHER / t,
    "ndarray ** t": lambda t: OTHER**t,
    "ndarray @ t": lambda t: OTHER.T @ t,
    "float64 * t": lambda t: np.float64(2) * t,
    "float64 / t": lambda t: np.float64(2) / t,
    "0-d + t": lambda t: np.array(2.0) + t,
    "list * t": lambda t: [1.0, 2.0, 3.0] * t,
    "2 ** t": lambda t: 2**t,
    "1 - t": lambda t: 1 - t,
    "1 / t": lambda t: 1 / t,
    "t ** 2": lambda t: t**2,
    "add(t, ndarray)": lambda t: np.add(t, OTHER),
    "multiply(ndarray, t)": lambda t: np.multiply(OTHER, t),
    "maximum": lambda t: np.maximum(t, 1.0),
    "minimum": lambda t: np.minimum(OTHER, t),
    "matmul": lambda t: np.matmul(t, OTHER.T),
    "sum": np.sum,
    "sum(t, 0)": lambda t: np.sum(t, 0),
    "sum(axis, keepdims)": lambda t: np.sum(t, axis=1, keepdims=True),
    "add.reduce": np.add.reduce,
    "add.reduce(axis)": lambda t: np.add.reduce(t, axis=(0, 1)),
    "maximum.reduce": lambda t: np.maximum.reduce(t, axis=1, keepdims=True),
    "minimum.reduce": lambda t: np.minimum.reduce(t, 1),
    "mean": lambda t: np.mean(t, (0, 1)),
    "max": lambda t: np.max(t, axis=1),
    "amin": lambda t: np.amin(t, 0),
    "var": lambda t: np.var(t, axis=1, ddof=1),
    "std": lambda t: np.std(t, ddof=1),
    "clip(t, a, b)": lambda t: np.clip(t, 0.5, 1.5),
    "clip(a_min=)": lambda t: np.clip(t, a_min=0.5, a_max=None),
    "clip(max=)": lambda t: np.clip(t, max=1.5),
    "where(mask, t, 0)": lambda t: np.where(MASK, t, 0.0),
    "where(t > 1, ...)": lambda t: np.where(t > 1, t * t, -t),
    "concatenate": lambda t: np.concatenate([t, OTHER, t], axis=1),
    "concatenate(ndarray first)": lambda t: np.concatenate((OTHER, t)),
    "stack": lambda t: np.stack([t, OTHER], -1),
    "reshape(t, shape)": lambda t: np.reshape(t, (3, 2)),
    "reshape(order)": lambda t: np.reshape(t, -1, order="C"),
    "transpose": np.transpose,
    "transpose(t, axes)": lambda t: np.transpose(t, (1, 0)),
    "swapaxes": lambda t: np.swapaxes(t, 0, 1),
    "expand_dims": lambda t: np.expand_dims(t, 1),
    "squeeze": lambda t: np.squeeze(np.expand_dims(t, 1), 1),
    "broadcast_to": lambda t: np.broadcast_to(t, (2, 2, 3)),
    "pad(t, 1)": lambda t: np.pad(t, 1),
    "pad(mode)": lambda t: np.pad(t, ((1, 0), (0, 2)), "constant", constant_values=3.0),
}


@pytest.mark.parametrize("name", CALLS)
def test_numpy_calls_give_tensors_with_gradients(name: str) -> None:
    call = CALLS[name]
    t = Tensor(DATA, requires_grad=True)
    out = call(t)
    assert isinstance(out, Tensor)
    expected = call(DATA) if "reduce" not in name else call(np.asarray(DATA))
    np.testing.assert_allclose(out.data, expected, rtol=1e-12)
    seed = np.random.default_rng(0).normal(size=out.shape)
    (g,) = dgrad.grad(out, t, seed)
    numeric = jacobian(call, [DATA], 0, out.size)
    np.testing.assert_allclose(g.data.ravel(), seed.ravel() @ numeric, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda t: np.greater(t, 1.0), DATA > 1),
        (lambda t: np.array(1.0) < t, DATA > 1),
        (lambda t: t == DATA, DATA == DATA),
        (lambda t: np.float64(0.9) != t, DATA != 0.9),
        (lambda t: np.sign(-t), -np.ones((2, 3))),
        (lambda t: np.isfinite(t), np.isfinite(DATA)),
        (lambda t: np.isnan(t), np.isnan(DATA)),
        (lambda t: np.argmax(t, axis=1), np.argmax(DATA, 1)),
        (lambda t: np.logical_not(t > 1), DATA <= 1),
        (lambda t: ~(t > 1) & MASK | (t == 0.9), ~(DATA > 1) & MASK | (DATA == 0.9)),
        (lambda t: np.zeros_like(t), np.zeros_like(DATA)),
        (lambda t: np.ones_like(t, dtype=np.float32), np.ones((2, 3), np.float32)),
        (lambda t: np.full_like(t, 3.0), np.full((2, 3), 3.0)),
        (lambda t: np.full_like(t, Tensor(3.0)), np.full((2, 3), 3.0)),
    ],
)
def test_results_without_gradient_are_plain_tensors(call: Any, expected: Any) -> None:
    out = call(Tensor(DATA, requires_grad=True))
    assert isinstance(out, Tensor)
    assert not out.requires_grad
    assert out.dtype == expected.dtype
    np.testing.assert_array_equal(out.data, expected)


def test_questions_about_a_tensor_are_answered() -> None:
    t = Tensor(DATA, requires_grad=True)
    assert (np.shape(t), np.ndim(t), np.size(t), np.size(t, 1)) == ((2, 3), 2, 6, 3)
    assert np.allclose(t, DATA)
    assert np.array_equal(DATA, t)
    assert np.any(t > 2)
    assert not np.all(t > 2)
    assert np.isclose(t, 0.3).sum() == 1


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda t: np.linalg.cond(t), "np.cond"),
        (lambda t: np.interp(t, [0, 1], [1, 2]), "np.interp"),
        (lambda t: np.subtract.accumulate(t), "np.subtract.accumulate"),
        (lambda t: np.sum(axis=0, a=1.0, out=t), "np.sum.*'out'"),
        (lambda t: np.add.at(t, 0, 1.0), "np.add.at"),
        (lambda t: np.exp(t, out=np.empty((2, 3))), "np.exp.*'out'"),
        (lambda t: np.add(OTHER, OTHER, out=t), "np.add.*'out'"),
        (lambda t: np.exp(t, dtype=np.float32), "np.exp.*'dtype'"),
        (lambda t: np.exp(t, where=MASK), "np.exp.*'where'"),
        (lambda t: np.sum(t, dtype=np.float32), "np.sum.*'dtype'"),
        (lambda t: np.sum(t, 0, np.float32), "np.sum.*'dtype'"),
        (lambda t: np.sum(t, where=MASK), "np.sum.*'where'"),
        (lambda t: np.sum(t, initial=1.0), "np.sum.*'initial'"),
        (lambda t: np.add.reduce(t, dtype=np.float32), "np.sum.*'dtype'"),
        (lambda t: np.reshape(t, -1, order="F"), "np.reshape.*'order'"),
        (lambda t: np.concatenate([t, t], dtype=np.float32), "np.concatenate.*'dtype'"),
        (lambda t: np.full_like(t, t[0, 0]), "np.full_like.*lose its gradient"),
        (lambda t: np.full_like(DATA, 1.0) + np.full_like(t, fill_value=t), "np.full_like"),
    ],
)
def test_what_has_no_op_is_refused_by_name(call: Any, named: str) -> None:
    t = Tensor(DATA, requires_grad=True)
    with pytest.raises(UnsupportedError, match=named):
        call(t)
    np.testing.assert_array_equal(t.data, DATA)


def test_float64_scalars_do_not_change_the_dtype_of_a_gradient() -> None:
    t = Tensor(DATA.astype(np.float32), requires_grad=True)
    out = (np.float64(2) * t + np.array(1.0)).sum()
    (g,) = dgrad.grad(out, t)
    assert g.dtype == np.float32
    np.testing.assert_array_equal(g.data, np.full((2, 3), 2, np.float32))


def test_python_scalars_keep_float32() -> None:
    t = Tensor(DATA.astype(np.float32), requires_grad=True)
    for out in (2 * t, t / 3, 1.5 - t, t**2.5, 2.0**t, np.maximum(t, 1), np.where(MASK, t, 0.0)):
        assert out.dtype == np.float32


def test_arrays_from_tensors() -> None:
    plain = Tensor(DATA)
    np.testing.assert_array_equal(np.asarray(plain), DATA)
    assert np.asarray(plain, dtype=np.float32).dtype == np.float32
    with pytest.raises(GraphError, match="requires grad"):
        np.asarray(Tensor(DATA, requires_grad=True))


def test_in_place_on_an_array_with_a_tensor_is_refused() -> None:
    array = DATA.copy()
    with pytest.raises(UnsupportedError, match="'out'"):
        array += Tensor(DATA, requires_grad=True)
    np.testing.assert_array_equal(array, DATA)


def test_arrays_by_keyword_and_places_by_where() -> None:
    t = Tensor(DATA, requires_grad=True)
    (g,) = dgrad.grad(np.sum(a=t, axis=0).sum() + np.clip(a=t, a_min=0.0, a_max=None).sum(), t)
    np.testing.assert_array_equal(g.data, 1.0 + (DATA > 0))
    for found, expected in zip(np.where(t > 1), np.where(DATA > 1), strict=True):
        np.testing.assert_array_equal(found, expected)
