"""Reading and writing by index: views, duplicates, every kind of index, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dgrad
from dgrad import Tensor, ops
from dgrad.errors import DtypeError, ParameterError, ShapeError


def leaf(*shape: int) -> Tensor:
    return Tensor(np.arange(float(np.prod(shape))).reshape(shape), requires_grad=True)


@pytest.mark.parametrize(
    "index",
    [1, (1, 2), (0, -1), (1, 2, ...), slice(1, None), (..., 0), (None, 1), np.intp(1),
     np.array(1), Tensor(1), (Tensor(1), np.array(2)), (Tensor(0), slice(None, None, -1))],
)  # fmt: skip
def test_an_index_without_arrays_gives_a_view(index: Any) -> None:
    t = leaf(2, 3)
    out = t[index]
    assert isinstance(out.data, np.ndarray)
    assert np.shares_memory(out.data, t.data)


@pytest.mark.parametrize(
    "index", [[1], np.array([1]), Tensor([1]), ([0], 1), np.ones(2, bool), np.ones((2, 3), bool)]
)
def test_an_index_with_arrays_gives_a_copy(index: Any) -> None:
    t = leaf(2, 3)
    assert not np.shares_memory(t[index].data, t.data)


def test_P16_a_single_element_is_an_array_of_no_axes() -> None:
    out = ops.getitem(np.ones((2, 3)), (0, 1))
    assert isinstance(out, np.ndarray)
    assert out.shape == ()
    assert ops.getitem(np.array(2.0), ()).shape == ()


def test_tensors_and_nested_lists_as_indices() -> None:
    t = leaf(3, 4)
    rows = np.array([[0, 2], [2, 2]])
    mask = np.arange(12).reshape(3, 4) % 2 == 0
    for index, same in (
        (Tensor(rows), rows),
        (rows.tolist(), rows),
        ((Tensor(rows), Tensor(1)), (rows, 1)),
        (Tensor(mask), mask),
        (mask.tolist(), mask),
        ((slice(None), Tensor(mask[0])), (slice(None), mask[0])),
        ([Tensor(0), Tensor(2)], np.array([0, 2])),
    ):
        np.testing.assert_array_equal(t[index].data, t.data[same])
        (g,) = dgrad.grad(t[index].sum(), t)
        counts = np.zeros((3, 4))
        np.add.at(counts, same, 1.0)
        np.testing.assert_array_equal(g.data, counts)


GATHERS: list[Callable[[Any], Any]] = [
    lambda t: t[[1, 1, 0, 1]],
    lambda t: t.take([1, 1, 0, 1], axis=0),
    lambda t: np.take(t, [4, 4, 0, 4], axis=None) if t.ndim == 1 else np.take(t, [1, 1, 0, 1], 0),
    lambda t: np.take_along_axis(t, np.array([[1, 1], [1, 1], [0, 0], [1, 1]]), axis=0),
    lambda t: t.gather(0, np.array([[1, 1], [1, 1], [0, 0], [1, 1]])),
]


@pytest.mark.parametrize("call", GATHERS)
def test_P36_repeated_indices_add_up(call: Callable[[Any], Any]) -> None:
    t = leaf(3, 2)
    (g,) = dgrad.grad(call(t), t, np.array([[1.0, 1], [10, 10], [100, 100], [1000, 1000]]))
    np.testing.assert_array_equal(g.data, [[100, 100], [1011, 1011], [0, 0]])


def test_P36_index_add_adds_at_repeated_places_and_reads_them_back() -> None:
    x, values = leaf(3, 2), leaf(4, 2)
    out = ops.index_add(x, values, index=[1, 1, 0, 1])
    added = np.array([[4, 5], [0 + 2 + 6, 1 + 3 + 7], [0, 0]])
    np.testing.assert_array_equal(out.data, x.data + added)
    seed = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    gx, gv = dgrad.grad(out, (x, values), seed)
    np.testing.assert_array_equal(gx.data, seed)
    np.testing.assert_array_equal(gv.data, seed[[1, 1, 0, 1]])
    np.testing.assert_array_equal(x.data, np.arange(6.0).reshape(3, 2))


def test_P37_a_slice_between_index_arrays_moves_their_axis_to_the_front() -> None:
    t = leaf(2, 3, 4)
    index = (np.array([0, 1, 1]), slice(None), np.array([3, 0, 0]))
    out = t[index]
    assert out.shape == (3, 3)
    seed = np.random.default_rng(0).normal(size=(3, 3))
    (g,) = dgrad.grad(out, t, seed)
    expected = np.zeros((2, 3, 4))
    expected[0, :, 3] = seed[0]
    expected[1, :, 0] = seed[1] + seed[2]
    np.testing.assert_array_equal(g.data, expected)


OWNED: list[tuple[Any, Callable[[Any, Any], Any]]] = [
    ([0, 2], lambda t, i: np.take(t, i, axis=0)),
    ([0, 2], lambda t, i: t.take(i, 0)),
    ([0, 2], lambda t, i: ops.take(t, Tensor(i), axis=1)),
    ([0, 2], lambda t, i: ops.index_add(t, t[:2] ** 2, index=i)),
    ([0, 2], lambda t, i: np.delete(t, i, axis=0)),
    ([0, 2, 1], lambda t, i: np.repeat(t, i, axis=0)),
    ([[0], [2], [1]], lambda t, i: np.take_along_axis(t, i, axis=1)),
    ([[0], [2], [1]], lambda t, i: t.gather(1, i)),
    ([[0], [2], [1]], lambda t, i: ops.put_along_axis(t, t[:, 1:2] ** 2, indices=i, axis=1)),
    ([True, False, True], lambda t, i: t.masked_fill(i, 0.0)),
    ([True, False, True], lambda t, i: t.masked_select(i)),
    ([0.25, 0.5, 1.0], lambda t, i: np.quantile(t, i, axis=0)),
]


@pytest.mark.parametrize(("start", "call"), OWNED)
def test_P37_the_callers_array_may_change_before_backward(start: Any, call: Any) -> None:
    given = np.array(start)
    t = leaf(3, 3)
    out = (call(t, given) ** 2).sum()
    (expected,) = dgrad.grad(out, t, retain_graph=True)
    given[...] = given.ravel()[0]
    (found,) = dgrad.grad(out, t, create_graph=True)
    np.testing.assert_array_equal(found.data, expected.data)


def test_P38_of_values_written_to_one_place_only_the_last_counts() -> None:
    x, values = leaf(1, 3), Tensor(np.array([[5.0, 6.0, 7.0]]), requires_grad=True)
    out = ops.put_along_axis(x, values, indices=np.array([[2, 0, 2]]))
    np.testing.assert_array_equal(out.data, [[6, 1, 7]])
    gx, gv = dgrad.grad(out, (x, values), np.array([[1.0, 2.0, 4.0]]))
    np.testing.assert_array_equal(gx.data, [[0, 2, 0]])
    np.testing.assert_array_equal(gv.data, [[0, 1, 4]])


def test_masked_fill_stops_even_an_infinite_gradient() -> None:
    t = leaf(3)
    out = t.masked_fill(np.array([True, False, False]), -np.inf)
    (g,) = dgrad.grad(out, t, np.array([np.inf, 1.0, 2.0]))
    np.testing.assert_array_equal(g.data, [0, 1, 2])


def test_one_hot_rows() -> None:
    rows = ops.one_hot(Tensor(np.array([2, 0])), num_classes=3, dtype=np.float32)
    assert rows.tolist() == [[0, 0, 1], [1, 0, 0]]
    assert rows.dtype == np.float32


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda t: t[3], ShapeError, "getitem.*out of bounds"),
        (lambda t: t.take([3], 0), ShapeError, "take.*out of bounds"),
        (lambda t: ops.scatter_add(t, [0, 1], (2, 2)), ShapeError, "scatter_add: the index takes"),
        (lambda t: np.take_along_axis(t, np.array([1]), 0), ShapeError, r"indices of shape \(1,\)"),
        (lambda t: t.gather(2, np.array([[1]])), ShapeError, "gather: axis 2"),
        (lambda t: t.gather(0, np.zeros((1, 4), int)), ShapeError, r"\(1, 4\) is longer than x"),
        (lambda t: t.gather(0, np.zeros(2, int)), ShapeError, r"gather: indices of shape \(2,\)"),
        (
            lambda t: ops.put_along_axis(t, t, indices=np.zeros((2, 1), int)),
            ShapeError,
            r"put_along_axis: values \(2, 3\) for \(2, 1\) places",
        ),
        (lambda t: t.masked_fill(np.array([0, 1, 0]), 1.0), DtypeError, "masked_fill: mask must"),
        (lambda t: t.masked_select(np.ones(2, bool)), ShapeError, "masked_select"),
        (lambda t: ops.index_add(t, t, index=[0, 1, 1]), ShapeError, "scatter_add: the index"),
        (lambda t: ops.one_hot(t, num_classes=3), DtypeError, "one_hot: labels must be integers"),
        (lambda t: ops.one_hot(np.array([3]), num_classes=3), ParameterError, "up to 3"),
        (lambda t: ops.one_hot(np.array([-1]), num_classes=3), ParameterError, "one_hot"),
    ],
)
def test_what_indexing_refuses(call: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        call(leaf(2, 3))
