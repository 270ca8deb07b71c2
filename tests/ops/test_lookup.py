"""Embedding: indices outside the table, padding, rows that are asked for twice."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import dgrad
from dgrad import Tensor, ops
from dgrad.errors import DtypeError, ParameterError, ShapeError


def table() -> Tensor:
    return Tensor(np.arange(15.0).reshape(5, 3), requires_grad=True)


@pytest.mark.parametrize("create_graph", [False, True])
def test_P36_rows_asked_for_twice_add_up(create_graph: bool) -> None:
    weight = table()
    out = ops.embedding(weight, np.array([[4, 0], [4, 4]]))
    np.testing.assert_array_equal(out.data[0, 0], [12.0, 13.0, 14.0])
    (g,) = dgrad.grad(out, weight, np.ones((2, 2, 3)), create_graph=create_graph)
    np.testing.assert_array_equal(g.data[:, 0], [1.0, 0.0, 0.0, 0.0, 3.0])


def test_the_padding_row_gets_no_gradient() -> None:
    weight, indices = table(), np.array([1, 2, 1, 3])
    out = ops.embedding(weight, indices, padding_idx=1)
    np.testing.assert_array_equal(out.data[0], weight.data[1])
    for create_graph in (False, True):
        (g,) = dgrad.grad(
            out, weight, np.ones((4, 3)), retain_graph=True, create_graph=create_graph
        )
        np.testing.assert_array_equal(g.data[:, 0], [0.0, 0.0, 1.0, 1.0, 0.0])


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.int64, np.uint64])
def test_indices_may_be_tensors_of_any_integers(dtype: Any) -> None:
    weight = table()
    out = ops.embedding(weight, Tensor(np.array([2, 0], dtype)))
    np.testing.assert_array_equal(out.data, weight.data[[2, 0]])
    (g,) = dgrad.grad(out, weight, np.ones((2, 3)), create_graph=True)
    np.testing.assert_array_equal(g.data[:, 1], [1.0, 0.0, 1.0, 0.0, 0.0])


@pytest.mark.parametrize("index", [-1, 5, 200])
@pytest.mark.parametrize("dtype", [np.int16, np.int64])
def test_D08_an_index_outside_the_table_is_named(index: int, dtype: Any) -> None:
    indices = np.array([[0, 4], [index, 1]], dtype)
    message = f"embedding: index {index} is outside the table (5, 3), which has rows 0 to 4"
    with pytest.raises(ShapeError, match=re.escape(message)) as caught:
        ops.embedding(table(), indices)
    assert caught.value.fault == "D08"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: ops.embedding(table(), np.ones(2)), DtypeError, "indices must be integers"),
        (lambda: ops.embedding(table(), np.ones(2, bool)), DtypeError, "integers, got bool"),
        (
            lambda: ops.embedding(Tensor(np.ones(3)), np.zeros(2, int)),
            ShapeError,
            "embedding: weight must be (rows, n), got (3,)",
        ),
        (
            lambda: ops.embedding(table(), np.zeros(2, int), padding_idx=-1),
            ParameterError,
            "padding_idx must be a row of the table, 0 to 4, got -1",
        ),
        (
            lambda: ops.scatter_rows(table(), np.zeros(4, int), rows=5),
            ShapeError,
            "scatter_rows: x (5, 3) has no row for each index (4,)",
        ),
        (
            lambda: ops.scatter_rows(table(), np.arange(5), rows=4),
            ShapeError,
            "scatter_rows: index 4 is outside the table (4, 3), which has rows 0 to 3",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        call()
