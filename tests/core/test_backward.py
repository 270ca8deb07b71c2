"""The walk: what arrives, where, in whose buffer, and what is left when it fails.

B and P numbers are those of the engine's list of behaviours and of naive engines' mistakes.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from dgrad import Function, Tensor, grad, no_grad, op, ops
from dgrad.core.backward import backward
from dgrad.errors import DtypeError, GraphError, ShapeError


def leaf(*shape: int, value: float = 1.0, dtype: Any = np.float64) -> Tensor:
    return Tensor(np.full(shape, value, dtype), requires_grad=True)


def test_B01_a_root_without_graph_is_refused() -> None:
    with pytest.raises(GraphError, match=r"backward: .*does not require grad"):
        Tensor([1.0]).backward()
    with pytest.raises(GraphError, match=r"grad: .*does not require grad"):
        grad(Tensor([1.0]), leaf(1))


def test_B02_a_root_of_several_elements_needs_a_seed_and_the_error_names_the_op() -> None:
    with pytest.raises(GraphError, match=r"result of tanh has shape \(3,\)"):
        ops.tanh(leaf(3)).backward()


@pytest.mark.parametrize("shape", [(), (2,), (3, 1), (1, 3)])
def test_B02_a_seed_of_another_shape_is_refused_with_both_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"for tanh has shape \(.*\), its output \(3,\)"):
        ops.tanh(leaf(3)).backward(np.ones(shape))


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_B02_a_single_element_starts_with_one(shape: tuple[int, ...]) -> None:
    x = leaf(*shape, value=3.0)
    (x * x).backward()
    assert x.grad.data.shape == shape
    assert x.grad.data.item() == 6.0


@pytest.mark.parametrize("create_graph", [False, True])
def test_B03_backward_on_a_leaf_stores_a_copy_of_the_seed(create_graph: bool) -> None:
    x, seed = leaf(3), np.array([1.0, 2.0, 3.0])
    x.backward(seed, create_graph=create_graph)
    np.testing.assert_array_equal(x.grad.data, seed)
    assert not np.shares_memory(x.grad.data, seed)


def test_B04_several_roots_add_up_and_a_root_given_twice_counts_twice() -> None:
    x = leaf(2)
    backward([(x * 2).sum(), (x * 3).sum()])
    np.testing.assert_array_equal(x.grad.data, [5, 5])
    x, y = leaf(2), leaf(2)
    root = (x * y * 2).sum()
    backward([root, root], [1.0, 10.0])
    np.testing.assert_array_equal(x.grad.data, [22, 22])


@pytest.mark.parametrize("order", [1, -1])
def test_B05_roots_may_depend_on_each_other(order: int) -> None:
    x = leaf(1, value=2.0)
    y = x * x
    z = y * y  # dz/dx = 4 x^3 = 32, dy/dx = 4
    backward([y, z][::order])
    np.testing.assert_array_equal(x.grad.data, [36])


def test_B06_a_root_without_grad_among_others_changes_nothing() -> None:
    x = leaf(1)
    with pytest.raises(GraphError, match="does not require grad"):
        backward([x * 2, Tensor([1.0])])
    assert x.grad is None


def test_B07_inputs_limits_what_is_filled() -> None:
    x, w = leaf(2), leaf(2, value=3.0)
    y = x * w
    root = (y * y).sum()
    root.backward(inputs=w, retain_graph=True)
    assert x.grad is None
    np.testing.assert_array_equal(w.grad.data, [6, 6])
    root.backward(inputs=[y, y])  # a non-leaf, given twice
    np.testing.assert_array_equal(y.grad.data, [6, 6])
    assert x.grad is None


def test_B07_inputs_that_retain_grad_are_filled_once() -> None:
    x = leaf(1)
    y = x * 2
    z = y * 3
    y.retain_grad()
    (z * z).backward(inputs=[y])
    np.testing.assert_array_equal(y.grad.data, [36])


@pytest.mark.parametrize(
    ("inputs", "error", "text"),
    [
        ([], ValueError, "backward: inputs is empty"),
        ([Tensor([1.0])], GraphError, r"backward: inputs\[0\] does not require grad"),
        ([np.ones(1)], TypeError, "inputs: expected Tensors, got ndarray"),
        (3.0, TypeError, "inputs: expected Tensors, got float"),
    ],
)
def test_B07_inputs_are_checked(inputs: Any, error: type[Exception], text: str) -> None:
    x = leaf(1)
    with pytest.raises(error, match=text):
        (x * 2).backward(inputs=inputs)
    assert x.grad is None


def test_B08_an_unreachable_entry_of_inputs_stays_none() -> None:
    x, stranger = leaf(1), leaf(1)
    (x * 2).backward(inputs=[stranger, x])
    assert stranger.grad is None
    np.testing.assert_array_equal(x.grad.data, [2])


def test_B09_grad_touches_no_grad_attribute() -> None:
    x = leaf(2)
    y = x * 2
    y.retain_grad()
    (gx,) = grad((y * y).sum(), x)
    np.testing.assert_array_equal(gx.data, [8, 8])
    assert x.grad is None
    assert y.grad is None


def test_B10_an_unreachable_input_of_grad() -> None:
    x, stranger = leaf(1), leaf(1)
    with pytest.raises(GraphError, match=r"inputs\[1\].*allow_unused=True"):
        grad(x * 2, [x, stranger])
    gx, nothing = grad(x * 2, [x, stranger], allow_unused=True)
    np.testing.assert_array_equal(gx.data, [2])
    assert nothing is None


def test_B12_grad_without_inputs_is_refused() -> None:
    with pytest.raises(ValueError, match="grad: inputs is empty"):
        grad(leaf(1) * 2, [])


@pytest.mark.usefixtures("scratch_ops")
def test_B13_only_nodes_between_outputs_and_inputs_run() -> None:
    ran = []

    @op
    def watched(x: Any) -> Any:
        return x + 0

    watched.vjp(x=lambda g: ran.append(1) or g)
    x, w = leaf(1), leaf(1)
    root = watched(x) * w
    grad(root, w, retain_graph=True)
    grad(root, [w, leaf(1)], allow_unused=True, retain_graph=True)
    root.backward(inputs=[w], retain_graph=True)
    assert ran == []
    grad(root, x)
    assert ran == [1]


def test_B13_nodes_past_a_captured_tensor_do_not_run() -> None:
    x = leaf(1)
    y = ops.tanh(x)
    grad(y * 2, y)
    y.backward()  # tanh has not been walked, so its output is still there
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.data, 1 - np.tanh(x.data) ** 2)


class Pair(Function):
    """(2 a, 3 b)."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        return a * 2, b * 3

    @staticmethod
    def backward(ctx: Any, ga: Tensor, gb: Tensor) -> tuple[Tensor, Tensor]:
        return ga * 2, gb * 3


def test_B14_two_outputs_of_one_op_are_captured_separately() -> None:
    x, y = leaf(1), leaf(1)
    a, b = Pair.apply(x, y)
    ga, gb, gx = grad(a * 5 + b * 7, [a, b, x])
    assert [t.data.item() for t in (ga, gb, gx)] == [5.0, 7.0, 10.0]


def test_P07_an_output_that_nothing_used_gives_zeros() -> None:
    x, y = leaf(2), leaf(2)
    a, _ = Pair.apply(x, y)
    a.sum().backward()
    np.testing.assert_array_equal(x.grad.data, [2, 2])
    np.testing.assert_array_equal(y.grad.data, [0, 0])


def test_B15_a_backward_in_two_parts_equals_one() -> None:
    def parts() -> tuple[Tensor, Tensor, Tensor]:
        x = Tensor(np.linspace(0.1, 1, 4), requires_grad=True)
        y = ops.tanh(x * x)
        return x, y, (ops.exp(y) * y).sum()

    whole, _, root = parts()
    root.backward()
    x, y, root = parts()
    y.backward(grad(root, y)[0])
    np.testing.assert_array_equal(x.grad.data, whole.grad.data)


@pytest.mark.parametrize("create_graph", [False, True])
def test_B16_P14_the_seed_is_never_modified_nor_shared(create_graph: bool) -> None:
    x, y, seed = leaf(3), leaf(3), Tensor(np.array([1.0, 2.0, 3.0]))
    root = x + y + x
    for _ in range(2):
        root.backward(seed, create_graph=create_graph)
    np.testing.assert_array_equal(seed.data, [1, 2, 3])
    np.testing.assert_array_equal(x.grad.data, [4, 8, 12])
    np.testing.assert_array_equal(y.grad.data, [2, 4, 6])
    assert not np.shares_memory(y.grad.data, seed.data)


def test_B18_backward_adds_in_place_unless_the_gradient_is_recorded() -> None:
    x = leaf(2)
    (x * 2).sum().backward()
    first, array = x.grad, x.grad.data
    (x * 3).sum().backward()
    assert x.grad is first
    assert x.grad.data is array
    np.testing.assert_array_equal(array, [5, 5])
    (x * x).sum().backward(create_graph=True)
    assert x.grad is not first
    np.testing.assert_array_equal(array, [5, 5])  # P19: what somebody may hold stays
    np.testing.assert_array_equal(x.grad.data, [7, 7])


def test_P19_a_recorded_gradient_keeps_its_history_when_more_is_added() -> None:
    x = leaf(1, value=2.0)
    (x * x * x).backward(create_graph=True)  # 3 x^2
    recorded = x.grad
    y = x * 5
    with no_grad():
        y.backward()
    assert recorded.item() == 12.0
    assert x.grad.data.item() == 17.0
    assert grad(x.grad, x)[0].data.item() == 12.0  # d(3 x^2 + 5)/dx


def test_create_graph_inside_no_grad_still_records() -> None:
    x = leaf(1, value=2.0)
    y, z = x * x * x, x * x
    with no_grad():
        y.backward(create_graph=True)
        z.backward(create_graph=True)
        (gx,) = grad(z, x, create_graph=True)
    assert grad(x.grad, x)[0].data.item() == 14.0  # d(3 x^2 + 2 x)/dx
    assert grad(gx, x)[0].data.item() == 2.0


@pytest.mark.parametrize("shapes", [((0,), (1,)), ((3, 0), (1, 1)), ((0, 2), (2,)), ((0,), (0,))])
def test_B19_P18_P20_size_zero_operands(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    x, y = (leaf(*shape) for shape in shapes)
    (x * y).sum().backward()
    for t in (x, y):
        assert t.grad.shape == t.shape
        np.testing.assert_array_equal(t.grad.data, np.zeros(t.shape))


def test_B20_an_assigned_grad_is_added_to_checked_and_deleted() -> None:
    x = leaf(2)
    x.grad = np.array([10.0, 20.0])
    (x * 2).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [12, 22])
    with pytest.raises(ShapeError, match=r"\(3,\).*\(2,\)"):
        x.grad = np.ones(3)
    with pytest.raises(DtypeError, match=r"float32.*float64"):
        x.grad = np.ones(2, np.float32)
    del x.grad
    assert x.grad is None


def test_P15_an_assigned_read_only_grad_is_replaced() -> None:
    x = leaf(2)
    x.grad = np.broadcast_to(np.float64(1.0), (2,))
    (x * 2).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [3, 3])


def test_B21_one_cotangent_into_three_buffers_is_not_shared() -> None:
    x = leaf(1)
    a, b, c = x + 0, x + 0, x + 0
    (a + (b + c) + b * 16 + c * 16).backward(retain_graph=True)
    ga, gb, gc = grad(a + (b + c) + b * 16 + c * 16, [a, b, c])
    assert [t.data.item() for t in (ga, gb, gc)] == [1.0, 17.0, 17.0]
    assert x.grad.data.item() == 35.0


@pytest.mark.parametrize("create_graph", [False, True])
def test_B22_two_leaves_fed_the_same_cotangent_do_not_share_it(create_graph: bool) -> None:
    x, y = leaf(4), leaf(4)
    (ops.tanh(x + y) * 2).sum().backward(create_graph=create_graph)
    assert not np.shares_memory(x.grad.data, y.grad.data)
    x.grad.data[:] = 0
    assert y.grad.data.all()


@pytest.mark.parametrize("create_graph", [False, True])
def test_B23_P15_an_expanded_cotangent_is_copied(create_graph: bool) -> None:
    x = leaf(3, 4)
    x.sum().backward(create_graph=create_graph)
    assert x.grad.data.flags.writeable
    assert 0 not in x.grad.data.strides


def test_B25_a_second_walk_through_saved_values_names_the_op() -> None:
    x = leaf(2)
    y = ops.tanh(x)
    y.backward(np.ones(2))
    with pytest.raises(GraphError, match=r"tanh were freed.*retain_graph=True"):
        y.backward(np.ones(2))
    np.testing.assert_array_equal(x.grad.data, 1 - np.tanh([1.0, 1.0]) ** 2)
    z = (x + x) - 3
    z.backward(np.ones(2))  # nothing saved: walking again is fine
    z.backward(np.ones(2))


def test_B26_B27_retain_graph_and_create_graph_permit_a_second_walk() -> None:
    x = leaf(2)
    y = ops.tanh(x).sum()
    y.backward(retain_graph=True)
    y.backward(create_graph=True)  # keeps them too
    y.backward()
    np.testing.assert_allclose(x.grad.data, 3 * (1 - np.tanh([1.0, 1.0]) ** 2))


def test_P51_create_graph_can_be_told_not_to_retain() -> None:
    x = leaf(1)
    y = ops.tanh(x)
    grad(y, x, create_graph=True, retain_graph=False)
    with pytest.raises(GraphError, match="freed"):
        y.backward()


def test_P60_a_partly_freed_graph_names_the_freed_op_and_the_rest_works() -> None:
    x = leaf(1)
    shared = ops.exp(x)
    left, right = ops.tanh(shared), shared * shared
    left.backward()
    with pytest.raises(GraphError, match="of exp were freed"):
        right.backward(inputs=[x])
    assert x.grad.data.size == 1
    other = leaf(1)
    (other * other).backward()
    assert other.grad.data.item() == 2.0


# -- order and accumulation -----------------------------------------------------------------------


def test_P01_a_diamond_runs_each_node_once_after_all_its_consumers() -> None:
    x = leaf(1, value=3.0)
    y = x * x
    (ops.exp(y * 0) * y + y).backward()  # e^0 y + y, and the exp path gives 0 * y
    np.testing.assert_array_equal(x.grad.data, [12])


def test_P02_shared_nodes_are_not_visited_once_per_path() -> None:
    x = leaf(1)
    y = x
    for _ in range(60):  # 2^60 paths
        y = y + y
    y.backward()
    np.testing.assert_array_equal(x.grad.data, [2.0**60])


@pytest.mark.parametrize("create_graph", [False, True])
def test_P03_the_same_tensor_twice_in_one_op(create_graph: bool) -> None:
    x = leaf(2, value=3.0)
    ops.concatenate(x * x, x, x).sum().backward(create_graph=create_graph)
    np.testing.assert_array_equal(x.grad.data, [8, 8])


def test_P04_P05_a_consumer_that_is_not_reached_does_not_block() -> None:
    x = leaf(1)
    y = x * 2
    unused = ops.exp(y)
    (y * 3).backward()
    np.testing.assert_array_equal(x.grad.data, [6])
    assert unused.requires_grad


@pytest.mark.usefixtures("scratch_ops")
def test_P06_a_rule_that_returns_none_ends_its_path() -> None:
    @op
    def stop(x: Any) -> Any:
        return x * 1

    stop.vjp(x=lambda g: None)
    x = leaf(1)
    (stop(x) + x * 3).backward()
    np.testing.assert_array_equal(x.grad.data, [3])
    x = leaf(1)
    stop(x).backward()
    assert x.grad is None


def test_P10_sums_repeat_bit_for_bit() -> None:
    def once() -> np.ndarray:
        rng = np.random.default_rng(0)
        x = Tensor(rng.normal(size=50).astype(np.float32), requires_grad=True)
        parts = [ops.tanh(x * float(a)) for a in rng.normal(size=40)]
        total = parts[0]
        for part in parts[1:]:
            total = total + part * parts[3]
        total.sum().backward()
        return x.grad.data

    expected = once()
    for _ in range(3):
        np.testing.assert_array_equal(once(), expected)


# -- buffers: no leaf's gradient may share memory with anything else ------------------------------

CACHE = np.ones(4)
CACHED_LIST = [np.ones(4), np.ones(4)]


def _frozen_ones() -> np.ndarray:
    array = np.ones(4)
    array.flags.writeable = False
    return array


def _view_of_fresh(g: Any) -> Any:
    return np.ones(8)[::2]


JOINT_RULES: dict[str, Any] = {
    "the cotangent": lambda g: (g, g),
    "one fresh array twice": lambda g: [a := g * 1, a],
    "an array and its view": lambda g: [a := g * 1, a[:]],
    "module arrays": lambda g: (CACHE, CACHE),
    "a module list": lambda g: CACHED_LIST,
    "saved values": lambda g, x, y: (x, y),
    "the output": lambda g, out: (out, out),
    "read-only arrays": lambda g: (_frozen_ones(), _frozen_ones()),
    "views of fresh arrays": lambda g: (_view_of_fresh(g), _view_of_fresh(g)),
    "stride 0": lambda g: (np.broadcast_to(1.0, (4,)), np.broadcast_to(1.0, (4,))),
    "Tensors": lambda g: [t := Tensor(np.ones(4)), t],
    "lists": lambda g: ([1.0] * 4, [1.0] * 4),
    "fresh arrays": lambda g: (g * 1, g * 1),
}
SINGLE_RULES: dict[str, Any] = {
    "the cotangent": {"x": lambda g: g, "y": lambda g: g},
    "a module array": {"x": lambda g: CACHE, "y": lambda g: CACHE},
    "saved values": {"x": lambda g, x: x, "y": lambda g, y: y},
    "the other input": {"x": lambda g, y: y, "y": lambda g, x: x},
    "the output": {"x": lambda g, out: out, "y": lambda g, out: out},
    "a view": {"x": lambda g: g[:], "y": lambda g: g.reshape(4)},
    "read-only": {"x": lambda g: _frozen_ones(), "y": lambda g: _frozen_ones()},
    "numpy scalars for 0-d": {"x": lambda g: g + 0, "y": lambda g: g + 0},
}


def _check_nothing_shared(x: Tensor, y: Tensor, others: list[np.ndarray]) -> None:
    """Both gradients can be written to, and nobody else sees it."""
    arrays = [x.grad.data, y.grad.data]
    for i, mine in enumerate(arrays):
        assert mine.flags.writeable
        for other in [*arrays[:i], *arrays[i + 1 :], *others]:
            assert not np.shares_memory(mine, other)


@pytest.mark.usefixtures("scratch_ops")
@pytest.mark.parametrize("retain", [False, True])
@pytest.mark.parametrize("x_first", [False, True])
@pytest.mark.parametrize("rules", [*JOINT_RULES.items(), *SINGLE_RULES.items()], ids=lambda r: r[0])
def test_P11_P12_P13_P14_a_stolen_gradient_is_never_shared(
    rules: tuple[str, Any], x_first: bool, retain: bool
) -> None:
    @op
    def pair(x: Any, y: Any) -> Any:
        return x + y

    rule = rules[1]
    pair.vjp(**rule) if isinstance(rule, dict) else pair.vjp(rule)
    x, y, seed = leaf(4), leaf(4), np.ones(4)

    def more() -> Tensor:
        if x_first:
            return y * 4.0 + x * 2.0
        return x * 2.0 + y * 4.0

    later = more()  # older than pair, so it adds to what pair has delivered, newest first
    out = pair(x, y)
    total = out * 1.0 + later
    total.backward(seed, retain_graph=retain)
    others = [x.data, y.data, out.data, seed, CACHE]
    _check_nothing_shared(x, y, others)
    alone = pair(np.ones(4), np.ones(4))[0] if rules[0] == "the output" else 1.0
    expected = [np.full(4, alone + 2.0), np.full(4, alone + 4.0)]
    for t, once in zip((x, y), expected, strict=True):
        np.testing.assert_array_equal(t.grad.data, once)
    (pair(x, y) + more()).backward(seed)  # adds in place to what is in .grad
    for t, once in zip((x, y), expected, strict=True):
        np.testing.assert_array_equal(t.grad.data, 2 * once)
    for other in (x.data, y.data, seed, CACHE, *CACHED_LIST):
        np.testing.assert_array_equal(other, np.ones(4))
    if retain:
        total.backward(seed)
        np.testing.assert_array_equal(x.grad.data, 3 * expected[0])


def test_P11_a_gradient_that_somebody_holds_is_not_added_into() -> None:
    x, held = leaf(3), []
    y = x * 2
    y.register_hook(held.append)
    x.register_hook(held.append)
    (y + x + x).backward(np.ones(3))
    for t in held:
        t.data[:] = 100  # the hooks' arrays are their own
    np.testing.assert_array_equal(x.grad.data, [4, 4, 4])


def test_a_fresh_gradient_of_a_leaf_is_taken_without_a_copy() -> None:
    made = []

    class Fresh(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x * 1

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> np.ndarray:
            array = np.ones(3)
            made.append(array.__array_interface__["data"][0])
            return array

    x = leaf(3)
    Fresh.apply(x).sum().backward()
    assert x.grad.data.__array_interface__["data"][0] == made[0]


def test_results_of_grad_do_not_share_memory_with_the_graph() -> None:
    x, y, seed = leaf(3), leaf(3), np.ones(3)
    root = x + y
    for g in grad(root, [x, y, root], seed):
        g.data[:] = 7
    np.testing.assert_array_equal(seed, 1)
    gx, gy = grad(root, [x, y], seed)
    gx.data[:] = 7
    np.testing.assert_array_equal(gy.data, 1)


# -- shapes and types -----------------------------------------------------------------------------


def test_P16_scalars_stay_arrays_all_the_way() -> None:
    x = Tensor(np.float64(2.0), requires_grad=True)
    y = x * np.float64(3.0) + x.sum() + np.float64(1.0) * x
    y = y + y
    y.backward()
    assert type(x.grad.data) is np.ndarray
    assert x.grad.shape == ()
    assert x.grad.data == 10.0


BROADCASTS = [
    ((3, 4), (4,)),
    ((3, 4), (1, 4)),
    ((3, 4), (3, 1)),
    ((3, 1), (1, 4)),
    ((2, 3, 4), (3, 1)),
    ((1, 1), (2, 1, 3)),
    ((), (2, 3)),
    ((1,), ()),
    ((1, 3), (1, 3)),
]


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize(("a", "b"), BROADCASTS)
def test_P20_gradients_are_summed_back_over_broadcast_axes(
    a: tuple[int, ...], b: tuple[int, ...], create_graph: bool
) -> None:
    rng = np.random.default_rng(1)
    x, y = (Tensor(rng.normal(size=s), requires_grad=True) for s in (a, b))
    out = x * y
    seed = rng.normal(size=out.shape)
    gx, gy = grad(out, [x, y], seed, create_graph=create_graph)
    for got, mine, other in ((gx, x, y), (gy, y, x)):
        ones = np.broadcast_to(seed * other.data, out.shape)
        expected = np.zeros(mine.shape)
        for index in np.ndindex(*out.shape):  # element by element, by hand
            own = index[len(index) - mine.ndim :]
            own = tuple(0 if n == 1 else i for i, n in zip(own, mine.shape, strict=True))
            expected[own] += ones[index]
        np.testing.assert_allclose(got.data, expected, rtol=1e-12)


def test_P21_numbers_get_no_edge() -> None:
    x = leaf(2)
    for y in (x * 2, x * 2.0, 2 * x, x**2, np.float64(2) * x, x * np.ones(2)):
        assert sum(edge is not None for edge in y.node.edges) == 1
    assert (x + 2).node.saved == ()


@pytest.mark.parametrize("other", [np.float64(2), np.ones(2), np.array(2.0), Tensor(np.ones(2))])
@pytest.mark.parametrize("create_graph", [False, True])
def test_P22_P23_the_gradient_has_its_tensors_dtype(other: Any, create_graph: bool) -> None:
    x = leaf(2, dtype=np.float32)
    y = x * other + x
    assert y.dtype == np.float64
    y.sum().backward(create_graph=create_graph)
    assert x.grad.dtype == np.float32
    (x * 2.0).sum().backward()
    assert x.grad.dtype == np.float32
    (x * 2.0).backward(np.ones(2, np.int64))  # a seed of another dtype is converted
    assert x.grad.dtype == np.float32


@pytest.mark.parametrize("exponent", [2, 3.0, np.float64(2), 0, -1])
def test_python_numbers_as_exponents(exponent: Any) -> None:
    x = Tensor(np.array([1.5, 2.0]), requires_grad=True)
    (x**exponent).sum().backward()
    np.testing.assert_allclose(x.grad.data, exponent * x.data ** (float(exponent) - 1))


def test_P25_integers_take_part_without_gradient() -> None:
    x, n = leaf(3), Tensor([1, 2, 3])
    (x * n).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [1, 2, 3])
    for result in (x > n, x == n, x.argmax(), np.sign(x)):
        assert not result.requires_grad


def test_P58_the_gradient_of_a_root_with_respect_to_itself_is_the_seed() -> None:
    x = leaf(2)
    y = ops.tanh(x)
    gy, gx = grad(y, [y, x], np.array([3.0, 5.0]))
    np.testing.assert_array_equal(gy.data, [3, 5])
    np.testing.assert_allclose(gx.data, np.array([3, 5]) * (1 - y.data**2))
    (gx,) = grad(x, x, np.array([3.0, 5.0]))
    np.testing.assert_array_equal(gx.data, [3, 5])


def test_duplicates_in_the_inputs_of_grad() -> None:
    x = leaf(1, value=3.0)
    first, second = grad(x * x, [x, x])
    assert first.data.item() == second.data.item() == 6.0


@pytest.mark.parametrize(
    ("outputs", "seeds", "error", "text"),
    [
        (3.0, None, TypeError, "outputs: expected Tensors, got float"),
        ("ab", None, TypeError, "outputs: expected Tensors, got str"),
        (leaf(1) * 2, [1.0, 2.0], GraphError, "1 outputs but 2 grad_outputs"),
        ([leaf(1), leaf(1)], np.ones(1), GraphError, "2 outputs but 1 grad_outputs"),
        (leaf(1) * 2, np.array(["x"]), ValueError, "could not convert"),
    ],
)
def test_outputs_and_seeds_are_checked(
    outputs: Any, seeds: Any, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        backward(outputs, seeds)


def test_a_wrong_gradient_shape_names_the_op() -> None:
    class Wrong(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> np.ndarray:
            return np.ones((3, 2))

    x = leaf(3)
    with pytest.raises(
        ShapeError, match=r"Wrong returned .* \(3, 2\) for an input of shape \(3,\)"
    ):
        Wrong.apply(x).sum().backward()
    assert x.grad is None


# -- orders, seeds on the graph -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fn", "derivatives"),
    [
        (ops.sin, [np.cos, lambda v: -np.sin(v), lambda v: -np.cos(v), np.sin]),  # saves inputs
        (ops.exp, [np.exp]),  # saves its output
    ],
)
def test_P48_gradients_of_any_order(fn: Any, derivatives: list[Any]) -> None:
    x = leaf(1, value=0.7)
    y = fn(x)
    for order in range(8):
        (y,) = grad(y, x, create_graph=True)
        want = derivatives[order % len(derivatives)](x.data)
        np.testing.assert_allclose(y.data, want, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_seed_that_requires_grad_stays_on_its_graph(dtype: Any) -> None:
    x, v = leaf(2, value=3.0), Tensor(np.ones(2, dtype), requires_grad=True)
    (gx,) = grad(x * x, x, v, create_graph=True)
    (gv,) = grad(gx.sum(), v)  # the transposed product, by differentiating the product
    np.testing.assert_array_equal(gv.data, [6, 6])
    assert gv.dtype == dtype


# -- failures -------------------------------------------------------------------------------------


class Fails(Function):
    """Identity whose backward raises."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x * 1

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        raise FloatingPointError("on purpose")


@pytest.mark.parametrize("create_graph", [False, True])
def test_B51_P56_a_failing_walk_leaves_every_grad_and_the_engine_as_they_were(
    create_graph: bool,
) -> None:
    early, late = leaf(1), leaf(1)
    y = late * 5
    y.retain_grad()
    root = Fails.apply(early) + y
    with pytest.raises(FloatingPointError, match="on purpose"):
        root.backward(create_graph=create_graph)
    assert early.grad is late.grad is y.grad is None
    (late * 2).backward()
    np.testing.assert_array_equal(late.grad.data, [2])


def test_P57_dropping_an_intermediate_does_not_break_the_graph() -> None:
    x = leaf(2)
    y = ops.tanh(x)
    z = (y * 2).sum()
    del y
    z.backward()
    np.testing.assert_allclose(x.grad.data, 2 * (1 - np.tanh([1.0, 1.0]) ** 2))


def test_P61_warnings_in_a_rule_reach_the_caller() -> None:
    class Warns(Fails):
        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Any:
            warnings.warn("look here", stacklevel=1)
            return g

    with pytest.warns(UserWarning, match="look here"):
        Warns.apply(leaf(1)).backward()


def test_a_leaf_that_stopped_requiring_grad_gets_none() -> None:
    x, w = leaf(1), leaf(1)
    y = x * w
    w.requires_grad = False
    y.backward()
    assert w.grad is None
    np.testing.assert_array_equal(x.grad.data, [1])
