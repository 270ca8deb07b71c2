"""gradcheck finds every seeded fault, raises no false alarm, and says what it could not judge."""

from __future__ import annotations

import json

import numpy as np
import pytest

import dgrad
from dgrad import Tensor, nn, registry
from dgrad.core import stream
from dgrad.errors import WrongGradientError
from dgrad.functional import (
    Check,
    Entry,
    Report,
    check_all,
    check_layer,
    check_model,
    check_op,
    gradcheck,
    gradgradcheck,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4))
POSITIVE = np.abs(X) + 0.5


def verdicts(checks):
    return {check.input: check.verdict for check in checks}


def look(function, inputs, **options):
    return gradcheck(function, inputs, raise_exception=False, **options)


# -- what is found, and said ---------------------------------------------------------------------


def test_G01_report_names_op_input_index_and_both_values(scratch):
    @dgrad.op
    def steep(x):
        return np.exp(x)

    steep.vjp(x=lambda g, out: g * out * 1.001)
    with pytest.raises(WrongGradientError) as caught:
        gradcheck(steep, np.array([0.0, 1.0]), names=["x"])
    assert caught.value.exit_code == 6
    assert caught.value.fault == "G01"
    text = str(caught.value)
    assert "steep, input x: wrong" in text
    assert "index (1,)" in text
    assert "analytic 2.721000" in text
    assert "numeric 2.718281" in text


def test_G01_missing_broadcast_sum(scratch):
    @dgrad.op(broadcasts=True)
    def scaled(x, y):
        return np.multiply(x, y)

    # the mean over the axis that was stretched, where the sum is due
    scaled.vjp(x=lambda g, y: g * y, y=lambda g, x: np.mean(g * x, axis=0, keepdims=True))
    found = look(scaled, [X, RNG.normal(size=(1, 4))], names=["x", "y"])
    assert verdicts(found.checks) == {"x": "ok", "y": "wrong"}


def test_G01_missing_accumulation_where_places_repeat(scratch):
    places = np.array([0, 2, 2, 1])

    @dgrad.op
    def picked(x):
        return x[places]

    def overwrite(g, x_shape):
        out = np.zeros(x_shape)
        out[places] = g
        return out

    picked.vjp(x=overwrite)
    (check,) = look(picked, RNG.normal(size=3)).wrong
    assert {entry.index for entry in check.worst} == {(2,)}


@pytest.mark.parametrize(
    ("rule", "verdict"),
    [
        (lambda g, x: g * np.cos(Tensor(x.data)), "wrong"),  # cut off from the graph
        (lambda g, x: g * np.cos(x), "ok"),
    ],
)
def test_G01_second_order_needs_a_rule_that_stays_on_the_graph(rule, verdict, scratch):
    @dgrad.op
    def wave(x):
        return np.sin(x)

    wave.vjp(x=rule)
    wave.fast_vjp(x=lambda g, x: g * np.cos(x))
    found = look(wave, X, order=2, names=["x"]).checks
    assert [(c.order, c.verdict) for c in found if c.input == "x"] == [
        (1, "ok"),
        (2, "missing" if verdict == "wrong" else "ok"),
    ]


def test_G01_rule_that_is_not_linear_in_g(scratch):
    @dgrad.op
    def doubled(x):
        return np.multiply(x, 2)

    doubled.vjp(x=lambda g: np.abs(g) * 2)  # right for every seed of ones and zeros
    assert check_op("doubled")[0].verdict == "wrong"


def test_G01_fast_rule_that_differs_from_the_plain_one(scratch):
    @dgrad.op
    def double(x):
        return np.multiply(x, 2)

    double.vjp(x=lambda g: g * 2.0001)
    double.fast_vjp(x=lambda g: g * 2)
    assert "inconsistent" in verdicts(check_op("double", order=1)).values()


def test_G01_joint_rule_wrong_when_asked_for_one_gradient_alone(scratch):
    @dgrad.op
    def product(x, y):
        return np.multiply(x, y)

    product.vjp(lambda g, x, y, needs: (g * y, g * x if needs[0] else g))
    found = [c for c in check_op("product", order=1) if not c.passed]
    assert [(c.input, c.verdict) for c in found] == [("y", "inconsistent")]
    assert "alone" in found[0].note


@pytest.mark.parametrize(
    ("rule", "note"),
    [
        (lambda g: g * (2 if g.dtype == np.float64 else 2.001), "float32"),
        (lambda g: g * 2 if g.dtype == np.float64 else None, "float32"),
        (lambda g: g.ravel("K").reshape(g.shape) * 2, "not contiguous"),
        (lambda g: g * 2 if g.flags.c_contiguous else g, "not contiguous"),
    ],
)
def test_G01_rule_that_is_wrong_in_float32_or_for_a_strided_seed_alone(rule, note, scratch):
    @dgrad.op
    def twice(x):
        return np.multiply(x, 2)

    twice.vjp(x=lambda g: g * 2)
    twice.fast_vjp(x=rule)
    (wrong,) = [c for c in check_op("twice") if not c.passed]
    assert (wrong.input, wrong.verdict) == ("x", "inconsistent")
    assert note in wrong.note


def test_G04_op_that_float32_does_not_suit_is_checked_in_float64_alone(scratch):
    @dgrad.op(example=lambda rng: ((rng.uniform(100, 200, size=3),), {}))
    def steep(x):
        return np.exp(x)

    steep.vjp(x=lambda g, out: g * out)
    with np.errstate(over="raise"):
        assert set(verdicts(check_op("steep")).values()) == {"ok"}


# -- no false alarms ----------------------------------------------------------------------------


QUIET = {"ok", "skipped: no gradient", "vacuous"}  # vacuous: copysign by y is 0 everywhere


def test_G02_shipped_ops_and_layers_pass():
    report = check_all()
    assert set(report.counts()) <= QUIET, report.summary()
    assert report.counts()["vacuous"] < 10
    assert {c.subject for c in report.checks} >= {*registry.ops, *registry.layers}


@pytest.mark.parametrize("seed", [1, 2])  # `python -m tests.functional.faults` for more
def test_G02_no_false_alarm_in_other_seeds(seed):
    report = check_all(order=1, seed=seed)
    assert set(report.counts()) <= QUIET, report.summary()


@pytest.mark.parametrize("seed", range(20))
def test_G02_composed_function_passes_to_order_3(seed):
    rng = np.random.default_rng(seed)

    def network(x, w, b):
        h = dgrad.gelu(x @ w + b)
        return dgrad.logsumexp(h * h, axis=1), dgrad.softmax(h)

    inputs = [rng.normal(size=s) for s in ((2, 3), (3, 2), (2,))]
    report = gradcheck(network, inputs, order=3 if seed < 3 else 1)
    assert set(report.counts()) == {"ok"}


# -- what cannot be judged ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "point", "left", "right"),
    [
        (dgrad.relu, 0.0, 0, 1),
        (dgrad.abs, 0.0, -1, 1),
        (lambda x: dgrad.clip(x, -1.0, 1.0), 1.0, 1, 0),
    ],
)
def test_G03_kink_is_not_wrong_and_shows_both_slopes(function, point, left, right):
    (check,) = look(function, np.array([point, 0.3])).checks
    assert (check.verdict, check.passed) == ("kink", True)
    assert {entry.index for entry in check.worst} == {(0,)}
    ends = sorted((left, right))
    single = [e for e in check.worst if e.output == "output (0,)"]
    assert [sorted((e.left, e.right)) for e in single] == [pytest.approx(ends)]
    assert (check.compared, check.skipped) == (5, 3)  # at the kink two projections, one output


@pytest.mark.parametrize("distance", [1e-9, 1e-6, 1e-5, 1.3e-4])
@pytest.mark.parametrize("sign", [-1, 1])
def test_G03_near_a_kink_is_never_wrong(distance, sign):
    report = look(lambda x: dgrad.relu(x) * 3 + dgrad.abs(x - 1), np.array([sign * distance, 1.0]))
    assert report.passed
    steep = look(lambda x: dgrad.relu(x) + dgrad.abs(x), np.array([1e-3 + distance, 0.7]))
    assert set(steep.counts()) == {"ok"}


@pytest.mark.parametrize("size", [1e6, 1e7])
def test_G08_smooth_function_that_turns_within_every_step_is_neither_kink_nor_wrong(size):
    (check,) = look(dgrad.sin, size * (POSITIVE + 1), exact=np.inf).checks
    assert (check.verdict, check.passed) == ("unsure", True)


@pytest.mark.parametrize(("factor", "verdict"), [(1.0, "ok"), (1.0001, "wrong"), (-1, "wrong")])
@pytest.mark.parametrize("size", [1e6, 1e8, 1e9])
def test_G08_complex_step_judges_what_turns_within_every_step(size, factor, verdict):
    class Wave(dgrad.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return dgrad.sin(x)

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * dgrad.cos(x) * factor

    (check,) = look(Wave.apply, size * (POSITIVE + 1)).checks
    assert check.verdict == verdict
    assert "complex step" in check.methods


def test_G03_ties_of_max_pass_or_are_kinks():
    report = look(lambda x: dgrad.max(x), np.array([1.0, 1.0, 0.5]))
    assert report.passed
    assert look(dgrad.maximum, [np.zeros(2), np.zeros(2)]).passed


def test_G03_second_order_of_a_kink_is_a_jump():
    report = gradgradcheck(dgrad.abs, np.array([0.0, 1.0]), raise_exception=False)
    assert report.passed
    assert report.counts()["kink"] >= 2


def test_G03_wrong_rule_is_found_beside_a_kink(scratch):
    @dgrad.op
    def bent(x):
        return np.maximum(x, 0)

    bent.vjp(x=lambda g, x: g * (x > 0) * 1.0001)
    (check,) = look(bent, np.array([0.0, 1.0])).checks
    assert check.verdict == "wrong"
    assert {entry.index for entry in check.worst} == {(1,)}


def test_G04_float32_inputs_are_checked_in_float64():
    single = [X.astype(np.float32), np.ones(4, np.float32)]
    seen = []

    def product(x, y):
        seen.append((x.dtype, y.dtype))
        return x * y + dgrad.exp(x)

    report = gradcheck(product, single)
    assert set(report.counts()) == {"ok"}
    assert all({x.name, y.name} <= {"float64", "complex128"} for x, y in seen)
    assert max(check.max_error for check in report.checks) < 1e-9
    notes = [check.note for check in report.checks]
    assert notes == ["float32 input: it was checked in float64"] * 2


def test_G04_float32_inside_does_not_give_a_false_alarm():
    assert look(lambda x: dgrad.exp(x.astype(dtype=np.float32)), X).passed


def test_G05_function_of_its_own_randomness():
    rng = np.random.default_rng(0)
    with pytest.raises(WrongGradientError, match="non-deterministic") as caught:
        gradcheck(lambda x: x * rng.normal(), X)
    assert caught.value.fault == "G05"


def test_G05_dropout_is_replayed_and_its_stream_left_as_it_was():
    dgrad.manual_seed(7)
    stream.current().key()
    layer = nn.Dropout(0.5)
    assert set(gradcheck(layer, X).counts()) == {"ok"}
    assert stream.current().key() == (7, stream.Purpose.INIT, 0, 1)


def nan_rule(g):
    out = np.array(g)
    out.flat[5] = np.nan
    return out


def writing_rule(g):
    g *= 2
    return g


def wiping_rule(g, x):
    x *= 0
    return g


@pytest.mark.parametrize(
    ("rule", "verdict", "text"),
    [
        (nan_rule, "not finite", "nan at index (1, 1)"),
        (lambda g: None, "missing", "backward gave no gradient"),
        (lambda g: g[0], "wrong shape", "(4,)"),
        (writing_rule, "mutates", "wrote into the gradient of its output"),
        (wiping_rule, "mutates", "wrote into inputs[0]"),
    ],
)
def test_G06_each_bad_result_has_its_own_verdict(rule, verdict, text, scratch):
    @dgrad.op
    def same(x):
        return np.array(x)

    same.vjp(x=rule)
    (check,) = look(same, X).wrong
    assert check.verdict == verdict
    assert text in check.note


def test_G06_exception_of_a_rule_becomes_a_failed_check(scratch):
    @dgrad.op
    def same(x):
        return np.array(x)

    same.vjp(x=lambda g: g.nothing)
    (check,) = check_op("same")
    assert (check.verdict, check.passed) == ("error", False)
    assert "nothing" in check.note


def test_G07_inputs_that_share_memory_are_copied_and_left_alone():
    shared = np.broadcast_to(np.array([0.3]), (4,))
    both = np.arange(1.0, 5.0)
    kept = both.copy()
    assert gradcheck(lambda x, y, z: dgrad.sin(x) * y / z, [shared, both, both[::-1]])
    assert np.array_equal(both, kept)


@pytest.mark.parametrize("scale", [1e-12, 1e-5, 1.0, 1e5, 1e12])
@pytest.mark.parametrize(
    "function", [dgrad.log, dgrad.sqrt, dgrad.square, lambda x: 1 / x, dgrad.sum, dgrad.silu]
)
def test_G08_scales(function, scale):
    assert set(gradcheck(function, POSITIVE * scale).counts()) == {"ok"}


def test_G08_entries_of_very_different_scale():
    mixed = np.array([1e-12, 1e-6, 1.0, 1e6])
    for function in (dgrad.log, dgrad.sqrt, lambda x: 1 / x):
        assert look(function, mixed).passed
    wrong = look(lambda x: Distorted.apply(x), mixed)
    assert wrong.checks[0].verdict == "wrong"


class Distorted(dgrad.Function):
    """log, its gradient wrong at small entries alone."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return dgrad.log(x)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g / x * np.where(x.data < 1e-9, 1.0001, 1.0)


def test_G09_integer_empty_0d_and_constant():
    report = look(
        lambda x, i, e, z: (x[i] * z, e + 1, x.argmax()),
        [X, np.array([0, 2]), np.zeros((0, 3)), np.array(0.7)],
        names=["x", "i", "e", "z"],
    )
    assert verdicts(report.checks) == {
        "x": "ok",
        "i": "skipped: no gradient",
        "e": "skipped: empty",
        "z": "ok",
    }
    (constant,) = look(lambda x: Tensor(np.ones(2)), X).checks
    assert (constant.verdict, constant.passed) == ("vacuous", True)
    (integers,) = look(lambda x: x.argmax(), X).checks
    assert integers.verdict == "skipped: no gradient"


def test_G09_only_tensors_that_require_grad_are_checked():
    a, b = Tensor(X, requires_grad=True), Tensor(X)
    assert verdicts(look(lambda a, b: a * b, [a, b]).checks) == {
        "inputs[0]": "ok",
        "inputs[1]": "skipped: no gradient",
    }
    assert verdicts(look(lambda a, b: a * b, [b, b]).checks) == {
        "inputs[0]": "ok",
        "inputs[1]": "ok",
    }


def test_G10_dead_relu_is_vacuous():
    (check,) = look(dgrad.relu, -POSITIVE).checks
    assert (check.verdict, check.passed) == ("vacuous", True)


@pytest.mark.parametrize(("factor", "verdict"), [(1.0, "ok"), (1.00005, "wrong")])
def test_G08_small_slope_on_a_large_constant_takes_larger_steps(factor, verdict, scratch):
    @dgrad.op
    def lifted(x):
        return np.multiply(x, 1e-4) + 1e3

    lifted.vjp(x=lambda g: g * (1e-4 * factor))
    (check,) = look(lifted, X).checks
    assert check.verdict == verdict


def test_derivative_below_the_rounding_of_its_function_is_unsure():
    (check,) = look(lambda x: x * 1e-9 + 1e6, X).checks
    assert (check.verdict, check.passed, check.skipped) == ("unsure", True, 36)


# -- ops and layers by name ---------------------------------------------------------------------


def test_check_op_covers_every_input_and_the_seed():
    found = [(c.input, c.order) for c in check_op("matmul")]
    assert found == [("x", 1), ("y", 1), ("x", 2), ("y", 2), ("grad_output", 2)]
    (check,) = check_op("greater")
    assert (check.verdict, check.note) == ("skipped: no gradient", "by definition")


def test_op_without_example_that_normal_arrays_do_not_suit_is_skipped(scratch):
    @dgrad.op
    def picky(x):
        if np.ndim(x) != 5:
            raise ValueError("five axes")
        return np.array(x)

    picky.vjp(x=lambda g: g)
    (check,) = check_op("picky")
    assert (check.verdict, check.passed) == ("skipped: no example", True)
    assert "@op(example=lambda rng: ((rng.normal(size=(3, 4)),), {}))" in check.note
    assert "op picky" in Report([check]).summary()


@pytest.mark.parametrize(
    ("forward", "backward"),
    [
        (lambda x: np.log(x), lambda g, x: g / x),
        (lambda x: np.trace(np.linalg.inv(x)), None),
        (lambda x: x @ x, lambda g, x: g @ np.swapaxes(x, 0, 1) + np.swapaxes(x, 0, 1) @ g),
    ],
)
def test_op_without_example_is_checked_at_arrays_that_suit_it(forward, backward, scratch):
    def tried(x):
        return forward(x)

    op = dgrad.op(tried)
    inverse = dgrad.ops.inv
    op.vjp(x=backward or (lambda g, x: -g * np.swapaxes(inverse(x) @ inverse(x), 0, 1)))
    assert {c.verdict for c in check_op("tried")} == {"ok"}
    op.vjp(x=lambda g, x: g * x)
    assert {c.verdict for c in check_op("tried")} == {"wrong"}


@pytest.mark.parametrize("order", [1, 2])
def test_op_without_any_rule_has_failed(order, scratch):
    @dgrad.op
    def ruleless(x):
        return np.array(x)

    @dgrad.op
    def joined(*xs):
        return np.concatenate(xs)

    for name in ("ruleless", "joined"):
        (check,) = check_op(name, order=order)
        assert (check.verdict, check.passed) == ("missing", False)
        assert check.note == (
            f"it has no rule: give {name}.vjp one, or declare @op(differentiable=False)"
        )


def test_layer_is_checked_by_its_input_and_parameters(scratch):
    found = check_layer("linear")
    assert verdicts(found) == {"input": "ok", "weight": "ok", "bias": "ok"}

    @dgrad.op
    def halved(x):
        return x * 0.5

    halved.vjp(x=lambda g: g * 0.50005)

    @registry.layers.register("lossy")
    class Lossy(nn.Linear):
        def forward(self, x):
            return super().forward(halved(x)) + halved(self.bias)

    assert verdicts(check_layer("lossy")) == {"input": "wrong", "weight": "ok", "bias": "wrong"}


def test_layer_of_integers_gives_an_array_as_its_example(scratch):
    @registry.layers.register("table")
    class Table(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(np.ones((5, 2)))

        def forward(self, x):
            return dgrad.square(self.weight[x])

        @classmethod
        def example(cls, rng):
            return (np.array([[0, 3], [3, 1]]),), {}

    assert verdicts(check_layer("table")) == {"input": "skipped: no gradient", "weight": "ok"}


def test_layer_of_two_inputs_is_checked_by_each(scratch):
    @dgrad.op
    def halved(x):
        return x * 0.5

    halved.vjp(x=lambda g: g * 0.50005)

    @registry.layers.register("weighted")
    class Weighted(nn.Module):
        arity = (2, 2)
        inferred = ("first", "second")

        def __init__(self, first, second):
            super().__init__()
            self.weight = nn.Parameter(np.ones((first, second)))

        def forward(self, x, y):
            return x @ self.weight @ halved(y)

        @classmethod
        def infer(cls, *shapes):
            return {"first": shapes[0][-1], "second": shapes[1][-2]}

        @classmethod
        def example(cls, rng):
            return (rng.normal(size=(2, 1, 3)), rng.normal(size=(2, 2, 4))), {}

    found = verdicts(check_layer("weighted"))
    assert found == {"input[0]": "ok", "input[1]": "wrong", "weight": "ok"}


def test_layer_without_example_is_skipped(scratch):
    @registry.layers.register("unknown")
    class Unknown(nn.Module):
        def __init__(self, size):
            super().__init__()

    (check,) = check_layer("unknown")
    assert (check.verdict, check.passed) == ("skipped: no example", True)
    assert "classmethod example(cls, rng) that returns (inputs, arguments)" in check.note
    assert "layer unknown" in Report([check]).summary()


# -- models -------------------------------------------------------------------------------------

INPUTS = RNG.normal(size=(16, 8)).astype(np.float32)
CLASSES = RNG.integers(0, 3, 16)


def classifier(middle, **options):
    dgrad.manual_seed(1)
    return nn.Sequential(
        nn.Linear(8, 32, **options), nn.ReLU(), nn.Linear(32, 32, **options), middle,
        nn.Dropout(0.2), nn.Linear(32, 3),
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(10))
def test_model_passes_per_parameter_and_is_not_changed(seed):
    model = classifier(nn.ReLU())
    before = model.state_dict()
    checks = check_model(model, nn.CrossEntropyLoss(), INPUTS, CLASSES, seed=seed)
    assert {c.verdict for c in checks} == {"ok"}, Report(checks).summary()
    assert [c.input for c in checks] == [name for name, _ in model.named_parameters()]
    assert [c.subject for c in checks] == ["model"] * len(checks)
    after = model.state_dict()
    assert all(np.array_equal(before[k], after[k]) for k in before)
    assert model[0].weight.dtype == np.float32


@pytest.mark.parametrize("factor", [1.001, 1.0001])
def test_wrong_op_inside_a_model_is_found(factor, scratch):
    @dgrad.op
    def bent(x):
        return np.tanh(x)

    bent.vjp(x=lambda g, out: g * (1 - out * out) * factor)

    class Bent(nn.Module):
        def forward(self, x):
            return bent(x)

    checks = check_model(classifier(Bent()), nn.CrossEntropyLoss(), INPUTS, CLASSES)
    assert [c.verdict for c in checks] == ["wrong"] * 4 + ["ok"] * 2


def test_G03_model_that_stands_at_kinks_is_moved_off_them():
    dark = INPUTS.copy()
    dark[::3] = 0  # with zero biases these rows are at the kink of every relu
    model = classifier(nn.ReLU(), init="kaiming_normal")
    checks = check_model(model, nn.CrossEntropyLoss(), dark, CLASSES)
    assert {c.verdict for c in checks} == {"ok"}


def test_G11_large_parameter_is_sampled():
    dgrad.manual_seed(0)
    model = nn.Linear(1000, 300)
    targets = RNG.normal(size=(4, 300)).astype(np.float32)
    checks = check_model(model, nn.MSELoss(), RNG.normal(size=(4, 1000)), targets, entries=8)
    assert [c.verdict for c in checks] == ["ok", "ok"]
    assert checks[0].compared <= 30


def test_G11_random_directions_see_what_the_sample_misses(scratch):
    @dgrad.op
    def waves(x):
        return np.sin(x)

    part = np.arange(4000) < 40
    waves.vjp(x=lambda g, x: g * np.cos(x) * np.where(part, 1.01, 1.0))

    class Waves(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(np.where(part, 0.1, 1.0) * np.linspace(0.5, 1, 4000))

        def forward(self, x):
            return waves(self.weight) * x

    inputs = np.ones(4000)
    (check,) = check_model(Waves(), nn.MSELoss(), inputs, inputs * 0, entries=4)
    assert check.verdict == "wrong"
    assert {entry.index for entry in check.worst} == {None}


class Counting(nn.Module):
    """Layers with a rule that is wrong by a thousandth at one of them; counts what it is given."""

    def __init__(self, wrong, depth=4):
        super().__init__()
        dgrad.manual_seed(0)
        self.layers = nn.ModuleList([nn.Linear(12, 12) for _ in range(depth)])
        self.wrong, self.rows = wrong, []

    def forward(self, x):
        self.rows.append(len(x))
        for i, layer in enumerate(self.layers):
            weight = Scaled.apply(layer.weight) if i == self.wrong else layer.weight
            x = dgrad.relu(dgrad.linear(x, weight, layer.bias))
        return x


class Scaled(dgrad.Function):
    """x itself, its gradient a thousandth too large."""

    @staticmethod
    def forward(ctx, x):
        return x * 1

    @staticmethod
    def backward(ctx, g):
        return g * 1.001


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("wrong", range(4))
def test_G11_large_model_is_probed_along_directions_alone(wrong, directions, monkeypatch):
    model = Counting(wrong)
    cost = 8 * sum(p.size for p in model.parameters())
    monkeypatch.setattr("dgrad.functional.compare.WORK", cost // 10 + directions - 1)
    inputs, targets = RNG.normal(size=(20, 12)), RNG.integers(0, 12, 20)
    checks = check_model(model, nn.CrossEntropyLoss(), inputs, targets)
    assert verdicts(checks)[f"layers.{wrong}.weight"] == "wrong"
    assert sum(not c.passed for c in checks) == 1
    assert {c.compared + c.skipped for c in checks} == {3 * directions}  # two sums, and the loss


def test_G11_evaluations_and_rows_are_bounded(monkeypatch):
    model = Counting(None)
    monkeypatch.setattr("copy.deepcopy", lambda same: same)
    monkeypatch.setattr("dgrad.functional.compare.WORK", 0)
    inputs, targets = RNG.normal(size=(20, 12)), RNG.integers(0, 12, 20)
    checks = check_model(model, nn.CrossEntropyLoss(), inputs, targets)
    assert all(check.passed for check in checks)
    assert len(model.rows) < 8 * 35
    assert set(model.rows) == {8}


# -- the report ---------------------------------------------------------------------------------


def test_G12_report_is_strict_json_and_the_same_for_the_same_seed(scratch):
    @dgrad.op
    def broken_one(x):
        return np.array(x)

    broken_one.vjp(x=nan_rule)

    def text(seed):
        checks = [c for name in ("softmax", "broken_one") for c in check_op(name, seed=seed)]
        checks += check_layer("linear", seed=seed)
        return json.dumps(Report(checks, seed).to_dict(), allow_nan=False)

    assert text(0) == text(0)
    assert text(0) != text(1)
    assert json.loads(text(0))["passed"] is False


def test_G12_values_that_are_not_finite_are_text():
    entry = Entry((0,), "output", np.nan, -np.inf, np.inf, 0.0, 1.0)
    values = json.loads(json.dumps(entry.to_dict(), allow_nan=False))
    assert [values[k] for k in ("analytic", "numeric", "error", "left")] == [
        "nan", "-inf", "inf", 0.0,
    ]  # fmt: skip


def test_edge_of_the_domain_is_unsure():
    edge = look(lambda x: x * dgrad.where(x.detach() < 0, np.nan, 1.0), np.array([0.0, 1.0]))
    assert edge.checks[0].verdict == "unsure"


def test_report_summary_counts_and_shows_what_is_not_ok():
    checks = [Check("op", "a", "x", "ok"), Check("op", "b", "x", "wrong", note="2 of 3 differ")]
    report = Report(checks)
    assert not report
    assert report.counts() == {"ok": 1, "wrong": 1}
    assert report.summary() == "2 checks: 1 ok, 1 wrong\nop b, input x: wrong (2 of 3 differ)"


def test_progress_sees_every_subject():
    seen = []
    check_all(ops=False, progress=lambda *step: seen.append(step))
    total = len(registry.layers)
    assert seen == [(name, i, total) for i, name in enumerate(registry.layers)]


def test_bad_calls():
    with pytest.raises(TypeError, match="must return Tensors, got ndarray"):
        gradcheck(lambda x: x.data, X)
    with pytest.raises(ValueError, match="1 inputs but 2 names"):
        gradcheck(dgrad.exp, X, names=["a", "b"])


def test_a_report_is_printed_as_its_summary():
    report = dgrad.gradcheck(np.exp, Tensor([1.0, 2.0]))
    assert str(report) == report.summary()
