"""Writes into Tensors: values, gradients through base, views and siblings, errors."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dgrad
from dgrad import Tensor
from dgrad.errors import DtypeError, GraphError, ShapeError
from dgrad.ops import exp, multiply, tanh
from tests.ops.differences import jacobian

DATA = np.array([[0.5, -1.2, 2.0], [1.5, 0.3, -0.7]])


def leaf(data: Any) -> Tensor:
    return Tensor(np.array(data, np.float64), requires_grad=True)


# Each program gets x (2, 3) and u (3,), of Tensors or of arrays, and returns what it computed.
def through_a_row(x: Any, u: Any) -> Any:
    y = x * 1
    y[0] *= u
    return y * y


def through_a_view_of_a_view(x: Any, u: Any) -> Any:
    y = x * 1
    part = y.T[1:]
    row = part[0]
    row *= 3
    part += u[:2]
    return y * x


def through_a_sibling(x: Any, u: Any) -> Any:
    y = x * 1
    column, row = y[:, 1], y[1]
    row *= u
    return column * column


def through_a_reshape(x: Any, u: Any) -> Any:
    y = x * 1
    flat = y.reshape(6)
    flat[1::2] = u * u
    return y * y * y


def an_item(x: Any, u: Any) -> Any:
    y = x * x
    y[1, 2] = u[0] * u[1]
    return y * y


def rows_by_a_list(x: Any, u: Any) -> Any:
    y = x * x
    y[[1, 0]] = u
    return y * x


def a_mask(x: Any, u: Any) -> Any:
    y = x * 2
    y[np.array([[True, False, True], [False, False, True]])] = u
    return y * y


def mixed_indices(x: Any, u: Any) -> Any:
    y = x * 2
    y[np.array([0, 1]), 1:] = u[1:] * x[:, :2]
    return y * y


def repeated_places(x: Any, u: Any) -> Any:
    y = x[0] * 1
    y[np.array([1, 1, 2])] = u * u
    return y * y


def into_itself(x: Any, u: Any) -> Any:
    y = x * 1
    y[:, 1:] = y[:, :-1]
    y += y
    y *= y[0]
    return y * u


def a_loop(x: Any, u: Any) -> Any:
    """Each step reads what the one before has written: other rows than it writes itself."""
    out = Tensor(np.zeros((4, 3))) if isinstance(x, Tensor) else np.zeros((4, 3))
    out[0] = u
    for t in range(3):
        out[t + 1] = out[t] * x[0] + x[1]
    return out * out


def into_what_needed_no_gradient(x: Any, u: Any) -> Any:
    zeros = Tensor(np.zeros((2, 3))) if isinstance(x, Tensor) else np.zeros((2, 3))
    columns = zeros.T
    zeros[1] = u
    columns[0] = x[:, 0] * x[:, 1]
    return columns * columns


PROGRAMS = [
    *(through_a_row, through_a_view_of_a_view, through_a_sibling, through_a_reshape, an_item),
    *(rows_by_a_list, a_mask, mixed_indices, repeated_places, into_itself, a_loop),
    into_what_needed_no_gradient,
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_B55_B57_writes_have_the_values_and_gradients_of_the_program(
    program: Callable[[Any, Any], Any],
) -> None:
    """NumPy runs the same text; differences of its results are the gradients, to second order."""
    args = (DATA, np.array([0.8, -0.4, 1.1]))
    x, u = map(leaf, args)
    out = program(x, u)
    np.testing.assert_array_equal(out.data, program(*(a.copy() for a in args)))
    seed = np.random.default_rng(3).normal(size=out.shape)
    grads = dgrad.grad(out, [x, u], seed, create_graph=True, materialize_grads=True)
    for place, g in enumerate(grads):
        numeric = jacobian(lambda *a: program(*(b.copy() for b in a)), args, place, out.size)
        np.testing.assert_allclose(g.data.ravel(), seed.ravel() @ numeric, rtol=1e-8, atol=1e-9)

    def first(*a: Any) -> Any:
        t = [leaf(b) for b in a]
        found = dgrad.grad(program(*t), t, seed, materialize_grads=True)
        return sum((g.data**2).sum() for g in found)

    total = sum((g * g).sum() for g in grads)
    second = dgrad.grad(total, [x, u], materialize_grads=True)
    for place, g in enumerate(second):
        numeric = jacobian(first, args, place, 1)
        np.testing.assert_allclose(g.data.ravel(), numeric[0], rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("name", ["add_", "sub_", "mul_", "div_", "pow_"])
def test_methods_write_as_their_operators_do(name: str) -> None:
    symbol = {
        "add_": operator.iadd,
        "sub_": operator.isub,
        "mul_": operator.imul,
        "div_": operator.itruediv,
        "pow_": operator.ipow,
    }[name]
    x = leaf([1.5, 2.0])
    one, two = x * 1, x * 1
    assert getattr(one, name)(2.0) is one
    two = symbol(two, 2.0)
    np.testing.assert_array_equal(one.data, two.data)
    (a,), (b,) = dgrad.grad(one.sum(), x), dgrad.grad(two.sum(), x)
    np.testing.assert_array_equal(a.data, b.data)


@pytest.mark.parametrize(
    "name", ["exp", "sin", "cos", "sqrt", "square", "relu", "sigmoid", "tanh", "abs", "neg"]
)
def test_unary_methods_write_their_result(name: str) -> None:
    x = leaf([1.5, 2.0])
    op = getattr(dgrad, {"neg": "negative"}.get(name, name))
    y = x * 1
    assert getattr(y, f"{name}_")() is y
    np.testing.assert_array_equal(y.data, op(x).data)
    np.testing.assert_array_equal(*(dgrad.grad(t.sum(), x)[0].data for t in (y, op(x))))


def test_fill_zero_and_copy_leave_no_way_back_to_what_was_there() -> None:
    x, u = leaf([1.0, 2.0]), leaf([5.0, 7.0])
    for y, expected in ((x * 2).zero_(), [0, 0]), ((x * 2).fill_(3.0), [3, 3]):
        assert y.tolist() == expected
        (g,) = dgrad.grad(y.sum(), x)
        assert g.tolist() == [0.0, 0.0]
    y = (x * 2).copy_(u)
    assert [g.tolist() for g in dgrad.grad(y.sum(), [x, u])] == [[0, 0], [1, 1]]


def test_B54_P44_a_leaf_or_a_view_of_it_is_refused_before_anything_changes() -> None:
    x = leaf(DATA)
    for change in (
        lambda: operator.iadd(x, 1),
        lambda: x.__setitem__(0, 5.0),
        lambda: operator.imul(x[0], 2),
        lambda: x.T[1:].__setitem__(0, 1.0),
        lambda: x.zero_(),
    ):
        with pytest.raises(GraphError, match=r"leaf that requires grad.* under no_grad"):
            change()
    np.testing.assert_array_equal(x.data, DATA)
    with dgrad.no_grad():
        x += 1
    np.testing.assert_array_equal(x.data, DATA + 1)
    assert x.is_leaf
    assert x.requires_grad


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        (lambda y: operator.iadd(y, np.ones((4, 2, 3))), ShapeError, r"\(4, 2, 3\).*cannot grow"),
        (lambda y: operator.iadd(y, np.ones(5)), ShapeError, r"add\(float64\[2, 3\]"),
        (lambda y: y.__setitem__(0, np.ones(4)), ShapeError, r"shape \(2, 3\)"),
        (lambda y: y.__setitem__(7, 0.0), ShapeError, "out of bounds"),
        (lambda y: y.__setitem__("a", 0.0), ShapeError, "only integers"),
        (lambda y: operator.iadd(y, 1j), DtypeError, "complex128 .* into float64"),
    ],
)
def test_P44_a_refused_write_changes_nothing(
    change: Callable[[Tensor], Any], error: type[Exception], text: str
) -> None:
    x = leaf(DATA)
    y = x * 1
    version = y.version
    with pytest.raises(error, match=text):
        change(y)
    np.testing.assert_array_equal(y.data, DATA)
    assert y.version == version
    (g,) = dgrad.grad((y * y).sum(), x)
    np.testing.assert_array_equal(g.data, 2 * DATA)


def test_memory_that_elements_share_is_not_written() -> None:
    x = leaf([1.0, 2.0])
    for shared in (dgrad.broadcast_to(x * 1, (3, 2)), Tensor(np.broadcast_to(1.0, 3))):
        with pytest.raises(GraphError, match=r"write to a clone\(\)"):
            shared += 1
    copy = dgrad.broadcast_to(x * 1, (3, 2)).clone()
    copy += 1
    assert dgrad.grad(copy.sum(), x)[0].tolist() == [3.0, 3.0]


def test_P23_a_write_keeps_the_dtype_of_what_is_written() -> None:
    x = Tensor(np.ones(2, np.float32), requires_grad=True)
    y = x * 1
    y += leaf([0.5, 0.25])
    assert y.dtype == np.float32
    assert dgrad.grad(y.sum(), x)[0].dtype == np.float32
    counts = Tensor(np.arange(3))
    with pytest.raises(DtypeError, match="float64 and cannot be written into int64"):
        counts += 0.5
    assert counts.tolist() == [0, 1, 2]


def test_B56_a_base_and_old_views_start_to_require_grad() -> None:
    base = Tensor(np.zeros((2, 2)))
    before, other = base.T, base[1]
    u = leaf([5.0, 6.0])
    base[0].copy_(u)
    assert [t.requires_grad for t in (base, before, other)] == [True, True, True]
    (before * before).sum().backward()
    assert u.grad.tolist() == [10.0, 12.0]


def test_a_dropped_view_is_forgotten_and_living_ones_are_not() -> None:
    base = leaf(np.ones(4)) * 1
    kept = [base[:2]]
    for _ in range(1000):
        base[1:].sum()
    assert len(base._views) < 10
    base *= 3
    assert dgrad.grad(kept[0].sum(), base)[0].tolist() == [1.0, 1.0, 0.0, 0.0]


def test_B60_pieces_of_a_split_can_be_written_like_any_view() -> None:
    """PyTorch refuses this; here the gradient is right, so there is nothing to refuse."""
    x = leaf([1.0, 2.0, 3.0, 4.0])
    y = x * 1
    first, second = dgrad.split(y, 2)
    first *= 5
    second *= first
    np.testing.assert_array_equal(y.data, [5.0, 10.0, 15.0, 40.0])
    (g,) = dgrad.grad(y.sum(), x)
    np.testing.assert_array_equal(g.data, [5 * (1 + 3), 5 * (1 + 4), 5.0, 10.0])


def test_P17_a_reshape_that_had_to_copy_is_no_view() -> None:
    x = leaf(DATA)
    y = x * 1
    copied, shown = y.T.reshape(6), y.reshape(6)
    y *= 2
    np.testing.assert_array_equal(copied.data, DATA.T.ravel())
    np.testing.assert_array_equal(shown.data, 2 * DATA.ravel())
    assert copied.version == 0
    assert shown.version == y.version == 1
    assert dgrad.grad(copied.sum(), x, retain_graph=True)[0].tolist() == np.ones((2, 3)).tolist()
    assert dgrad.grad(shown.sum(), x)[0].tolist() == np.full((2, 3), 2.0).tolist()


def test_B37_a_hook_on_the_old_value_sees_the_gradient_of_the_old_value() -> None:
    x = leaf([1.0, 2.0])
    y = x * 1
    seen: list[Any] = []
    y.register_hook(lambda g: seen.append(g.tolist()))
    y.retain_grad()
    y *= 3
    y.sum().backward()
    assert seen == [[3.0, 3.0]]
    assert y.grad.tolist() == [1.0, 1.0]  # the retained one is that of the Tensor as it is


def test_P45_later_reads_of_a_sibling_see_the_new_node() -> None:
    x = leaf([1.0, 2.0, 3.0])
    y = x * 1
    low, high = y[:2], y[1:]
    early = high.sum()
    low *= 10
    late = high.sum()
    assert dgrad.grad(early, x, retain_graph=True)[0].tolist() == [0.0, 1.0, 1.0]
    assert dgrad.grad(late, x)[0].tolist() == [0.0, 10.0, 1.0]


def test_P59_gradients_by_a_tensor_are_by_what_it_is_now() -> None:
    x = leaf([1.0, 2.0])
    y = x * 1
    old = y.node
    early = (y * 2).sum()
    y += 1
    with pytest.raises(GraphError, match="do not depend on"):
        dgrad.grad(early, y)
    assert y.node is not old
    assert dgrad.grad((y * 2).sum(), y)[0].tolist() == [2.0, 2.0]


def test_a_view_made_under_no_grad_cannot_reach_the_graph() -> None:
    x = leaf([1.0, 2.0])
    y = x * 1
    with dgrad.no_grad():
        view = y[:1]
        view *= 2
    assert y.tolist() == [2.0, 2.0]
    with pytest.raises(GraphError, match="made under no_grad"):
        view *= 2
    assert y.tolist() == [2.0, 2.0]


def test_a_result_that_saved_its_own_old_value_stays_right() -> None:
    x, u = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    y = x * 1
    y *= u  # its rule needs the old y
    y *= y
    a, b = dgrad.grad(y.sum(), [x, u])
    np.testing.assert_allclose(a.data, 2 * x.data * u.data**2)
    np.testing.assert_allclose(b.data, 2 * u.data * x.data**2)


def test_writes_of_other_results_do_not_disturb_what_is_walked_twice() -> None:
    x = leaf([1.0, 2.0])
    y = tanh(x)
    z = multiply(y, y)
    other = exp(x.detach())
    other += 1
    out = np.tanh(x.data)
    for retain in (True, False):
        (g,) = dgrad.grad(z.sum(), x, retain_graph=retain)
        np.testing.assert_allclose(g.data, 2 * out * (1 - out**2))
