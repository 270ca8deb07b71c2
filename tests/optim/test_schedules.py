"""Schedules: PyTorch's over whole runs, from the YAML spelling; lengths; what is refused."""

import functools
import json
import math

import pytest

from dgrad import registry
from dgrad.config import yaml
from dgrad.config.marks import Problems
from dgrad.config.schema import component
from dgrad.config.signature import writable
from dgrad.errors import CheckpointError, ConfigError, ParameterError
from dgrad.optim.schedules import (
    Chain,
    Constant,
    Cosine,
    InverseSqrt,
    Length,
    Linear,
    Plateau,
    Step,
)

STEPS, EPOCH, LR = 60, 12, 1e-3  # the run that all cases are about
TOLERANCE = {"rel": 1e-12, "abs": 1e-15}


def built(text, steps=STEPS, epoch=EPOCH, lr=LR):
    """The schedule that `schedule: text` gives in a config."""
    problems = Problems()
    made = component(registry.schedules, yaml.parse(f"s: {text}\n", "run.yaml").entries["s"].value,
                     problems, "schedule")  # fmt: skip
    problems.raise_if_any()
    return made.make(total_steps=steps, steps_per_epoch=epoch, lr=lr)


def factors(schedule, steps=STEPS):
    return [schedule(step) for step in range(steps)]


# ------------------------------------------------------------------------------ PyTorch's schedules

# name: [(arguments in YAML, PyTorch's scheduler of an optimizer, for t steps of the run)]
CASES = {
    "constant": [
        ("{}", lambda s, o, t: s.ConstantLR(o, 1.0)),
        ("{factor: 0.25}", lambda s, o, t: s.ConstantLR(o, 0.25, total_iters=10**6)),
    ],
    "step": [
        ("{step_size: 7 steps}", lambda s, o, t: s.StepLR(o, 7)),
        ("{step_size: 1 epoch, gamma: 0.5}", lambda s, o, t: s.StepLR(o, EPOCH, 0.5)),
    ],
    "multistep": [
        ("{milestones: [5, 1 epoch, 50%]}", lambda s, o, t: s.MultiStepLR(o, [5, 12, 30])),
        ("{milestones: [8, 8, 20], gamma: 0.3}", lambda s, o, t: s.MultiStepLR(o, [8, 8, 20], 0.3)),
    ],
    "linear": [
        ("{total_iters: 5}", lambda s, o, t: s.LinearLR(o)),
        ("{start_factor: 1, end_factor: 0}", lambda s, o, t: s.LinearLR(o, 1, 0, t)),
    ],
    "polynomial": [
        ("{total_iters: 5}", lambda s, o, t: s.PolynomialLR(o)),
        ("{power: 2.5}", lambda s, o, t: s.PolynomialLR(o, t, 2.5)),
        (
            "{power: 2, min_lr: 1e-4}",
            lambda s, o, t: s.LambdaLR(o, lambda i: 0.1 + 0.9 * (1 - i / t) ** 2),
        ),
    ],
    "exponential": [
        ("{gamma: 0.97}", lambda s, o, t: s.ExponentialLR(o, 0.97)),
        ("{gamma: 0.5, period: 1 epoch}", lambda s, o, t: s.ExponentialLR(o, 0.5 ** (1 / EPOCH))),
    ],
    "cosine": [
        ("{}", lambda s, o, t: s.CosineAnnealingLR(o, t)),
        ("{final: 0.1}", lambda s, o, t: s.CosineAnnealingLR(o, t, 0.1)),
        ("{min_lr: 1e-4}", lambda s, o, t: s.CosineAnnealingLR(o, t, 0.1)),
    ],
    "cosine_restarts": [
        ("{first_length: 1 epoch}", lambda s, o, t: s.CosineAnnealingWarmRestarts(o, EPOCH)),
        (
            "{first_length: 7, multiplier: 2, final: 0.2}",
            lambda s, o, t: s.CosineAnnealingWarmRestarts(o, 7, 2, 0.2),
        ),
    ],
    "one_cycle": [
        ("{}", lambda s, o, t: s.OneCycleLR(o, 1.0, t)),
        (
            "{pct_start: 0.45, three_phase: true, div_factor: 10, final_div_factor: 100}",
            lambda s, o, t: s.OneCycleLR(
                o, 1.0, t, pct_start=0.45, three_phase=True, div_factor=10, final_div_factor=100
            ),
        ),
        (
            "{anneal_strategy: linear}",
            lambda s, o, t: s.OneCycleLR(o, 1.0, t, anneal_strategy="linear"),
        ),
    ],
    "inverse_sqrt": [
        ("{timescale: 9}", lambda s, o, t: s.LambdaLR(o, lambda i: (9 / (9 + i)) ** 0.5)),
    ],
    "warmup_stable_decay": [
        (
            "{decay: 15, shape: linear, final: 0.1}",
            lambda s, o, t: s.SequentialLR(
                o, [s.ConstantLR(o, 1.0), s.LinearLR(o, 1.0, 0.1, 15)], [t - 15]
            ),
        ),
        (
            "{shape: cosine, min_lr: 1e-4}",
            lambda s, o, t: s.SequentialLR(
                o, [s.ConstantLR(o, 1.0), s.CosineAnnealingLR(o, 12, 0.1)], [t - 12]
            ),
        ),
        (
            "{decay: 25%, shape: sqrt}",
            lambda s, o, t: s.LambdaLR(o, lambda i: 1 - math.sqrt(max(i - t + 15, 0) / 15)),
        ),
    ],
    "chain": [
        (
            "{schedules: [{linear: {start_factor: 0.1}}, cosine, {constant: {factor: 0.01}}],"
            " milestones: [8, 40]}",
            lambda s, o, t: s.SequentialLR(
                o,
                [
                    s.LinearLR(o, 0.1, 1.0, 8),
                    s.CosineAnnealingLR(o, 32),
                    s.ConstantLR(o, 0.01, total_iters=10**6),
                ],
                [8, 40],
            ),
        ),
    ],
    "plateau": [("{}", lambda s, o, t: s.ConstantLR(o, 1.0))],  # until it observes: see below
}
TABLE = [(name, *case) for name, cases in CASES.items() for case in cases]
IDS = [f"{name}:{arguments}" for name, arguments, _ in TABLE]


def torch_factors(make, steps):
    """The rates that PyTorch's scheduler gives for a base rate of 1."""
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0, momentum=0.9)
    scheduler = make(torch.optim.lr_scheduler, optimizer, steps)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


SCALARS = {  # name: (what may stand alone after it, the argument that it is)
    "constant": ("0.5", "factor"),
    "step": ("10 epochs", "step_size"),
    "multistep": ("[50%, 75%]", "milestones"),
    "linear": ("0.1", "start_factor"),
    "polynomial": ("2", "power"),
    "exponential": ("0.999", "gamma"),
    "cosine": ("0.1", "final"),
    "cosine_restarts": ("10 epochs", "first_length"),
    "one_cycle": ("0.3", "pct_start"),
    "inverse_sqrt": ("400 steps", "timescale"),
    "warmup_stable_decay": ("20%", "decay"),
    "plateau": ("val/accuracy", "metric"),
}


@pytest.mark.parametrize("name", [name for name in CASES if name != "chain"])  # it needs two
def test_what_a_scalar_is_stands_in_the_docstring_and_is_no_warm_up(name):
    text, argument = SCALARS[name]
    short = f"{{{name}: {text}}}"
    assert f"`{short[1:-1]}` gives {argument}." in registry.schedules[name].__doc__
    whole = f"{{{name}: {{{argument}: {text}}}}}"
    assert vars(built(short, 1000, 50)) == vars(built(whole, 1000, 50))
    assert list(writable(registry.schedules[name]))[-1] == "warmup"


def test_every_schedule_has_a_case():
    assert registry.schedules.names() == sorted(CASES)


@pytest.mark.filterwarnings("ignore:The epoch parameter in `scheduler.step")
@pytest.mark.parametrize("warmup", [0, 1, 9])
@pytest.mark.parametrize(
    ("name", "arguments", "make"), TABLE, ids=[f"{n}:{a}" for n, a, _ in TABLE]
)
def test_a_schedule_is_pytorchs_over_a_whole_run(name, arguments, make, warmup):
    more = f"{'' if arguments == '{}' else ', '}warmup: {warmup}}}"
    schedule = built(f"{{{name}: {arguments[:-1]}{more}}}")
    theirs = torch_factors(make, STEPS - warmup)
    linear = [(step + 1) / warmup for step in range(warmup)]
    assert factors(schedule) == pytest.approx(linear + theirs, **TOLERANCE)


@pytest.mark.filterwarnings("ignore:The epoch parameter in `scheduler.step")
def test_the_warm_up_is_pytorchs_linear_one():
    theirs = torch_factors(
        lambda s, o, t: s.SequentialLR(
            o, [s.LinearLR(o, 1 / 9, total_iters=8), s.CosineAnnealingLR(o, t - 9)], [9]
        ),
        STEPS,
    )
    assert factors(built("{cosine: {warmup: 15%}}")) == pytest.approx(theirs, **TOLERANCE)


def test_nanogpts_recipe():
    schedule = built("{cosine: {warmup: 100 steps, min_lr: 1e-4}}", 2000)
    share = (1000 - 100) / (2000 - 100)
    assert schedule(1000) * LR == pytest.approx(
        1e-4 + 0.5 * (1 + math.cos(math.pi * share)) * (LR - 1e-4), rel=1e-12
    )
    assert factors(schedule, 2000) == factors(Cosine(2000, warmup=100, final=0.1), 2000)
    assert (schedule(99), schedule(2000) * LR) == (1, pytest.approx(1e-4))


@pytest.mark.parametrize(("name", "arguments", "_make"), TABLE)
@pytest.mark.parametrize("steps", [1, 2])
def test_the_shortest_runs_have_rates(name, arguments, _make, steps):
    kept = {  # what is longer than so short a run goes
        "multistep": "{milestones: []}",
        "cosine_restarts": "{first_length: 1}",
        "warmup_stable_decay": "{decay: 50%}",
        "chain": "{schedules: [cosine], milestones: []}",
    }
    arguments = kept.get(name, "{}" if "total_iters" in arguments else arguments)
    arguments = arguments.replace("1 epoch", "1 step")
    schedule = built(f"{{{name}: {arguments}}}", steps, 1)
    found = factors(schedule, steps + 2)
    assert all(math.isfinite(factor) and factor >= 0 for factor in found)


@pytest.mark.parametrize("name", CASES)
def test_a_schedule_has_no_memory_and_may_go_on_after_its_end(name):
    schedule = built(f"{{{name}: {CASES[name][-1][0]}}}")
    forward = factors(schedule, 2 * STEPS)
    assert [schedule(step) for step in reversed(range(2 * STEPS))] == forward[::-1]
    assert all(isinstance(factor, float) and 0 <= factor <= 1 for factor in forward)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("warmup", [1, 7, STEPS])
def test_warm_up_is_linear_and_may_take_the_whole_run(name, warmup):
    arguments = {
        "step": "step_size: 9", "multistep": "milestones: []", "exponential": "gamma: 1",
        "cosine_restarts": "first_length: 9", "warmup_stable_decay": "decay: 0.05 epochs",
        "chain": "schedules: [constant], milestones: []",
    }.get(name, "")  # fmt: skip
    if warmup == STEPS and name in ("warmup_stable_decay", "chain"):
        with pytest.raises(ConfigError, match=r"0 steps after the warm-up"):
            built(f"{{{name}: {{{arguments}, warmup: {warmup}}}}}")
        return
    schedule = built(f"{{{name}: {{{arguments}{', ' if arguments else ''}warmup: {warmup}}}}}")
    assert factors(schedule, warmup) == [(step + 1) / warmup for step in range(warmup)]
    assert schedule.supplied == ("total_steps", "steps_per_epoch", "lr")


# -------------------------------------------------------------------------------------- the plateau


def plateau_factors(values, higher, **settings):
    """What PyTorch's makes of a base rate of 1 after each value."""
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, "max" if higher else "min", eps=0, **settings
    )
    rates = []
    for value in values:
        scheduler.step(value)
        rates.append(optimizer.param_groups[0]["lr"])
    return rates


VALUES = [3, 2, 2.0001, 1.9999, 1.9, 1.95, math.nan, 1.89, 1.5, 1.5, 1.5, 1.5, 1.5, 1.6, 1.4] + [
    1.4
] * 9


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("higher", [False, True])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"patience": 0, "factor": 0.5},
        {"patience": 2, "cooldown": 2, "factor": 0.5, "min_lr": 0.2},
        {"patience": 1, "threshold": 0.05, "threshold_mode": "abs"},
        {"patience": 1, "threshold": 0.05, "threshold_mode": "rel", "cooldown": 1},
    ],
)
def test_plateau_is_pytorchs(settings, higher, sign):
    values = [sign * value for value in VALUES]
    ours = Plateau(100, 1, 1.0, **settings)
    found = []
    for i, value in enumerate(values):
        ours.observe(value, step=i, higher_is_better=higher)
        found.append(ours(i))
    assert found == pytest.approx(plateau_factors(values, higher, **settings), **TOLERANCE)


def test_plateau_goes_on_from_its_state():
    def run(schedule, values):
        for value in values:
            schedule.observe(value, step=50)
        return schedule.state_dict()

    whole = run(Plateau(100, patience=1, cooldown=1), VALUES)
    for stop in range(len(VALUES)):
        second = Plateau(100, patience=1, cooldown=1)
        second.load_state_dict(run(Plateau(100, patience=1, cooldown=1), VALUES[:stop]))
        assert run(second, VALUES[stop:]) == whole


@pytest.mark.parametrize("state", [{"best": "low"}, {"steps": 3}, 5, {"current": [1.0]}])
def test_K07_a_state_that_is_none_is_refused(state):
    schedule = Plateau(100)
    with pytest.raises(CheckpointError, match=r"plateau: the state is .*, expected numbers") as e:
        schedule.load_state_dict(state)
    assert e.value.fault == "K07"
    assert schedule.state_dict() == Plateau(100).state_dict()


@pytest.mark.parametrize("state", [{"0": {}}, {"1": {"best": "low"}}, {"best": 1.0}, 5])
def test_K07_a_chain_refuses_what_is_not_its_state(state):
    schedule = built("{chain: {schedules: [constant, plateau], milestones: [30]}}")
    with pytest.raises(CheckpointError, match=r"the state is .*, expected") as e:
        schedule.load_state_dict(state)
    assert e.value.fault == "K07"


def test_K07_a_schedule_that_remembers_nothing_takes_no_state():
    Cosine(10).load_state_dict({})
    with pytest.raises(CheckpointError, match=r"cosine: the state is .*, expected none"):
        Cosine(10).load_state_dict({"best": 1.0})


def test_plateau_does_not_count_what_the_warm_up_brings():
    schedule = Plateau(100, patience=0, warmup=10)
    for step in range(10):
        schedule.observe(1.0 + step, step=step)
    assert schedule.best is None
    assert (schedule(4), schedule(50)) == (0.5, 1.0)
    schedule.observe(math.nan, step=10)
    assert (schedule.best, schedule(50)) == (None, pytest.approx(0.1))


# ------------------------------------------------------------------------------------ parts in turn


def test_a_chain_tells_its_parts_their_own_stretch():
    schedule = built(
        "{chain: {warmup: 10, milestones: [50%], schedules: ["
        "{multistep: {milestones: [1 epoch, 50%], gamma: 0.5}}, {polynomial: {min_lr: 1e-4}}]}}"
    )
    first, second = schedule.schedules
    assert (first.total_steps, second.total_steps) == (30, 20)
    assert first.milestones == [12, 15]
    assert schedule(10 + 29) == 0.25
    assert schedule(10 + 30) == 1.0
    assert schedule(60) == pytest.approx(0.1)


def test_a_chain_in_python_takes_functions():
    schedule = Chain(
        20, schedules=[functools.partial(Linear, start_factor=0.5), Cosine], milestones=[10]
    )
    assert (schedule(0), schedule(10), schedule(15)) == (0.5, 1.0, pytest.approx(0.5))


PATIENT = "{plateau: {patience: 0, factor: 0.5, warmup: 2}}"
CHAINED = (
    f"{{chain: {{warmup: 2, schedules: [constant, {PATIENT}, step: 3], milestones: [4, 12]}}}}"
)


def test_a_plateau_in_a_chain_is_told_what_is_measured_while_it_works():
    schedule = built(CHAINED.replace("step: 3", "{step: 3}"), 20)
    assert schedule.metric == "val/loss"
    assert schedule.note == "plateau lowers the rate when val/loss no longer improves: not shown"
    found = []
    for step in range(20):  # every step is measured, and nothing ever improves on the first
        schedule.observe(1.0, step=step)
        found.append(schedule(step))
    warmups, plateau = [0.5, 1.0], [1.0 / 2, 1.0]  # of the chain; of the plateau, from step 6 on
    decays = [
        1.0,
        0.5,
        0.25,
        0.125,
        0.0625,
        0.03125,
    ]  # step 8 brings the best, 9 to 13 are no better
    assert found == [*warmups, 1, 1, 1, 1, *plateau, *decays, 1, 1, 1, 0.1, 0.1, 0.1]


def test_chains_of_plateaus_go_on_from_their_state():
    text = f"{{chain: {{schedules: [{PATIENT}, {PATIENT}], milestones: [10]}}}}"
    text = f"{{chain: {{schedules: [constant, {text}], milestones: [3]}}}}"
    values = [3, 2, 2, 1, 1, 5, 4, 1, 1, 0.5] * 3

    def run(schedule, steps):
        rates = []
        for step in steps:
            schedule.observe(values[step], step=step)
            rates.append(schedule(step))
        return rates

    whole = run(built(text, 30), range(30))
    assert len(set(whole)) > 6
    for stop in range(30):
        first, second = built(text, 30), built(text, 30)
        before = run(first, range(stop))
        second.load_state_dict(json.loads(json.dumps(first.state_dict())))
        assert before + run(second, range(stop, 30)) == whole


def test_chains_may_hold_chains():
    inner = "{chain: {schedules: [constant, {constant: {factor: 0.5}}], milestones: [50%]}}"
    schedule = built(f"{{chain: {{schedules: [constant, {inner}], milestones: [20]}}}}")
    assert [schedule(step) for step in (0, 20, 39, 40, 59)] == [1, 1, 1, 0.5, 0.5]


# ------------------------------------------------------------------------------------------ lengths


@pytest.mark.parametrize(
    ("text", "steps", "plain"),
    [
        (0, 0, 0),
        (100, 100, 100),
        ("100", None, None),
        ("100 steps", 100, "100 steps"),
        ("1 step", 1, "1 step"),
        ("5%", 13, "5%"),
        ("2.5%", 7, "2.5%"),
        ("100 %", 250, "100%"),
        ("2 epochs", 50, "2 epochs"),
        ("1epoch", 25, "1 epoch"),
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


# ---------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize("name", CASES)
def test_C22_a_warm_up_longer_than_the_run_is_refused_at_its_place(name):
    first = CASES[name][0][0].removeprefix("{").removesuffix("}")
    first = f"{first}, " if first else ""
    text = f"{{{name}: {{{first}warmup: 6 epochs}}}}"
    with pytest.raises(ConfigError, match="warmup must be at most the 60 steps of the run") as e:
        built(text)
    (problem,) = e.value.problems
    assert (problem.fault, problem.line) == ("C22", 1)
    assert problem.column == f"s: {text}".index("6 epochs") + 1


@pytest.mark.parametrize(
    ("text", "fault", "at", "message"),
    [
        ("{step: 0}", "C22", "0", "step_size must be at least one step"),
        ("{multistep: [10, 5]}", "C22", "[10", "in increasing order"),
        ("{multistep: [10, 61]}", "C22", "[10", "at most the 60 steps of the run, got 61"),
        ("{linear: {total_iters: 6 epochs}}", "C22", "6 ep", "at most the 60 steps"),
        ("{polynomial: {total_iters: 0}}", "C22", "0", "at least one step"),
        ("{exponential: {gamma: 0.9, period: 0}}", "C22", "0}", "at least one step"),
        ("{cosine_restarts: 61}", "C22", "61", "at most the 60 steps"),
        ("{cosine: {final: 0.1, min_lr: 1e-4}}", "C22", "1e-4", "left out where final is given"),
        ("{cosine: {min_lr: 0.01}}", "C22", "0.01", "at most the lr, which is 0.001"),
        ("{inverse_sqrt: {}}", "C22", "inverse", "timescale must be at least one step, or warmup"),
        (
            "{warmup_stable_decay: {warmup: 90%, decay: 20%}}",
            "C22",
            "20%",
            "at most the 6 steps after the warm-up, got 12",
        ),
        (
            "{chain: {schedules: [cosine, step: 9], milestones: []}}",
            "C22",
            "[]",
            "one less than the 2 schedules",
        ),
        (
            "{chain: {schedules: [cosine, constant], milestones: [100%]}}",
            "C22",
            "[100%]",
            "increasing, and within the 60 steps after the warm-up",
        ),
        (
            "{chain: {schedules: [cosine, {cosine: {warmup: 31}}], milestones: [50%]}}",
            "C22",
            "31",
            "schedules[1].cosine: warmup must be at most the 30 steps of the run",
        ),
        (
            "{chain: {schedules: [plateau, {plateau: val/f1}], milestones: [50%]}}",
            "C22",
            "[plateau",
            "schedules must be of one metric, as far as they go by any, got ['val/f1', 'val/loss']",
        ),
        ("{chain: {schedules: [cosin], milestones: []}}", "C01", "cosin]", "did you mean"),
        ("{cosine: {final: 1.5}}", "C08", "1.5", ">= 0 and < 1"),
        ("{plateau: {patience: -1}}", "C08", "-1", ">= 0"),
        ("{one_cycle: {pct_start: 1.5}}", "C08", "1.5", ">= 0 and <= 1"),
        ("{one_cycle: {anneal_strategy: sine}}", "C08", "sine", "one of cos, linear"),
    ],
)
def test_a_wrong_argument_is_refused_at_its_place(text, fault, at, message):
    text = text.replace("step: 9", "{step: 9}")
    with pytest.raises(ConfigError) as caught:
        built(text)
    (problem,) = caught.value.problems
    assert message in f"{problem.message} {problem.hint}"
    assert (problem.fault, problem.line) == (fault, 1)
    assert problem.column == f"s: {text}".index(at) + 1


@pytest.mark.parametrize(
    ("make", "parameter"),
    [
        (lambda: Step(10, step_size=0), "step_size"),
        (lambda: Step(10, step_size=1, gamma=0.0), "gamma"),
        (lambda: Cosine(10, final=1.5), "final"),
        (lambda: Cosine(10, final=-0.1), "final"),
        (lambda: Cosine(10, min_lr=0.1), "min_lr"),
        (lambda: Cosine(10, lr=0.0, min_lr=0.0), "min_lr"),
        (lambda: InverseSqrt(10), "timescale"),
        (lambda: Constant(0), "total_steps"),
        (lambda: Constant(10, 0), "steps_per_epoch"),
    ],
)
def test_C08_a_wrong_argument_is_named(make, parameter):
    with pytest.raises(ParameterError) as caught:
        make()
    assert caught.value.parameter == parameter
