"""Tensor: making one, asking it, leaving the graph, and everything it refuses."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import dgrad
from dgrad import Tensor, as_tensor, from_numpy, ops, set_default_dtype, tensor
from dgrad.errors import DtypeError, GraphError, ShapeError


def leaf(*values: float) -> Tensor:
    return Tensor(np.array(values), requires_grad=True)


@pytest.fixture
def double() -> Iterator[None]:
    set_default_dtype(np.float64)
    yield
    set_default_dtype(np.float32)


DTYPES = [
    (1.5, "float32"),
    ([1.0, 2.0], "float32"),
    ([[1, 2]], "int64"),
    (True, "bool"),
    (3, "int64"),
    ([], "float32"),
    (np.float64(1.5), "float64"),
    (np.float32(1.5), "float32"),
    (np.ones(2), "float64"),
    (np.ones(2, np.float16), "float16"),
    (np.ones(2, np.uint8), "uint8"),
    (Tensor(np.ones(2)), "float64"),
]


@pytest.mark.parametrize(("data", "dtype"), DTYPES)
@pytest.mark.parametrize("make", [Tensor, tensor, as_tensor])
def test_arrays_keep_their_dtype_and_python_floats_get_the_default(
    make: Callable[..., Tensor], data: Any, dtype: str
) -> None:
    assert make(data).dtype == dtype
    assert make(data, dtype=np.float16).dtype == np.float16


@pytest.mark.usefixtures("double")
def test_the_default_dtype_can_be_set() -> None:
    assert dgrad.get_default_dtype() == np.float64
    assert Tensor([1.0]).dtype == np.float64
    with pytest.raises(DtypeError, match="must be a float, got int64"):
        set_default_dtype(np.int64)


def test_what_shares_memory_and_what_copies() -> None:
    array = np.ones(3)
    t = Tensor(array)
    assert t.data is array
    assert from_numpy(array).data is array
    assert as_tensor(t) is t
    assert as_tensor(t, np.float64) is t
    assert as_tensor(array).data is array
    assert not np.shares_memory(tensor(array).data, array)
    assert not np.shares_memory(tensor(t).data, array)
    assert t.detach().data is array


@pytest.mark.parametrize("data", ["abc", [None], np.array([object()])])
def test_only_numbers_and_booleans(data: Any) -> None:
    with pytest.raises(DtypeError, match="holds numbers or booleans"):
        Tensor(data)


@pytest.mark.parametrize("data", [[1, 2], True, np.zeros(3, np.int8)])
def test_P25_integers_cannot_require_grad(data: Any) -> None:
    with pytest.raises(DtypeError, match="only floats and complex numbers have gradients"):
        Tensor(data, requires_grad=True)
    with pytest.raises(DtypeError, match="only floats and complex numbers have gradients"):
        Tensor(data).requires_grad_()


def test_leaves_and_results() -> None:
    x = leaf(1.0, 2.0)
    y = ops.tanh(x)
    constant = Tensor([1.0])
    assert (x.is_leaf, y.is_leaf, constant.is_leaf) == (True, False, True)
    assert (x.requires_grad, y.requires_grad, constant.requires_grad) == (True, True, False)
    assert (x.grad_fn, constant.grad_fn) == (None, None)
    assert y.grad_fn.name == "tanh"
    assert (y.shape, y.ndim, y.size, y.dtype, len(y)) == ((2,), 1, 2, np.float64, 2)
    with pytest.raises(GraphError, match="result of tanh; use detach"):
        y.requires_grad = False
    y.requires_grad = True  # already so
    x.requires_grad = False
    assert not (x * 2).requires_grad
    assert x.requires_grad_() is x
    assert (x * 2).requires_grad


def test_detach_leaves_the_graph_and_shares_memory() -> None:
    x = leaf(1.0)
    y = x * 2
    d = y.detach()
    assert d.data is y.data
    assert not d.requires_grad
    (d * x).backward()
    assert x.grad.item() == 2.0


def test_numpy_is_refused_while_it_requires_grad() -> None:
    x = leaf(1.0)
    for get in (Tensor.numpy, np.asarray, np.array):
        with pytest.raises(GraphError, match=r"call detach\(\)\.numpy\(\), or read \.data, if"):
            get(x)
        assert type(get(x.detach())) is np.ndarray
    plain = Tensor(np.ones(2))
    assert np.shares_memory(np.asarray(plain), plain.data)
    assert np.array(plain).flags.writeable
    assert not np.shares_memory(np.array(plain), plain.data)
    assert np.asarray(plain, dtype=np.float32).dtype == np.float32


def test_python_values() -> None:
    assert leaf(2.5).item() == 2.5
    assert float(leaf(2.5)) == 2.5
    assert int(Tensor([3.7])) == 3
    assert [10, 20, 30][Tensor(1)] == 20
    assert bool(Tensor([0.0])) is False
    assert f"{leaf(2.5):.3f} {Tensor(7):>3}" == "2.500   7"
    assert f"{Tensor([1.0, 2.0])}" == str(Tensor([1.0, 2.0]))
    assert Tensor([[1, 2], [3, 4]]).tolist() == [[1, 2], [3, 4]]
    assert [t.item() for t in Tensor([1, 2])] == [1, 2]


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda t: t.item(), ShapeError, r"item\(\) needs one element, .* shape \(2,\)"),
        (float, ShapeError, "needs one element"),
        (bool, ShapeError, r"truth value of a Tensor of shape \(2,\) is ambiguous"),
        (lambda t: [0, 1][t], DtypeError, "Tensor of one integer can be an index"),
        (lambda t: len(t.sum()), ShapeError, "no axes has no length"),
        (lambda t: list(t.sum()), ShapeError, "no axes has no length"),
        (lambda t: t.nothing, AttributeError, "nothing"),
    ],
)
def test_refusals(call: Callable[[Tensor], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call(leaf(1.0, 2.0))


def test_P42_raw_access_gives_arrays_that_cannot_be_written() -> None:
    t = Tensor(np.ones(3))
    for array in (t.numpy(), np.asarray(t)):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 5.0
    np.asarray(t, copy=True)[0] = 5.0
    assert t.tolist() == [1.0, 1.0, 1.0]


def test_tensors_hash_by_identity_and_compare_by_element() -> None:
    x, y = leaf(1.0, 2.0), leaf(1.0, 5.0)
    assert {x: "x", y: "y"}[x] == "x"
    assert (x == y).tolist() == [True, False]
    assert (x != y).tolist() == [False, True]
    assert (x < y).tolist() == [False, True]


@pytest.mark.parametrize(
    ("t", "text"),
    [
        (Tensor([1.0, 2.0]), "tensor([1., 2.])"),
        (Tensor(np.ones(1)), "tensor([1.], dtype=float64)"),
        (Tensor([1.0], requires_grad=True), "tensor([1.], requires_grad=True)"),
        (ops.tanh(Tensor([0.0], requires_grad=True)), "tensor([0.], grad_fn=<tanh>)"),
        (Tensor(3), "tensor(3, dtype=int64)"),
    ],
)
def test_repr(t: Tensor, text: str) -> None:
    assert repr(t) == text


def test_P09_a_result_is_not_deep_copied_and_a_leaf_comes_without_history() -> None:
    x = leaf(1.0)
    with pytest.raises(GraphError, match="only leaves can be deep-copied: detach"):
        copy.deepcopy(x * 2)
    (x * 2).backward()
    twins = copy.deepcopy([x, x])
    assert twins[0] is twins[1]
    assert twins[0].requires_grad
    assert not np.shares_memory(twins[0].data, x.data)
    (twins[0] * 5).backward()
    assert x.grad.item() == 2.0
    assert not copy.deepcopy(Tensor([1.0])).requires_grad


@pytest.mark.parametrize("t", [Tensor([1.0]), ops.tanh(leaf(1.0))])
def test_tensors_are_never_pickled(t: Tensor) -> None:
    with pytest.raises(GraphError, match="never pickled: save a state_dict"):
        pickle.dumps(t)


def test_it_has_no_other_attributes() -> None:
    with pytest.raises(AttributeError):
        Tensor([1.0]).colour = "red"
