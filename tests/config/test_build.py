"""From a config to live objects: data, model, optimizer, schedule, and what they ask of memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dgrad.config import document
from dgrad.config.build import (
    LoadedData,
    build_model,
    build_trainer,
    load_data,
    read_data,
    with_data,
)
from dgrad.config.document import Config, load
from dgrad.config.memory import available_memory, limited_memory
from dgrad.errors import ConfigError
from dgrad.train.trainer import Trainer
from tests.toys import CLASSES, NUMBERS, forgetting, write_toy


@pytest.fixture(autouse=True)
def _components() -> Iterator[None]:
    """Here the shipped components are meant, not those of conftest."""
    document._register_shipped()
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
    model, shape = build_model(*_known(tmp_path))
    assert shape == (3,)
    assert {name: p.shape for name, p in model.named_parameters()} == {
        "0_linear.weight": (8, 3), "0_linear.bias": (8,),
        "3_linear.weight": (3, 8), "3_linear.bias": (3,),
    }  # fmt: skip
    assert all(module.training for module in model.modules())


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
    model, shape = build_model(config, LoadedData(data.dataset, data.split, (), grid))
    assert (shape, model[1].weight.shape) == ((3,), (8, 3))


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


def test_settings_come_from_the_config(tmp_path: Path) -> None:
    more = ["train.clip_norm=2", "train.early_stop={metric: val/accuracy, patience: 4}"]
    settings = built(tmp_path, CLASSES, *more).settings
    assert (settings.seed, settings.epochs, settings.batch_size) == (3, 3, 16)
    assert (settings.clip_norm, settings.best) == (2.0, "val/loss")
    assert (settings.stop_metric, settings.patience) == ("val/accuracy", 4)


def test_without_validation_rows_the_training_loss_stands_in(tmp_path: Path) -> None:
    trainer = built(tmp_path, CLASSES, "data.split.val=0")
    assert (trainer.settings.best, list(trainer.splits)) == ("train/loss", ["train", "test"])


# ------------------------------------------------------------------------------------------ memory


def test_C24_beyond_the_limit_memory_errors_come_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    if available_memory() is None:
        pytest.skip("this system does not say how much memory is available")
    monkeypatch.setattr("dgrad.config.memory.available_memory", lambda: 64 << 20)
    with limited_memory(), pytest.raises(MemoryError):
        np.empty(256 << 20, np.uint8)
    assert np.empty(256 << 20, np.uint8).size  # the limit is gone


def test_a_group_limit_counts_where_it_is_lower(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {
        "/proc/meminfo": "MemTotal: 9 kB\nMemAvailable:      1000 kB\n",
        "/sys/fs/cgroup/memory.max": "max\n",
        "/sys/fs/cgroup/memory.current": "5\n",
    }
    monkeypatch.setattr("dgrad.config.memory._text", lambda path: texts.get(path, ""))
    assert available_memory() == 1_024_000
    texts["/sys/fs/cgroup/memory.max"] = "2000\n"
    assert available_memory() == 1995
    texts.clear()
    assert available_memory() is None


def test_an_unknown_amount_of_memory_limits_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    unknown: Any = lambda: None  # noqa: E731
    monkeypatch.setattr("dgrad.config.memory.available_memory", unknown)
    monkeypatch.setattr("dgrad.config.build.available_memory", unknown)
    assert built(tmp_path).parameters
