"""@op: what a declaration may say, what is kept, how it can be called, what goes wrong by name."""

from __future__ import annotations

import inspect
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dgrad import Tensor, grad, no_grad, op, ops, registry
from dgrad.core.protocols import NUMPY_OPS
from dgrad.errors import (
    DgradError,
    DtypeError,
    GraphError,
    OpDefinitionError,
    ParameterError,
    ShapeError,
)
from dgrad.registry import Positive

pytestmark = pytest.mark.usefixtures("scratch_ops")


def leaf(*values: float) -> Tensor:
    return Tensor(np.array(values), requires_grad=True)


# -- declaring ------------------------------------------------------------------------------------


def scale(x: Any, y: Any, *, by: float = 2.0) -> Any:
    """x * y * by."""
    return x * y * by


def joined(*xs: Any, times: int = 1) -> Any:
    """The sum of xs, times."""
    return sum(xs[1:], xs[0]) * times


REFUSED: list[tuple[str, Callable[[], Any], str]] = [
    ("no rules", lambda: op(scale).vjp(), "give a joint rule or rules by input name"),
    (
        "joint and named",
        lambda: op(scale).vjp(lambda g: (g, g), x=lambda g: g),
        "give a joint rule or rules by input name",
    ),
    ("unknown input", lambda: op(scale).vjp(z=lambda g: g), r"rule for 'z', .*\('x', 'y'\)"),
    ("unknown name", lambda: op(scale).vjp(x=lambda g, hidden: g), r"rule x: .*got \(g, hidden\)"),
    ("g not first", lambda: op(scale).vjp(x=lambda y, g: g), r"rule x: parameters are g"),
    ("no g", lambda: op(scale).vjp(x=lambda: 0), "rule x: parameters are g"),
    ("star", lambda: op(scale).vjp(x=lambda g, *rest: g), r"got \(g, rest\)"),
    ("keyword-only", lambda: op(scale).vjp(x=lambda g, *, y: g), r"got \(g, \*, y\)"),
    ("needs in a single rule", lambda: op(scale).vjp(x=lambda g, needs: g), "got .g, needs"),
    (
        "a kept value in vjp",
        lambda: op(keeps=("hidden",))(scale).vjp(x=lambda g, hidden: g),
        r"got \(g, hidden\)",
    ),
    ("variadic by name", lambda: op(joined).vjp(xs=lambda g: g), "takes a joint rule"),
    ("fast first", lambda: op(scale).fast_vjp(x=lambda g: g), "vjp its rules before fast_vjp"),
    ("ufunc as rule", lambda: op(scale).vjp(x=np.negative), "rule x: parameters are g"),
]


@pytest.mark.parametrize(("declare", "text"), [pytest.param(d, t, id=i) for i, d, t in REFUSED])
def test_wrong_declarations_are_refused_at_once(declare: Callable[[], Any], text: str) -> None:
    with pytest.raises(OpDefinitionError, match=text):
        declare()


def test_forwards_with_names_of_the_rules_are_refused() -> None:
    def with_g(g: Any) -> Any:
        return g

    def with_out(x: Any, *, out: Any = None) -> Any:
        return x

    def with_keywords(x: Any, **rest: Any) -> Any:
        return x

    def mixed(x: Any, *ys: Any) -> Any:
        return x

    for forward, text in (
        (with_g, "with_g: a parameter cannot be called g"),
        (with_out, "with_out: a parameter cannot be called out"),
        (with_keywords, r"with_keywords: a parameter cannot be called \*\*rest"),
        (mixed, r"mixed: \*ys must be its only input"),
    ):
        with pytest.raises(OpDefinitionError, match=text):
            op(forward)


def test_a_joint_vjp_refuses_fast_rules_by_name() -> None:
    made = op(scale)
    made.vjp(lambda g, x, y, by: (g * y * by, g * x * by))
    with pytest.raises(OpDefinitionError, match="scale: its vjp is joint"):
        made.fast_vjp(x=lambda g: g)


def test_a_name_is_registered_once() -> None:
    assert registry.ops["scale" if op(scale) else ""].op.name == "scale"
    with pytest.raises(
        DgradError, match=r"^an op called 'scale' is registered already \(.*test_op\.scale\)"
    ):
        op(scale)


@pytest.mark.parametrize(
    ("declared", "text"),
    [
        ({"methods": ("detach",)}, "op scale: Tensor.detach exists already"),
        ({"methods": ("scaled", "sum")}, "op scale: Tensor.sum exists already"),
        ({"methods": ("data",)}, "op scale: Tensor.data exists already"),
        ({"operators": ("__add__",)}, "op scale: Tensor.__add__ exists already"),
        ({"operators": ("__lshift__", "__radd__")}, "op scale: Tensor.__radd__ exists already"),
        ({"operators": ("__iadd__",)}, "op scale: Tensor.__iadd__ exists already"),
        ({"numpy": np.tanh}, r"op scale: np.tanh means dgrad\.ops\.activation\.tanh already"),
        ({"numpy": (np.unwrap, np.add)}, r"op scale: np.add means .*\.add already"),
        ({"numpy": np.zeros_like}, "op scale: np.zeros_like is answered without an op"),
        ({"numpy": np.shape}, "op scale: np.shape is answered without an op"),
    ],
)
def test_an_op_overwrites_nothing_and_a_refused_one_leaves_no_trace(
    declared: Any, text: str
) -> None:
    before = {**vars(Tensor)}
    try:
        with pytest.raises(OpDefinitionError, match=text):
            op(**declared)(scale)
        assert "scale" not in registry.ops
        assert vars(Tensor) == before
        assert np.unwrap not in NUMPY_OPS
    finally:
        for name, value in before.items():
            if vars(Tensor)[name] is not value:
                setattr(Tensor, name, value)


def test_the_registry_holds_the_function_that_users_call() -> None:
    def shrink(x: Any, *, by: Positive = 2.0) -> Any:
        return x / by

    made = op(shrink)
    assert registry.ops["shrink"] is made
    assert registry.ops["shrink"].op is made.op


# -- what is kept ---------------------------------------------------------------------------------


KEPT: list[tuple[Any, tuple[str, ...]]] = [
    ({"x": lambda g: g, "y": lambda g: g}, ()),
    ({"x": lambda g, y: g * y, "y": lambda g: g}, ("y",)),
    ({"x": lambda g, out: g, "y": lambda g, out: g}, ("out",)),
    ({"x": lambda g, x_shape: g, "y": lambda g, y: g}, ("x_shape", "y")),
    ({"x": lambda g, by: g, "y": lambda g, x, y, out: g}, ("x", "y", "out")),
    (lambda g, y, y_shape, needs, by: (g, g), ("y", "y_shape")),
]


@pytest.mark.parametrize(("rules", "names"), KEPT)
def test_P39_a_node_keeps_what_its_rules_name_and_nothing_else(
    rules: Any, names: tuple[str, ...]
) -> None:
    made = op(scale)
    made.vjp(**rules) if isinstance(rules, dict) else made.vjp(rules)
    node = made(leaf(1.0, 2.0), leaf(3.0, 4.0)).node
    kept = {
        name for name, value in zip(made.op.layout, node.saved, strict=False) if value is not None
    }
    assert kept == set(names)


def test_P39_only_the_rules_that_will_run_count() -> None:
    made = op(scale)
    made.vjp(x=lambda g, y: g * y, y=lambda g, x: g * x)
    x, y = leaf(1.0), leaf(2.0)
    constant = Tensor(np.ones(1))
    assert [v is not None for v in made(x, constant).node.saved] == [False, True]
    assert [v is not None for v in made(constant, y).node.saved] == [True]
    assert [v is not None for v in made(x, y).node.saved] == [True, True]
    assert made(constant, constant).node is None


def test_shapes_are_kept_without_their_arrays() -> None:
    node = ops.broadcast_to(ops.sum(leaf(1.0, 2.0)), shape=(3,)).sum().node
    assert not any(isinstance(value, np.ndarray) for value in node.saved)


def test_static_parameters_reach_rules_given_or_default() -> None:
    made = op(scale)
    made.vjp(x=lambda g, y, by: g * y * by, y=lambda g, x, by: g * x * by)
    x, y = leaf(3.0), leaf(5.0)
    for params, by in (({}, 2.0), ({"by": 7.0}, 7.0)):
        for create_graph in (False, True):
            gx, gy = grad(made(x, y, **params), [x, y], create_graph=create_graph)
            assert (gx.item(), gy.item()) == (5 * by, 3 * by)


# -- rules: joint, fast, wrong --------------------------------------------------------------------


def test_a_joint_rule_is_told_what_is_needed() -> None:
    asked = []

    def rule(g: Any, x: Any, y: Any, needs: tuple[bool, ...]) -> Any:
        asked.append(needs)
        return [g * y if needs[0] else None, g * x if needs[1] else None]

    made = op(scale)
    made.vjp(rule)
    x, y = leaf(3.0), leaf(5.0)
    grad(made(x, y), [x, y])
    grad(made(x, y), y)
    grad(made(x, Tensor(np.ones(1))), x, create_graph=True)
    assert asked == [(True, True), (False, True), (True, False)]


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize(
    ("result", "got"), [((), "0"), ((1, 2, 3), "3"), (np.ones((2, 1)), "ndarray"), (None, "None")]
)
def test_a_joint_rule_with_a_wrong_number_of_gradients_names_the_op(
    result: Any, got: str, create_graph: bool
) -> None:
    made = op(scale)
    made.vjp(lambda g: result)
    x = leaf(1.0)
    with pytest.raises(
        ShapeError, match=f"joint rule of scale must return a list of 2.*got.*{got}"
    ):
        made(x, x).backward(create_graph=create_graph)
    assert x.grad is None


@pytest.mark.parametrize("broadcasts", [False, True])
@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("shape", [(2, 3), (4,), (3, 1), ()])
def test_B41_a_gradient_of_a_wrong_shape_names_the_op(
    shape: tuple[int, ...], create_graph: bool, broadcasts: bool
) -> None:
    @op(broadcasts=broadcasts)
    def twice(x: Any) -> Any:
        return x * 2

    twice.vjp(x=lambda g: np.ones(shape))
    x = leaf(1.0, 2.0, 3.0)
    if broadcasts and shape == (2, 3):
        twice(x).backward(np.ones(3), create_graph=create_graph)
        np.testing.assert_array_equal(x.grad.data, [2, 2, 2])
        return
    with pytest.raises(ShapeError, match=r"rule of twice returned .* for an input of shape \(3,\)"):
        twice(x).backward(np.ones(3), create_graph=create_graph)


def test_fast_vjp_runs_in_raw_walks_only_and_fills_in_from_vjp() -> None:
    ran = []
    made = op(scale)
    made.vjp(
        x=lambda g, y, by: (ran.append("slow x"), g * y * by)[1],
        y=lambda g, x, by: (ran.append("slow y"), g * x * by)[1],
    )
    made.fast_vjp(x=lambda g, y, by: (ran.append("fast x"), g * y * by)[1])
    x, y = leaf(3.0), leaf(5.0)
    grad(made(x, y), [x, y])
    assert ran == ["fast x", "slow y"]
    ran.clear()
    grad(made(x, y), [x, y], create_graph=True)
    assert ran == ["slow x", "slow y"]


@pytest.mark.parametrize("joint", [False, True])
def test_fast_vjp_gets_what_the_forward_keeps(joint: bool) -> None:
    @op(keeps=("doubled",))
    def halved_square(x: Any) -> Any:
        return x * x / 2, x * 2

    seen = []

    def fast(g: Any, doubled: Any) -> Any:
        seen.append(doubled)
        return [g * doubled / 2] if joint else g * doubled / 2

    halved_square.vjp(x=lambda g, x: g * x)
    halved_square.fast_vjp(fast) if joint else halved_square.fast_vjp(x=fast)
    x = leaf(3.0)
    assert halved_square(x).item() == 4.5
    np.testing.assert_array_equal(halved_square(np.array([3.0])), [4.5])  # arrays in, array out
    assert grad(halved_square(x), x)[0].item() == 3.0
    assert grad(halved_square(x), x, create_graph=True)[0].item() == 3.0
    assert [a.item() for a in seen] == [6.0]


@pytest.mark.parametrize("result", [np.ones(2), (np.ones(2),), (1, 2, 3), [np.ones(2), 1]])
def test_a_forward_that_keeps_must_return_what_it_said(result: Any) -> None:
    @op(keeps=("extra",))
    def broken(x: Any) -> Any:
        return result

    with pytest.raises(OpDefinitionError, match=r"broken: its forward must return \(out, "):
        broken(leaf(1.0, 2.0))


def test_an_op_without_a_rule_says_so_when_called() -> None:
    made = op(scale)
    x, y = leaf(1.0), leaf(2.0)
    with pytest.raises(GraphError, match="scale has no gradient with respect to 'x': detach"):
        made(x, y)
    made.vjp(y=lambda g, x: g * x)
    with pytest.raises(GraphError, match="with respect to 'x'"):
        made(x, y)
    assert made(Tensor(np.ones(1)), y).requires_grad
    with no_grad():
        assert made(x, y).item() == 4.0


def test_an_op_declared_not_differentiable_records_nothing() -> None:
    @op(differentiable=False)
    def ranks(x: Any) -> Any:
        return np.argsort(x)

    assert not ranks(leaf(2.0, 1.0)).requires_grad


@pytest.mark.parametrize("joint", [False, True])
def test_replaced_rules_clear_what_the_earlier_ones_kept_and_their_fast_rules(joint: bool) -> None:
    @op(keeps=("hidden",))
    def root(x: Any) -> Any:
        return np.sqrt(x), x * 0 + 7

    def kept() -> set[str]:
        saved = root(leaf(4.0)).node.saved
        return {n for n, v in zip(root.op.layout, saved, strict=False) if v is not None}

    def wrong(g: Any, x: Any, hidden: Any) -> Any:
        return [g * 0] if joint else g * 0

    root.vjp(x=lambda g, x, x_shape: g)
    root.fast_vjp(wrong) if joint else root.fast_vjp(x=wrong)
    assert kept() == {"x", "hidden", "x_shape"}
    root.vjp(x=lambda g, out: g / (2 * out))
    assert kept() == {"out"}
    x = leaf(4.0)
    assert grad(root(x), x)[0].item() == 0.25
    if joint:
        root.fast_vjp(wrong)
        root.vjp(lambda g, out: [g / (2 * out)])
        assert kept() == {"out"}
        assert grad(root(x), x)[0].item() == 0.25
        return
    root.fast_vjp(x=wrong)
    root.fast_vjp(x=lambda g, x_shape: g * 5)
    assert kept() == {"out", "x_shape"}
    assert grad(root(x), x)[0].item() == 5.0


def test_refused_rules_leave_the_earlier_ones() -> None:
    made = op(scale)
    made.vjp(x=lambda g: g, y=lambda g: g)
    with pytest.raises(OpDefinitionError):
        made.vjp(x=lambda g, y: g * y, y=lambda g, nothing: g)
    assert not any(v is not None for v in made(leaf(1.0), leaf(2.0)).node.saved)


def test_rules_may_be_replaced() -> None:
    made = op(scale)
    made.vjp(x=lambda g: g, y=lambda g: g)
    x, y = leaf(1.0), leaf(2.0)
    made(x, y)
    made.vjp(x=lambda g, y: g * y * 2, y=lambda g, x: g * x * 2)
    assert grad(made(x, y), x)[0].item() == 4.0


# -- calling --------------------------------------------------------------------------------------


def test_ops_are_transparent() -> None:
    for fn, args in ((ops.tanh, (np.ones(2),)), (ops.add, (1.0, np.ones(2)))):
        assert type(fn(*args)) is np.ndarray
    assert type(ops.linear(np.ones((1, 2)), np.ones((3, 2)))) is np.ndarray
    assert isinstance(ops.linear(np.ones((1, 2)), Tensor(np.ones((3, 2)))), Tensor)


@pytest.mark.parametrize(
    "call",
    [
        lambda x, w, b: ops.linear(x, w, b),
        lambda x, w, b: ops.linear(x, w, bias=b),
        lambda x, w, b: ops.linear(x, weight=w, bias=b),
        lambda x, w, b: ops.linear(bias=b, x=x, weight=w),
    ],
)
def test_inputs_by_position_or_keyword(call: Callable[..., Tensor]) -> None:
    rng = np.random.default_rng(0)
    x, w, b = (Tensor(rng.normal(size=s), requires_grad=True) for s in ((2, 3), (4, 3), (4,)))
    for create_graph in (False, True):
        out = call(x, w, b)
        np.testing.assert_allclose(out.data, x.data @ w.data.T + b.data)
        gb = grad(out, b, np.ones((2, 4)), create_graph=create_graph)[0]
        np.testing.assert_array_equal(gb.data, [2, 2, 2, 2])


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("extra", [(), (None,)])
def test_optional_inputs_left_out_or_none(extra: tuple[Any, ...], create_graph: bool) -> None:
    x, w = Tensor(np.ones((2, 3)), requires_grad=True), Tensor(np.ones((4, 3)), requires_grad=True)
    gx, gw = grad(ops.linear(x, w, *extra), [x, w], np.ones((2, 4)), create_graph=create_graph)
    assert (gx.data == 4).all()
    assert (gw.data == 2).all()


CALL_ERRORS: list[tuple[Callable[[Tensor], Any], type[Exception], str]] = [
    (lambda x: ops.linear(x), TypeError, r"linear\(\) is missing its input 'weight'"),
    (lambda x: ops.tanh(), TypeError, r"tanh\(\) missing 1 required positional"),
    (lambda x: ops.tanh(x=x), TypeError, r"tanh\(\) got some positional-only"),
    (lambda x: ops.add(x, x, x), TypeError, r"add\(\) takes 2 positional arguments"),
    (lambda x: ops.softmax(x, 0, axis=0), TypeError, r"softmax\(\) got 'axis' twice"),
    (
        lambda x: ops.softmax(x, 0, 1, 2),
        TypeError,
        r"softmax\(\) takes \('x', 'axis'\), got 4 arguments",
    ),
    (lambda x: ops.softmax(x, axes=0), ParameterError, "softmax: a keyword .* got 'axes'"),
    (lambda x: ops.concatenate(), ShapeError, "concatenate: needs at least one array"),
    (lambda x: ops.concatenate([]), ShapeError, "concatenate: needs at least one array"),
    (lambda x: x + None, DtypeError, r"add\(float64\[3\], None\)"),
    (lambda x: x + "a", DtypeError, r"add\(float64\[3\], 'a'\)"),
    (lambda x: x + np.ones(4), ShapeError, r"add\(float64\[3\], float64\[4\]\)"),
    (lambda x: x @ np.ones((2, 2)), ShapeError, r"matmul\(float64\[3\], float64\[2, 2\]\)"),
    (lambda x: np.ones((2, 2)) @ x, ShapeError, r"matmul\(float64\[2, 2\], float64\[3\]\)"),
    (lambda x: x.reshape(5), ShapeError, r"reshape\(float64\[3\]\)"),
    (lambda x: x[7], ShapeError, r"getitem\(float64\[3\]\): index 7 is out of bounds"),
    (lambda x: x.sum(axis=3), ShapeError, r"sum\(float64\[3\]\): axis 3 is out of bounds"),
]


@pytest.mark.parametrize(("call", "error", "text"), CALL_ERRORS)
def test_a_wrong_call_names_the_op_and_the_shapes(
    call: Callable[[Tensor], Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        call(leaf(1.0, 2.0, 3.0))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_an_error_that_the_forward_raises_on_purpose_keeps_its_text_and_fault(count: int) -> None:
    def fail() -> Any:
        raise ShapeError("as the forward says", fault="D02")

    forwards = [lambda x: fail(), lambda x, y: fail(), lambda x, y, z: fail()]
    forwards[count - 1].__name__ = "fails"
    with pytest.raises(ShapeError, match=r"^as the forward says$") as caught:
        op(forwards[count - 1])(*[leaf(1.0)] * count)
    assert caught.value.fault == "D02"


def test_errors_do_not_print_long_operands() -> None:
    with pytest.raises(ShapeError) as caught:
        leaf(1.0, 2.0) + [1.0] * 10_000
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "call",
    [
        lambda a, b: ops.concatenate(a, b, axis=1),
        lambda a, b: ops.concatenate((a, b), axis=1),
        lambda a, b: ops.concatenate([a, b], axis=1),
        lambda a, b: ops.concatenate([a, b], 1),
        lambda a, b: np.concatenate([a, b], axis=1),
        lambda a, b: np.concatenate((a, b), 1),
    ],
)
@pytest.mark.parametrize("create_graph", [False, True])
def test_variadic_ops_take_a_list_a_tuple_or_arguments(
    call: Callable[..., Tensor], create_graph: bool
) -> None:
    a, b = Tensor(np.ones((2, 1)), requires_grad=True), Tensor(np.ones((2, 3)), requires_grad=True)
    out = call(a, b)
    seed = np.arange(8.0).reshape(2, 4)
    ga, gb = grad(out, [a, b], seed, create_graph=create_graph)
    np.testing.assert_array_equal(ga.data, seed[:, :1])
    np.testing.assert_array_equal(gb.data, seed[:, 1:])


def test_variadic_ops_mix_arrays_and_tensors_to_second_order() -> None:
    made = op(joined)
    made.vjp(lambda g, xs, times: [g * times] * len(xs))
    x = leaf(2.0)
    y = made(x * x, np.ones(1), 3.0, x, times=4)
    assert y.item() == 4 * (4 + 1 + 3 + 2)
    (gx,) = grad(y, x, create_graph=True)
    assert gx.item() == 4 * (2 * 2 + 1)
    assert grad(gx, x)[0].item() == 8.0
    assert made(np.ones(1), np.ones(1)).tolist() == [2.0]


def test_many_inputs() -> None:
    made = op(joined)
    made.vjp(lambda g, xs_shape: [g] * len(xs_shape))
    xs = [leaf(float(i)) for i in range(100)]
    made(xs).backward()
    assert all(x.grad.item() == 1.0 for x in xs)


def test_an_op_of_24_inputs_is_cheap_to_declare() -> None:
    names = [f"x{i}" for i in range(24)]

    def wide(*args: Any) -> Any:
        return sum(args[1:], args[0])

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    wide.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(name, kind) for name in names]
    )
    tracemalloc.start()
    try:
        made = op(wide)
        made.vjp(lambda g: [g] * 24)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
    xs = [leaf(float(i)) for i in range(24)]
    made(*xs).backward()
    assert all(x.grad.item() == 1.0 for x in xs)


def test_an_op_has_an_example() -> None:
    args, params = op(scale).op.example(np.random.default_rng(0))
    assert [a.shape for a in args] == [(3, 4), (3, 4)]
    assert params == {}
    assert op(joined).op.example(np.random.default_rng(0))[0][1].shape == (3, 4)


def test_operators_and_methods_are_filled_in() -> None:
    made = op(operators=("__lshift__", "__rlshift__"), methods=("scaled",))(scale)
    made.vjp(x=lambda g, y: g * y * 2, y=lambda g, x: g * x * 2)
    try:
        x = leaf(3.0)
        assert (x << 5.0).item() == 30.0
        assert (5.0 << x).item() == 30.0
        assert x.scaled(x, by=1.0).item() == 9.0
    finally:
        for name in ("__lshift__", "__rlshift__", "scaled"):
            delattr(Tensor, name)


def test_a_tensor_as_static_parameter_is_refused_by_name():
    x, beta = Tensor([1.0, 2.0], requires_grad=True), Tensor(3.0, requires_grad=True)
    with pytest.raises(DtypeError, match="softplus: beta is a static parameter"):
        ops.softplus(x, beta=beta)


def test_an_unknown_keyword_is_answered_with_those_there_are() -> None:
    t = Tensor(np.ones(2), requires_grad=True)
    with pytest.raises(ParameterError, match=r"one of x, axis, keepdims \(dim is called axis here"):
        t.sum(dim=0)
    with pytest.raises(ParameterError, match=r"softmax: a keyword must be one of x, axis, got 'z'"):
        ops.softmax(t, z=1)
