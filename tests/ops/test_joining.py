"""Joined, split, padded and turned round: pieces that are not used, NumPy's spellings, views."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dgrad
from dgrad import Tensor, ops
from dgrad.errors import ParameterError, ShapeError

DATA = np.arange(24.0).reshape(2, 3, 4)

SEVERAL: list[Any] = [
    lambda x: np.split(x, 3, axis=1),
    lambda x: np.split(x, [1, 3], axis=2),
    lambda x: np.split(x, [0, 2, 9], 2),
    lambda x: np.array_split(x, 3, axis=2),
    lambda x: np.array_split(x, 5),
    lambda x: np.hsplit(x, 3),
    lambda x: np.hsplit(x[0, 0], 2),
    lambda x: np.vsplit(x, 2),
    lambda x: np.dsplit(x, [3]),
    lambda x: np.broadcast_arrays(x, x[:1, :, :1]),
    lambda x: np.meshgrid(x[0, 0], x[0, :, 0], x[:, 0, 0]),
    lambda x: np.meshgrid(x[0, 0], x[0, :, 0], indexing="ij"),
    lambda x: np.atleast_1d(x[0, 0, 1], x[0, 0], x),
    lambda x: np.atleast_2d(x[0, 0, 1], x[0, 0], x),
    lambda x: np.atleast_3d(x[0, 0, 1], x[0, 0], x[0], x),
    lambda x: [np.atleast_1d(x[0, 0, 1]), np.atleast_2d(x[0, 0]), np.atleast_3d(x[0])],
]


@pytest.mark.parametrize("call", SEVERAL)
def test_several_results_are_numpys_and_carry_gradients(call: Any) -> None:
    x = Tensor(DATA, requires_grad=True)
    found, expected = call(x), call(DATA)
    assert len(found) == len(expected)
    total, numbers = 0.0, 0.0
    rng = np.random.default_rng(0)
    counted = np.zeros(DATA.shape)
    for out, same in zip(found, expected, strict=True):
        assert isinstance(out, Tensor)
        np.testing.assert_array_equal(out.data, same)
        weights = rng.normal(size=same.shape)
        total = total + (out * weights).sum()
        np.add.at(counted.reshape(-1), same.astype(int).ravel(), weights.ravel())
        numbers += np.sum(same * weights)
    np.testing.assert_allclose(total.data, numbers)
    (g,) = dgrad.grad(total, x)
    np.testing.assert_allclose(g.data, counted, atol=1e-14)


def test_P28_pieces_that_are_not_used_get_zeros() -> None:
    x = Tensor(np.arange(6.0), requires_grad=True)
    first, _, last = np.split(x, 3)
    (g,) = dgrad.grad((first * last).sum(), x)
    np.testing.assert_array_equal(g.data, [4, 5, 0, 0, 0, 1])


def test_P28_pieces_of_no_length() -> None:
    x, empty = Tensor(np.ones((2, 3)), requires_grad=True), Tensor(np.ones((0, 3)))
    empty.requires_grad = True
    gx, ge = dgrad.grad((np.concatenate([empty, x, empty]) * 2).sum(), (x, empty))
    np.testing.assert_array_equal(gx.data, np.full((2, 3), 2.0))
    assert ge.shape == (0, 3)
    pieces = np.array_split(x, 4)
    assert [len(piece) for piece in pieces] == [1, 1, 0, 0]
    (g,) = dgrad.grad(np.concatenate(pieces).sum(), x)
    np.testing.assert_array_equal(g.data, np.ones((2, 3)))


def test_chunk_and_unbind_are_pytorchs() -> None:
    x = Tensor(DATA, requires_grad=True)
    assert [piece.shape for piece in x.chunk(3, 2)] == [(2, 3, 2), (2, 3, 2)]
    assert [piece.shape for piece in x.chunk(2, dim=1)] == [(2, 2, 4), (2, 1, 4)]
    assert len(ops.chunk(np.zeros((0, 2)), 3)) == 1
    rows = x.unbind(1)
    assert len(rows) == 3
    np.testing.assert_array_equal(rows[2].data, DATA[:, 2])
    assert all(np.shares_memory(piece.data, DATA) for piece in (*rows, *x.chunk(2)))


def test_arrays_are_split_into_arrays() -> None:
    assert all(type(piece) is np.ndarray for piece in ops.split(DATA, 2))
    assert type(ops.atleast_1d(2.0)) is np.ndarray


VIEWS: list[Any] = [
    lambda t: np.moveaxis(t, 0, -1), lambda t: t.ravel(), lambda t: t.flip(1), np.fliplr,
    np.flipud, np.rot90, lambda t: t.diagonal(), lambda t: t.reshape(6, 4),
    lambda t: t.permute(2, 0, 1), lambda t: np.split(t, 3, 1)[1], lambda t: np.diag(t[0]),
    lambda t: t[1, 2],
    lambda t: np.lib.stride_tricks.sliding_window_view(t, 2, axis=0), lambda t: t.T,
]  # fmt: skip


@pytest.mark.parametrize("call", VIEWS)
def test_views_share_memory(call: Any) -> None:
    x = Tensor(DATA, requires_grad=True)
    assert np.shares_memory(call(x).data, DATA)


def test_P29_transpose_roll_and_flip_are_undone_by_their_inverses() -> None:
    g = np.random.default_rng(0).normal(size=(2, 3, 4))
    for there, back in (
        (lambda x: np.transpose(x, (2, 0, 1)), lambda y: y.transpose(1, 2, 0)),
        (lambda x: np.roll(x, 3, axis=2), lambda y: np.roll(y, -3, axis=2)),
        (lambda x: np.roll(x, (1, 2), axis=(0, 2)), lambda y: np.roll(y, (-1, -2), axis=(0, 2))),
        (lambda x: np.flip(x, (0, 2)), lambda y: np.flip(y, (0, 2))),
        (lambda x: np.rot90(x, 1, (1, 2)), lambda y: np.rot90(y, -1, (1, 2))),
        (lambda x: np.moveaxis(x, 0, 2), lambda y: np.moveaxis(y, 2, 0)),
    ):
        x = Tensor(DATA, requires_grad=True)
        (found,) = dgrad.grad(there(x), x, there(g))
        np.testing.assert_array_equal(found.data, g)
        np.testing.assert_array_equal(back(there(g)), g)


@pytest.mark.parametrize("mode", ["edge", "reflect", "symmetric", "wrap"])
def test_a_border_gives_its_gradient_to_what_it_copied(mode: str) -> None:
    x = Tensor(np.arange(5.0), requires_grad=True)
    out = np.pad(x, (2, 3), mode)
    seed = 10.0 ** np.arange(10)
    (g,) = dgrad.grad(out, x, seed)
    expected = [seed[out.data == i].sum() for i in range(5)]
    np.testing.assert_array_equal(g.data, expected)


def test_overlapping_windows_add_up() -> None:
    x = Tensor(np.arange(4.0), requires_grad=True)
    windows = np.lib.stride_tricks.sliding_window_view(x, 2)
    (g,) = dgrad.grad(windows, x, np.array([[1.0, 2.0], [10.0, 20.0], [100.0, 200.0]]))
    np.testing.assert_array_equal(g.data, [1, 12, 120, 200])


def test_tile_and_repeat_differ() -> None:
    x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    seed = np.array([1.0, 10.0, 100.0, 1000.0])
    assert (x.tile(2).tolist(), x.repeat(2).tolist()) == ([1, 2, 1, 2], [1, 1, 2, 2])
    np.testing.assert_array_equal(dgrad.grad(x.tile(2), x, seed)[0].data, [101, 1010])
    np.testing.assert_array_equal(dgrad.grad(x.repeat(2), x, seed)[0].data, [11, 1100])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda t: np.split(t, 2, axis=1), ShapeError, r"split: axis 1 of \(2, 3, 4\) in 2 equal"),
        (lambda t: np.split(t, 2, axis=3), ShapeError, "split: axis 3"),
        (lambda t: np.array_split(t, 0), ParameterError, "1 or more, got 0"),
        (lambda t: t.chunk(0), ParameterError, "chunk: chunks must be 1 or more"),
        (lambda t: t.unbind(4), ShapeError, "unbind: axis 4"),
        (lambda t: np.vsplit(t[0, 0], 2), ShapeError, "vsplit: needs two axes"),
        (lambda t: np.broadcast_arrays(t, t[:, :2]), ShapeError, r"broadcast_arrays: \(2, 3, 4\)"),
        (lambda t: np.meshgrid(t[0, 0], indexing="yx"), ParameterError, "xy or ij"),
        (lambda t: np.concatenate([t, t[0]]), ShapeError, "concatenate"),
        (lambda t: np.stack([t, t[:1]]), ShapeError, "stack"),
        (lambda t: np.vstack([t, t[0, :, :2]]), ShapeError, "vstack"),
        (lambda t: np.pad(t, 1, "mean"), ParameterError, "pad: mode must be one of constant, edge"),
        (lambda t: np.triu(t[0, 0]), ShapeError, "triu: needs an array of two axes"),
        (lambda t: np.diagonal(t[0, 0]), ShapeError, "diagonal"),
        (lambda t: ops.embed_diagonal(t, shape=(2, 3, 5)), ShapeError, "embed_diagonal: diagonal"),
        (
            lambda t: ops.overlap_add(t, window_shape=3, axis=0),
            ShapeError,
            "does not end with the window",
        ),
        (
            lambda t: ops.sliding_window_view(t, window_shape=2),
            ShapeError,
            "view: windows of shape",
        ),
        (
            lambda t: ops.sliding_window_view(t, window_shape=(2, 2), axis=(0, 0)),
            ShapeError,
            "sliding_window_view: .*as many different axes",
        ),
        (lambda t: np.repeat(t, [1, 2], axis=1), ShapeError, "repeat"),
        (lambda t: np.roll(t, 1, axis=5), ShapeError, "roll"),
    ],
)
def test_what_is_refused(call: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        call(Tensor(DATA, requires_grad=True))
