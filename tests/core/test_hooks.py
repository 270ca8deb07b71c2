"""Tensor hooks and retain_grad: order, replacement, removal, and what a hook cannot break."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

import dgrad
from dgrad import Function, Tensor, grad, is_grad_enabled, ops
from dgrad.errors import GraphError, ShapeError


def leaf(*values: float) -> Tensor:
    return Tensor(np.array(values), requires_grad=True)


def test_B32_hooks_run_in_order_and_each_sees_the_previous_result() -> None:
    x, seen = leaf(1.0), []

    def multiply(factor: float) -> Any:
        def hook(g: Tensor) -> Tensor:
            seen.append(g.item())
            return g * factor

        return hook

    x.register_hook(multiply(10))
    x.register_hook(lambda g: seen.append(g.item()))  # returns None: keeps the gradient
    x.register_hook(multiply(3))
    (x * 2).backward()
    assert seen == [2.0, 20.0, 20.0]
    assert x.grad.item() == 60.0


def test_B32_removal_also_by_another_hook_during_the_run() -> None:
    x, ran = leaf(1.0), []
    first = x.register_hook(lambda g: second.remove())
    second = x.register_hook(lambda g: ran.append("second"))
    x.register_hook(lambda g: ran.append("third"))
    (x * 2).backward()
    assert ran == ["third"]
    first.remove()
    first.remove()  # again: nothing happens
    with x.register_hook(lambda g: ran.append("inside")):
        (x * 2).backward()
    (x * 2).backward()
    assert ran == ["third", "third", "inside", "third"]


def test_a_hook_may_remove_itself_or_add_another() -> None:
    x, ran = leaf(1.0), []

    def once(g: Tensor) -> None:
        ran.append("once")
        handle.remove()
        x.register_hook(lambda g: ran.append("added"))

    handle = x.register_hook(once)
    (x * 2).backward()
    (x * 2).backward()
    assert ran == ["once", "added"]


def test_P53_a_hook_sees_the_summed_gradient_once() -> None:
    x, seen = leaf(1.0), []
    y = x * 2
    y.register_hook(lambda g: seen.append(g.item()))
    (y * 3 + y * 4 + y).backward()
    assert seen == [8.0]


@pytest.mark.parametrize("create_graph", [False, True])
def test_P54_a_hook_that_writes_into_its_argument_changes_nothing(create_graph: bool) -> None:
    x, y, seed = leaf(1.0), leaf(1.0), np.ones(1)

    def scribble(g: Tensor) -> None:
        g.data[:] = 1000.0

    s = x + y
    for t in (s, x):
        t.register_hook(scribble)
    s.backward(seed, create_graph=create_graph)
    assert (x.grad.item(), y.grad.item(), seed.item()) == (1.0, 1.0, 1.0)


def test_P55_a_replaced_gradient_is_checked_and_the_hook_named() -> None:
    class Callable:
        def __call__(self, g: Tensor) -> Any:
            return np.ones((2, 2))

    def wrong(g: Tensor) -> Any:
        return np.ones((2, 2))

    for hook, name in ((wrong, "wrong"), (Callable(), "Callable")):
        x = leaf(1.0, 2.0)
        y = ops.tanh(x)
        y.register_hook(hook)
        with pytest.raises(ShapeError, match=rf"hook {name} on tanh .*\(2, 2\), expected \(2,\)"):
            y.sum().backward()
        assert x.grad is None


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
def test_P55_a_replaced_gradient_is_converted_to_the_tensors_dtype(
    dtype: Any, create_graph: bool
) -> None:
    x = Tensor(np.ones(2, np.float32), requires_grad=True)
    y = x * 2
    y.register_hook(lambda g: np.array([3, 5], dtype))
    y.sum().backward(create_graph=create_graph)
    assert x.grad.dtype == np.float32
    np.testing.assert_array_equal(x.grad.data, [6, 10])


def test_a_replacement_that_the_hook_keeps_is_not_shared() -> None:
    x, mine = leaf(1.0), np.full(1, 7.0)
    x.register_hook(lambda g: mine)
    (x * 2).backward()
    (x * 2).backward()
    assert x.grad.item() == 14.0
    assert mine.item() == 7.0


def test_B34_a_retained_gradient_sees_hooks_registered_before_and_after() -> None:
    x = leaf(1.0)
    y = x * 2
    y.register_hook(lambda g: g * 10)
    y.retain_grad()
    y.retain_grad()  # again: still stored once
    y.register_hook(lambda g: g * 7)
    (y * 3).backward()
    assert y.grad.item() == 210.0
    assert x.grad.item() == 420.0
    y = leaf(1.0)
    y.retain_grad()  # a leaf: nothing to do
    (y * 3).backward()
    assert y.grad.item() == 3.0


def test_retained_gradients_accumulate_and_do_not_alias() -> None:
    x = leaf(1.0, 1.0)
    y = x * 1
    y.retain_grad()
    z = y + 0
    z.backward(np.ones(2), retain_graph=True)
    z.backward(np.ones(2))
    np.testing.assert_array_equal(y.grad.data, [2, 2])
    y.grad.data[:] = 50
    np.testing.assert_array_equal(x.grad.data, [2, 2])


def test_B35_grad_runs_the_hooks_of_a_captured_tensor() -> None:
    x = leaf(1.0)
    y = x * 2
    y.register_hook(lambda g: g * 10)
    x.register_hook(lambda g: g * 100)
    gx, gy = grad(y * 3, [x, y])
    assert gy.item() == 30.0
    assert gx.item() == 6000.0
    assert x.grad is None


@pytest.mark.parametrize("hook", [functools.partial(lambda k, g: g * k, 5.0), np.negative])
def test_B38_a_hook_needs_no_name(hook: Any) -> None:
    x = leaf(1.0)
    x.register_hook(hook)
    (x * 2).backward()
    assert x.grad.item() in (10.0, -2.0)


def test_each_of_several_outputs_has_its_own_hooks() -> None:
    class Two(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
            return x * 2, x * 3

        @staticmethod
        def backward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
            return a * 2 + b * 3

    x = leaf(1.0)
    a, b = Two.apply(x)
    a.register_hook(lambda g: g * 10)
    b.retain_grad()
    (a + b * 5).backward()
    assert b.grad.item() == 5.0
    assert x.grad.item() == 35.0


def test_hooks_run_newest_node_first() -> None:
    x, order = leaf(1.0), []
    a = x * 2
    b = a * 3
    c = ops.exp(x)
    for name, t in (("x", x), ("a", a), ("b", b), ("c", c)):
        t.register_hook(lambda g, name=name: order.append(name))
    (b + c).backward()
    assert order == ["c", "b", "a", "x"]


def test_a_hook_needs_a_graph() -> None:
    for register in (lambda t: t.register_hook(print), Tensor.retain_grad):
        with pytest.raises(GraphError, match="needs a Tensor that requires grad"):
            register(Tensor([1.0]))


@pytest.mark.parametrize("create_graph", [False, True])
def test_P49_hooks_record_only_when_the_walk_does(create_graph: bool) -> None:
    x, seen = leaf(2.0), []
    y = x * x
    y.register_hook(lambda g: seen.append(is_grad_enabled()))
    y.backward(create_graph=create_graph)
    assert seen == [create_graph]
    assert is_grad_enabled()


def test_a_hook_takes_part_in_a_recorded_gradient() -> None:
    x = leaf(3.0)
    x.register_hook(lambda g: g * g)
    (gx,) = grad(x * x, x, create_graph=True)  # (2x)^2
    assert gx.item() == 36.0
    x = leaf(3.0)
    y = x * x
    y.register_hook(lambda g: g * x)  # dy/dx g x = 2 x^2
    (gx,) = grad(y, x, create_graph=True)
    assert grad(gx, x)[0].item() == 12.0


@pytest.mark.parametrize("create_graph", [False, True])
def test_P56_a_hook_that_raises_leaves_every_grad_as_it_was(create_graph: bool) -> None:
    x, z = leaf(1.0), leaf(1.0)
    y = x * 2
    y.retain_grad()

    def fail(g: Tensor) -> None:
        raise KeyError("on purpose")

    handle = x.register_hook(fail)
    with pytest.raises(KeyError, match="on purpose"):
        (y + z).backward(create_graph=create_graph, retain_graph=True)
    assert x.grad is y.grad is z.grad is None
    assert is_grad_enabled()
    handle.remove()
    (y + z).backward()
    assert (x.grad.item(), y.grad.item(), z.grad.item()) == (2.0, 1.0, 1.0)


# -- hooks of nodes, of accumulation, of several gradients ---------------------------------------


def test_B33_the_order_of_all_hooks() -> None:
    x = leaf(1.0, 2.0)
    y = x * 3
    order: list[str] = []

    def note(name: str) -> Any:
        return lambda *_: order.append(name)

    y.retain_grad()
    y.node.register_hook(note("y post"))
    y.node.register_prehook(note("y pre"))
    y.register_hook(note("y tensor"))
    x.node.register_hook(note("x post"))
    x.register_post_accumulate_grad_hook(note("x accumulated"))
    x.node.register_prehook(note("x pre"))
    x.register_hook(note("x tensor"))
    y.sum().backward()
    own = ["y tensor", "y pre", "y post", "x tensor", "x pre", "x accumulated", "x post"]
    assert order == own


def test_B33_the_retained_gradient_is_stored_after_the_prehooks_and_before_the_node_runs() -> None:
    x = leaf(1.0, 2.0)
    y = x * 3
    y.retain_grad()
    y.node.register_prehook(lambda grads: (grads[0] * 2,))
    y.register_hook(lambda g: g + 1)
    y.sum().backward()
    assert y.grad.tolist() == [4.0, 4.0]
    assert x.grad.tolist() == [12.0, 12.0]


def test_node_hooks_replace_gradients_and_are_removed() -> None:
    x = leaf(1.0, 2.0)
    y = x * 3
    seen: list[Any] = []

    def double(grad_inputs: Any, grad_outputs: Any) -> Any:
        seen.append(([g if g is None else g.tolist() for g in grad_inputs], len(grad_outputs)))
        return tuple(None if g is None else g * 2 for g in grad_inputs)

    handle = y.node.register_hook(double)
    y.sum().backward(retain_graph=True)
    assert seen == [([[3.0, 3.0], None], 1)]
    assert x.grad.tolist() == [6.0, 6.0]
    handle.remove()
    x.grad = None
    y.sum().backward(retain_graph=True)
    assert x.grad.tolist() == [3.0, 3.0]
    text = r"on multiply returned .*\(3,\).*expected \[\(2,\)\]"
    with (
        y.node.register_prehook(lambda grads: (np.ones(3),)),
        pytest.raises(ShapeError, match=text),
    ):
        y.sum().backward(retain_graph=True)
    (g,) = dgrad.grad(y.sum(), x, create_graph=True)
    assert g.tolist() == [3.0, 3.0]


def test_B36_a_post_accumulate_hook_may_step_and_clear() -> None:
    params = [leaf(1.0), leaf(2.0)]
    optimizers = {id(p): dgrad.optim.SGD([p], lr=0.1) for p in params}

    def step(p: Tensor) -> None:
        assert p.grad is not None
        optimizers[id(p)].step()
        p.grad = None

    for p in params:
        p.register_post_accumulate_grad_hook(step)
    (params[0] * params[1]).sum().backward()
    assert [p.grad for p in params] == [None, None]
    assert [p.item() for p in params] == pytest.approx([0.8, 1.9])


def test_B36_only_on_leaves_and_only_returning_none() -> None:
    x = leaf(1.0)
    for not_leaf in (x * 2, x.detach()):
        with pytest.raises(GraphError, match="a leaf that requires grad"):
            not_leaf.register_post_accumulate_grad_hook(lambda t: None)
    x.register_post_accumulate_grad_hook(lambda t: t)
    with pytest.raises(GraphError, match="must return None"):
        (x * 2).backward()


def test_B39_all_fires_once_after_the_last_with_none_for_those_not_reached() -> None:
    x, y, z = leaf(1.0), leaf(2.0), leaf(3.0)
    a = x * y
    calls: list[Any] = []
    handle = dgrad.register_multi_grad_hook([a, x, y, z], calls.append)
    (a * 5).backward()
    assert [[g if g is None else g.item() for g in call] for call in calls] == [
        [5.0, 10.0, 5.0, None]
    ]
    (z * 1).backward()
    assert [g if g is None else g.item() for g in calls[1]] == [None, None, None, 1.0]
    handle.remove()
    (z * 1).backward()
    assert len(calls) == 2


def test_B39_any_fires_once_with_the_first() -> None:
    x, y = leaf(1.0), leaf(2.0)
    a = x * y
    calls: list[Any] = []
    dgrad.register_multi_grad_hook([x, a, y], lambda g: calls.append(g.item()), mode="any")
    (a * 5).backward(retain_graph=True)
    assert calls == [5.0]
    (a * 6).backward()
    assert calls == [5.0, 6.0]
    with pytest.raises(ValueError, match="'all' or 'any'"):
        dgrad.register_multi_grad_hook([x], print, mode="some")
    with pytest.raises(GraphError, match=r"tensors\[1\] does not require grad"):
        dgrad.register_multi_grad_hook([x, x.detach()], print)


def test_B39_a_walk_that_failed_leaves_nothing_to_the_next() -> None:
    x, y = leaf(1.0), leaf(2.0)
    a = x * y
    calls: list[Any] = []
    dgrad.register_multi_grad_hook([a, x], calls.append)
    failing = x.register_hook(lambda g: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        a.backward(retain_graph=True)
    assert not calls
    failing.remove()
    (a * 7).backward()
    assert [g.item() for g in calls[0]] == [7.0, 14.0]


def test_B40_a_full_backward_hook_is_not_called_again_in_the_double_backward() -> None:
    loss = dgrad.nn.MSELoss()
    calls: list[int] = []
    loss.register_full_backward_hook(lambda *_: calls.append(1))
    x = leaf(1.0, 2.0)
    (g,) = dgrad.grad(loss(x, np.zeros(2)), x, create_graph=True)
    assert calls == [1]
    g.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]
    assert calls == [1]
