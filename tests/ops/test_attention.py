"""Attention: rows that see nothing, causality, dropout, rotary positions, what it refuses."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import dgrad
from dgrad import Tensor, ops
from dgrad.errors import DtypeError, ParameterError, ShapeError
from dgrad.randomness import Purpose

attend = ops.scaled_dot_product_attention
KEY = (0, Purpose.STEP, 0, 0)


def t(*shape: int, seed: int = 0) -> Tensor:
    return Tensor(np.random.default_rng((seed, *shape)).normal(size=shape), requires_grad=True)


def heads() -> tuple[Tensor, Tensor, Tensor]:
    return t(2, 3, 4), t(2, 5, 4, seed=1), t(2, 5, 6, seed=2)


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("shape", [(5,), (1, 5), (3, 1), (1, 1, 5), (2, 1, 1)])
def test_a_mask_that_is_repeated_gets_the_sum_of_its_gradients(
    shape: tuple[int, ...], create_graph: bool
) -> None:
    mask = t(*shape, seed=3)
    whole = Tensor(np.broadcast_to(mask.data, (2, 3, 5)).copy(), requires_grad=True)
    seed = np.random.default_rng(4).normal(size=(2, 3, 6))
    (got,) = dgrad.grad(attend(*heads(), mask), mask, seed, create_graph=create_graph)
    (each,) = dgrad.grad(attend(*heads(), whole), whole, seed)
    axes = tuple(i for i, n in enumerate((1,) * (3 - len(shape)) + shape) if n == 1)
    expected = each.data.sum(axis=axes).reshape(shape)
    np.testing.assert_allclose(got.data, expected, rtol=1e-12, atol=1e-15)


BLIND = np.array([True, False, True])[:, None] & np.ones((3, 5), bool)
MASKS = [BLIND, np.where(BLIND, 0.0, -np.inf), np.where(BLIND, 0.0, -np.inf).astype(np.float32)]


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("mask", MASKS)
def test_P52_a_query_that_sees_nothing_gives_0_and_no_gradient(
    mask: np.ndarray, create_graph: bool
) -> None:
    q, k, v = heads()
    out = attend(q, k, v, mask)
    np.testing.assert_array_equal(out.data[:, 1], 0.0)
    grads = dgrad.grad(out, (q, k, v), np.ones(out.shape), create_graph=create_graph)
    np.testing.assert_array_equal(grads[0].data[:, 1], 0.0)
    seen = [0, 2]
    some = Tensor(q.data[:, seen], requires_grad=True)
    alone = dgrad.grad(attend(some, k, v), (some, k, v), np.ones((2, 2, 6)))
    np.testing.assert_allclose(grads[0].data[:, seen], alone[0].data, rtol=1e-12, atol=1e-15)
    for g, expected in zip(grads[1:], alone[1:], strict=True):
        np.testing.assert_allclose(g.data, expected.data, rtol=1e-12, atol=1e-15)
    if create_graph:
        second = dgrad.grad(sum((g * g).sum() for g in grads), (q, k, v))
        assert all(np.isfinite(g.data).all() for g in second)


def test_a_mask_of_minus_infinity_has_a_finite_gradient() -> None:
    q, k, v = heads()
    mask = Tensor(np.where(BLIND, 0.5, -np.inf), requires_grad=True)
    for create_graph in (False, True):
        (g,) = dgrad.grad(
            attend(q, k, v, mask), mask, np.ones((2, 3, 6)), create_graph=create_graph
        )
        np.testing.assert_array_equal(g.data[~BLIND], 0.0)
        assert np.isfinite(g.data).all()


def test_what_is_masked_may_be_nan() -> None:
    q, k, v = heads()
    k.data[:, 4] = np.nan
    mask = np.array([True, True, True, True, False])
    expected = attend(q.data, k.data[:, :4], v.data[:, :4])
    np.testing.assert_allclose(attend(q, k, v, mask).data, expected, rtol=1e-13)


def test_causal_attention_cannot_look_ahead() -> None:
    q, k, v = t(3, 2), t(3, 2, seed=1), t(3, 4, seed=2)
    out = attend(q, k, v, is_causal=True)
    np.testing.assert_allclose(out.data[0], v.data[0], rtol=1e-15)
    for g in dgrad.grad(out[1].sum(), (k, v)):
        assert g.data[:2].any()
        np.testing.assert_array_equal(g.data[2], 0.0)
    same = attend(q, k, v, np.tri(3, dtype=bool))
    np.testing.assert_array_equal(same.data, out.data)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_T04_large_scores_choose_and_do_not_overflow(dtype: Any) -> None:
    q = Tensor(np.array([[1e4, 0.0]], dtype), requires_grad=True)
    k = Tensor(np.array([[1e4, 1.0], [-1e4, 2.0]], dtype), requires_grad=True)
    v = Tensor(np.array([[1.0], [2.0]], dtype), requires_grad=True)
    out = attend(q, k, v)
    np.testing.assert_array_equal(out.data, [[1.0]])
    by_q, by_k, by_v = dgrad.grad(out, (q, k, v), np.ones((1, 1), dtype), create_graph=True)
    np.testing.assert_array_equal(by_v.data, [[1.0], [0.0]])
    assert not by_q.data.any()
    assert not by_k.data.any()


def test_dropout_is_a_function_of_its_key() -> None:
    q, k, v = heads()
    one, two = (attend(q, k, v, dropout_p=0.5, key=KEY).data for _ in range(2))
    other = attend(q, k, v, dropout_p=0.5, key=(0, Purpose.STEP, 0, 1)).data
    np.testing.assert_array_equal(one, two)
    assert (one != other).any()
    assert not attend(q, k, v, dropout_p=1.0, key=KEY).data.any()


def test_rotary_positions_are_relative() -> None:
    """The product of a query and a key depends on how far apart they are alone."""
    q, k = t(1, 8).data, t(1, 8, seed=1).data
    turn = ops.rotary_embedding
    products = [turn(q, offset=i) @ turn(k, offset=j).T for i, j in ((0, 3), (4, 7), (100, 103))]
    np.testing.assert_allclose(products[1:], products[:1] * 2, rtol=1e-11)
    x = t(5, 8).data
    np.testing.assert_allclose(turn(turn(x, offset=9), offset=9, inverse=True), x, rtol=1e-13)
    np.testing.assert_array_equal(turn(x)[0], x[0])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: attend(t(3, 4), t(5, 3), t(5, 4)),
            ShapeError,
            "needs q (..., t, d), k (..., s, d), v (..., s, e) with equal leading axes, "
            "got (3, 4), (5, 3), (5, 4)",
        ),
        (lambda: attend(t(3, 4), t(5, 4), t(4, 4)), ShapeError, "got (3, 4), (5, 4), (4, 4)"),
        (lambda: attend(t(2, 3, 4), t(5, 4), t(5, 4)), ShapeError, "equal leading axes"),
        (lambda: attend(t(4), t(5, 4), t(5, 4)), ShapeError, "got (4,), (5, 4), (5, 4)"),
        (
            lambda: attend(t(3, 4), t(5, 4), t(5, 4), np.ones((5, 3), bool)),
            ShapeError,
            "mask (5, 3) does not broadcast to the scores (3, 5)",
        ),
        (
            lambda: attend(t(3, 4), t(5, 4), t(5, 4), np.ones((2, 3, 5))),
            ShapeError,
            "mask (2, 3, 5) does not broadcast to the scores (3, 5)",
        ),
        (
            lambda: attend(t(3, 4), t(5, 4), t(5, 4), np.ones((3, 5), int)),
            DtypeError,
            "mask must be boolean (True takes part) or floats that are added, got int64",
        ),
        (
            lambda: attend(t(3, 4), t(5, 4), t(5, 4), dropout_p=0.5),
            ParameterError,
            "key must be given with dropout_p",
        ),
        (
            lambda: attend(t(3, 4), t(5, 4), t(5, 4), dropout_p=1.5, key=KEY),
            ParameterError,
            "p must be >= 0 and <= 1",
        ),
        (
            lambda: ops.rotary_embedding(t(3, 5)),
            ShapeError,
            "rotary_embedding: x must be (..., t, d) with an even d, got (3, 5)",
        ),
        (lambda: ops.rotary_embedding(t(4)), ShapeError, "got (4,)"),
    ],
)
def test_what_does_not_fit_is_refused(call: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        call()
