"""What a Tensor can do by itself: methods and operators, against the functions they stand for."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dgrad
from dgrad import Tensor, ops
from dgrad.errors import DtypeError

DATA = np.array([[0.3, 1.7, 0.9], [1.2, 0.4, 2.1]])

METHODS: list[tuple[Callable[[Any], Any], Callable[[Any], Any]]] = [
    *(
        (lambda t, name=name: getattr(t, name)(), getattr(ops, name))
        for name in (
            *("abs", "cos", "exp", "flatten", "log", "log_softmax", "logsumexp", "max", "mean"),
            *("min", "relu", "sigmoid", "sin", "softmax", "sqrt", "square", "squeeze", "std"),
            *("sum", "tanh", "transpose", "var"),
        )
    ),
    (lambda t: t.pow(3), lambda t: ops.power(t, 3)),
    (lambda t: t.sum(0), lambda t: ops.sum(t, axis=0)),
    (lambda t: t.sum((0, 1), True), lambda t: ops.sum(t, axis=(0, 1), keepdims=True)),
    (lambda t: t.mean(axis=-1, keepdims=True), lambda t: ops.mean(t, axis=1, keepdims=True)),
    (lambda t: t.var(1, ddof=1), lambda t: ops.var(t, axis=1, ddof=1)),
    (lambda t: t.max(axis=1), lambda t: ops.max(t, axis=1)),
    (lambda t: t.clip(0.5, 1.5), lambda t: ops.clip(t, min=0.5, max=1.5)),
    (lambda t: t.clamp(max=1.0), lambda t: ops.clip(t, max=1.0)),
    (lambda t: t.softmax(axis=0), lambda t: ops.softmax(t, axis=0)),
    (lambda t: t.softmax(0), lambda t: ops.softmax(t, axis=0)),
    (lambda t: t.matmul(DATA.T), lambda t: ops.matmul(t, DATA.T)),
    (lambda t: t.reshape(3, 2), lambda t: ops.reshape(t, shape=(3, 2))),
    (lambda t: t.reshape((3, -1)), lambda t: ops.reshape(t, shape=(3, 2))),
    (lambda t: t.reshape(-1), lambda t: ops.reshape(t, shape=(6,))),
    (lambda t: t.transpose(1, 0), lambda t: ops.transpose(t, axes=(1, 0))),
    (lambda t: t.transpose((0, 1)), lambda t: ops.transpose(t, axes=(0, 1))),
    (lambda t: t.T, ops.transpose),
    (lambda t: t.flatten(0, 1), ops.flatten),
    (lambda t: t.flatten(start_dim=1), lambda t: t),
    (lambda t: t.swapaxes(0, 1), lambda t: ops.swapaxes(t, axis1=0, axis2=1)),
    (lambda t: t.unsqueeze(1), lambda t: ops.expand_dims(t, axis=1)),
    (lambda t: t.astype(np.float32), lambda t: ops.astype(t, dtype=np.float32)),
    (lambda t: -t, ops.negative),
    (abs, ops.abs),
    (lambda t: t[1], lambda t: ops.getitem(t, index=1)),
    (lambda t: t[:, [2, 0, 0]], lambda t: ops.getitem(t, index=(slice(None), [2, 0, 0]))),
    (lambda t: t[t > 1], lambda t: ops.getitem(t, index=DATA > 1)),
    (lambda t: t[Tensor(np.array([1, 1]))], lambda t: ops.getitem(t, index=np.array([1, 1]))),
    (lambda t: t[Tensor(np.array(1)), 1:], lambda t: ops.getitem(t, index=(1, slice(1, None)))),
    (lambda t: t[[]], lambda t: ops.getitem(t, index=slice(0, 0))),
]


@pytest.mark.parametrize(("method", "function"), METHODS)
def test_methods_are_the_functions(method: Any, function: Any) -> None:
    t = Tensor(DATA, requires_grad=True)
    got, expected = method(t), function(t)
    np.testing.assert_array_equal(got.data, expected.data)
    seed = np.random.default_rng(0).normal(size=got.shape)
    (x,), (y,) = dgrad.grad(got, t, seed), dgrad.grad(expected, t, seed)
    np.testing.assert_array_equal(x.data, y.data)


def test_argmax_and_argmin() -> None:
    t = Tensor(DATA, requires_grad=True)
    assert t.argmax().item() == 5
    assert t.argmax(axis=1).tolist() == [1, 2]
    assert t.argmin(1, keepdims=True).tolist() == [[0], [1]]


@pytest.mark.parametrize("other", [1.2, DATA[::-1], Tensor(DATA[::-1])])
def test_comparisons(other: Any) -> None:
    t = Tensor(DATA, requires_grad=True)
    array = other.data if isinstance(other, Tensor) else other
    for compare in (operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge):
        got, expected = compare(t, other), compare(DATA, array)
        assert isinstance(got, Tensor)
        np.testing.assert_array_equal(got.data, expected)
        assert not got.requires_grad


def test_comparison_with_none_is_false_everywhere() -> None:
    t = Tensor(DATA)
    assert not (t == None).data.any()  # noqa: E711 - what is tested
    assert (t != None).data.all()  # noqa: E711 - what is tested


def test_tensors_remain_hashable() -> None:
    a, b = Tensor(DATA), Tensor(DATA)
    assert len({a, b, a}) == 2


def test_astype_to_integers_leaves_the_graph() -> None:
    t = Tensor(DATA, requires_grad=True)
    for dtype in (np.int64, bool, "uint8"):
        out = t.astype(dtype)
        assert out.dtype == np.dtype(dtype)
        assert not out.requires_grad
    with pytest.raises(DtypeError, match=r"astype.*float dtype.*int64"):
        ops.astype(t, dtype=np.int64)


def test_astype_casts_the_gradient_back() -> None:
    t = Tensor(DATA.astype(np.float32), requires_grad=True)
    out = t.astype(np.float64)
    assert out.dtype == np.float64
    (g,) = dgrad.grad(out.sum(), t)
    assert g.dtype == np.float32


@pytest.mark.parametrize("places", [lambda i: i, lambda i: (i,), lambda i: Tensor(i)])
def test_the_index_of_a_direct_call_may_change_before_backward(places: Any) -> None:
    index = np.array([0, 2])
    calls = (
        lambda t: ops.getitem(t, index=places(index)),
        lambda t: ops.getitem(t, places(index)),
        lambda t: ops.scatter_add(t[:2], index=places(index), shape=(4, 3)),
        lambda t: ops.scatter_add(t[:2], places(index), (4, 3)),
    )
    for call in calls:
        t = Tensor(np.ones((3, 3)), requires_grad=True)
        index[:] = (0, 2)
        out = (call(t) * call(Tensor(np.arange(9.0).reshape(3, 3)))).sum()
        (expected,) = dgrad.grad(out, t, retain_graph=True)
        index[:] = 1
        (found,) = dgrad.grad(out, t)
        np.testing.assert_array_equal(found.data, expected.data)


def test_the_callers_index_array_may_change_before_backward() -> None:
    t = Tensor(DATA, requires_grad=True)
    index = np.array([0, 0])
    out = t[index].sum()
    index[:] = 1
    (g,) = dgrad.grad(out, t)
    np.testing.assert_array_equal(g.data, [[2, 2, 2], [0, 0, 0]])


def test_an_empty_boolean_index_stays_boolean() -> None:
    t = Tensor(np.zeros((0, 3)), requires_grad=True)
    assert t[np.zeros((0, 3), bool)].shape == (0,)


def test_unpacking_and_length() -> None:
    t = Tensor(DATA, requires_grad=True)
    first, second = t
    (g,) = dgrad.grad((first * second).sum(), t)
    np.testing.assert_array_equal(g.data, DATA[::-1])
    assert len(t) == 2
