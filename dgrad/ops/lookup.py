"""Rows of a table by number, and the sum of rows by number that is its adjoint."""

from __future__ import annotations

from typing import Any

import numpy as np

from dgrad.core.op import op
from dgrad.errors import DtypeError, ParameterError, ShapeError
from dgrad.ops._index_arrays import all_within

__all__ = ["embedding", "scatter_rows"]


def _table(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (rng.normal(size=(5, 3)), np.array([[4, 0], [2, 4]])), {}


def _rows(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (rng.normal(size=(2, 2, 3)), np.array([[4, 0], [2, 4]])), {"rows": 5}


def _check(name: str, indices: Any, table: tuple[int, ...]) -> Any:
    """indices as an array; DtypeError or ShapeError unless they are rows of the table."""
    indices = np.asarray(indices)
    if indices.dtype.kind not in "iu" and indices.size:
        raise DtypeError(f"{name}: indices must be integers, got {indices.dtype}")
    if not indices.size:
        return indices.astype(np.intp)
    if not all_within(indices, table[0]):
        wrong = indices[(indices < 0) | (indices >= table[0])]
        raise ShapeError(
            f"{name}: index {wrong.flat[0]} is outside the table {table}, "
            f"which has rows 0 to {table[0] - 1}",
            fault="D08",
        )
    return indices


@op(example=_table)
def embedding(weight: Any, indices: Any, *, padding_idx: int | None = None) -> Any:
    """weight[indices]. weight: (rows, n), indices: integers of any shape -> (*indices.shape, n).

    padding_idx: a row that gets no gradient from here. Raises ShapeError for an index outside the
    table, negative ones too, DtypeError and ParameterError.
    """
    weight = np.asarray(weight)
    if weight.ndim != 2:
        raise ShapeError(f"embedding: weight must be (rows, n), got {weight.shape}")
    if padding_idx is not None and not 0 <= padding_idx < len(weight):
        expected = f"a row of the table, 0 to {len(weight) - 1}"
        raise ParameterError("embedding", "padding_idx", expected, padding_idx)
    return weight.take(_check("embedding", indices, weight.shape), axis=0)


def _embedding_rule(
    g: Any, weight_shape: tuple[int, ...], indices: Any, padding_idx: int | None
) -> Any:
    if padding_idx is not None:
        g = np.where(np.expand_dims(np.not_equal(indices, padding_idx), -1), g, 0.0)
    return scatter_rows(g, indices, rows=weight_shape[0])


embedding.vjp(weight=_embedding_rule)


@op(example=_rows)
def scatter_rows(x: Any, indices: Any, *, rows: int) -> Any:
    """Zeros (rows, n) with each row of x added at its index; repeated ones add up.

    x: (*indices.shape, n), indices: integers of any shape. Raises ShapeError and DtypeError.
    """
    x = np.asarray(x)
    if x.ndim == 0 or x.shape[:-1] != np.shape(indices):
        raise ShapeError(f"scatter_rows: x {x.shape} has no row for each index {np.shape(indices)}")
    n = x.shape[-1]
    indices = _check("scatter_rows", indices, (rows, n)).reshape(-1)
    out = np.zeros((rows, n), x.dtype)
    if indices.size:  # sorted, so that equal indices lie together: half the time of np.add.at
        order = np.argsort(indices, kind="stable")
        indices = indices[order]
        starts = np.flatnonzero(np.concatenate([[True], indices[1:] != indices[:-1]]))
        sums = np.add.reduceat(x.reshape(indices.size, n).take(order, axis=0), starts, axis=0)
        out[indices[starts]] = sums
    return out


scatter_rows.vjp(x=lambda g, indices: embedding(g, indices))
