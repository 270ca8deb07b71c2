"""The engine's 64 behaviours, each asserted once, in the order of their list (B01 to B64).

Where dgrad differs from PyTorch on purpose, the docstring says so. The other files of this folder
test most of them in more depth, under the same ids; PyTorch itself is asked at the end.
"""

from __future__ import annotations

import gc
import sys
import tracemalloc
import types
import weakref
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
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
    is_grad_enabled,
    nn,
    no_grad,
    op,
    ops,
    optim,
    register_multi_grad_hook,
    saved_tensors_hooks,
)
from dgrad.autograd import backward, once_differentiable
from dgrad.errors import AnomalyError, DtypeError, GraphError, OpDefinitionError, ShapeError

DEEP = 150_000


def leaf(*values: Any) -> Tensor:
    return Tensor(np.array(values, np.float64), requires_grad=True)


def lists(*tensors: Tensor | None) -> list[Any]:
    return [None if t is None else t.tolist() for t in tensors]


def custom(forward: Callable[..., Any], backward: Callable[..., Any]) -> type[Function]:
    """A Function of two functions."""
    members = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    return type("Custom", (Function,), members)


def saving_its_output(ctx: Any, x: Tensor) -> Tensor:
    out = np.exp(x)
    ctx.save_for_backward(out)
    return out


Exp = custom(saving_its_output, lambda ctx, g: g * ctx.saved_tensors[0])
Pair = custom(lambda ctx, x: (x * 2, x * 3), lambda ctx, a, b: a * 2 + b * 3)


@contextmanager
def collector_off() -> Iterator[None]:
    """Only what no cycle holds is freed inside."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


# -- driving backward -----------------------------------------------------------------------------


def test_B01_a_root_without_a_graph_raises() -> None:
    for run in (Tensor([1.0]).backward, lambda: grad(Tensor([1.0]), leaf(1.0))):
        with pytest.raises(GraphError, match="does not require grad"):
            run()


def test_B02_a_root_of_several_elements_needs_a_seed_of_its_shape() -> None:
    y = leaf(1.0, 2.0) * 3
    with pytest.raises(GraphError, match=r"shape \(2,\); only a single element can start"):
        y.backward()
    for run in (y.backward, lambda seed: grad(y, y, seed)):
        with pytest.raises(ShapeError, match=r"shape \(3,\), its output \(2,\)"):
            run(np.ones(3))


def test_B03_backward_on_a_leaf_sets_its_grad_to_the_seed() -> None:
    x = leaf(1.0, 2.0)
    x.backward(np.array([5.0, 7.0]))
    assert x.grad.tolist() == [5.0, 7.0]


def test_B04_several_roots_add_up_and_a_root_given_twice_counts_twice() -> None:
    x = leaf(1.0)
    y = x * 3
    backward([y, x * x, y], [np.ones(1), np.ones(1), np.full(1, 10.0)])
    assert x.grad.item() == 3 + 2 + 30


def test_B05_roots_may_depend_on_each_other() -> None:
    for order in (1, -1):
        x = leaf(2.0)
        y = x * x
        backward([y, y * y][::order])
        assert x.grad.item() == 4 + 32


def test_B06_a_root_without_grad_among_others_raises_and_no_grad_has_changed() -> None:
    x = leaf(1.0)
    x.grad = np.array([7.0])
    with pytest.raises(GraphError, match="does not require grad"):
        backward([x * 2, Tensor([1.0])])
    assert x.grad.item() == 7.0


def test_B07_inputs_fills_only_those_grads() -> None:
    x, w = leaf(2.0), leaf(3.0)
    y = x * w
    z = y * y
    z.backward(inputs=w, retain_graph=True)  # a single Tensor
    z.backward(inputs=[y], retain_graph=True)  # a non-leaf
    assert lists(x.grad, w.grad, y.grad) == [None, [24.0], [12.0]]
    with pytest.raises(ValueError, match="inputs is empty"):
        z.backward(inputs=[])


def test_B08_an_unreachable_tensor_in_inputs_is_left_none() -> None:
    x, stranger = leaf(1.0), leaf(1.0)
    (x * 2).backward(inputs=[x, stranger, stranger * 2])
    assert lists(x.grad, stranger.grad) == [[2.0], None]


def test_B09_grad_never_touches_grad() -> None:
    """Not even a retained one, to which PyTorch adds."""
    x, w = leaf(2.0), leaf(3.0)
    y = x * w
    y.retain_grad()
    w.grad = np.array([7.0])
    assert lists(*grad(y * y, [x, y])) == [[36.0], [12.0]]
    assert lists(x.grad, w.grad, y.grad) == [None, [7.0], None]


def test_B10_an_unreachable_input_is_an_error_none_or_zeros() -> None:
    x, stranger = leaf(2.0), leaf(1.0, 2.0)
    with pytest.raises(GraphError, match=r"inputs\[1\]; allow_unused=True"):
        grad(x * 2, [x, stranger])
    assert lists(*grad(x * 2, [x, stranger], allow_unused=True)) == [[2.0], None]
    (zeros,) = grad(x * 2, stranger, create_graph=True, materialize_grads=True)
    assert zeros.tolist() == [0.0, 0.0]
    again = grad(zeros.sum(), [x, stranger], materialize_grads=True)
    assert lists(*again) == [[0.0], [0.0, 0.0]]


def test_B11_zeros_without_allow_unused_are_a_value_error() -> None:
    x = leaf(1.0)
    with pytest.raises(ValueError, match="materialize_grads=True needs allow_unused"):
        grad(x * 2, x, allow_unused=False, materialize_grads=True)


def test_B12_grad_without_inputs_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="inputs is empty"):
        grad(leaf(1.0) * 2, [])


def test_B13_nodes_that_are_not_between_outputs_and_inputs_do_not_run() -> None:
    ran: list[str] = []
    watched = custom(lambda ctx, x: x * 1, lambda ctx, g: ran.append("ran") or g)
    x, w, stranger = leaf(1.0), leaf(2.0), leaf(3.0)
    y = watched.apply(x) * w
    grad(y, [w, stranger], allow_unused=True, retain_graph=True)
    y.backward(inputs=[w, stranger], retain_graph=True)
    assert not ran
    grad(y, x)
    assert ran == ["ran"]


def test_B14_two_outputs_of_one_op_are_captured_separately() -> None:
    x = leaf([2.0, 1.0], [0.5, 3.0])
    for a, b in (ops.qr(x), Pair.apply(x)):
        ga, gb = grad((a * 5 + b * 7).sum(), [a, b])
        assert lists(ga, gb) == [[[5.0] * 2] * 2, [[7.0] * 2] * 2]


def test_B15_a_backward_from_the_gradients_of_intermediates_equals_a_full_one() -> None:
    def halves() -> tuple[Tensor, list[Tensor], Tensor]:
        x = leaf(0.1, 0.5, 0.9)
        a, b = ops.tanh(x * x), ops.sin(x)
        return x, [a, b], (a * ops.exp(a * b)).sum()

    whole, _, loss = halves()
    loss.backward()
    x, middle, loss = halves()
    backward(middle, grad(loss, middle))
    np.testing.assert_allclose(x.grad.data, whole.grad.data, rtol=1e-15)


def test_B16_the_seed_is_never_modified() -> None:
    for create_graph in (False, True):
        x, y, seed = leaf(1.0), leaf(1.0), Tensor(np.array([3.0]))
        z = x + y + x
        for _ in range(2):
            z.backward(seed, retain_graph=True, create_graph=create_graph)
        assert lists(seed, x.grad, y.grad) == [[3.0], [12.0], [6.0]]
        assert not np.shares_memory(y.grad.data, seed.data)


def test_B17_a_batched_seed_gives_the_stacked_result() -> None:
    x = leaf(0.1, 0.2, 0.3)
    y = ops.sin(x)
    seeds = np.arange(6.0).reshape(2, 3)
    (rows,) = grad(y, x, seeds, is_grads_batched=True, retain_graph=True)
    each = [grad(y, x, seed, retain_graph=True)[0].data for seed in seeds]
    np.testing.assert_array_equal(rows.data, each)
    with pytest.raises(ShapeError, match=r"is_grads_batched wants .* \(rows, 3\) .* got \(3,\)"):
        grad(y, x, np.ones(3), is_grads_batched=True)
    with pytest.raises(ShapeError, match=r"is_grads_batched wants .* \(2, 3\) .* got \(4, 3\)"):
        grad([y, y], x, [seeds, np.ones((4, 3))], is_grads_batched=True)


# -- accumulation ---------------------------------------------------------------------------------


def test_B18_a_second_backward_adds_into_the_grad_unless_it_is_recorded() -> None:
    x = leaf(1.0)
    (x * 2).backward()
    first = x.grad
    (x * 3).backward()
    assert x.grad is first
    assert first.item() == 5.0
    (x * x).backward(create_graph=True)
    assert x.grad is not first
    assert (first.item(), x.grad.item()) == (5.0, 7.0)


def test_B19_parents_of_size_zero_get_grads_of_size_zero_and_others_zeros() -> None:
    for create_graph in (False, True):
        empty, column = leaf(*[[]] * 3), leaf([1.0], [2.0], [3.0])
        (empty * column).sum().backward(create_graph=create_graph)
        assert empty.grad.shape == (3, 0)
        assert column.grad.tolist() == [[0.0]] * 3


def test_B20_an_assigned_grad_is_accumulated_into_checked_and_deleted() -> None:
    x = leaf(1.0, 2.0)
    x.grad = mine = Tensor(np.array([10.0, 20.0]))
    (x * 2).sum().backward()
    assert x.grad is mine
    assert mine.tolist() == [12.0, 22.0]
    for wrong, error, text in (
        (np.ones(3), ShapeError, r"shape \(3,\), its Tensor \(2,\)"),
        (np.ones(2, np.float32), DtypeError, "dtype float32, its Tensor float64"),
        ("text", DtypeError, "holds numbers"),
    ):
        with pytest.raises(error, match=text):
            x.grad = wrong
    del x.grad
    assert x.grad is None


def test_B21_one_cotangent_in_three_buffers_is_not_shared() -> None:
    for first in (False, True):
        x, y = leaf(1.0), leaf(1.0)
        parts = more = [x + 2, y + 2, x + 2]
        if first:
            total = parts[0] + parts[1] + parts[2]  # hands its cotangent to all three, unchanged
        for _ in range(4):
            more = [part * 2 for part in more]
        if not first:  # newer than the longer way: all three hold one array and wait for more
            total = parts[0] + parts[1] + parts[2]
        (total + (more[0] + more[1] + more[2])).backward()
        assert (x.grad.item(), y.grad.item()) == (34.0, 17.0)


def test_B22_two_leaves_fed_one_cotangent_get_buffers_of_their_own() -> None:
    def both(ctx: Any, g: Tensor) -> tuple[np.ndarray, ...]:
        array = np.ones(2)
        return array, array

    for function in (lambda a, b: a + b, custom(lambda ctx, a, b: a + b, both).apply):
        x, y = leaf(1.0, 2.0), leaf(1.0, 2.0)
        function(x, y).sum().backward()
        assert not np.shares_memory(x.grad.data, y.grad.data)  # so one at most has stolen it
        x.grad.data[:] = 50
        assert y.grad.tolist() == [1.0, 1.0]


def test_B23_an_expanded_cotangent_is_copied_before_it_is_stored() -> None:
    for create_graph in (False, True):
        x = leaf([1.0, 2.0], [3.0, 4.0])
        x.sum().backward(create_graph=create_graph)  # the rule of sum broadcasts: stride 0
        assert x.grad.data.flags.writeable
        assert x.grad.data.strides == (16, 8)


def test_B24_a_grad_lies_in_memory_as_a_dense_leaf_does_else_row_by_row() -> None:
    rows, blocks = np.ones((4, 3)), np.ones((2, 3, 4))
    columns = np.asfortranarray(rows)
    for dense in (rows, columns, blocks.transpose(2, 0, 1)):
        for create_graph in (False, True):
            x = Tensor(dense, requires_grad=True)
            (x * np.ones(x.shape)).sum().backward(create_graph=create_graph)
            assert x.grad.data.strides == dense.strides
    for spaced in (rows[:, ::2], columns[::2], np.broadcast_to(1.0, (2, 3))):
        x = Tensor(spaced, requires_grad=True)
        (x * 2.0).sum().backward()
        assert x.grad.data.flags.c_contiguous


# -- freeing --------------------------------------------------------------------------------------


def test_B25_a_second_backward_raises_where_values_were_saved_only() -> None:
    x = leaf(1.0)
    y = np.tanh(x)
    y.backward()
    with pytest.raises(GraphError, match=r"tanh were freed.*retain_graph=True"):
        y.backward()
    z = (x + x) - 3  # saves nothing
    z.backward()
    z.backward()


def test_B26_retain_graph_permits_a_second_backward() -> None:
    x = leaf(3.0)
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 12.0
    with pytest.raises(GraphError, match="freed"):
        y.backward()


def test_B27_create_graph_keeps_what_was_saved_an_own_output_too() -> None:
    x = leaf(0.5)
    y = Exp.apply(x)
    for _ in range(2):
        (first,) = grad(y, x, create_graph=True)
        (second,) = grad(first, x, create_graph=True)
        assert lists(first, second) == [y.tolist()] * 2


def test_B28_saved_values_cannot_be_read_after_the_free() -> None:
    """A ctx shows what it saved in backward alone, so reading it before is refused as well."""
    held: list[Any] = []

    def forward(ctx: Any, x: Tensor) -> Tensor:
        held.append(ctx)
        return saving_its_output(ctx, x)

    y = custom(forward, Exp.backward).apply(leaf(1.0))
    for run in (y.backward, lambda: None):
        with pytest.raises(GraphError, match="only while backward"):
            _ = held[0].saved_tensors
        run()
    with pytest.raises(GraphError, match="saved values of Custom were freed"):
        y.backward()


@pytest.mark.usefixtures("scratch_ops")
def test_B29_a_chain_of_150_000_nodes_is_built_walked_and_dropped() -> None:
    @op
    def same(x: Any) -> Any:
        return x * 1

    same.vjp(x=lambda g: g)
    function = custom(lambda ctx, x: x * 1, lambda ctx, g: g)
    assert sys.getrecursionlimit() < DEEP
    x = leaf(1.0)
    y = skip = x
    for i in range(DEEP):
        if i % 10 == 0:
            y, skip = y + skip * 0.0, y
        y = function.apply(y) if i % 10 == 5 else same(y)
    y.backward()
    assert x.grad.item() == 1.0
    first = weakref.ref(skip)
    del y, skip
    assert first() is None


def test_B30_retain_grad_and_an_output_kept_in_a_dict_make_no_cycle() -> None:
    def keeping(ctx: Any, x: Tensor) -> Tensor:
        ctx.kept = {"out": (out := x * 2)}
        return out

    with collector_off():
        y, z = leaf(1.0) * 2, custom(keeping, lambda ctx, g: g * 2).apply(leaf(1.0))
        y.retain_grad()
        (y + z).backward(retain_graph=True)
        gone = [weakref.ref(t) for t in (y, z, z.node.op.ctx)]
        del y, z
        assert [reference() for reference in gone] == [None] * 3


def test_B31_a_hook_that_closes_over_its_node_lives_while_needed_and_is_collected_after() -> None:
    class Token:
        """Something that only the hook holds."""

    y, token, seen = leaf(1.0) * 2, Token(), []
    y.register_hook(lambda g, node=y.grad_fn, token=token: seen.append(node.name))
    alive, z = weakref.ref(token), y * 3
    del y, token
    gc.collect()
    z.backward()
    assert seen == ["multiply"]
    del z
    gc.collect()
    assert alive() is None


# -- hooks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["tensor", "node"])
def test_B32_hooks_run_in_order_replace_keep_and_are_removed(kind: str) -> None:
    y, seen = leaf(1.0) * 2, []
    register = y.register_hook if kind == "tensor" else y.node.register_prehook

    def note(g: Any) -> None:  # returns None: keeps it
        seen.append((g[0] if kind == "node" else g).item())

    register(note)
    first = register(lambda g: np.array([10.0]))
    register(note)
    register(lambda g: second.remove())
    second = register(lambda g: seen.append("removed by the hook before it"))
    register(note)
    y.backward(retain_graph=True)
    assert seen == [1.0, 10.0, 10.0]
    first.remove()
    y.backward()
    assert seen[3:] == [1.0, 1.0, 1.0]


def test_B33_the_order_of_all_hooks() -> None:
    """Hooks of leaves run, and grads are stored, at the end of the walk: it may fail before."""
    x, order = leaf(1.0), []
    y = x * 3

    def note(name: str, change: Any = None) -> Callable[..., Any]:
        return lambda *_: order.append(name) or change

    y.node.register_hook(note("y post", (np.full(1, 70.0), None)))
    y.retain_grad()
    y.node.register_prehook(note("y pre", np.full(1, 5.0)))
    y.register_hook(note("y tensor", np.full(1, 4.0)))
    x.node.register_hook(lambda *_: order.append(f"x post, grad {x.grad.item()}"))
    x.register_post_accumulate_grad_hook(lambda t: order.append(f"x holds {t.grad.item()}"))
    x.node.register_prehook(note("x pre", np.full(1, 9.0)))
    x.register_hook(lambda g: order.append(f"x tensor {g.item()}"))
    y.backward()
    assert y.grad.item() == 5.0  # after the pre-hook, before the node: not its 70
    leaf_order = ["x tensor 70.0", "x pre", "x holds 9.0", "x post, grad 9.0"]
    assert order == ["y tensor", "y pre", "y post", *leaf_order]


def test_B34_a_retained_grad_sees_hooks_registered_before_and_after() -> None:
    y = leaf(1.0) * 2
    y.register_hook(lambda g: g * 10)
    y.retain_grad()
    y.register_hook(lambda g: g * 7)
    y.backward()
    assert y.grad.item() == 70.0


def test_B35_grad_runs_a_captured_tensors_hooks_but_not_its_nodes() -> None:
    x, seen = leaf(1.0), []
    y = x * 2
    for t in (x, y):
        t.register_hook(lambda g: g * 10)
        t.node.register_prehook(lambda grads: seen.append("pre"))
        t.node.register_hook(lambda grad_inputs, grad_outputs: seen.append("post"))
    assert grad(y * 3, y, retain_graph=True)[0].item() == 30.0
    assert grad(x * 3, x)[0].item() == 30.0
    assert not seen


def test_B36_a_post_accumulate_hook_is_for_leaves_and_may_step_and_clear() -> None:
    x = leaf(1.0)
    sgd = optim.SGD([x], lr=0.1)

    def step(t: Tensor) -> None:
        assert t is x
        sgd.step()
        sgd.zero_grad()

    handle = x.register_post_accumulate_grad_hook(step)
    (x * 2 + x * 3).backward()
    assert (x.item(), x.grad) == (0.5, None)
    handle.remove()
    with pytest.raises(GraphError, match="needs a leaf"):
        (x * 2).register_post_accumulate_grad_hook(step)
    x.register_post_accumulate_grad_hook(lambda t: t)
    with pytest.raises(GraphError, match="must return None"):
        (x * 2).backward()


def test_B37_a_hook_on_the_old_value_gets_its_gradient_after_an_in_place_op() -> None:
    x, seen = leaf(1.0), []
    y = x * 2
    y.register_hook(lambda g: seen.append(("old", g.item())))
    y *= 5
    y.register_hook(lambda g: seen.append(("new", g.item())))
    y.backward()
    assert seen == [("new", 1.0), ("old", 5.0)]


def test_B38_a_hook_without_a_name_works() -> None:
    class Nameless:
        def __call__(self, g: Tensor) -> Tensor:
            return given

    x, given = leaf(1.0), Tensor(np.array([5.0]))
    x.register_hook(Nameless())
    (x * 2).backward()
    assert x.grad.item() == 5.0
    given = Tensor(np.ones(2))
    with pytest.raises(ShapeError, match=r"hook Nameless on leaf .* \(2,\), expected \(1,\)"):
        (x * 2).backward()


def test_B39_a_hook_of_several_gradients_fires_once() -> None:
    x, y, z = leaf(1.0), leaf(2.0), leaf(3.0)
    a = x * y
    order: list[Any] = []
    x.register_hook(lambda g: order.append("x"))
    register_multi_grad_hook([x, z, a], lambda grads: order.append(lists(*grads)))
    register_multi_grad_hook([x, z, a], lambda g: order.append(g.item()), mode="any")
    (a * 5).backward()
    assert order == [5.0, "x", [[10.0], None, [5.0]]]


def test_B40_a_full_backward_hook_is_not_called_again_in_the_double_backward() -> None:
    layer, calls = nn.Tanh(), []
    layer.register_full_backward_hook(lambda *_: calls.append("called"))
    x = leaf(0.5)
    (g,) = grad(layer(x * 1), x, create_graph=True)
    (second,) = grad(g, x)
    t = np.tanh(0.5)
    np.testing.assert_allclose(second.data, [-2 * t * (1 - t * t)])
    assert calls == ["called"]


# -- custom functions -----------------------------------------------------------------------------


def test_B41_gradients_of_a_wrong_shape_or_count_raise() -> None:
    def returning(*grads: Any) -> Tensor:
        return custom(lambda ctx, a, b: a + b, lambda ctx, g: grads).apply(x, x)

    x, one = leaf(1.0), np.ones(1)
    returning(one, one, None, None).backward()
    assert x.grad.item() == 2.0
    for grads, text in (
        ((np.ones(2), one), r"Custom .* shape \(2,\) for an input of shape \(1,\)"),
        ((one,), "Custom.backward returned 1 gradients for 2 arguments"),
        ((one, one, one), "Custom.backward returned 3 gradients for 2 arguments"),
    ):
        with pytest.raises(ShapeError, match=text):
            returning(*grads).backward()


def test_B42_none_means_no_gradient_and_propagates() -> None:
    x, seen = leaf(1.0), []
    y = x * 3
    y.register_hook(seen.append)
    z = custom(lambda ctx, a: a * 2, lambda ctx, g: None).apply(np.tanh(y))
    z.backward(retain_graph=True)
    assert (x.grad, seen) == (None, [])
    assert grad(z, x, allow_unused=True) == (None,)


def test_B43_a_cotangent_that_did_not_arrive_is_zeros_or_none_if_asked() -> None:
    for materialize, expected in ((True, [[1.0], [0.0, 0.0]]), (False, [[1.0], None])):
        seen: list[Any] = []

        def forward(ctx: Any, x: Tensor, materialize: bool = materialize) -> Any:
            ctx.set_materialize_grads(materialize)
            return x * 2, ops.concatenate(x, x)

        def backward(ctx: Any, *grads: Any, seen: list[Any] = seen) -> Tensor:
            seen += lists(*grads)
            return grads[0]

        custom(forward, backward).apply(leaf(1.0))[0].backward()
        assert seen == expected


def test_B44_returning_an_input_unchanged_gives_a_new_node() -> None:
    x, seen = leaf(1.0), []
    same = custom(lambda ctx, a: a, lambda ctx, g: g * 10)
    for source in (x, x * 1):
        y = same.apply(source)
        assert y.grad_fn.name == "Custom"
        y.register_hook(lambda g: seen.append(g.item()))
        (y * 2 + source * 5).backward()
    assert seen == [2.0, 2.0]
    assert x.grad.item() == 2 * 25.0


def test_B45_returning_the_same_tensor_twice_works_to_second_order() -> None:
    def twice(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        out = saving_its_output(ctx, x)
        return out, out

    x = leaf(0.5)
    a, b = custom(twice, lambda ctx, ga, gb: (ga + gb) * ctx.saved_tensors[0]).apply(x)
    (g,) = grad(a * 2 + b * 3, x, create_graph=True)
    (second,) = grad(g, x)
    np.testing.assert_allclose([g.item(), second.item()], [5 * np.exp(0.5)] * 2)


def test_B46_values_that_are_no_tensors_pass_through_in_place() -> None:
    def forward(ctx: Any, name: str, x: Tensor, scale: float) -> tuple[Any, ...]:
        ctx.scale = scale
        return name, x * scale, None, scale, x + 1

    seen: list[Any] = []

    def backward(ctx: Any, *grads: Any) -> tuple[Any, ...]:
        seen.extend(lists(*grads))
        return None, grads[1] * ctx.scale + grads[4], None

    x = leaf(2.0)
    name, scaled, nothing, scale, more = custom(forward, backward).apply("text", x, 3.0)
    assert (name, nothing, scale) == ("text", None, 3.0)
    assert lists(scaled, more) == [[6.0], [3.0]]
    (scaled * 5 + more).backward()
    assert seen == [None, [5.0], None, None, [1.0]]
    assert x.grad.item() == 16.0


def test_B47_once_differentiable_does_not_record_and_has_no_second_derivative() -> None:
    recording: list[bool] = []

    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> Tensor:
        recording.append(is_grad_enabled())
        return g * ctx.saved_tensors[0]

    x = leaf(0.5)
    (g,) = grad(custom(saving_its_output, backward).apply(x), x, create_graph=True)
    np.testing.assert_allclose(g.data, np.exp([0.5]))
    assert recording == [False]
    with pytest.raises(GraphError, match="once_differentiable: it has no second derivative"):
        grad(g, x)


def test_B48_results_marked_non_differentiable_require_no_grad() -> None:
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        constant, y = x + 1, x * 2
        ctx.mark_non_differentiable(constant)
        return constant, y

    seen: list[Any] = []
    function = custom(forward, lambda ctx, a, b: (seen.extend(lists(a, b)), b * 2)[1])
    constant, y = function.apply(leaf(1.0))
    assert (constant.requires_grad, y.requires_grad) == (False, True)
    (constant * 7 + y).backward()
    assert seen == [[0.0], [1.0]]


def test_B49_save_for_backward_accepts_none() -> None:
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(None, x, None)
        return x * x

    def backward(ctx: Any, g: Tensor) -> Tensor:
        before, x, after = ctx.saved_tensors
        assert before is after is None
        return g * 2 * x

    x = leaf(3.0)
    (g,) = grad(custom(forward, backward).apply(x), x, create_graph=True)
    assert (g.item(), grad(g, x)[0].item()) == (6.0, 2.0)


def test_B50_a_missing_forward_a_missing_backward_and_two_of_them_are_errors() -> None:
    parts = {"forward": Exp.forward, "backward": Exp.backward, "vjp": Exp.backward}
    for kept, text in (
        (("backward",), r"Bad must define forward\(ctx, \.\.\.\)"),
        (("forward",), r"Bad must define backward\(ctx, \.\.\.\)"),
        (("forward", "backward", "vjp"), "Bad defines backward and vjp"),
    ):
        bad = type("Bad", (Function,), {name: staticmethod(parts[name]) for name in kept})
        with pytest.raises(OpDefinitionError, match=text):
            bad.apply(leaf(1.0))


def test_B51_an_exception_in_backward_reaches_the_caller_and_the_engine_works_after() -> None:
    def fail(ctx: Any, g: Tensor) -> Any:
        raise FloatingPointError("on purpose")

    def nest(ctx: Any, g: Tensor) -> Any:
        with enable_grad():
            fails.apply(leaf(1.0)).backward()

    fails = custom(lambda ctx, x: x * 1, fail)
    x = leaf(1.0)
    for function in (fails, custom(lambda ctx, x: x * 1, nest)):
        for create_graph in (False, True):
            with pytest.raises(FloatingPointError, match="on purpose"):
                (function.apply(x) + x).backward(create_graph=create_graph)
            assert is_grad_enabled()
    assert x.grad is None
    (x * x).backward()
    assert x.grad.item() == 2.0


def test_B52_backward_inside_backward_works_to_depth_2_000() -> None:
    def forward(ctx: Any, x: Tensor, depth: int) -> Tensor:
        ctx.depth = depth
        return x * 1

    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        if not ctx.depth:
            return g, None
        inner = leaf(1.0)
        with enable_grad():
            level.apply(inner, ctx.depth - 1).backward()
        return g + inner.grad, None

    level = custom(forward, backward)
    x = leaf(1.0)
    level.apply(x, 2000).backward()
    assert x.grad.item() == 2001.0


# -- in-place, views, modes -----------------------------------------------------------------------


def test_B53_overwriting_a_value_raises_at_backward_only_if_it_was_saved() -> None:
    def under_no_grad(t: Tensor) -> None:
        with no_grad():
            t += 1

    x = leaf(0.5, 1.0)
    for write in (lambda t: t.add_(1), under_no_grad, lambda t: t.detach().add_(1)):
        saved = np.exp(x)  # saves its result
        z = saved.sum()
        write(saved)
        with pytest.raises(
            GraphError, match=r"exp saved its 'out'.*overwritten since by .*\.py:\d"
        ):
            z.backward()
        middle = x * 1
        z = np.exp(middle).sum()
        write(middle)  # exp does not need its input
        np.testing.assert_allclose(grad(z, x)[0].data, np.exp(x.data))
    assert x.grad is None


def test_B54_writing_into_a_leaf_or_a_view_of_it_raises_at_once() -> None:
    x = leaf([1.0, 2.0], [3.0, 4.0])
    for write in (x.zero_, x.T.zero_, x[0].zero_, lambda: x.__setitem__(0, 5.0)):
        with pytest.raises(GraphError, match="a leaf that requires grad"):
            write()
        assert x.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert x.version == 0


def test_B55_writing_through_a_view_updates_the_grads_of_base_and_siblings() -> None:
    x = leaf([1.0, 2.0], [3.0, 4.0])
    y = x * 1
    y[0:1].mul_(2)
    assert grad(y.sum(), x)[0].tolist() == [[2.0, 2.0], [1.0, 1.0]]
    y = x * 1
    sibling, corner = y.reshape(4), y.T[1:][0, :1]  # a view of a view of a view, not contiguous
    corner *= 10
    assert sibling.tolist() == [1.0, 20.0, 3.0, 4.0]
    assert grad(sibling.sum(), x)[0].tolist() == [[1.0, 10.0], [1.0, 1.0]]
    u = leaf(3.0)
    y = x * x
    y[:, 1] *= u  # (x^2 u)^2 in the second column, x^4 in the first
    g, gu = grad((y * y).sum(), [x, u], create_graph=True)
    second, mixed = grad(g.sum(), [x, u])
    scale = np.array([1.0, 9.0])
    np.testing.assert_allclose(g.data, 4 * x.data**3 * scale)
    np.testing.assert_allclose(gu.data, [2 * 3 * (2.0**4 + 4.0**4)])
    np.testing.assert_allclose(second.data, 12 * x.data**2 * scale)
    np.testing.assert_allclose(mixed.data, [8 * 3 * (2.0**3 + 4.0**3)])


def test_B56_a_base_without_grad_starts_to_need_it_old_views_included() -> None:
    base, u = Tensor(np.ones((2, 2))), leaf(5.0, 6.0)
    old = base.T
    part = base[0]
    part.mul_(u)
    assert [t.requires_grad for t in (base, old, part)] == [True] * 3
    (old * old).sum().backward()
    assert u.grad.tolist() == [10.0, 12.0]


def test_B57_setitem_moves_the_gradient_of_a_region_to_the_value() -> None:
    mask = np.array([[True, False, True], [False, False, True]])
    for index in (1, (0, 2), slice(0, 1), [1, 0], mask, (slice(None), [0, 2]), (0, slice(1, 3))):
        x, value = leaf([1.0, 2.0, 3.0], [4.0, 5.0, 6.0]), leaf(7.0)[0]
        y = x * 1
        y[index] = value
        expected, region = x.data.copy(), np.zeros((2, 3))
        expected[index], region[index] = 7.0, 1.0
        assert y.tolist() == expected.tolist()
        gx, g = grad((y * 3).sum(), [x, value])
        assert gx.tolist() == (3 - 3 * region).tolist()
        assert g.item() == 3 * region.sum()  # summed over the broadcast


def test_B58_repeated_indices_add_up() -> None:
    x = leaf([1.0, 2.0], [3.0, 4.0], [5.0, 6.0])
    (g,) = grad((x[[0, 2, 0]] * [[1.0], [10.0], [100.0]]).sum(), x)
    assert g.tolist() == [[101.0, 101.0], [0.0, 0.0], [10.0, 10.0]]
    (g,) = grad(x[[1, 1, 1], [0, 1, 0]].sum(), x)
    assert g.tolist() == [[0.0, 0.0], [2.0, 1.0], [0.0, 0.0]]


def test_B59_the_version_is_shared_by_views_and_counts_writes() -> None:
    base = leaf(1.0, 2.0) * 1
    view, detached, copy = base[1:], base.detach(), base.clone()
    for count, write in enumerate((base.zero_, view.zero_, detached.zero_), start=1):
        write()
        assert [t.version for t in (base, view, detached, base.T, copy)] == [count] * 4 + [0]


def test_B60_pieces_of_a_split_can_be_written_with_the_right_gradients() -> None:
    """PyTorch refuses writes into one of several views; here their gradients are right."""
    for pieces in (lambda y: ops.split(y, 2), ops.unbind):
        x = leaf([1.0, 2.0], [3.0, 4.0])
        y = x * 1
        first, second = pieces(y)
        first *= 5
        second *= first.reshape(second.shape)
        np.testing.assert_array_equal(y.data, [[5.0, 10.0], [15.0, 40.0]])
        (g,) = grad(y.sum(), x)
        assert g.tolist() == [[5.0 * (1 + 3), 5.0 * (1 + 4)], [5.0, 10.0]]


def test_B61_no_grad_in_every_form_restores_the_mode() -> None:
    @types.coroutine
    def pause() -> Generator[bool]:
        yield is_grad_enabled()

    @no_grad()
    async def coroutine() -> bool:
        await pause()
        return is_grad_enabled()

    @no_grad
    def generator() -> Generator[bool]:
        try:
            yield is_grad_enabled()
            yield is_grad_enabled()
        finally:
            closed.append(is_grad_enabled())

    closed: list[bool] = []
    assert (no_grad(is_grad_enabled)(), no_grad()(is_grad_enabled)()) == (False, False)
    waiting = coroutine()
    assert [waiting.send(None), is_grad_enabled()] == [False, True]
    with pytest.raises(StopIteration) as end:
        waiting.send(None)
    assert end.value.value is False
    for finish in (list, lambda steps: steps.close(), lambda steps: steps.throw(KeyError())):
        steps = generator()
        assert [next(steps), is_grad_enabled()] == [False, True]
        try:
            finish(steps)
        except KeyError:
            closed.append(is_grad_enabled())
    assert closed == [False, False, False, True]
    with no_grad():
        with enable_grad(), no_grad():
            assert not (leaf(1.0) * 2).requires_grad
        assert not is_grad_enabled()
    with pytest.raises(KeyError), no_grad():
        raise KeyError
    assert is_grad_enabled()


def test_B62_an_inference_tensor_cannot_be_saved_for_backward() -> None:
    x = leaf(2.0)
    with inference_mode():
        made = x * 3
    with pytest.raises(GraphError, match=r"multiply: .*inference_mode.*clone\(\)"):
        x * made
    (x * made.clone() + made).backward()
    assert x.grad.item() == 6.0


def test_B63_saved_tensors_hooks(tmp_path: Path) -> None:
    files: list[Path] = []

    def to_disk(t: Tensor) -> Path:
        files.append(tmp_path / f"{len(files)}.npy")
        np.save(files[-1], t.data)
        return files[-1]

    def fail(_: Any) -> Any:
        raise KeyError("lost")

    x = leaf(0.5)
    with (
        saved_tensors_hooks(fail, fail),
        saved_tensors_hooks(to_disk, lambda p: Tensor(np.load(p))),
    ):
        y = np.sin(x)  # the inner pair wins
    (g,) = grad(y, x, create_graph=True)
    (second,) = grad(g, x)
    np.testing.assert_allclose([g.item(), second.item()], [np.cos(0.5), -np.sin(0.5)])
    assert len(files) == 1
    with saved_tensors_hooks(fail, fail), pytest.raises(KeyError, match="lost"):
        np.sin(x)
    with saved_tensors_hooks(lambda t: t, fail):
        y = np.sin(x)
    with pytest.raises(KeyError, match="lost"):
        y.backward()
    with saved_tensors_hooks(Tensor.zero_, fail), pytest.raises(GraphError, match="read-only"):
        np.sin(x)
    assert x.tolist() == [0.5]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_B64_anomaly_mode_names_op_gradient_line_and_parent() -> None:
    line = r"called at .*test_behaviours\.py:\d+"
    x = leaf(1e-300)
    bad = custom(lambda ctx, a, b: a + b, lambda ctx, g: (g, g * np.nan))
    with detect_anomaly():
        with pytest.raises(AnomalyError, match=rf"backward of Custom, {line}: .* number 1, .* nan"):
            bad.apply(x, x).backward()
        with detect_anomaly(check_nan=False):
            bad.apply(x, x).backward()
        with pytest.raises(AnomalyError, match="Custom"):  # the outer mode again
            bad.apply(x, x).backward()
        (g,) = grad(np.sqrt(x), x, create_graph=True)
        with pytest.raises(AnomalyError, match=rf"the backward of sqrt, {line}: .*inf at"):
            (g**2).backward()
        with pytest.raises(AnomalyError, match=rf"log, {line}: its result"):
            np.log(x - 1)
    y = bad.apply(x, x)
    with detect_anomaly(), pytest.raises(AnomalyError, match="no information on its forward"):
        y.backward()
    bad.apply(x, x).backward()


def test_B64_checkpointing_gives_the_same_grads_for_less_memory() -> None:
    def block(h: Tensor, scale: float = 1.0) -> Tensor:
        for _ in range(8):
            h = np.sin(h) * scale
        return h

    def plain(h: Tensor) -> Tensor:
        return block(block(h), scale=0.5)

    def nested(h: Tensor) -> Tensor:
        return checkpoint(lambda a: checkpoint(block, a, scale=0.5), checkpoint(block, h))

    def kept(function: Callable[[Tensor], Tensor]) -> int:
        tracemalloc.start()
        try:
            result = function(x)
            assert result.requires_grad
            return tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()

    x, results = leaf(*np.linspace(0.1, 1.0, 10_000)), []
    assert kept(nested) < kept(plain) / 3
    for function in (plain, nested):
        y = function(x * 1)
        (g,) = grad(y.sum(), x, create_graph=True)
        results.append([y.data, g.data, grad((g * g).sum(), x)[0].data])
    np.testing.assert_array_equal(*results)

    def otherwise(h: Tensor, shorter: bool) -> Tensor:
        runs.append(1)
        return np.sin(h[: len(runs)] if shorter else np.sin(h) if runs[1:] else h)

    for shorter, text in (
        (False, "1 arrays at first and 2"),
        (True, r"float64\[1\] as array 0 at first and float64\[2\]"),
    ):
        runs: list[int] = []
        with pytest.raises(GraphError, match=f"checkpoint: otherwise saved {text}"):
            checkpoint(otherwise, x, shorter).sum().backward()


# -- PyTorch is asked the same ------------------------------------------------------------------


class Dgrad:
    """What the programs below need, by names that both libraries can fill."""

    grad, backward, no_grad = staticmethod(grad), staticmethod(backward), no_grad
    register_multi_grad_hook = staticmethod(register_multi_grad_hook)
    leaf = staticmethod(leaf)

    @staticmethod
    def node(t: Any) -> Any:
        return t.node


def pytorch() -> Any:
    torch = pytest.importorskip("torch", reason="the oracle of this test is PyTorch")
    return types.SimpleNamespace(
        grad=torch.autograd.grad,
        backward=torch.autograd.backward,
        no_grad=torch.no_grad,
        register_multi_grad_hook=torch.autograd.graph.register_multi_grad_hook,
        leaf=lambda *values: torch.tensor(values, dtype=torch.float64, requires_grad=True),
        node=lambda t: t.grad_fn or t.view_as(t).grad_fn.next_functions[0][0],
    )


def roots_and_repeats(lib: Any) -> Any:  # B04, B05, B18
    x = lib.leaf(1.0, 2.0)
    y = x * x
    root, other = (y * y).sum(), y.sum()
    lib.backward([root, other, root], retain_graph=True)
    first = x.grad
    other.backward()
    return x.grad is first, x.grad


def inputs_that_are_not_reached(lib: Any) -> Any:  # B07, B08, B10
    x, stranger = lib.leaf(1.0, 2.0), lib.leaf(3.0)
    y = x * 3
    loss = (y * y).sum()
    found = lib.grad(loss, [x, stranger], materialize_grads=True, retain_graph=True)
    loss.backward(inputs=[y, stranger])
    return x.grad, y.grad, stranger.grad, *found


def orders_of_hooks(lib: Any) -> Any:  # B32, B33, B34
    x, order = lib.leaf(1.0), []
    y = x * 2
    y.retain_grad()
    x.register_post_accumulate_grad_hook(lambda t: order.append(("x holds", t.grad.item())))
    nodes = {"x": lib.node(x), "y": lib.node(y)}
    for name, t in (("x", x), ("y", y)):
        nodes[name].register_hook(lambda a, b, name=name: order.append((name, "post")))
        nodes[name].register_prehook(lambda a, name=name: order.append((name, a[0].item())))
        t.register_hook(lambda g, name=name: order.append((name, "tensor")) or g * 3)
    (y * 5 + y).backward()
    return order, x.grad, y.grad


def captured_hooks(lib: Any) -> Any:  # B35
    x, seen = lib.leaf(1.0), []
    y = x * 2
    y.register_hook(lambda g: g * 10)
    lib.node(y).register_prehook(lambda grads: seen.append("pre"))
    return lib.grad(y * 3, y)[0], seen


def hooks_of_several(lib: Any) -> Any:  # B37, B39
    x, z, order = lib.leaf(1.0), lib.leaf(2.0), []
    y = x * 2
    for t in (x, y):
        t.register_hook(lambda g: order.append(g.item()))
    y *= 5
    y.register_hook(lambda g: order.append(-g.item()))

    def note(grads: Any) -> None:
        order.append([None if g is None else g.item() for g in grads])

    lib.register_multi_grad_hook([y, z, x], note)
    lib.register_multi_grad_hook([x, y], lambda g: order.append("any"), mode="any")
    (y * 7).backward()
    return order


def writes_through_views(lib: Any) -> Any:  # B55, B56, B57
    x, u = lib.leaf([1.0, 2.0, 3.0], [4.0, 5.0, 6.0]), lib.leaf(2.0, 3.0)
    y = x * x
    sibling = y.reshape(6)
    y.T[1:][0] *= u
    y[1, ::2] = u * 10
    sibling[0] = u[0]
    found = lib.grad((sibling * sibling).sum(), [x, u], create_graph=True)
    return (y, *found, *lib.grad(sum((g * g).sum() for g in found), [x, u]))


def versions(lib: Any) -> Any:  # B53, B54, B59
    x = lib.leaf(1.0, 2.0)
    outcomes = []
    for function in (lambda t: t * t, lambda t: t + t):
        y = x * 1
        z = function(y)
        with lib.no_grad():
            y.add_(1)
        try:
            z.sum().backward()
            outcomes.append("right")
        except RuntimeError:
            outcomes.append("refused")
    return outcomes


PROGRAMS = [
    *(roots_and_repeats, inputs_that_are_not_reached, orders_of_hooks, captured_hooks),
    *(hooks_of_several, writes_through_views, versions),
]


def plain(value: Any) -> Any:
    """Tensors of either library as nested lists."""
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value.tolist() if hasattr(value, "tolist") else value


@pytest.mark.parametrize("program", PROGRAMS)
def test_pytorch_does_the_same(program: Callable[[Any], Any]) -> None:
    assert plain(program(Dgrad)) == plain(program(pytorch()))
