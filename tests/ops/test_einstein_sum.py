"""einsum: NumPy's spellings, the pitfalls of its rule, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dgrad
from dgrad import Tensor, ops
from dgrad.errors import ShapeError, UnsupportedError
from tests.ops.differences import jacobian

RNG = np.random.default_rng(43)
A, B = RNG.normal(size=(2, 3)), RNG.normal(size=(3, 4))


def check(subscripts: str, *shapes: tuple[int, ...]) -> None:
    """Gradients in every operand against differences, first and second order."""
    arrays = [RNG.normal(size=shape) for shape in shapes]
    leaves = [Tensor(a, requires_grad=True) for a in arrays]
    out = np.einsum(subscripts, *leaves)
    np.testing.assert_allclose(out.data, np.einsum(subscripts, *arrays), rtol=1e-12)
    seed = RNG.normal(size=out.shape)
    grads = dgrad.grad(out, leaves, seed, create_graph=True)
    for i, g in enumerate(grads):
        numeric = jacobian(lambda *a: np.einsum(subscripts, *a), arrays, i, out.size)
        np.testing.assert_allclose(g.data.ravel(), seed.ravel() @ numeric, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("subscripts", ["ii->i", "ii->", "ii", "iij->ji", "iijj->ij", "iii->i"])
def test_P30_a_letter_twice_in_one_operand(subscripts: str) -> None:
    check(subscripts, (2,) * len(subscripts.partition("->")[0]))


@pytest.mark.parametrize(
    ("subscripts", "shapes"),
    [("ij->i", [(2, 3)]), ("ij,k->k", [(2, 3), (4,)]), ("ii,jk->k", [(2, 2), (3, 4)])],
)
def test_P30_a_letter_summed_in_one_operand_alone(subscripts: str, shapes: Any) -> None:
    check(subscripts, *shapes)


@pytest.mark.parametrize(
    ("subscripts", "shapes"),
    [
        ("...i,...i->...", [(4, 1, 3), (5, 3)]),
        ("...,...", [(2, 3), (3,)]),
        ("i...->i...", [(2, 3, 4)]),
        ("...ii->...i", [(2, 3, 3)]),
        ("ij,ij->ij", [(1, 3), (2, 1)]),
        ("ij,jk->ik", [(2, 1), (3, 4)]),
        ("ij,jk,k->i", [(2, 1), (3, 1), (4,)]),
        ("ii,i->", [(1, 1), (3,)]),
    ],
)
def test_P30_axes_of_length_1_are_stretched(subscripts: str, shapes: Any) -> None:
    check(subscripts, *shapes)


@pytest.mark.parametrize(
    "call",
    [
        lambda t: np.einsum("ij,jk->ik", t, B),
        lambda t: np.einsum("ij,jk", t, B, optimize=True),
        lambda t: np.einsum("ij,jk->ik", t, B, optimize="greedy"),
        lambda t: np.einsum(t, [0, 1], B, [1, 2]),
        lambda t: np.einsum(t, [0, 1], B, [1, 2], [0, 2]),
        lambda t: np.einsum(t, [Ellipsis, 30], B, [30, 51], [Ellipsis, 51]),
        lambda t: ops.einsum("ij,jk->ik", t, B),
        lambda t: ops.einsum(t, B, subscripts="ij,jk->ik"),
    ],
)
def test_every_spelling(call: Any) -> None:
    t = Tensor(A, requires_grad=True)
    out = call(t)
    np.testing.assert_allclose(out.data, A @ B, rtol=1e-12)
    (g,) = dgrad.grad(out, t, np.ones((2, 4)))
    np.testing.assert_allclose(g.data, np.ones((2, 4)) @ B.T, rtol=1e-12)


def test_the_result_shares_no_memory_with_its_operand() -> None:
    assert not np.shares_memory(ops.einsum("ij->ji", A), A)
    assert not np.shares_memory(ops.einsum("ii->i", np.eye(2)), A)


def test_large_products_take_the_path_through_blas() -> None:
    x, y = RNG.normal(size=(40, 50)), RNG.normal(size=(50, 30))
    leaves = [Tensor(a, requires_grad=True) for a in (x, y)]
    out = np.einsum("ij,jk->ki", *leaves)
    np.testing.assert_allclose(out.data, (x @ y).T, rtol=1e-10, atol=1e-12)
    gx, gy = dgrad.grad(out, leaves, np.ones((30, 40)))
    np.testing.assert_allclose(gx.data, np.ones((40, 30)) @ y.T, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(gy.data, x.T @ np.ones((40, 30)), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (("ij,jk->ik", A), "2 terms, but 1 operands"),
        (("ijk->i", A), "'ijk' does not fit an operand of 2 axes"),
        (("i->i", A), "'i' does not fit an operand of 2 axes"),
        (("...ijk", A), "does not fit an operand of 2 axes"),
        (("i.j->i", A), r"letters and one '\.\.\.'"),
        (("i1->i", A), "letters and one"),
        (("ij->k", A), "letters of the operands"),
        (("ij->ii", A), "once each; see 'i'"),
        (("i...->i", A), "the result needs '...' too"),
        (("ij,ij->", A, B), r"einsum\(float64\[2, 3\], float64\[3, 4\]\)"),
        ((A, B), "expected subscripts as a string"),
        ((A, [0, 52]), "axes from 0 to 51"),
    ],
)
def test_errors_say_what_does_not_fit(args: Any, text: str) -> None:
    tensors = [Tensor(a, requires_grad=True) if isinstance(a, np.ndarray) else a for a in args]
    with pytest.raises(ShapeError, match=text):
        ops.einsum(*tensors)


@pytest.mark.parametrize("params", [{"out": np.empty((2, 4))}, {"dtype": float}, {"order": "F"}])
def test_numpys_other_arguments_are_refused_by_name(params: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedError, match=f"np.einsum.*{next(iter(params))!r}"):
        np.einsum("ij,jk->ik", Tensor(A, requires_grad=True), B, **params)
