"""From a config to live objects: data, model, optimizer, schedule, and what they ask of memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dgrad.config import document
from dgrad.config.build import build_trainer, with_data
from dgrad.config.data import LoadedData, load_data, read_data
from dgrad.config.document import Config, load
from dgrad.config.model import build_model
from dgrad.config.wiring import layer_names
from dgrad.core.tensor import Tensor
from dgrad.errors import ConfigError, ResourceError
from dgrad.nn.linear import Linear
from dgrad.nn.memory import available_memory
from dgrad.nn.module import Module, Parameter
from dgrad.ops.indexing import getitem
from dgrad.optim.schedules import Schedule
from dgrad.registry import layers, schedules
from dgrad.train.averaging import EMA, SWA
from dgrad.train.trainer import Trainer
from tests.toys import CLASSES, NUMBERS, forgetting, write_toy


@pytest.fixture(autouse=True)
def _components() -> Iterator[None]:
    """Here the shipped components are meant, not those of conftest."""
    document.register_shipped()
    with forgetting():
        yield


def loaded(folder: Path, text: str = CLASSES, *overrides: str) -> tuple[Config, LoadedData]:
    config = load(write_toy(folder, text), overrides)
    return config, load_data(config, read_data(config))


def built(folder: Path, text: str = CLASSES, *overrides: str) -> Trainer:
    return build_trainer(*loaded(folder, text, *overrides))


def weights(trainer: Trainer) -> np.ndarray:
    return np.concatenate([p.data.ravel() for p in trainer.parameters])


# ------------------------------------------------------------------------------------------ data


def test_E02_transforms_are_fitted_to_the_training_rows_alone(tmp_path: Path) -> None:
    _, data = loaded(tmp_path)
    raw = data.dataset.inputs[data.split.train]
    np.testing.assert_allclose(data.inputs[data.split.train].mean(0), 0, atol=1e-6)
    expected = (data.dataset.inputs - raw.mean(0)) / raw.std(0)
    np.testing.assert_allclose(data.inputs, expected, rtol=1e-4, atol=1e-5)


def test_E02_a_stored_state_is_used_instead_of_the_data(tmp_path: Path) -> None:
    config, data = loaded(tmp_path)
    state = {"0": {"offset": np.zeros(3), "scale": np.full(3, 2.0)}}
    given = load_data(config, data.dataset, state)
    np.testing.assert_allclose(given.inputs, data.dataset.inputs / 2)


def test_examples_hold_every_row_once(tmp_path: Path) -> None:
    _, data = loaded(tmp_path)
    splits = data.examples((3,), "float64")
    assert {name: len(each) for name, each in splits.items()} == {
        "train": 45,
        "val": 15,
        "test": 15,
    }
    assert splits["train"].inputs.dtype == np.float64
    assert splits["val"].targets.dtype == np.int64
    np.testing.assert_array_equal(splits["val"].targets, data.dataset.targets[data.split.val])


@pytest.mark.parametrize(("units", "shape"), [("1", (72, 1)), ("$data.targets", (72, 1))])
def test_number_targets_take_the_shape_of_the_output(
    units: str, shape: tuple[int, ...], tmp_path: Path
) -> None:
    trainer = built(tmp_path, NUMBERS.replace("$data.targets", units))
    assert trainer.splits["train"].targets.shape == shape
    assert trainer.splits["train"].targets.dtype == np.float32


# ------------------------------------------------------------------------------------- references


def test_references_are_replaced_in_every_section(tmp_path: Path) -> None:
    text = CLASSES.replace("lr: 0.05", "lr: $data.features").replace("linear: 8", "linear: $vars.n")
    text = text.replace("cross_entropy", "{cross_entropy: {reduction: mean}}") + "vars: {n: 5}\n"
    config, data = loaded(tmp_path, text)
    known = with_data(config, data)
    assert [layer.arguments.get("out_features") for layer in known.model.layers] == [
        5,
        None,
        None,
        3,
    ]
    assert known.optimizer.arguments["lr"] == 3.0
    assert str(config.optimizer.arguments["lr"]) == "$data.features"  # the original is unchanged


def test_C01_all_unknown_references_are_told(tmp_path: Path) -> None:
    text = CLASSES.replace("lr: 0.05", "lr: $data.a").replace("linear: 8", "linear: $data.b")
    with pytest.raises(ConfigError) as error:
        with_data(*loaded(tmp_path, text))
    assert [(p.fault, p.line) for p in error.value.problems] == [("C01", 8), ("C01", 14)]


def test_C08_a_reference_is_checked_like_a_value(tmp_path: Path) -> None:
    text = CLASSES.replace("dropout: 0.2", "dropout: $data.features")
    with pytest.raises(ConfigError, match="<= 1, got 3"):
        with_data(*loaded(tmp_path, text))


# ------------------------------------------------------------------------------------------ model


def test_sizes_are_inferred_and_layers_are_named(tmp_path: Path) -> None:
    config, data = _known(tmp_path)
    model, out = build_model(config, data.trial_rows("float32"))
    assert out.shape == (2, 3)
    assert {name: p.shape for name, p in model.named_parameters()} == {
        "linear.weight": (8, 3), "linear.bias": (8,),
        "linear_2.weight": (3, 8), "linear_2.bias": (3,),
    }  # fmt: skip
    assert all(module.training for module in model.modules())


@pytest.mark.parametrize(
    ("kinds", "names"),
    [
        ("linear relu linear", "linear relu linear_2"),
        ("relu linear relu dropout linear", "relu linear relu_2 dropout linear_2"),
        ("linear_2 linear linear", "linear_2 linear linear_3"),  # a plugin may call itself so
        ("linear linear linear_2 linear_2", "linear linear_2 linear_2_2 linear_2_3"),
    ],
)
def test_layers_are_named_by_kind_and_count(kinds: str, names: str) -> None:
    assert layer_names(kinds.split()) == names.split()


def _known(folder: Path, text: str = CLASSES, *overrides: str) -> tuple[Config, LoadedData]:
    config, data = loaded(folder, text, *overrides)
    return with_data(config, data), data


def test_T37_initial_weights_depend_on_the_seed_alone(tmp_path: Path) -> None:
    first = weights(built(tmp_path))
    np.random.seed(99)  # noqa: NPY002 - the state that must not matter
    np.testing.assert_array_equal(weights(built(tmp_path, CLASSES, "train.batch_size=3")), first)
    assert not np.array_equal(weights(built(tmp_path, CLASSES, "seed=4")), first)


def test_dtype_of_parameters_and_data(tmp_path: Path) -> None:
    single, double = built(tmp_path), built(tmp_path, CLASSES, "train.dtype=float64")
    assert {p.dtype for p in double.parameters} == {np.dtype(np.float64)}
    assert double.splits["train"].inputs.dtype == np.float64
    np.testing.assert_allclose(weights(double), weights(single), rtol=1e-6)


def test_a_grid_is_flattened(tmp_path: Path) -> None:
    config, data = _known(tmp_path, CLASSES.replace("- linear: 8", "- flatten\n    - linear: 8"))
    grid = data.inputs.reshape(len(data.inputs), 1, 3, 1)
    model, out = build_model(config, grid[:2])
    assert (out.shape, model[1].weight.shape) == ((2, 3), (8, 3))


class Lookup(Module):
    """Rows of a table, by integers."""

    def __init__(self, rows: int) -> None:
        self.table = Parameter(np.ones((rows, 5)))
        self.inner = Linear(5, 5)
        self.inner.eval()

    def forward(self, x: Tensor) -> Any:
        """x: (n, t) integers -> (n, t, 5)."""
        assert x.dtype == np.int64
        return self.inner(getitem(self.table, x.data))


def test_layers_are_tried_on_the_real_inputs_and_on_each_others_outputs(tmp_path: Path) -> None:
    layers.register("lookup")(Lookup)
    text = CLASSES.replace("- linear: 8", "- lookup: 1000\n    - flatten")
    config, data = _known(tmp_path, text)
    whole = np.full((75, 3), 999)  # zeros or floats would do for no index
    integers = LoadedData(data.dataset, data.split, (), whole)
    trainer = build_trainer(config, integers)
    assert trainer.splits["train"].inputs.dtype == np.int64
    assert trainer.model[4].weight.shape == (3, 15)


def test_building_leaves_every_module_in_its_own_mode(tmp_path: Path) -> None:
    layers.register("lookup")(Lookup)
    config, _ = _known(tmp_path, CLASSES.replace("- linear: 8", "- lookup: 9\n    - flatten"))
    model, _ = build_model(config, np.zeros((2, 3), np.int64))
    assert model.lookup.training
    assert not model.lookup.inner.training  # as its constructor left it


class Halved(Module):
    """x, half of it without gradient; `spare` is not used, `frozen` requires no gradient."""

    def __init__(self, cut: bool) -> None:
        self.cut = cut
        self.used, self.spare = Parameter(np.ones(())), Parameter(np.ones(2))
        self.frozen = Parameter(np.ones(()), requires_grad=False)

    def forward(self, x: Tensor) -> Any:
        """x: any shape -> same shape."""
        out = x * self.used * self.frozen
        return out.detach() if self.cut else out


def test_T06_parameters_without_a_gradient_are_named(tmp_path: Path) -> None:
    layers.register("halved")(Halved)
    config, data = loaded(tmp_path, CLASSES.replace("- relu", "- halved: {cut: false}"))
    build_trainer(config, data)
    assert data.warnings[-1] == "no gradient of the loss reaches halved.spare, halved.frozen"
    config, data = loaded(tmp_path, CLASSES.replace("- relu", "- halved: {cut: true}"))
    trainer = build_trainer(config, data)
    assert data.warnings[-1] == (
        "no gradient of the loss reaches linear.weight, linear.bias, "
        "halved.used, halved.spare, halved.frozen"
    )
    assert all(p.grad is None for p in trainer.parameters)


def test_T06_no_warning_where_all_are_reached(tmp_path: Path) -> None:
    config, data = loaded(tmp_path)
    build_trainer(config, data)
    assert data.warnings == []


def test_a_training_set_of_one_row(tmp_path: Path) -> None:
    config, data = loaded(tmp_path)
    one = replace(data.split, train=data.split.train[:1])
    assert build_trainer(config, replace(data, split=one)).total_steps == 3


# ---------------------------------------------------------------------------------------- training


@pytest.mark.parametrize(
    ("every", "steps"), [("1 epoch", 3), ("2 epochs", 6), ("5 steps", 5), ("1 step", 1)]
)
def test_the_interval_of_checkpoints(every: str, steps: int, tmp_path: Path) -> None:
    trainer = built(tmp_path, CLASSES, f"train.checkpoint.every='{every}'")
    assert trainer.settings.save_every == steps


def test_the_schedule_knows_the_length_of_the_run(tmp_path: Path) -> None:
    trainer = built(tmp_path, CLASSES, "train.epochs=10")
    assert trainer.total_steps == 30
    factors = [trainer.schedule(step) for step in range(31)]
    np.testing.assert_allclose(factors[:3], [1 / 3, 2 / 3, 1])  # 10% of 30
    assert factors[30] == 0.0


def test_T41_what_a_plugin_wants_supplied_must_be_known(tmp_path: Path) -> None:
    @schedules.register("shy")
    class Shy(Schedule):
        """Wants to know too much."""

        supplied = ("total_steps", "workers")

        def __init__(self, total_steps: int, workers: int) -> None:
            super().__init__(total_steps)

    with pytest.raises(ConfigError, match="it wants workers supplied, which dgrad does") as caught:
        built(tmp_path, CLASSES, "schedule=shy")
    (problem,) = caught.value.problems
    assert (problem.fault, problem.hint) == ("T41", "it knows: total_steps, steps_per_epoch, lr")


def test_C08_what_an_initialiser_refuses_has_its_place(tmp_path: Path) -> None:
    init = "{out_features: 8, init: {trunc_normal: {a: 2, b: 1}}}"
    with pytest.raises(ConfigError, match=r"trunc_normal: b must be above a = 2.0, got 1") as e:
        built(tmp_path, CLASSES.replace("- linear: 8", f"- linear: {init}"))
    (problem,) = e.value.problems
    line = f"    - linear: {init}"
    assert (problem.fault, problem.column) == ("C08", line.index("b: 1") + 4)


def test_a_plateau_monitors_what_is_measured(tmp_path: Path) -> None:
    given = "schedule={plateau: {metric: val/accuracy}}"
    assert built(tmp_path, CLASSES, given).schedule.metric == "val/accuracy"
    without = built(tmp_path, CLASSES, "schedule=plateau", "data.split.val=0")
    assert without.schedule.metric == "train/loss"
    with pytest.raises(ConfigError, match='nothing called "val/acuracy" is measured') as caught:
        built(tmp_path, CLASSES, "schedule={plateau: {metric: val/acuracy}}")
    (problem,) = caught.value.problems
    assert (problem.fault, problem.line, problem.column) == ("C22", 1, 29)
    assert "val/accuracy" in problem.hint
    chain = "schedule={chain: {schedules: [constant, {plateau: val/loss}], milestones: [50%]}}"
    assert built(tmp_path, CLASSES, chain, "data.split.val=0").schedule.metric == "train/loss"
    with pytest.raises(ConfigError, match=r'schedule\.chain\.metric: nothing called "val/acuracy"'):
        built(tmp_path, CLASSES, chain.replace("val/loss", "val/acuracy"))


def test_a_plugins_schedule_may_go_by_results(tmp_path: Path) -> None:
    @schedules.register("last_loss")
    class LastLoss(Schedule):
        """The last loss, as the factor."""

        metric = "val/loss"

        def observe(self, value: float, *, step: int, higher_is_better: bool = False) -> None:
            self.after = lambda since: value  # type: ignore[method-assign]

    trainer = built(tmp_path, CLASSES, "schedule=last_loss")
    told: list[float] = []
    trainer.fit(save=lambda tensors, best: told.append(trainer.schedule(9)))
    assert told[-1] == trainer.evaluate("val")["loss"]
    assert built(tmp_path, CLASSES, "schedule=last_loss", "data.split.val=0").schedule.metric == (
        "train/loss"
    )
    LastLoss.metric = "val/los"
    with pytest.raises(ConfigError, match=r'last_loss\.metric: nothing called "val/los"'):
        built(tmp_path, CLASSES, "schedule=last_loss")


def test_settings_come_from_the_config(tmp_path: Path) -> None:
    more = ["train.clip_norm=2", "train.early_stop={metric: val/accuracy, patience: 4}"]
    settings = built(tmp_path, CLASSES, *more).settings
    assert (settings.seed, settings.epochs, settings.batch_size) == (3, 3, 16)
    assert (settings.clip_norm, settings.best) == (2.0, "val/loss")
    assert (settings.stop_metric, settings.patience) == ("val/accuracy", 4)


def test_a_step_is_made_of_as_many_batches_as_are_accumulated(tmp_path: Path) -> None:
    trainer = built(tmp_path, CLASSES, "train.accumulate=2")  # 45 rows in batches of 16
    assert (trainer.total_steps, len(trainer.batches)) == (6, 2)
    assert [trainer.schedule(step) for step in range(2)] == [1, 1]  # 10% of 6


def test_every_key_of_the_train_section_arrives(tmp_path: Path) -> None:
    more = ["~train.epochs", "train.steps=50", "train.eval={every: 0.5 epochs, rows: 4}"]
    trainer = built(tmp_path, CLASSES, *more, "train.swa={start: 50%, every: 2 epochs}")
    settings = trainer.settings
    assert (settings.steps, settings.epochs, trainer.total_steps) == (50, None, 50)
    assert (settings.eval_every, settings.eval_rows) == (2, 4)
    assert isinstance(trainer.average, SWA)
    assert (trainer.average.start, trainer.average.every) == (25, 6)
    average = built(tmp_path, CLASSES, "train.ema={decay: 0.5}").average
    assert isinstance(average, EMA)
    assert average.decay == 0.5


@pytest.mark.parametrize(
    ("size", "parts", "told"),
    [(72, 1, []), (24, 3, []), (36, 1, ["lbfgs takes every batch"])],  # of 72 training rows
)
def test_lbfgs_is_for_all_rows_at_once(
    size: int, parts: int, told: list[str], tmp_path: Path
) -> None:
    train = f"train={{steps: 2, batch_size: {size}, accumulate: {parts}}}"
    config, data = loaded(tmp_path, NUMBERS, "optimizer=lbfgs", train)
    build_trainer(config, data)
    assert [text[:23] for text in data.warnings] == told


@pytest.mark.parametrize("key", ["ema", "swa"])
def test_C22_an_average_beside_the_optimizers_own_is_refused(key: str, tmp_path: Path) -> None:
    text = CLASSES.replace("adam:", "adamw_schedule_free:") + f"  {key}: {{}}\n"
    with pytest.raises(ConfigError, match=f"train.{key}: adamw_schedule_free averages the w") as e:
        built(tmp_path, text)
    (problem,) = e.value.problems
    assert (problem.fault, problem.hint) == ("C22", f"leave out {key}, or use adamw")
    assert (problem.line, problem.column) == (len(text.splitlines()), 8)


@pytest.mark.parametrize(
    ("schedule", "doubt"),
    [
        ("cosine", "adamw_schedule_free averages the weights in place of a falling rate: leave ou"),
        ("{constant: {warmup: 10%}}", ""),
    ],
)
def test_a_schedule_beside_a_schedule_free_optimizer(
    schedule: str, doubt: str, tmp_path: Path
) -> None:
    given = ["optimizer=adamw_schedule_free", f"schedule={schedule}"]
    config, data = loaded(tmp_path, CLASSES, *given)
    build_trainer(config, data)
    assert len(data.warnings) == bool(doubt)
    assert doubt in "".join(data.warnings)


def test_C22_an_average_that_starts_after_the_run_is_refused_at_its_place(tmp_path: Path) -> None:
    text = CLASSES + "  swa: {start: 4 epochs}\n"
    with pytest.raises(
        ConfigError, match=r"train\.swa\.start: at most the 9 steps of the run"
    ) as e:
        built(tmp_path, text)
    (problem,) = e.value.problems
    assert (problem.line, problem.column) == (len(text.splitlines()), 16)


@pytest.mark.parametrize(
    ("schedule", "doubts"),
    [
        ("{multistep: {milestones: [2, 1 epoch]}}", ["milestones: 2 means 2 optimizer steps"]),
        (
            "{cosine_restarts: 1}",
            ["first_length: 1 means 1 optimizer step; write '1 epoch' or '1 s"],
        ),
        ("{cosine_restarts: 1 step}", []),
        ("{exponential: 0.9}", []),
        ("{exponential: {gamma: 0.9, period: 2}}", ["period: 2 means"]),
        ("{linear: {total_iters: 2, warmup: 1}}", ["total_iters: 2 means", "warmup: 1 means"]),
        ("{warmup_stable_decay: 2}", ["decay: 2 means"]),
        (
            "{chain: {schedules: [constant, {inverse_sqrt: 2}], milestones: [1]}}",
            ["timescale: 2 means", "milestones: 1 means"],
        ),
        ("{step: 2 epochs}", []),
    ],
)
def test_a_bare_number_where_epochs_may_be_meant(
    schedule: str, doubts: list[str], tmp_path: Path
) -> None:
    config, data = loaded(tmp_path, CLASSES, f"schedule={schedule}")
    build_trainer(config, data)
    assert len(data.warnings) == len(doubts)
    assert all(map(str.startswith, data.warnings, doubts))
    config, data = loaded(tmp_path, CLASSES, f"schedule={schedule}", "train={steps: 30}")
    build_trainer(config, data)
    assert data.warnings == []


@pytest.mark.parametrize(
    ("given", "doubt"),
    [
        ("ema={decay: 0.99}", "ema: decay 0.99 is over about 100 steps, the run has 9: its first"),
        ("ema={decay: 0.8}", None),
        (
            "swa={start: 8, every: 2 steps}",
            "swa averages the weights of one step alone: from 8, ev",
        ),
        ("swa={start: 7, every: 2 steps}", None),
    ],
)
def test_an_average_that_averages_nothing(given: str, doubt: str | None, tmp_path: Path) -> None:
    config, data = loaded(tmp_path, CLASSES, f"train.{given}")
    build_trainer(config, data)
    assert [text[: len(doubt or "")] for text in data.warnings] == ([doubt] if doubt else [])


def test_without_validation_rows_the_training_loss_stands_in(tmp_path: Path) -> None:
    trainer = built(tmp_path, CLASSES, "data.split.val=0")
    assert (trainer.settings.best, list(trainer.splits)) == ("train/loss", ["train", "test"])


# ------------------------------------------------------------------------------------------ memory


def test_C24_a_parameter_without_room_is_refused_before_it_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    need = (4 + 8) << 20  # float32, and drawn in float64
    monkeypatch.setattr("dgrad.nn.memory.available_memory", lambda: need)
    assert Parameter.empty(1 << 10, 1 << 10).shape == (1 << 10, 1 << 10)
    monkeypatch.setattr("dgrad.nn.memory.available_memory", lambda: need - 1)
    text = r"of shape \(1024, 1024\) takes 12,582,912 bytes .* 12,582,911 are free"
    with pytest.raises(ResourceError, match=text):
        Parameter.empty(1 << 10, 1 << 10)
    with pytest.raises(ResourceError, match="bytes"):
        Linear(10**18, 10**18)
    assert Linear(3, 3).weight.size == 9  # what is small is not asked about


def test_a_group_limit_counts_where_it_is_lower(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {
        "/proc/meminfo": "MemTotal: 9 kB\nMemAvailable:      1000 kB\n",
        "/sys/fs/cgroup/memory.max": "max\n",
        "/sys/fs/cgroup/memory.current": "5\n",
    }
    monkeypatch.setattr("dgrad.nn.memory._text", lambda path: texts.get(path, ""))
    assert available_memory() == 1_024_000
    texts["/sys/fs/cgroup/memory.max"] = "2000\n"
    assert available_memory() == 1995
    texts.clear()
    assert available_memory() is None


def test_an_unknown_amount_of_memory_limits_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    unknown: Any = lambda: None  # noqa: E731
    monkeypatch.setattr("dgrad.nn.memory.available_memory", unknown)
    monkeypatch.setattr("dgrad.config.build.available_memory", unknown)
    assert built(tmp_path).parameters


def test_C08_an_argument_that_an_op_refuses_is_told_where_it_stands(tmp_path: Path) -> None:
    layers = "reshape: [1, 8]\n    - max_pool1d: {kernel_size: 2, padding: 2}\n    - flatten"
    with pytest.raises(ConfigError) as caught:
        built(tmp_path, CLASSES.replace("dropout: 0.2", layers))
    (problem,) = caught.value.problems
    assert (problem.fault, problem.line, problem.column) == ("C08", 11, 45)
    assert problem.message.startswith("model.layers[3].max_pool1d: padding must be so small")


# ------------------------------------------------------------------------------------ batch norm


NORMED = CLASSES.replace("dropout: 0.2", "batch_norm: {momentum: 0.2}")


@pytest.mark.parametrize("size", [1, 11, 44])
def test_D11_a_last_batch_of_one_row_is_refused_before_training(size: int, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        built(tmp_path, NORMED, f"train.batch_size={size}")
    (problem,) = caught.value.problems
    assert problem.fault == "D11"
    assert "the last of 45 training rows is a batch alone" in problem.message
    assert "one value per channel" in problem.message


def test_D11_is_only_where_one_row_does_not_do(tmp_path: Path) -> None:
    trainer = built(tmp_path, NORMED, "train.batch_size=16")
    assert dict(trainer.model.named_buffers())["batch_norm.num_batches_tracked"] == 0
    built(tmp_path, CLASSES, "train.batch_size=11")  # no batch norm
    pixels = "reshape: [2, 4]\n    - batch_norm\n    - flatten"
    lines = built(tmp_path, CLASSES.replace("dropout: 0.2", pixels), "train.batch_size=11")
    assert dict(lines.model.named_buffers())["batch_norm.num_batches_tracked"] == 0
