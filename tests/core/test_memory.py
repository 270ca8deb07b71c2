"""With the garbage collector off, nothing outlives its use: no reference cycle anywhere."""

from __future__ import annotations

import contextlib
import copy
import gc
import sys
import tracemalloc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from dgrad import (
    Function,
    Tensor,
    checkpoint,
    detect_anomaly,
    enable_grad,
    grad,
    inference_mode,
    no_grad,
    op,
    ops,
    register_multi_grad_hook,
    saved_tensors_hooks,
)
from dgrad.core.backward import backward
from dgrad.core.function import Context
from dgrad.core.node import Leaf, Node, Output
from dgrad.errors import AnomalyError, DgradError, GraphError

LONG = 200_000


@pytest.fixture(autouse=True, scope="module")
def _collector_off() -> Iterator[None]:
    gc.collect()
    gc.freeze()  # what exists by now is none of our business, and is not counted
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()


def leaf(*values: float) -> Tensor:
    return Tensor(np.array(values), requires_grad=True)


def live() -> int:
    """How many Tensors, nodes, contexts and exceptions exist, without collecting any.

    Arrays are not tracked; each is held by one of these, or shows in the test of a long run.
    """
    kinds = (Tensor, Node, Output, Leaf, Context, BaseException)
    return sum(issubclass(type(o), kinds) for o in gc.get_objects())


class SavesOutput(Function):
    """e^x."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        out = np.exp(x)
        ctx.out = out
        ctx.everything = {"out": out}  # B30: a result in an attribute makes no cycle either
        ctx.save_for_backward(out, x)
        return out, x * 2

    @staticmethod
    def backward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        return a * ctx.saved_tensors[0] + b * 2


class Fails(SavesOutput):
    """Raises in its backward."""

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        held = [ctx, grads, ctx.saved_tensors]
        raise ArithmeticError(str(len(held)))


def training_step() -> None:
    rng = np.random.default_rng(0)
    x, target = rng.normal(size=(8, 5)), rng.integers(0, 3, 8)
    w, b = (
        Tensor(rng.normal(size=(3, 5)), requires_grad=True),
        Tensor(np.zeros(3), requires_grad=True),
    )
    for _ in range(3):
        loss = ops.cross_entropy(ops.relu(ops.linear(x, w, b)), target)
        loss.backward()
        for p in (w, b):
            p.data -= 0.1 * p.grad.data
            p.grad = None


def third_order() -> None:
    x = leaf(0.5, 0.7)
    y = (ops.tanh(x) * np.exp(x)).sum()
    for _ in range(3):
        (g,) = grad(y, x, create_graph=True)
        y = (g * g).sum()
    y.backward(create_graph=True)
    x.grad = None  # a recorded gradient refers to x: the one cycle that users can make


def hooks() -> None:
    x = leaf(1.0)
    y = x * 2
    seen: list[float] = []
    y.register_hook(lambda g: seen.append(g.item()))
    with x.register_hook(lambda g: g * 2):
        y.retain_grad()  # B30
        (y * y).backward(retain_graph=True)
        (y * y).backward(create_graph=True, inputs=[y])
    y.grad = None


def function_with_own_output() -> None:
    x = leaf(1.0)
    a, b = SavesOutput.apply(x)
    (g,) = grad(a * b, x, create_graph=True)
    grad(g, x)
    SavesOutput.apply(x)  # never walked


def dropped_without_backward() -> None:
    y = ops.tanh(leaf(1.0) * 2)
    ops.concatenate(y, y).sum()


def walked_with_retain_graph() -> None:
    x = leaf(1.0)
    y = ops.tanh(x) * ops.softmax(x)
    y.backward(retain_graph=True)
    y.backward(retain_graph=True)


def error_in_backward() -> None:
    for create_graph in (False, True):
        x = leaf(1.0)
        a, b = Fails.apply(ops.tanh(x))
        with contextlib.suppress(ArithmeticError):
            (a + b * x).backward(create_graph=create_graph)


def error_in_a_hook() -> None:
    x = leaf(1.0)

    def fail(g: Tensor) -> None:
        raise ArithmeticError

    ops.tanh(x).register_hook(fail)
    y = ops.tanh(x)
    y.register_hook(fail)
    with contextlib.suppress(ArithmeticError):
        (y * 2).backward()


def errors_in_calls() -> None:
    x = leaf(1.0, 2.0)
    for wrong in (
        lambda: x + np.ones(3),
        lambda: ops.tanh(x).backward(),
        lambda: ops.softmax(x, axis=5),
        lambda: grad(x * 2, leaf(1.0), np.ones(2)),
    ):
        with contextlib.suppress(DgradError):
            wrong()


def sharded() -> None:
    x = leaf(1.0)
    y = ops.tanh(x)
    z = ops.exp(y)
    y.backward(grad(z, y)[0])
    backward([z.detach().requires_grad_() * x, y.detach() * x])
    with no_grad():
        ops.tanh(x)


def writes_in_place() -> None:
    x, u = leaf(0.1, 0.2, 0.3), leaf(0.4, 0.5)
    y = x * 1
    view, other = y[1:], y.reshape(3, 1)
    view *= u
    y[0] = u[1]
    other += 1
    piece = view[:1]
    piece.exp_()
    (y * y).sum().backward(retain_graph=True, create_graph=True)
    x.grad = u.grad = None
    z = ops.exp(y)
    z += 1
    with contextlib.suppress(GraphError):
        z.sum().backward()  # exp saved what is overwritten
    with contextlib.suppress(GraphError):
        x += 1


def checkpoints() -> None:
    x, w = leaf(0.5, 0.7), leaf(1.5, 0.2)

    def part(a: Any) -> Any:
        return ops.tanh(np.exp(a * w) * a)

    for function in (part, lambda a: checkpoint(part, checkpoint(part, a))):
        out = checkpoint(function, x * 1)
        (g,) = grad(out.sum(), x, create_graph=True)
        grad((g * g).sum(), [x, w])
    checkpoint(part, x)  # never walked
    with saved_tensors_hooks(lambda t: [t], lambda packed: packed[0]):
        part(SavesOutput.apply(x)[0]).sum().backward()


def hooks_of_nodes_and_of_several() -> None:
    x, u = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y = x * u
    seen: list[Any] = []
    register_multi_grad_hook([x, y, u], lambda grads: seen.append(len(grads)))
    register_multi_grad_hook([x, u], lambda g: seen.append(g.shape), mode="any")
    y.node.register_hook(lambda grad_inputs, grad_outputs: None)
    y.node.register_prehook(lambda grad_outputs: None)
    x.register_post_accumulate_grad_hook(lambda t: seen.append(t.shape))
    y.sum().backward(retain_graph=True)
    y.sum().backward(create_graph=True)
    x.grad = u.grad = None
    x.register_hook(lambda g: 1 / 0)
    with contextlib.suppress(ZeroDivisionError):
        y.sum().backward()


def anomalies_and_inference() -> None:
    x = leaf(0.0, 2.0)
    with detect_anomaly():
        grad(ops.exp(x).sum(), x, create_graph=True)
        for wrong in (lambda: ops.log(x - 1), lambda: ops.sqrt(x).sum().backward()):
            with contextlib.suppress(AnomalyError), np.errstate(all="ignore"):
                wrong()
    with inference_mode():
        y = ops.exp(x)
    with contextlib.suppress(GraphError):
        x * y


class Again(Function):
    """A backward within a backward, as deep as `depth`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, depth: int) -> Tensor:
        ctx.depth = depth
        ctx.save_for_backward(x)
        return x * 2

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        if ctx.depth:
            x = Tensor(ctx.saved_tensors[0].data, requires_grad=True)
            with enable_grad():
                Again.apply(x, ctx.depth - 1).sum().backward()
        return g * 2, None


def backward_within_backward() -> None:
    Again.apply(leaf(1.0), 50).sum().backward()


SCENES = [
    writes_in_place,
    checkpoints,
    hooks_of_nodes_and_of_several,
    anomalies_and_inference,
    backward_within_backward,
    training_step,
    third_order,
    hooks,
    function_with_own_output,
    dropped_without_backward,
    walked_with_retain_graph,
    error_in_backward,
    error_in_a_hook,
    errors_in_calls,
    sharded,
]


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_nothing_outlives_its_use(scene: Callable[[], None]) -> None:
    scene()  # plans and caches are made once
    before = live()
    scene()
    assert live() == before


def test_live_sees_a_cycle() -> None:
    gc.collect()
    before = live()
    x = leaf(1.0)
    x.grad = x  # a cycle, so that the count above is known to notice one
    del x
    assert live() > before
    gc.collect()
    assert live() == before


def test_a_dropped_leaf_is_freed_while_its_graph_lives() -> None:
    x, y = leaf(1.0), leaf(2.0)
    z = x + y
    gone = weakref.ref(x)
    del x
    assert gone() is None
    z.backward()
    assert y.grad.item() == 1.0


def test_P57_an_intermediate_that_no_rule_keeps_is_freed_at_once() -> None:
    class Array(np.ndarray):
        """An array that can be referred to weakly."""

    x = leaf(1.0)
    middle = x + 1
    middle.data = middle.data.view(Array)
    gone = weakref.ref(middle.data)
    out = middle + 2  # addition keeps nothing
    del middle
    assert gone() is None
    out.backward()
    assert x.grad.item() == 1.0


def test_saved_values_are_freed_as_the_walk_passes() -> None:
    class SavesInput(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Tensor:
            return g * 2 * ctx.saved_tensors[0]

    x = leaf(1.0)
    free = sys.getrefcount(x.data)
    for call in (np.sin, SavesInput.apply):
        y = call(x)
        saved = sys.getrefcount(x.data)  # outside assert, which holds what it compares
        y.backward()
        walked = sys.getrefcount(x.data)
        assert saved > free
        assert walked == free, y  # though y and its node are still there


def test_B31_a_hook_that_closes_over_its_tensor_lives_while_needed_then_is_collected() -> None:
    x = leaf(1.0)
    y = x * 2
    seen = []
    y.register_hook(lambda g, y=y: seen.append(y.item()))
    gone = weakref.ref(y)
    z = y * 3
    del y
    z.backward()
    assert seen == [2.0]
    del z
    assert gone() is not None  # a cycle that the user made
    gc.collect()
    assert gone() is None


# -- depth ----------------------------------------------------------------------------------------


def long_chain(x: Tensor) -> Tensor:
    y = x
    for _ in range(LONG):
        y = y + 1.0
    return y


def test_B29_P08_a_long_chain_runs_both_ways_and_is_freed_without_recursion() -> None:
    assert sys.getrecursionlimit() < LONG
    x = leaf(1.0)
    y = long_chain(x)
    assert repr(y) == "tensor([200001.], dtype=float64, grad_fn=<add>)"
    assert repr(y.node).startswith("<add node ")
    with pytest.raises(GraphError, match="only leaves"):
        copy.deepcopy(y)
    before = live()
    assert before > LONG
    y.backward(retain_graph=True)
    assert grad(y, x)[0].item() == 1.0
    assert x.grad.item() == 1.0
    del y
    assert before - live() >= LONG


def test_B29_a_long_chain_with_skips_user_ops_and_second_order(scratch_ops: None) -> None:
    @op
    def user(x: Any) -> Any:
        return x * 0.5

    user.vjp(x=lambda g: g * 0.5)
    x = leaf(2.0)
    y, skip = x, x
    for i in range(5000):
        y, skip = user(y + skip), (y if i % 100 == 0 else skip)
    y = y * x
    (g,) = grad(y, x, create_graph=True)
    (gg,) = grad(g, x)
    assert np.isfinite(gg.data).all()
    functions = x
    for _ in range(5000):
        functions = SavesOutput.apply(functions)[1] * 0.5
    functions.backward()
    assert x.grad.item() == 1.0


# -- a long run -----------------------------------------------------------------------------------


def test_10_000_steps_keep_memory_flat() -> None:
    rng = np.random.default_rng(0)
    x, target = rng.normal(size=(4, 3)).astype(np.float32), rng.integers(0, 2, 4)
    w = Tensor(rng.normal(size=(2, 3)).astype(np.float32), requires_grad=True)
    b = Tensor(np.zeros(2, np.float32), requires_grad=True)

    def steps(count: int) -> None:
        for _ in range(count):
            loss = ops.cross_entropy(ops.tanh(ops.linear(x, w, b)), target)
            loss.backward()
            for p in (w, b):
                p.data -= np.float32(0.01) * p.grad.data
                p.grad = None

    steps(100)
    objects = live()
    tracemalloc.start()
    try:
        steps(100)
        before, _ = tracemalloc.get_traced_memory()
        steps(1900)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    steps(8000)
    assert after - before < 100_000
    assert live() == objects
