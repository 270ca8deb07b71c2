"""Every op in the table, by every property that an op must have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dgrad
from dgrad import Tensor, registry
from dgrad.core.node import Node
from dgrad.ops import __all__ as exported
from tests.cases import CASES, FAMILIES, Case, reference
from tests.ops.calls import (
    SINGLES,
    along_directions,
    call,
    is_float,
    leaves,
    parts,
    seed,
    tensors,
)
from tests.ops.differences import jacobian

SHIPPED = {
    name for name in registry.ops if registry.ops[name].op.forward.__module__.startswith("dgrad.")
}
EXACT = {"rtol": 1e-12, "atol": 1e-14}
NUMERIC = {"rtol": 1e-7, "atol": 1e-8}
SINGLE = {"rtol": 1e-4, "atol": 1e-5}


def cases(*, order: int = -1, without: tuple[str, ...] = ()) -> Callable[[Any], Any]:
    """Run a test(name, case) for all of an op's cases, or the differentiable of `order` or more."""

    def suits(name: str, case: Case) -> bool:
        return order < 0 or (registry.ops[name].op.differentiable and case.order >= order)

    chosen = {
        name: [(i, case) for i, case in enumerate(CASES[name]) if suits(name, case)]
        for name in sorted(set(CASES) - set(without))
    }
    return over({name: numbered for name, numbered in chosen.items() if numbered})


def over(chosen: dict[str, list[tuple[int, Case]]]) -> Callable[[Any], Any]:
    """One test per op: it goes through the op's cases and names the one that fails."""

    def decorate(test: Callable[[str, Case], None]) -> Callable[[str], None]:
        def each(name: str) -> None:
            for i, case in chosen[name]:
                try:
                    test(name, case)
                except BaseException as error:
                    error.add_note(f"in case {i} of {name}, arguments {case.args} {case.params}")
                    raise

        each.__doc__ = test.__doc__
        return pytest.mark.parametrize("name", sorted(chosen))(each)

    return decorate


every_case = cases()
differentiable_case = cases(order=0)


def gradients(name: str, case: Case, args: Any = None, **options: Any) -> list[Any]:
    inputs = leaves(case.args if args is None else args)
    out = call(name, *inputs, **case.params)
    with np.errstate(divide="ignore"):  # a case may stand at a pole
        return list(dgrad.grad(out, tensors(inputs), seed(out), **options))


def test_every_op_has_a_case() -> None:
    assert sorted(CASES) == sorted(SHIPPED)
    assert {*exported} >= SHIPPED


def test_every_op_has_eight_cases_or_more() -> None:
    assert {name: len(found) for name, found in CASES.items() if len(found) < 8} == {}


def test_every_file_of_ops_has_a_file_of_cases() -> None:
    modules = {name: registry.ops[name].op.forward.__module__ for name in SHIPPED}
    files = {name: module.replace("dgrad.ops.", "tests.cases.") for name, module in modules.items()}
    assert {name: family.__name__ for family in FAMILIES for name in family.CASES} == files


@every_case
def test_forward_equals_reference(name: str, case: Case) -> None:
    outs = registry.ops[name](*case.args, **case.params)
    all_expected = (case.reference or reference(name))(*case.args, **case.params)
    several = isinstance(outs, tuple)
    for out, expected in zip(
        *((outs, all_expected) if several else ([outs], [all_expected])), strict=True
    ):
        assert np.shape(out) == np.shape(expected)
        assert np.asarray(out).dtype == np.asarray(expected).dtype
        np.testing.assert_allclose(out, expected, **EXACT)


@every_case
def test_tensors_give_what_arrays_give(name: str, case: Case) -> None:
    raws = registry.ops[name](*case.args, **case.params)
    wrapped = [Tensor(a) if isinstance(a, np.ndarray) else a for a in case.args]
    if not tensors(wrapped):
        return
    outs = registry.ops[name](*wrapped, **case.params)
    assert type(outs) is type(raws) or not isinstance(raws, tuple)
    both = zip(outs, raws, strict=True) if isinstance(raws, tuple) else [(outs, raws)]
    for out, raw in both:
        assert not isinstance(raw, Tensor)
        assert isinstance(out, Tensor)
        assert not out.requires_grad
        assert out.dtype == np.asarray(raw).dtype
        np.testing.assert_array_equal(out.data, raw)


@every_case
def test_only_differentiable_ops_record(name: str, case: Case) -> None:
    inputs = leaves(case.args)
    if tensors(inputs):
        result = registry.ops[name](*inputs, **case.params)
        for out in parts(result) or [result]:
            assert out.requires_grad == registry.ops[name].op.differentiable
        with dgrad.no_grad():
            assert not call(name, *inputs, **case.params).requires_grad


@differentiable_case
def test_plain_fast_and_recorded_backward_agree(name: str, case: Case) -> None:
    fast = gradients(name, case)
    recorded = gradients(name, case, create_graph=True)
    op = registry.ops[name].op
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(op, "raw_rules", op.rules)
        patched.setattr(op, "fast_joint", None)
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
        out = call(name, *args, **case.params)
        with np.errstate(divide="ignore"):
            (recorded,) = dgrad.grad(out, args[place], seed(out), create_graph=True)
            (alone,) = dgrad.grad(out, args[place], seed(out))
        np.testing.assert_array_equal(alone.data, expected.data)
        np.testing.assert_allclose(recorded.data, expected.data, **EXACT)


@cases(order=1)
def test_first_gradient_is_the_numeric_one(name: str, case: Case) -> None:
    inputs = leaves(case.args)
    out = call(name, *inputs, **case.params)
    if out.size <= 12:
        seeds = np.eye(out.size).reshape(out.size, *out.shape)
    else:
        seeds = np.random.default_rng(5).normal(size=(2, *out.shape))
    rows = [dgrad.grad(out, tensors(inputs), s, retain_graph=True) for s in seeds]
    places = [i for i, a in enumerate(case.args) if is_float(a)]
    for k, place in enumerate(places):
        numeric = jacobian(lambda *a: call(name, *a, **case.params), case.args, place, out.size)
        for s, row in zip(seeds, rows, strict=True):
            assert row[k].shape == case.args[place].shape
            np.testing.assert_allclose(row[k].data.ravel(), s.ravel() @ numeric, **NUMERIC)


@cases(order=2)
def test_second_gradient_is_the_numeric_one(name: str, case: Case) -> None:
    """Differences of the first gradient, in every input and in the seed, along one direction."""
    places = [i for i, a in enumerate(case.args) if is_float(a)]
    directions = [seed(case.args[i]) for i in places]

    def along(*args: Any) -> Any:
        *given, v = args
        inputs = [Tensor(a, requires_grad=True) if is_float(a) else a for a in given]
        grads = dgrad.grad(call(name, *inputs, **case.params), tensors(inputs), v)
        return sum(np.sum(d * g.data).real for d, g in zip(directions, grads, strict=True))

    inputs = leaves(case.args)
    out = call(name, *inputs, **case.params)
    v = Tensor(seed(out), requires_grad=True)
    grads = dgrad.grad(out, tensors(inputs), v, create_graph=True)
    total = along_directions(directions, grads)
    wanted = [*tensors(inputs), v]
    second = dgrad.grad(total, wanted, allow_unused=True)
    for place, found in zip([*places, len(case.args)], second, strict=True):
        numeric = jacobian(along, (*case.args, v.data), place, 1)
        analytic = np.zeros(numeric.shape) if found is None else found.data.reshape(1, -1)
        np.testing.assert_allclose(analytic, numeric, rtol=1e-6, atol=1e-7)


THIRD = {  # for each op the first two cases that are smooth, and not large
    name: [
        (i, case)
        for i, case in enumerate(CASES[name])
        if case.order >= 2 and 0 < sum(a.size for a in case.args if is_float(a)) <= 60
    ][:2]
    for name in sorted(CASES)
    if registry.ops[name].op.differentiable
}


@over({name: numbered for name, numbered in THIRD.items() if numbered})
def test_third_gradient_is_the_numeric_one(name: str, case: Case) -> None:
    """Differences of the second gradient, along one direction, in every input."""
    places = [i for i, a in enumerate(case.args) if is_float(a)]
    directions = [seed(case.args[i]) for i in places]

    def second(*args: Any) -> tuple[Any, list[Any]]:
        """The second derivative along the directions, and the inputs."""
        inputs = leaves(args)
        out = call(name, *inputs, **case.params)
        total = along_directions([seed(out)], [out])
        for _ in range(2):
            if not total.requires_grad:
                break
            grads = dgrad.grad(total, tensors(inputs), create_graph=True, materialize_grads=True)
            total = along_directions(directions, grads)
        return total, tensors(inputs)

    total, inputs = second(*case.args)
    third = [Tensor(np.zeros(t.shape)) for t in inputs]  # of what does not depend on them
    if total.requires_grad:
        third = dgrad.grad(total, inputs, materialize_grads=True)
    for place, found in zip(places, third, strict=True):
        numeric = jacobian(lambda *a: second(*a)[0].data, case.args, place, 1)
        np.testing.assert_allclose(found.data.reshape(1, -1), numeric, rtol=1e-6, atol=1e-6)


@cases(order=1, without=("astype",))  # which changes the dtype on purpose
def test_float32_stays_float32(name: str, case: Case) -> None:
    inputs = leaves(case.args, single=True)
    out = call(name, *inputs, **case.params)
    assert out.dtype == np.float32
    node = out.node
    g = seed(out, np.float32)
    if node.op is registry.ops[name].op:
        for gradient in node.op.pull(node, g, node.edges, False):
            assert gradient is None or gradient.dtype in SINGLES.values()
        for rule, edge in zip(node.op.raw_rules or (), node.edges, strict=False):
            assert edge is None or rule(g, node.saved, node.params).dtype in SINGLES.values()
    single = dgrad.grad(out, tensors(inputs), g, create_graph=True)
    assert {n.dtype for n in recorded_nodes(single)} <= set(SINGLES.values())
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
    result = registry.ops[name](*inputs, **case.params)
    out = call(name, *inputs, **case.params)
    g = seed(out)
    g.flags.writeable = False
    with np.errstate(divide="ignore"):
        out.backward(g, retain_graph=True)
        out.backward(g)  # adds into .grad, and must find what was saved as it was
    grads = [t.grad.data for t in tensors(inputs)]
    for i, one in enumerate(grads):
        assert one.flags.writeable
        results = [part.data for part in parts(result)]
        assert not any(np.shares_memory(one, other) for other in (g, *results, *frozen))
        assert not any(np.shares_memory(one, other) for other in grads[:i])
    if not registry.ops[name].op.view:
        assert not any(np.shares_memory(r.data, a) for r in parts(result) for a in frozen)
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
    expected = call(name, *case.args, **case.params)
    differentiable = registry.ops[name].op.differentiable
    grads = gradients(name, case) if differentiable else []
    for layout in (column_major, gapped, backwards):
        args = [layout(a) if isinstance(a, np.ndarray) else a for a in case.args]
        np.testing.assert_allclose(call(name, *args, **case.params), expected, **EXACT)
        for x, y in zip(gradients(name, case, args) if differentiable else [], grads, strict=True):
            np.testing.assert_allclose(x.data, y.data, **EXACT)


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_examples_run_and_are_differentiable_there(name: str) -> None:
    op = registry.ops[name].op
    args, params = op.example(np.random.default_rng(0))
    inputs = leaves(args)
    out = call(name, *inputs, **params)
    assert out.size
    if not op.differentiable:
        return
    g = seed(out)
    rows = dgrad.grad(out, tensors(inputs), g)
    for row, place in zip(rows, [i for i, a in enumerate(args) if is_float(a)], strict=True):
        numeric = jacobian(lambda *a: call(name, *a, **params), args, place, out.size)
        np.testing.assert_allclose(row.data.ravel(), g.ravel() @ numeric, **NUMERIC)
