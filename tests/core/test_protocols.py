"""NumPy's functions and operators on Tensors: the same numbers, recorded; or a refusal by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dgrad
from dgrad import Tensor, grad, ops
from dgrad.errors import UnsupportedError
from tests.ops.differences import jacobian

DATA = np.linspace(0.2, 1.4, 6).reshape(2, 3)

CALLS: dict[str, Callable[[Any], Any]] = {
    "ufunc": np.tanh,
    "array on the left": lambda x: DATA * x,
    "array on the right": lambda x: x / DATA,
    "array minus": lambda x: DATA - x,
    "numpy scalar on the left": lambda x: np.float64(2) ** x,
    "number on the left": lambda x: 1 - x,
    "matrix on the left": lambda x: DATA.T @ x,
    "matrix on the right": lambda x: x @ DATA.T,
    "sum": lambda x: np.sum(x, axis=0),
    "sum by position": lambda x: np.sum(x, 1, None, None, True),
    "add.reduce": lambda x: np.add.reduce(x),
    "maximum.reduce": lambda x: np.maximum.reduce(x, axis=1, keepdims=True),
    "mean": lambda x: np.mean(x, axis=(0, 1)),
    "where": lambda x: np.where(DATA > 0.8, x, 0.0),
    "reshape": lambda x: np.reshape(x, (3, -1)),
    "transpose": lambda x: np.transpose(x, (1, 0)),
    "concatenate": lambda x: np.concatenate([x, DATA], axis=1),
    "stack": lambda x: np.stack((x, x), axis=-1),
    "stack of the rows of one": lambda x: np.stack(x, axis=1),
    "clip": lambda x: np.clip(x, 0.5, 1.0),
    "broadcast_to": lambda x: np.broadcast_to(x, (4, 2, 3)),
    "expand_dims": lambda x: np.expand_dims(x, 1),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_numpy_calls_give_the_same_numbers_and_a_gradient(call: Callable[[Any], Any]) -> None:
    x = Tensor(DATA, requires_grad=True)
    out = call(x)
    assert isinstance(out, Tensor)
    expected = call(DATA)
    np.testing.assert_allclose(out.data, expected, rtol=1e-15)
    assert out.shape == np.shape(expected)
    seed = np.random.default_rng(0).normal(size=out.shape)
    direction = np.random.default_rng(1).normal(size=x.shape)
    slope = (grad(out, x, seed)[0].data * direction).sum()
    h = 1e-6
    change = (call(DATA + h * direction) - call(DATA - h * direction)) / (2 * h)
    np.testing.assert_allclose(slope, (seed * change).sum(), rtol=1e-7)


REFUSED: list[tuple[Callable[[Any], Any], str]] = [
    (lambda x: np.linalg.cond(x), "np.cond on a Tensor: dgrad has no op"),
    (lambda x: np.nextafter(x, x), "np.nextafter on a Tensor"),
    (lambda x: np.add(x, x, out=np.zeros((2, 3))), "np.add on a Tensor: the argument 'out'"),
    (lambda x: np.add(x, x, where=DATA > 1), "the argument 'where'"),
    (lambda x: np.sum(x, dtype=np.float32), "np.sum on a Tensor: the argument 'dtype'"),
    (lambda x: np.sum(x, where=DATA > 1), "the argument 'where'"),
]


@pytest.mark.parametrize(("call", "text"), REFUSED)
def test_what_has_no_op_is_refused_by_name(call: Callable[[Any], Any], text: str) -> None:
    with pytest.raises(UnsupportedError, match=text):
        call(Tensor(DATA, requires_grad=True))


def test_an_array_is_not_changed_in_place_by_a_tensor() -> None:
    array = np.ones(3)
    with pytest.raises(UnsupportedError, match="'out'"):
        array += Tensor(np.ones(3), requires_grad=True)
    np.testing.assert_array_equal(array, 1)


def test_questions_are_answered_and_likes_are_new() -> None:
    x = Tensor(DATA, requires_grad=True)
    assert (np.ndim(x), np.shape(x), np.size(x), np.size(x, 1)) == (2, (2, 3), 6, 3)
    for like, value in ((np.zeros_like, 0), (np.ones_like, 1)):
        made = like(x)
        assert isinstance(made, Tensor)
        assert not made.requires_grad
        np.testing.assert_array_equal(made.data, np.full((2, 3), value))
    assert np.full_like(x, 7).data[0, 0] == 7
    assert np.zeros_like(a=x).shape == (2, 3)
    assert np.ones_like(x, dtype=np.float32).dtype == np.float32


def test_every_numpy_function_of_an_op_is_reached() -> None:
    x = Tensor(DATA, requires_grad=True)
    assert np.exp(x).node.name == ops.exp.op.name


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.multiply.reduce(x),
        lambda x: np.multiply.reduce(x, axis=1),
        lambda x: np.maximum.reduce(x, axis=None),
        lambda x: np.add.accumulate(x),
        lambda x: np.multiply.accumulate(x, axis=1),
        lambda x: np.subtract.outer(x, x[0]),
        lambda x: np.multiply.outer(np.arange(3.0), x),
    ],
)
def test_methods_of_ufuncs(function: Any) -> None:
    data = np.array([[0.5, -1.5, 2.0], [1.0, 3.0, -0.7]])
    x = Tensor(data, requires_grad=True)
    out = function(x)
    np.testing.assert_allclose(out.data, function(data))
    seed = np.random.default_rng(0).normal(size=out.shape)
    (g,) = dgrad.grad(out, x, seed)
    numeric = jacobian(function, [data], 0, out.size)
    np.testing.assert_allclose(g.data.ravel(), seed.ravel() @ numeric, rtol=1e-8, atol=1e-10)


def test_questions_are_answered_without_gradient() -> None:
    x = Tensor([[1.0, 0.0], [2.0, 3.0]], requires_grad=True)
    assert [a.tolist() for a in np.nonzero(x)] == [[0, 1, 1], [0, 0, 1]]
    assert np.flatnonzero(x).tolist() == [0, 2, 3]
    assert np.isin(x, [0.0, 3.0]).tolist() == [[False, True], [False, True]]
    assert np.result_type(x, np.float64) == np.float64
    assert not np.iscomplexobj(x)
