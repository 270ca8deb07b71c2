"""Every op in the table, by every property that an op must have."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dgrad
from dgrad import Tensor, registry
from dgrad.core.node import Node
from dgrad.ops import __all__ as exported
from tests.cases import CASES, Case, reference
from tests.ops.differences import jacobian

SHIPPED = {
    name for name in registry.ops if registry.ops[name].op.forward.__module__.startswith("dgrad.")
}
VIEWS = {
    "broadcast_to", "expand_dims", "flatten", "getitem", "reshape", "squeeze", "swapaxes",
    "transpose",
}  # fmt: skip
EXACT = {"rtol": 1e-12, "atol": 1e-14}
NUMERIC = {"rtol": 1e-7, "atol": 1e-8}
SINGLE = {"rtol": 1e-4, "atol": 1e-5}


def cases(*, order: int = -1, without: tuple[str, ...] = ()) -> pytest.MarkDecorator:
    """Parametrise over the table: all of it, or the differentiable cases of that order or more."""
    return pytest.mark.parametrize(
        ("name", "case"),
        [
            pytest.param(name, case, id=f"{name}-{i}")
            for name in sorted(set(CASES) - set(without))
            for i, case in enumerate(CASES[name])
            if order < 0 or (registry.ops[name].op.differentiable and case.order >= order)
        ],
    )


every_case = cases()
differentiable_case = cases(order=0)


def is_float(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def leaves(args: Any, dtype: Any = None) -> list[Any]:
    """The arguments, with every array of floats as a Tensor that requires grad."""
    return [
        Tensor(a if dtype is None else a.astype(dtype), requires_grad=True) if is_float(a) else a
        for a in args
    ]


def tensors(values: Any) -> list[Tensor]:
    return [value for value in values if isinstance(value, Tensor)]


def seed(out: Any, dtype: Any = np.float64) -> np.ndarray:
    """A gradient for a result, different in every element."""
    return np.random.default_rng(7).normal(size=np.shape(out)).astype(dtype)


def gradients(name: str, case: Case, args: Any = None, **options: Any) -> list[Any]:
    inputs = leaves(case.args if args is None else args)
    out = registry.ops[name](*inputs, **case.params)
    with np.errstate(divide="ignore"):  # a case may stand at a pole
        return list(dgrad.grad(out, tensors(inputs), seed(out), **options))


def test_every_op_has_a_case() -> None:
    assert sorted(CASES) == sorted(SHIPPED) == sorted(exported)


@every_case
def test_forward_equals_reference(name: str, case: Case) -> None:
    out = registry.ops[name](*case.args, **case.params)
    expected = (case.reference or reference(name))(*case.args, **case.params)
    assert np.shape(out) == np.shape(expected)
    assert np.asarray(out).dtype == np.asarray(expected).dtype
    np.testing.assert_allclose(out, expected, **EXACT)


@every_case
def test_tensors_give_what_arrays_give(name: str, case: Case) -> None:
    raw = registry.ops[name](*case.args, **case.params)
    assert not isinstance(raw, Tensor)
    wrapped = [Tensor(a) if isinstance(a, np.ndarray) else a for a in case.args]
    if not tensors(wrapped):
        return
    out = registry.ops[name](*wrapped, **case.params)
    assert isinstance(out, Tensor)
    assert not out.requires_grad
    assert out.dtype == np.asarray(raw).dtype
    np.testing.assert_array_equal(out.data, raw)


@every_case
def test_only_differentiable_ops_record(name: str, case: Case) -> None:
    inputs = leaves(case.args)
    if tensors(inputs):
        out = registry.ops[name](*inputs, **case.params)
        assert out.requires_grad == registry.ops[name].op.differentiable
        with dgrad.no_grad():
            assert not registry.ops[name](*inputs, **case.params).requires_grad


@differentiable_case
def test_plain_fast_and_recorded_backward_agree(
    name: str, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = gradients(name, case)
    recorded = gradients(name, case, create_graph=True)
    op = registry.ops[name].op
    monkeypatch.setattr(op, "raw_rules", op.rules)
    monkeypatch.setattr(op, "fast_joint", None)
    plain = gradients(name, case)
    floats = [a for a in case.args if is_float(a)]
    for a, x, y, z in zip(floats, fast, recorded, plain, strict=True):
        np.testing.assert_allclose(x.data, z.data, **EXACT)
        np.testing.assert_allclose(y.data, z.data, **EXACT)
        assert x.dtype == y.dtype == z.dtype == a.dtype


@differentiable_case
def test_one_input_alone_gets_the_same_gradient(name: str, case: Case) -> None:
    together = gradients(name, case)
    places = [i for i, a in enumerate(case.args) if is_float(a)]
    for place, expected in zip(places, together, strict=True):
        args = list(case.args)
        args[place] = Tensor(args[place], requires_grad=True)
        out = registry.ops[name](*args, **case.params)
        with np.errstate(divide="ignore"):
            (alone,) = dgrad.grad(out, args[place], seed(out))
        np.testing.assert_array_equal(alone.data, expected.data)


@cases(order=1)
def test_first_gradient_is_the_numeric_one(name: str, case: Case) -> None:
    function = registry.ops[name]
    inputs = leaves(case.args)
    out = function(*inputs, **case.params)
    if out.size <= 12:
        seeds = np.eye(out.size).reshape(out.size, *out.shape)
    else:
        seeds = np.random.default_rng(5).normal(size=(2, *out.shape))
    rows = [dgrad.grad(out, tensors(inputs), s, retain_graph=True) for s in seeds]
    places = [i for i, a in enumerate(case.args) if is_float(a)]
    for k, place in enumerate(places):
        numeric = jacobian(lambda *a: function(*a, **case.params), case.args, place, out.size)
        for s, row in zip(seeds, rows, strict=True):
            assert row[k].shape == case.args[place].shape
            np.testing.assert_allclose(row[k].data.ravel(), s.ravel() @ numeric, **NUMERIC)


@cases(order=2)
def test_second_gradient_is_the_numeric_one(name: str, case: Case) -> None:
    """Differences of the first gradient, in every input and in the seed, along one direction."""
    function = registry.ops[name]
    places = [i for i, a in enumerate(case.args) if is_float(a)]
    directions = [seed(case.args[i]) for i in places]

    def along(*args: Any) -> Any:
        *given, v = args
        inputs = [Tensor(a, requires_grad=True) if is_float(a) else a for a in given]
        grads = dgrad.grad(function(*inputs, **case.params), tensors(inputs), v)
        return sum(np.sum(d * g.data) for d, g in zip(directions, grads, strict=True))

    inputs = leaves(case.args)
    out = function(*inputs, **case.params)
    v = Tensor(seed(out), requires_grad=True)
    grads = dgrad.grad(out, tensors(inputs), v, create_graph=True)
    total = sum((d * g).sum() for d, g in zip(directions, grads, strict=True))
    wanted = [*tensors(inputs), v]
    second = dgrad.grad(total, wanted, allow_unused=True)
    for place, found in zip([*places, len(case.args)], second, strict=True):
        numeric = jacobian(along, (*case.args, v.data), place, 1)
        analytic = np.zeros(numeric.shape) if found is None else found.data.reshape(1, -1)
        np.testing.assert_allclose(analytic, numeric, rtol=1e-6, atol=1e-7)


@cases(order=1, without=("astype",))  # which changes the dtype on purpose
def test_float32_stays_float32(name: str, case: Case) -> None:
    function = registry.ops[name]
    inputs = leaves(case.args, np.float32)
    out = function(*inputs, **case.params)
    assert out.dtype == np.float32
    node = out.node
    g = seed(out, np.float32)
    for gradient in node.op.pull(node, g, node.edges, False):
        assert gradient is None or gradient.dtype == np.float32
    if node.op.raw_rules is not None:
        for rule, edge in zip(node.op.raw_rules, node.edges, strict=True):
            assert edge is None or rule(g, node.saved, node.params).dtype == np.float32
    single = dgrad.grad(out, tensors(inputs), g, create_graph=True)
    assert {n.dtype for n in recorded_nodes(single)} <= {np.dtype(np.float32)}
    exact = gradients(name, case)
    for x, y in zip(single, exact, strict=True):
        np.testing.assert_allclose(x.data, y.data, **SINGLE)


def recorded_nodes(roots: Any) -> set[Node]:
    """Every operation that the results depend on."""
    seen: set[Node] = set()
    stack = [root.node for root in roots]
    while stack:
        node = stack.pop()
        if node is not None and node not in seen:
            seen.add(node)
            stack.extend(node.edges)
    return seen


@differentiable_case
def test_nothing_is_aliased_and_no_input_changed(name: str, case: Case) -> None:
    arrays = [np.array(a) if is_float(a) else a for a in case.args]
    before = [np.array(a) if isinstance(a, np.ndarray) else a for a in arrays]
    frozen = [a for a in arrays if isinstance(a, np.ndarray)]
    for array in frozen:
        array.flags.writeable = False
    inputs = leaves(arrays)
    out = registry.ops[name](*inputs, **case.params)
    g = seed(out)
    g.flags.writeable = False
    with np.errstate(divide="ignore"):
        out.backward(g, retain_graph=True)
        out.backward(g)  # adds into .grad, and must find what was saved as it was
    grads = [t.grad.data for t in tensors(inputs)]
    for i, one in enumerate(grads):
        assert one.flags.writeable
        assert not any(np.shares_memory(one, other) for other in (g, out.data, *frozen))
        assert not any(np.shares_memory(one, other) for other in grads[:i])
    if name not in VIEWS:
        assert not any(np.shares_memory(out.data, a) for a in frozen)
    for one, expected in zip(grads, gradients(name, case, before), strict=True):
        np.testing.assert_allclose(one, 2 * expected.data, **EXACT)
    for array, kept in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, kept)


def column_major(x: np.ndarray) -> np.ndarray:
    """The same values with the first axis running fastest."""
    return np.array(x, order="F")


def gapped(x: np.ndarray) -> np.ndarray:
    """The same values in every second place of a larger array."""
    wide = np.zeros((*x.shape, 2), x.dtype)
    wide[..., 0] = x
    return wide[..., 0]


def backwards(x: np.ndarray) -> np.ndarray:
    """The same values in memory in the opposite order."""
    return np.flip(np.flip(x).copy()) if x.ndim else x


@every_case
def test_strange_layouts_change_nothing(name: str, case: Case) -> None:
    expected = registry.ops[name](*case.args, **case.params)
    differentiable = registry.ops[name].op.differentiable
    grads = gradients(name, case) if differentiable else []
    for layout in (column_major, gapped, backwards):
        args = [layout(a) if isinstance(a, np.ndarray) else a for a in case.args]
        np.testing.assert_allclose(registry.ops[name](*args, **case.params), expected, **EXACT)
        for x, y in zip(gradients(name, case, args) if differentiable else [], grads, strict=True):
            np.testing.assert_allclose(x.data, y.data, **EXACT)


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_examples_run_and_are_differentiable_there(name: str) -> None:
    function = registry.ops[name]
    args, params = function.op.example(np.random.default_rng(0))
    inputs = leaves(args)
    out = function(*inputs, **params)
    assert out.size
    if not function.op.differentiable:
        return
    g = seed(out)
    rows = dgrad.grad(out, tensors(inputs), g)
    for row, place in zip(rows, [i for i, a in enumerate(args) if is_float(a)], strict=True):
        numeric = jacobian(lambda *a: function(*a, **params), args, place, out.size)
        np.testing.assert_allclose(row.data.ravel(), g.ravel() @ numeric, **NUMERIC)
