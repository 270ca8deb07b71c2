"""What gradcheck does to the inputs, and what it looks at: pitfall 62, large inputs, models."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import dgrad
from dgrad import Tensor, nn, registry
from dgrad.functional import check_layer, check_model, gradcheck
from dgrad.functional.lines import Line, Probe

RNG = np.random.default_rng(11)
X = RNG.normal(size=(3, 4))


def look(function, inputs, **options):
    return gradcheck(function, inputs, raise_exception=False, **options)


# -- pitfall 62 ---------------------------------------------------------------------------------


def test_P62_perturbs_a_private_copy():
    given = Tensor(X.copy(), requires_grad=True)
    kept, seen = given.data.copy(), []

    def function(x):
        seen.append(np.shares_memory(x.data, given.data))
        return dgrad.exp(x) * 2

    assert gradcheck(function, given)
    assert not any(seen)
    assert np.array_equal(given.data, kept)
    assert given.grad is None


@pytest.mark.parametrize("entries", [0, 5, 1000])
def test_P62_restores_exactly(entries):
    rough = X * 10.0 ** RNG.integers(-9, 9, X.shape)  # x + h - h is not x
    values = []

    def function(x, y):
        values.append((x.data.copy(), y.data.copy()))
        return dgrad.tanh(x) * y * y

    look(function, [rough, X[0]], entries=entries)
    moved = [(not np.array_equal(x, rough)) + (not np.array_equal(y, X[0])) for x, y in values]
    assert max(moved) == 1  # the other one is in its place, to the last bit
    assert moved[0] == 0


@pytest.mark.parametrize("direction", [None, RNG.normal(size=12)])
@pytest.mark.parametrize("t", [1e-3, 1e-3j])
def test_P62_restores_exactly_also_when_the_function_raises(direction, t):
    leaf = Tensor(X * 1e-5, requires_grad=True)
    home, kept = leaf.data, leaf.data.copy()

    def rows():
        assert not np.array_equal(leaf.data, kept)
        raise RuntimeError("within")

    probe = Probe(leaf, kept.ravel().copy(), rows)
    for go in (
        lambda: probe.along(Line(3, direction), t),
        lambda: probe.at(0.0, rows),
    ):
        with pytest.raises(RuntimeError, match="within"):
            go()
        assert leaf.data is home
        assert np.array_equal(home, kept)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_P62_float64_only(dtype):
    given = X.astype(dtype)
    seen = set()

    def function(x):
        seen.add(x.dtype.name)
        return dgrad.exp(x)

    (check,) = look(function, given).checks
    assert (check.verdict, check.max_error < 1e-12) == ("ok", True)
    assert seen <= {"float64", "complex128"}
    assert check.note == f"{np.dtype(dtype)} input: it was checked in float64"


def test_P62_stride_0_inputs_are_copied():
    wide = np.broadcast_to(np.array([0.3, 0.7]), (3, 2))
    (check,) = look(lambda x: dgrad.sin(x[0]) * 2, wide).checks  # the other rows play no part
    assert check.verdict == "ok"
    assert check.compared == 6 * (2 + 2)  # entry by entry: none moves another
    one = Tensor(np.broadcast_to(np.array(0.5), (4,)), requires_grad=True)
    assert gradcheck(lambda x: dgrad.cumsum(x * x, axis=0), one)


def test_P62_outputs_without_gradient_are_filtered():
    def function(x):
        return dgrad.exp(x), dgrad.argmax(x), x > 0, dgrad.sin(x)

    (check,) = look(function, X).checks
    assert check.verdict == "ok"
    assert check.compared == 12 * (2 + 24)
    (alone,) = look(lambda x: (x > 0, dgrad.argmax(x)), X).checks
    assert alone.verdict == "skipped: no gradient"


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: x[x.data > 0.9999] * 2, "float64[2], then float64[1]"),
        (lambda x: x.astype(np.float32) if x.data[0] < 1 else x * 2, "float64[3], then float32[3]"),
        (lambda x: (x * 2, x * 3) if (x.data[0]) == 1 else (x * 2,), "then float64[3]"),
    ],
)
def test_P62_shapes_and_dtypes_are_compared_under_perturbation(function, words):
    (check,) = look(function, np.array([1.0, 2.0, 0.3])).checks
    assert (check.verdict, check.passed) == ("unsteady", False)
    assert "outputs change with the inputs' values" in check.note
    assert words in check.note


def test_P62_what_happens_far_away_does_not_matter():
    (check,) = look(lambda x: dgrad.exp(x[x.data > 0.5]), np.array([1.0, 2.0])).checks
    assert check.verdict == "ok"
    faint = lambda x: dgrad.sin(x[x.data < 1.1]) * 1e-9 + 1e3  # noqa: E731 - takes long steps
    (check,) = look(faint, np.array([1.0, 0.5]), exact=np.inf).checks
    assert check.passed


def test_P62_directions_are_seeded():
    large = RNG.normal(size=1500)

    def points(seed):
        seen = []

        def function(x):
            seen.append(x.data.copy())
            return (dgrad.sin(x) * x).sum()

        report = look(function, large, seed=seed, entries=3)
        return np.array([np.real(x).sum() for x in seen]), report.to_dict()

    first, again, other = points(1), points(1), points(2)
    assert np.array_equal(first[0], again[0])
    assert first[1] == again[1]
    assert not np.array_equal(first[0][:20], other[0][:20])


# -- large inputs -------------------------------------------------------------------------------


class Bent(dgrad.Function):
    """x^2, its gradient wrong at every thousandth entry."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * 2 * x * np.where(np.arange(x.size) % 1000, 1.0, 1.5)


@pytest.mark.parametrize("entries", [0, 10])
def test_G11_directions_alone_find_a_fault_anywhere(entries):
    large = RNG.normal(size=200_000)
    (check,) = look(Bent.apply, large, entries=entries).checks
    assert check.verdict == "wrong"
    assert any(entry.index is None for entry in check.worst)


def test_G11_work_on_a_large_input_is_bounded(monkeypatch):
    monkeypatch.setattr("dgrad.functional.compare.WORK", 3 * 4000)
    calls = []

    def function(x):
        calls.append(x.size)
        return (dgrad.tanh(x) * x).sum()

    (check,) = look(function, RNG.normal(size=4000)).checks
    assert check.verdict == "ok"
    assert check.compared + check.skipped == (2 + 2) * 2  # directions and entries, by two sums
    assert len(calls) < 60


def test_G11_no_array_is_larger_than_the_outputs_or_the_input(monkeypatch):
    sizes = []
    concatenate = np.concatenate
    monkeypatch.setattr(
        np, "concatenate", lambda parts, **k: sizes.append(sum(map(np.size, parts)))
        or concatenate(parts, **k)
    )  # fmt: skip
    (check,) = look(dgrad.exp, RNG.normal(size=5000), entries=0).checks
    assert check.verdict == "ok"
    assert max(sizes) < 5000  # rows are few numbers: never an array of rows by outputs


# -- models -------------------------------------------------------------------------------------

INPUTS = RNG.normal(size=(6, 4))
CLASSES = np.array([0, 1, 1, 0, 1, 0])


class Standardise(nn.Module):
    """Batch statistics in training, with running ones beside; eval uses those."""

    def __init__(self, size):
        super().__init__()
        self.scale = nn.Parameter(np.ones(size))
        self.register_buffer("running", np.zeros(size))

    def forward(self, x):
        if not self.training:
            return (x - self.running) * self.scale
        mean = dgrad.mean(x, axis=0)
        self.running += 0.5 * (mean.data.real - self.running)
        centred = x - mean
        return centred / dgrad.sqrt(dgrad.mean(centred * centred, axis=0) + 1e-5) * self.scale


class Drifting(nn.Module):
    """Its outputs depend on a buffer that every call moves."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(np.array(0.7))
        self.register_buffer("seen", np.array(1.0))

    def forward(self, x):
        self.seen = np.asarray(self.seen + 1)
        return dgrad.exp(x * self.weight) / self.seen


def network(*layers):
    dgrad.manual_seed(2)
    return nn.Sequential(nn.Linear(4, 6), *layers, nn.Linear(6, 2))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("order", [1, 2])
def test_model_with_batch_statistics_and_dropout(training, order):
    model = network(Standardise(6), nn.Tanh(), nn.Dropout(0.3)).train(training)
    before = copy.deepcopy(model.state_dict())
    checks = check_model(model, nn.CrossEntropyLoss(), INPUTS, CLASSES, order=order)
    assert {c.verdict for c in checks} == {"ok"}, "\n".join(map(str, checks))
    assert {c.order for c in checks} == set(range(1, order + 1))
    after = model.state_dict()
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_a_bias_that_the_mean_takes_away_is_zero_and_not_unsure():
    checks = check_model(network(Standardise(6)), nn.CrossEntropyLoss(), INPUTS, CLASSES)
    (bias,) = (check for check in checks if check.input == "0.bias")
    assert (bias.verdict, bias.skipped) == ("ok", 0)
    assert bias.max_error < 1e-6
    model = nn.Sequential(network(Standardise(6)), nn.Sigmoid())  # no complex step
    checks = check_model(model, nn.MSELoss(), INPUTS, INPUTS[:, :2])
    assert {c.input: c.verdict for c in checks}["0.0.bias"] == "ok"


def test_buffers_are_put_back_before_every_call():
    model = Drifting()
    checks = check_model(model, nn.MSELoss(), INPUTS, INPUTS)
    assert [c.verdict for c in checks] == ["ok"]
    assert model.seen == 1


def test_G05_function_that_returns_its_own_drifting_array():
    buffer = np.zeros(4)

    def function(x):
        np.add(buffer, 1, out=buffer)
        return Tensor(buffer)

    (check,) = look(function, X[0]).wrong
    assert check.verdict == "non-deterministic"


def test_layer_that_moves_a_buffer(scratch):
    @registry.layers.register("drifting")
    class Again(Drifting):
        pass

    assert {c.input: c.verdict for c in check_layer("drifting")} == {"input": "ok", "weight": "ok"}


def test_order_2_of_a_model_that_has_none_is_told():
    class Once(dgrad.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return dgrad.tanh(x)

        @staticmethod
        @dgrad.autograd.once_differentiable
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * (1 - np.tanh(x.data) ** 2)

    class Layer(nn.Module):
        def forward(self, x):
            return Once.apply(x)

    checks = check_model(network(Layer()), nn.CrossEntropyLoss(), INPUTS, CLASSES, order=2)
    assert {c.verdict for c in checks[:-1]} == {"ok"}
    assert (checks[-1].verdict, checks[-1].order) == ("skipped: no order 2", 2)
    assert checks[-1].note
