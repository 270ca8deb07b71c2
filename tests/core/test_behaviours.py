"""The engine's 64 behaviours, each asserted once, in the order of their list (B01 to B64).

Where dgrad differs from PyTorch on purpose, the docstring says so. The other files of this folder
test most of them in more depth, under the same ids; PyTorch itself is asked at the end.
"""

from __future__ import annotations

import gc
import sys
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
    x, y = leaf(1.0), leaf(1.0)
    parts = [x + 2, y + 2, x + 2]
    total = parts[0] + parts[1] + parts[2]  # hands its cotangent to all three, unchanged
    for _ in range(4):  # a longer way, so that all three wait for more
        parts = [part * 2 for part in parts]
    (total + (parts[0] + parts[1] + parts[2])).backward()
    assert (x.grad.item(), y.grad.item()) == (34.0, 17.0)


def test_B22_two_leaves_fed_one_cotangent_get_buffers_of_their_own() -> None:
    def address(array: np.ndarray) -> int:
        return int(array.__array_interface__["data"][0])

    made: list[int] = []

    def both(ctx: Any, g: Tensor) -> tuple[np.ndarray, np.ndarray]:
        array = np.ones(4)
        made.append(address(array))
        return array, array

    x, y = leaf(1.0, 2.0, 3.0, 4.0), leaf(1.0, 2.0, 3.0, 4.0)
    custom(lambda ctx, a, b: a + b, both).apply(x, y).sum().backward()
    assert not np.shares_memory(x.grad.data, y.grad.data)
    assert [address(t.grad.data) for t in (x, y)].count(made[0]) <= 1
    x.grad.data[:] = 50
    assert y.grad.tolist() == [1.0] * 4


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
    def halved(x: Any) -> Any:
        return x * 0.5

    halved.vjp(x=lambda g: g * 0.5)
    double = custom(lambda ctx, x: x * 2, lambda ctx, g: g * 2)
    assert sys.getrecursionlimit() < DEEP // 100

    def skipping(y: Tensor, i: int) -> Tensor:
        nonlocal skip
        if i % 10 == 0:
            y, skip = y - skip * 0.0, y
        return y + 1.0

    for step in (skipping, lambda y, i: double.apply(y) if i % 2 else halved(y)):
        x = leaf(1.0)
        y = skip = x
        for i in range(DEEP):
            y = step(y, i)
        y.backward()
        assert x.grad.item() == 1.0
        y = skip = leaf(1.0)
    assert y.is_leaf


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

    y, seen = leaf(1.0) * 2, []
    y.register_hook(lambda g, node=y.grad_fn, token=Token(): seen.append((node.name, token)))
    z = y * 3
    del y
    gc.collect()
    z.backward()
    ((name, token),) = seen
    assert name == "multiply"
    alive = weakref.ref(token)
    del z, token, seen[:]
    gc.collect()
    assert alive() is None


# -- hooks ----------------------------------------------------------------------------------------


def test_B32_hooks_run_in_order_replace_keep_and_are_removed() -> None:
    x, seen = leaf(1.0), []
    y = x * 2
    for kind in (x.register_hook, y.node.register_prehook):
        seen.clear()
        shown = (lambda g: g) if kind == x.register_hook else (lambda grads: grads[0])
        kind(lambda g: seen.append(shown(g).item()))  # returns None: keeps it
        first = kind(lambda g: shown(g) * 10)
        kind(lambda g: seen.append(shown(g).item()))
        kind(lambda g: later.remove())
        later = kind(lambda g: seen.append("removed by the hook before it"))
        incoming = y.grad
        y.backward(retain_graph=True)
        first.remove()
        y.backward(retain_graph=True)
        assert seen == [2.0, 20.0, 2.0, 2.0], incoming
