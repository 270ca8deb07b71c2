"""Schedules: PyTorch's formulas, warm-up, lengths."""

import math

import pytest

from dgrad import registry
from dgrad.errors import ParameterError
from dgrad.optim import Constant, Cosine, Length, Step

ARGUMENTS = {"constant": {}, "step": {"step_size": 10}, "cosine": {}}


def test_every_schedule_has_a_case():
    assert registry.schedules.names() == sorted(ARGUMENTS)


@pytest.mark.parametrize("name", ARGUMENTS)
@pytest.mark.parametrize("warmup", [0, 1, 7, 50])
def test_warm_up_is_linear_and_ends_at_the_full_rate(name, warmup):
    schedule = registry.schedules[name](50, warmup=warmup, **ARGUMENTS[name])
    assert [schedule(step) for step in range(warmup)] == [
        (step + 1) / warmup for step in range(warmup)
    ]
    assert schedule(warmup) == 1
    assert schedule.supplied == ("total_steps", "steps_per_epoch")


@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_schedule_has_no_memory(name):
    schedule = registry.schedules[name](50, 5, warmup="1 epoch", **ARGUMENTS[name])
    forward = [schedule(step) for step in range(60)]
    assert [schedule(step) for step in reversed(range(60))] == forward[::-1]
    assert all(0 <= factor <= 1 for factor in forward)
    assert all(isinstance(factor, float) for factor in forward)


def torch_factors(make, warmup, steps):
    """The rates that PyTorch's scheduler gives for a base rate of 1, after its own warm-up."""
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    schedulers = [make(torch.optim.lr_scheduler, optimizer)]
    if warmup:
        linear = torch.optim.lr_scheduler.LinearLR(
            optimizer, start_factor=1 / warmup, total_iters=warmup - 1
        )
        schedulers.insert(0, linear)
    scheduler = schedulers[0]
    if warmup:
        scheduler = torch.optim.lr_scheduler.SequentialLR(optimizer, schedulers, [warmup])
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.filterwarnings("ignore:The epoch parameter in `scheduler.step")
@pytest.mark.parametrize("warmup", [0, 2, 9])
def test_cosine_is_pytorchs(warmup):
    theirs = torch_factors(
        lambda s, o: s.CosineAnnealingLR(o, T_max=40 - warmup, eta_min=0.05), warmup, 41
    )
    schedule = Cosine(40, warmup=warmup, final=0.05)
    assert [schedule(i) for i in range(41)] == pytest.approx(theirs, rel=1e-9)


@pytest.mark.filterwarnings("ignore:The epoch parameter in `scheduler.step")
@pytest.mark.parametrize("warmup", [0, 2, 9])
def test_step_is_pytorchs(warmup):
    theirs = torch_factors(lambda s, o: s.StepLR(o, step_size=7, gamma=0.5), warmup, 60)
    schedule = Step(40, step_size=7, gamma=0.5, warmup=warmup)
    assert [schedule(i) for i in range(60)] == pytest.approx(theirs, rel=1e-9)
    assert Step(40, step_size=7)(7) == pytest.approx(0.1)


def test_cosine_stays_at_its_end():
    schedule = Cosine(10, final=0.2)
    assert schedule(5) == pytest.approx(0.6)
    assert [schedule(step) for step in (10, 11, 1000)] == [pytest.approx(0.2)] * 3
    assert Cosine(10, warmup=10)(10) == 1
    assert math.isclose(Cosine(10, warmup=10)(11), 0, abs_tol=1e-12)


@pytest.mark.parametrize(
    ("text", "steps", "plain"),
    [
        (0, 0, 0),
        (100, 100, 100),
        ("100", None, None),
        ("100 steps", 100, 100),
        ("1 step", 1, 1),
        ("5%", 13, "5%"),
        ("2.5%", 7, "2.5%"),
        ("100 %", 250, "100%"),
        ("2 epochs", 50, "2 epochs"),
        ("1epoch", 25, "1 epochs"),
        ("0.5 epochs", 13, "0.5 epochs"),
        ("0.1%", 1, "0.1%"),
        ("0%", 0, "0%"),
        ("101%", None, None),
        ("1.5 steps", None, None),
        ("-1 steps", None, None),
        ("٣ steps", None, None),
        ("soon", None, None),
        ("", None, None),
        (-1, None, None),
        (1.5, None, None),
        (True, None, None),
        (None, None, None),
    ],
)
def test_length_reads_and_shows(text, steps, plain):
    if steps is None:
        with pytest.raises(ParameterError, match="5%"):
            Length.from_config(text)
        return
    length = Length.from_config(text)
    assert length.steps(total_steps=250, steps_per_epoch=25) == steps
    assert length.plain() == plain
    assert str(length) == str(plain)
    assert Length.from_config(length.plain()) == length == Length.from_config(length)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_C22_a_warm_up_longer_than_the_run_is_refused(name):
    with pytest.raises(ParameterError, match="at most the 50 steps") as caught:
        registry.schedules[name](50, 10, warmup="6 epochs", **ARGUMENTS[name])
    assert caught.value.parameter == "warmup"
    assert caught.value.fault == "C22"


@pytest.mark.parametrize(
    ("make", "parameter"),
    [
        (lambda: Step(10, step_size=0), "step_size"),
        (lambda: Step(10, step_size=1, gamma=0.0), "gamma"),
        (lambda: Cosine(10, final=1.5), "final"),
        (lambda: Cosine(10, final=-0.1), "final"),
        (lambda: Constant(0), "total_steps"),
        (lambda: Constant(10, 0), "steps_per_epoch"),
    ],
)
def test_C08_a_wrong_argument_is_named(make, parameter):
    with pytest.raises(ParameterError) as caught:
        make()
    assert caught.value.parameter == parameter
