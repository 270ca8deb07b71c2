"""The adjoint test and the complex step: when they decide, how sharply, and when they must not."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import dgrad
from dgrad import nn
from dgrad.functional import check_op, gradcheck
from dgrad.functional.complex_step import complex_derivatives, glance
from dgrad.functional.differences import Targets, Tolerance, judge
from dgrad.functional.lines import Line, Probe

RNG = np.random.default_rng(3)
X = RNG.normal(size=(3, 4))
W = RNG.normal(size=(4, 2))


def look(function, inputs, **options):
    return gradcheck(function, inputs, raise_exception=False, **options)


def rule(forward, backward):
    """A function of one input with that forward, and that gradient of (g, x)."""

    class Made(dgrad.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return forward(x)

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return backward(g, x)

    return Made.apply


# -- adjoint ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x @ W,
        lambda x: dgrad.pad(x, pad_width=1, constant_values=1e3),
        lambda x: dgrad.sum(x, axis=0),
        lambda x: x[np.array([0, 0, 2])] * 2 + 1,
        lambda x: (x.T, x.reshape(12)),
    ],
)
def test_linear_function_is_judged_by_the_adjoint_alone(function):
    (check,) = look(function, X).checks
    assert (check.verdict, check.methods, check.note) == ("ok", ("adjoint",), "")
    assert check.max_error < 1e-12


@pytest.mark.parametrize("factor", [1 + 1e-10, 1 - 1e-4, 1 + 1e-6])
def test_adjoint_finds_what_no_step_could(factor):
    times = rule(lambda x: x * 3, lambda g, x: g * (3 * factor))
    (check,) = look(times, X).checks
    assert (check.verdict, check.methods) == ("wrong", ("adjoint",))
    assert f"factor {factor:.11g}".rstrip("0") in check.note
    assert check.worst[0].index is not None
    one = rule(lambda x: x * 3, lambda g, x: g * 3 * np.where(x.data == X[1, 2], factor, 1.0))
    (check,) = look(one, X).checks
    assert {entry.index for entry in check.worst} == {(1, 2)}


def test_adjoint_decides_whatever_is_allowed_elsewhere():
    times = rule(lambda x: x * 3, lambda g, x: g * 3.001)
    assert look(times, X, exact=np.inf).wrong
    assert not look(times, X, exact=np.inf, rtol=0.1).wrong


@pytest.mark.parametrize(
    "function",
    [
        dgrad.relu,
        dgrad.abs,
        lambda x: dgrad.clip(x, -50.0, 50.0),
        lambda x: dgrad.clip(x, 0.01, None),
        lambda x: dgrad.maximum(x, -5.0),
        lambda x: dgrad.sort(x, axis=0),
        lambda x: x * (1 + 1e-6 * x),
    ],
)
@pytest.mark.parametrize("point", [X, np.array([-7.0]), np.array([60.0]), np.array([0.4])])
def test_what_is_linear_only_here_is_not_taken_for_linear(function, point):
    for seed in range(5):
        (check,) = look(function, point, seed=seed).checks
        assert check.verdict in ("ok", "vacuous")


@pytest.mark.parametrize("kink", [0.0, 1.0, -30.0])
def test_kink_of_what_is_linear_on_both_sides_is_a_kink(kink):
    for seed in range(12):
        for function in (lambda x: dgrad.abs(x - kink), lambda x: dgrad.relu(x - kink)):
            (check,) = look(function, np.array([kink]), seed=seed).checks
            assert (check.verdict, check.passed) == ("kink", True)


def test_step_function_that_looks_linear_from_some_points_is_not_taken_for_it():
    for seed in range(60):
        report = look(lambda x: dgrad.relu(1 - x), np.array([0.9]), seed=seed, order=2)
        assert report.passed, report.summary()


def test_step_within_what_is_linear_elsewhere_is_not_overlooked():
    def flat_in_the_middle(x):
        return x * np.where(np.abs(x.data - 1) < 0.01, 0.0, 1.0) + (np.abs(x.data - 1) < 0.01)

    for seed in range(6):
        (check,) = look(flat_in_the_middle, np.array([1.0]), seed=seed).checks
        assert check.passed


def test_linear_map_that_loses_digits_is_granted_them():
    a = np.vander(np.linspace(0.1, 1.0, 7))  # condition 10^7
    (check,) = look(lambda b: dgrad.solve(a, b), RNG.normal(size=(7, 2))).checks
    assert check.verdict == "ok"


def test_rule_linear_for_ones_and_zeros_alone_is_found():
    bent = rule(lambda x: x * 2, lambda g, x: np.abs(g) * 2)
    (check,) = look(bent, X).checks
    assert (check.verdict, check.methods) == ("wrong", ("adjoint",))


def test_the_gradient_is_linear_in_its_seed():
    methods = {(c.input, c.order): c.methods for c in check_op("tanh")}
    assert methods[("x", 1)] == ("complex step",)
    assert methods[("grad_output", 2)] == ("adjoint",)


def test_input_of_one_entry_whose_derivative_rounding_hides_is_not_passed():
    (check,) = look(lambda x: x * 1e-9 + 1e6, np.array([1.0])).checks
    assert check.verdict == "unsure"


def test_one_step_alone_calls_nothing_wrong():
    calls = []

    def values(at, t):  # smooth, but for the first step, where a jump hides
        calls.append(t)
        return (np.where(np.abs(t) == 1e-4, 1.0, 0.0) * np.sign(t) * 1e-3 + t)[:, None]

    ones = np.ones(1)
    targets = Targets(np.full((1, 1), 2.0), ones * 0, ones * 1e-16, ones * 2, ones, ones)
    steps = np.array([[1e-4], [np.nan], [np.nan]])
    found = judge(values, targets, steps, Tolerance())
    assert not found.agrees.any()
    assert not found.wrong.any()
    found = judge(values, targets, np.array([[1e-4], [1e-5], [1e-6]]), Tolerance())
    assert found.wrong.all()


# -- complex step -------------------------------------------------------------------------------


@pytest.mark.parametrize("function", [dgrad.exp, dgrad.tanh, dgrad.softmax, lambda x: 1 / x])
@pytest.mark.parametrize("part", [1e-9, 1e-8, 1e-7])
def test_complex_step_finds_what_differences_cannot(function, part):
    def slightly(g, x):
        with dgrad.enable_grad():
            inner = dgrad.Tensor(x.data, requires_grad=True)
            (grad,) = dgrad.grad(function(inner), inner, g.data)
        return grad.data * (1 + part)

    shifted = X + np.sign(X)
    made = rule(lambda x: function(x), slightly)
    (check,) = look(made, shifted).checks
    assert check.verdict == "wrong"
    assert "complex step" in check.methods
    assert abs(check.max_error - part) < 0.1 * part
    (check,) = look(made, shifted, exact=np.inf).checks
    assert (check.verdict, check.methods) == ("ok", ("central differences",))


def test_complex_step_error_is_rounding():
    (check,) = look(lambda x: dgrad.exp(x) * dgrad.sin(x) / (x * x + 1), X).checks
    assert (check.verdict, check.methods) == ("ok", ("complex step",))
    assert check.max_error < 1e-14


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x * dgrad.abs(x),  # Im f(x + ih) / h = |x|: half of it
        lambda x: dgrad.exp(x) * dgrad.where(dgrad.abs(x) > 1, x, 1.0),
        dgrad.sigmoid,
        lambda x: dgrad.sqrt(dgrad.sum(dgrad.square(dgrad.abs(x)))),
    ],
)
def test_function_that_is_not_analytic_is_left_to_differences(function):
    for seed in range(3):
        (check,) = look(function, X + seed, seed=seed).checks
        assert check.verdict == "ok", str(check)


def test_rule_as_wrong_as_the_complex_step_is_found():
    half = rule(lambda x: x * dgrad.abs(x), lambda g, x: g * dgrad.abs(x))
    (check,) = look(half, X).checks
    assert check.verdict == "wrong"
    assert "factor 0.5" in check.note


def test_complex_step_is_not_tried_on_where_it_misleads():
    kinds = []

    def function(x):
        kinds.append(x.dtype.kind)
        return x * dgrad.abs(x)

    assert look(function, X).checks[0].methods == ("central differences",)
    assert kinds.count("c") < 12 + 3 * 16  # every entry once, then circles for the first three


def test_complex_step_needs_the_same_real_part_and_a_confirmed_slope():
    leaf = dgrad.Tensor(np.array([0.5, 2.0]), requires_grad=True)
    lines = [Line(0), Line(1)]
    for offset, possible in ((0.0, True), (1e-6, False)):

        def rows(offset=offset):
            return leaf.data * (3 + offset * (leaf.dtype.kind == "c"))

        found = complex_derivatives(Probe(leaf, leaf.data.copy(), rows), lines, leaf.data * 3)
        assert (found is not None) == possible
    zero, one = np.zeros((1, 1)), np.ones(1)
    targets = Targets(zero, zero[0], zero[0] + 1e-16, one, one, one)
    for values, confirmed in (
        (lambda at, t: (t * t)[:, None], True),
        (lambda at, t: t[:, None], False),  # another slope
        (lambda at, t: np.abs(t)[:, None], False),  # a kink
    ):
        assert (glance(values, zero, targets, np.array([1e-4]), 1e-12) is not None) == confirmed


def test_forward_that_drops_imaginary_parts_warns_nobody():
    def real_only(x):
        y = dgrad.exp(x)
        return y * y.data.astype(np.float64)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert look(real_only, X).checks[0].methods == ("central differences",)


def test_gradient_that_rounding_spoils_is_no_false_alarm():
    offset = X + 1e7  # the rule subtracts a mean that has lost nine digits
    (check,) = look(lambda x: dgrad.var(x, axis=0), offset).checks
    assert check.passed, str(check)
    (check,) = look(lambda x: dgrad.sqrt(x * x + 1) - x, np.array([1e7, 2e7])).checks
    assert check.passed, str(check)


def test_point_next_to_a_kink_is_judged_on_its_own_side():
    (check,) = look(lambda x: dgrad.relu(x) * x, np.array([1e-12, 1.0])).checks
    assert check.verdict == "ok"


def test_whole_model_is_analytic_but_for_its_kinks():
    dgrad.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2)).double()
    inputs = RNG.normal(size=(5, 4))
    loss = lambda w: nn.CrossEntropyLoss()(dgrad.linear(inputs, w), np.array([0, 1, 0, 1, 1]))  # noqa: E731
    (check,) = look(loss, model[0].weight[:2].detach().data).checks
    assert check.methods == ("complex step",)


# -- complex inputs and outputs -----------------------------------------------------------------


def test_complex_inputs_and_outputs_are_checked_by_their_parts():
    z = X + 1j * X[::-1]
    report = look(lambda z: dgrad.exp(z) * z, z, names=["z"])
    assert [(c.input, c.verdict) for c in report.checks] == [("z.real", "ok"), ("z.imag", "ok")]
    wrong = look(lambda z: dgrad.real(z) + dgrad.imag(z).detach(), z, names=["z"])
    assert [(c.input, c.passed) for c in wrong.checks] == [("z.real", True), ("z.imag", False)]
    (fourier,) = look(dgrad.rfft, X).checks
    assert (fourier.verdict, fourier.methods) == ("ok", ("adjoint",))
