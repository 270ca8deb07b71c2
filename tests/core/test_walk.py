"""The walk's inside: where an error comes from, whose array a gradient is, summing back."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dgrad import Function, Tensor, enable_grad, grad, op, ops
from dgrad.core import walk
from dgrad.errors import GraphError, ShapeError

pytestmark = pytest.mark.usefixtures("scratch_ops")


def leaf(*shape: int) -> Tensor:
    return Tensor(np.ones(shape), requires_grad=True)


# -- an error names the op in whose backward it was raised ----------------------------------------


def fail(*_: Any) -> Any:
    raise ArithmeticError("on purpose")


def failing_rule(x: Tensor) -> Tensor:
    @op
    def fragile(x: Any) -> Any:
        return x * 2

    fragile.vjp(x=lambda g: fail())
    return fragile(x)  # type: ignore[no-any-return]


class fragile(Function):
    """Its backward raises."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x * 2

    backward = staticmethod(fail)


class Two(Function):
    """Has two outputs, and raises."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        return x * 2, x.sum()

    backward = staticmethod(fail)


def failing_hook(x: Tensor) -> Tensor:
    y = ops.tanh(x)
    y.register_hook(fail)
    return y


def failing_hook_of_a_leaf(x: Tensor) -> Tensor:
    x.register_hook(fail)
    return x


FAILING: list[tuple[Callable[[Tensor], Tensor], str]] = [
    (failing_rule, "in the backward of fragile, output of shape (2, 3)"),
    (fragile.apply, "in the backward of fragile, output of shape (2, 3)"),
    (lambda x: Two.apply(x)[1], "in the backward of Two, output of shape (2, 3)"),
    (failing_hook, "in the backward of tanh, output of shape (2, 3)"),
    (failing_hook_of_a_leaf, "in the backward of leaf, output of shape (2, 3)"),
]


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize(("make", "note"), FAILING)
def test_an_error_in_a_backward_says_in_which(
    make: Callable[[Tensor], Tensor], note: str, create_graph: bool
) -> None:
    with pytest.raises(ArithmeticError) as caught:
        (make(leaf(2, 3)) * 3).sum().backward(create_graph=create_graph)
    assert caught.value.__notes__ == [note]


def test_an_error_in_a_nested_walk_is_named_once() -> None:
    class Outer(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Any:
            with enable_grad():
                failing_rule(leaf(4)).sum().backward()

    with pytest.raises(ArithmeticError) as caught:
        Outer.apply(leaf(2)).sum().backward()
    assert caught.value.__notes__ == ["in the backward of fragile, output of shape (4,)"]


def test_an_error_of_ours_gets_a_note_unless_it_names_the_op() -> None:
    y = ops.tanh(leaf(2))
    y.backward(np.ones(2))
    with pytest.raises(GraphError, match="tanh were freed") as caught:
        y.backward(np.ones(2))
    assert not hasattr(caught.value, "__notes__")

    @op
    def fragile(x: Any) -> Any:
        return x * 2

    fragile.vjp(x=lambda g: ops.add(g, Tensor(np.ones(5))))
    with pytest.raises(ShapeError, match=r"^add\(") as caught_shape:
        fragile(leaf(2)).sum().backward()
    assert caught_shape.value.__notes__ == ["in the backward of fragile, output of shape (2,)"]


# -- whether the walk may keep an array -----------------------------------------------------------


def kept_and_given(joint: bool) -> tuple[int, int]:
    """Where the array lies that a rule returned, and that of the leaf's gradient."""
    places = []

    def made(g: Any) -> Any:
        fresh = g * 1
        places.append(fresh.ctypes.data)
        return fresh

    @op
    def same(x: Any) -> Any:
        return x * 1

    same.vjp(lambda g: [made(g)]) if joint else same.vjp(x=made)
    x = leaf(1000)
    same(x).backward(np.ones(1000))
    np.testing.assert_array_equal(x.grad.data, np.ones(1000))
    return places[0], x.grad.data.ctypes.data


@pytest.mark.parametrize("joint", [False, True])
def test_an_array_that_nobody_else_holds_becomes_the_gradient(joint: bool) -> None:
    if not walk.COUNTS_ALONE:
        pytest.skip("this interpreter's reference counts cannot be relied on")
    place, given = kept_and_given(joint)
    assert place == given


@pytest.mark.parametrize("joint", [False, True])
def test_where_counts_cannot_be_relied_on_every_gradient_is_copied(
    joint: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk, "COUNTS_ALONE", walk.calibrated(None))
    place, given = kept_and_given(joint)
    assert place != given


def test_reference_counts_are_asked_for_only_in_cpython_with_its_lock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
        assert walk._reference_counts() is None
    with monkeypatch.context() as patched:
        patched.setattr(sys, "implementation", types.SimpleNamespace(name="pypy"))
        assert walk._reference_counts() is None


def test_reference_counts_are_believed_only_where_they_add_up() -> None:
    assert walk.calibrated(None) == 0  # an interpreter without them, or without the GIL
    assert walk.calibrated(lambda array: 1) == 0  # all alike
    assert walk.calibrated(lambda array: -1) == 0
    for alone, listed, shared, expected in ((2, 3, 3, 2), (2, 3, 4, 0), (2, 4, 3, 0), (2, 2, 2, 0)):
        counts = iter((alone, listed, shared))
        assert walk.calibrated(lambda array, counts=counts: next(counts)) == expected


# -- broadcasting undone --------------------------------------------------------------------------


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "shape", [(), (1,), (4,), (1, 1), (3, 1), (1, 4), (3, 4), (1, 3, 1), (2, 1, 1), (2, 1, 4)]
)
def test_a_gradient_is_summed_back_to_its_inputs_shape(
    shape: tuple[int, ...], dtype: Any, create_graph: bool
) -> None:
    x = Tensor(np.ones(shape, dtype), requires_grad=True)
    seed = np.arange(24, dtype=dtype).reshape(2, 3, 4)
    (g,) = grad(x + np.zeros((2, 3, 4), dtype), x, seed, create_graph=create_graph)
    assert type(g.data) is np.ndarray
    assert (g.shape, g.dtype) == (shape, dtype)
    expected = np.zeros(shape)
    for i in np.ndindex(2, 3, 4):
        at = [k if n > 1 else 0 for k, n in zip(i[3 - len(shape) :], shape, strict=True)]
        expected[tuple(at)] += seed[i]
    np.testing.assert_array_equal(g.data, expected)
