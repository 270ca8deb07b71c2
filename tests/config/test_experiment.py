"""Whole runs through the library: what is written, and coming back from a checkpoint."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import pytest

from dgrad.config import document, yaml
from dgrad.config.document import load
from dgrad.config.experiment import Experiment, Outcome
from dgrad.errors import (
    CheckpointError,
    ConfigError,
    DataError,
    DivergedError,
    ParameterError,
)
from dgrad.train import checkpoint
from dgrad.train.run_directory import RunDirectory, find_checkpoint
from dgrad.train.threads import blas_threads
from tests.toys import CLASSES, NUMBERS, forgetting, write_toy

Run = Callable[..., tuple[Experiment, Outcome, Path]]


@pytest.fixture(autouse=True)
def _components() -> Iterator[None]:
    """Here the shipped components are meant, not those of conftest."""
    document.register_shipped()
    with forgetting():
        yield


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Trains a toy config: (experiment, outcome, run directory)."""

    def run(
        text: str = CLASSES,
        *overrides: str,
        change: Callable[[Experiment], None] = lambda experiment: None,
    ) -> tuple[Experiment, Outcome, Path]:
        experiment = Experiment.build(load(write_toy(tmp_path, text), overrides))
        change(experiment)
        keep = experiment.config.train.checkpoint.keep
        with RunDirectory.create(tmp_path / "runs", "toy", keep=keep) as directory:
            return experiment, experiment.run(directory, ["dgrad", "train"]), directory.path

    return run


def records(path: Path) -> list[dict[str, object]]:
    lines = (path / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line, parse_constant=pytest.fail) for line in lines]


def test_a_checkpoint_holds_model_optimizer_and_transforms(run: Run) -> None:
    experiment, outcome, path = run()
    stored = checkpoint.load(outcome.checkpoint)
    parameters = [name for name, _ in experiment.trainer.model.named_parameters()]
    optimizer = experiment.trainer.optimizer
    slots = ("step", *optimizer.slots(optimizer.param_groups[0]))
    assert set(stored.tensors) == {
        *(f"model.{name}" for name in parameters),
        *(f"optimizer.{slot}.{name}" for slot in slots for name in parameters),
        "transform.0.offset",
        "transform.0.scale",
    }
    assert stored.metadata["class_names"] == ["blue", "green", "red"]
    assert stored.metadata["feature_names"] == ["a", "b", "c"]
    assert stored.metadata["input_shape"] == [3]
    assert stored.metadata["progress"]["step"] == int(outcome.checkpoint.stem.split("-")[1])
    assert stored.metadata["sources"][0]["sha256"] == experiment.data.dataset.sources[0].sha256
    assert stored.metadata["environment"]["argv"] == ["dgrad", "train"]
    resolved = yaml.dump(experiment.config.resolved())
    assert stored.metadata["config"] == resolved == (path / "resolved.yaml").read_text()


def test_every_checkpoint_says_how_far_the_log_reached(run: Run) -> None:
    _, _, path = run(CLASSES, "train.checkpoint={every: 2 steps, keep: 9}")
    log = (path / "metrics.jsonl").read_bytes()
    files = sorted(path.glob("checkpoints/step-*"))
    assert len(files) > 3
    for file in files:
        stored = checkpoint.load(file).metadata
        told = log[: stored["metrics"]["offset"]]
        assert stored["metrics"]["sha256"] == hashlib.sha256(told).hexdigest()
        assert json.loads(told.splitlines()[-1])["step"] == stored["progress"]["step"]


RUNS = {  # 9 steps each
    "sgd": ["optimizer={sgd: {lr: 0.1, momentum: 0.9}}"],
    "adam": ["optimizer={adam: {lr: 0.05, weight_decay: 0.01}}"],
    "steps": ["~train.epochs", "train.steps=9", "train.eval={every: 4 steps, rows: 7}"],
    "accumulation": ["train.accumulate=2", "train.batch_size=8"],
    "ema": ["train.ema={decay: 0.7}", "model.layers=[{linear: 8}, batch_norm, {linear: 3}]"],
    "swa": [
        "train.swa={start: 50%, every: 2 steps}",
        "model.layers=[{linear: 8}, batch_norm, {linear: 3}]",
    ],
    "plateau": ["schedule={plateau: {patience: 0, threshold: 0.5, factor: 0.5}}"],
}


@pytest.mark.parametrize("stop", [1, 4, 5, 6, 8])
@pytest.mark.parametrize("given", RUNS.values(), ids=RUNS)
def test_T13_T38_a_run_goes_on_bit_for_bit_from_its_checkpoint(
    given: list[str], stop: int, run: Run, tmp_path: Path
) -> None:
    def stop_within(experiment: Experiment) -> None:
        trainer = experiment.trainer
        step = trainer.train_step

        def stopping(inputs: np.ndarray, targets: np.ndarray) -> float:
            trainer.stop_requested = trainer.progress.step == stop - 1
            return step(inputs, targets)

        trainer.train_step = stopping  # type: ignore[method-assign]

    given = [*given, "train.checkpoint.every=2 steps", "train.clip_norm=1"]
    whole, _, path = run(CLASSES, *given)
    _, outcome, first = run(CLASSES, *given, change=stop_within)
    assert (outcome.how, outcome.checkpoint.stem) == ("interrupted", f"step-{stop:09d}")
    restored = Experiment.restore(outcome.checkpoint)
    with RunDirectory.create_at(tmp_path / "second", keep=2) as directory:
        restored.run(directory, [])
    logs = [(each / "metrics.jsonl").read_text() for each in (path, first, tmp_path / "second")]
    assert logs[0] == logs[1] + logs[2]
    assert restored.trainer.progress.stored() == whole.trainer.progress.stored()
    one, two = (checkpoint.load(find_checkpoint(p, "latest")) for p in (path, directory.path))
    assert list(one.tensors) == list(two.tensors)
    assert all(np.array_equal(one.tensors[name], two.tensors[name]) for name in one.tensors)


@pytest.mark.parametrize("kind", ["ema: {decay: 0.7}", "swa: {start: 50%, every: 2 steps}"])
def test_averaged_weights_are_the_best_and_what_is_measured(kind: str, run: Run) -> None:
    layers = "model.layers=[{linear: 8}, batch_norm, {linear: 3}]"
    section = kind[:3]
    experiment, outcome, path = run(CLASSES, layers, f"train.{section}={kind[5:]}")
    stored = checkpoint.load(outcome.checkpoint).tensors
    names = {name.removeprefix("model.") for name in stored if name.startswith("model.")}
    names = {name for name in names if section == "swa" or "batch_norm" not in name}
    assert {f"{section}.{name}" for name in names} <= set(stored)
    restored = Experiment.restore(path)
    assert restored.evaluate("test") == outcome.results
    found = restored.evaluate("val")
    best = min(records(path), key=lambda record: record["val/loss"])
    assert {f"val/{name}": value for name, value in found.items()}.items() <= best.items()
    assert restored.trainer.average is not None
    restored.trainer.average = None
    assert restored.evaluate("test") != outcome.results
    assert experiment.trainer.progress.averaged == (9 if section == "ema" else 3)


def test_a_run_of_steps_tells_of_the_rows_it_leaves_out(run: Run) -> None:
    _, outcome, path = run(CLASSES, "~train.epochs", "train.steps=4", "train.eval.rows=5")
    assert [(record["epoch"], record["step"]) for record in records(path)] == [(1, 3), (1, 4)]
    assert "warning: val/ is measured on 5 of the 15 validation rows" in (
        (path / "log.txt").read_text()
    )
    assert "steps: 4\n" in (path / "resolved.yaml").read_text()
    assert Experiment.restore(path).evaluate("test") == outcome.results


def test_a_run_survives_a_move_of_its_data(run: Run, tmp_path: Path) -> None:
    _, outcome, path = run()
    (tmp_path / "elsewhere").mkdir()
    moved = (tmp_path / "classes.csv").rename(tmp_path / "elsewhere" / "renamed.csv")
    path = path.rename(tmp_path / "elsewhere" / "001")
    with pytest.raises(DataError, match=r"if it was moved, add: data\.csv\.path=FILE") as error:
        Experiment.restore(path)
    assert error.value.fault == "D01"
    restored = Experiment.restore(path, overrides=[f"data.csv.path={moved}"])
    assert restored.evaluate("test") == outcome.results
    moved.write_text(moved.read_text().replace("1", "2", 1))
    with pytest.raises(DataError, match=r"renamed\.csv has changed since") as error:
        Experiment.restore(path, overrides=[f"data.csv.path={moved}"])
    assert error.value.fault == "T26"


@pytest.mark.parametrize(
    "key", ["seed", "train.epochs", "data.split.val", "data.transforms", "data", "~data.csv"]
)
def test_only_where_the_data_are_can_be_changed(key: str, run: Run) -> None:
    _, outcome, _ = run(CLASSES, "train.epochs=1")
    with pytest.raises(ParameterError, match=r"one of the data's reader, such as data\.csv\.path"):
        Experiment.restore(outcome.checkpoint, overrides=[f"{key}=1"])


def test_an_unknown_key_of_the_reader_is_a_config_error(run: Run) -> None:
    _, outcome, _ = run(CLASSES, "train.epochs=1")
    with pytest.raises(ConfigError, match="unknown key"):
        Experiment.restore(outcome.checkpoint, overrides=["data.csv.pth=x"])


def test_the_thread_count_is_recorded_and_comes_back(run: Run) -> None:
    before = blas_threads()
    experiment, outcome, path = run()
    stored = checkpoint.load(outcome.checkpoint).metadata["environment"]
    assert stored == json.loads((path / "environment.json").read_text())
    chosen = any(value for name, value in stored["threads"].items() if name.endswith("_THREADS"))
    assert stored["blas_threads"] == (before if chosen or before is None else 1)
    experiment.evaluate("test")
    assert blas_threads() == before


@pytest.mark.parametrize(("size", "rows"), [(16, 16), (500, 45)])  # there are 45 to train on
def test_the_threads_suit_the_flops_of_a_batch(
    size: int, rows: int, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def suited(work: int) -> AbstractContextManager[None]:
        asked.append(work)
        return nullcontext()

    monkeypatch.setattr("dgrad.config.experiment.suited_threads", suited)
    experiment, _, _ = run(CLASSES, "train.epochs=1", f"train.batch_size={size}")
    experiment.evaluate("test")
    row = 8 * (2 * 3 + 1) + 8 + 3 * (2 * 8 + 1)  # linear, relu, linear
    assert asked == [rows * row, rows * row]


def test_the_rows_of_an_evaluation_are_configured(run: Run) -> None:
    experiment, _, path = run(CLASSES, "train.eval_batch_size=4")
    sizes: list[int] = []
    model = experiment.trainer.model
    model.register_forward_pre_hook(lambda module, args: sizes.append(len(args[0])))
    experiment.evaluate("test")
    assert sizes == [4, 4, 4, 3]
    assert "eval_batch_size: 4" in (path / "resolved.yaml").read_text()


def test_T38_restore_gives_back_every_tensor_and_counter(run: Run) -> None:
    _, _, path = run(CLASSES, "train.early_stop={metric: val/accuracy, patience: 9}")
    latest = find_checkpoint(path, "latest")
    restored = Experiment.restore(latest)
    stored = checkpoint.load(latest)
    again = restored.tensors()
    assert set(again) == set(stored.tensors)
    assert all(np.array_equal(again[name], stored.tensors[name]) for name in again)
    assert restored.trainer.progress.stored() == stored.metadata["progress"]
    assert restored.checkpoint == latest
    assert restored.config == load(path / "resolved.yaml")


@pytest.mark.parametrize("text", [CLASSES, NUMBERS])
def test_the_outcome_is_what_the_best_weights_give(text: str, run: Run) -> None:
    _, outcome, path = run(text, "train.epochs=5")
    assert (outcome.how, outcome.split) == ("done", "test")
    assert outcome.checkpoint == find_checkpoint(path, "best")
    restored = Experiment.restore(path)
    assert restored.trainer.evaluate("test") == outcome.results
    best = min(records(path), key=lambda record: record["val/loss"])
    validation = restored.trainer.evaluate("val")
    assert {f"val/{k}": v for k, v in validation.items()}.items() <= best.items()


@pytest.mark.parametrize(
    ("split", "measured"),
    [
        ("{val: 0.2, test: 0}", "val"),
        ("{val: 0, test: 0.2}", "test"),
        ("{val: 0, test: 0}", "train"),
    ],
)
def test_without_test_rows_the_last_split_is_measured(split: str, measured: str, run: Run) -> None:
    _, outcome, path = run(CLASSES, f"data.split={split}", "train.epochs=1")
    assert outcome.split == measured
    assert Experiment.restore(path).trainer.evaluate(measured) == outcome.results


def test_C29_the_resolved_config_of_any_run_trains_to_the_same_bits(
    run: Run, tmp_path: Path
) -> None:
    more = [
        "train.clip_norm=0.1",
        "train.dtype=float64",
        "optimizer={sgd: {lr: 0.1, momentum: 0.9}}",
    ]
    _, first, path = run(CLASSES, *more)
    again = Experiment.build(load(path / "resolved.yaml"))
    with RunDirectory.create_at(tmp_path / "again", keep=2) as directory:
        second = again.run(directory, [])
    one, two = (checkpoint.load(each.checkpoint).tensors for each in (first, second))
    assert all(np.array_equal(one[name], two[name]) for name in one)
    assert first.results == second.results


def test_rotation_keeps_the_newest_and_the_best(run: Run) -> None:
    def best_is_first(experiment: Experiment) -> None:
        losses = iter([1.0, 2.0, 3.0, 4.0, 5.0])
        evaluate = experiment.trainer.evaluate
        experiment.trainer.evaluate = (  # type: ignore[method-assign]
            lambda split: (
                evaluate(split) if split == "test" else {"loss": next(losses), "accuracy": 0.0}
            )
        )

    _, outcome, path = run(CLASSES, "train.epochs=5", change=best_is_first)
    names = sorted(p.name for p in path.glob("checkpoints/step-*"))
    assert names == [f"step-{step:09d}.safetensors" for step in (3, 12, 15)]
    assert outcome.checkpoint.name == names[0]
    assert Experiment.restore(path).trainer.evaluate("test") == outcome.results
    latest = Experiment.restore(find_checkpoint(path, "latest"))
    assert latest.trainer.evaluate("test") != outcome.results


def test_E02_transforms_are_restored_not_fitted_anew(run: Run) -> None:
    _, outcome, _ = run()
    stored = checkpoint.load(outcome.checkpoint)
    stored.tensors["transform.0.offset"] += 1
    checkpoint.save(outcome.checkpoint, stored.tensors, stored.metadata)
    assert Experiment.restore(outcome.checkpoint).trainer.evaluate("test") != outcome.results


def test_T05_T40_validation_that_is_not_finite_is_null_in_the_log_and_never_best(run: Run) -> None:
    def break_it(experiment: Experiment) -> None:
        values = iter([math.nan, math.inf, 0.5])
        experiment.trainer.evaluate = (  # type: ignore[method-assign]
            lambda split: {"loss": 1.0 if split == "test" else next(values), "accuracy": 0.0}
        )

    _, outcome, path = run(change=break_it)
    found = records(path)
    assert [(r["val/loss"], r.get("val/loss_reason")) for r in found] == [
        (None, "nan"), (None, "inf"), (0.5, None),
    ]  # fmt: skip
    assert outcome.checkpoint.name == "step-000000009.safetensors"


def test_T08_state_that_is_not_finite_is_never_saved(run: Run, tmp_path: Path) -> None:
    def break_it(experiment: Experiment) -> None:
        optimizer = experiment.trainer.optimizer
        arrays = optimizer.state_arrays

        def overflowing(named: object) -> dict[str, np.ndarray]:
            found: dict[str, np.ndarray] = arrays(named)
            if experiment.trainer.progress.step == 6:
                next(a for a in found.values() if a.dtype.kind == "f").flat[0] = math.inf
            return found

        optimizer.state_arrays = overflowing

    with pytest.raises(DivergedError, match=r"optimizer\.\S+ is not finite after step 6") as error:
        run(change=break_it)
    assert error.value.fault == "T08"
    path = tmp_path / "runs" / "toy" / "001"
    assert find_checkpoint(path, "latest").name == "step-000000003.safetensors"
    assert "error[T08]" in (path / "log.txt").read_text()


def test_an_interrupted_run_has_no_results(run: Run) -> None:
    def stop(experiment: Experiment) -> None:
        experiment.trainer.stop_requested = True

    _, outcome, path = run(change=stop)
    assert (outcome.how, outcome.results) == ("interrupted", {})
    assert outcome.checkpoint == find_checkpoint(path, "latest")
    assert outcome.checkpoint.name == "step-000000001.safetensors"


def test_K05_another_format_of_the_content(run: Run) -> None:
    _, outcome, _ = run()
    stored = checkpoint.load(outcome.checkpoint)
    stored.metadata["format"] = 99
    checkpoint.save(outcome.checkpoint, stored.tensors, stored.metadata)
    with pytest.raises(CheckpointError, match="has format 99, this dgrad reads 1") as error:
        Experiment.restore(outcome.checkpoint)
    assert error.value.fault == "K05"


@pytest.mark.parametrize(
    "forged", [{"config": 5}, {"progress": {}}, {"progress": {"step": "x"}}, {"sources": 3}]
)
def test_K07_forged_metadata_are_refused(forged: dict[str, object], run: Run) -> None:
    _, outcome, _ = run()
    stored = checkpoint.load(outcome.checkpoint)
    for key, value in forged.items():
        held = stored.metadata[key]
        stored.metadata[key] = {**held, **value} if isinstance(value, dict) and value else value
    checkpoint.save(outcome.checkpoint, stored.tensors, stored.metadata)
    with pytest.raises(CheckpointError, match="not those of a training run") as error:
        Experiment.restore(outcome.checkpoint)
    assert error.value.fault == "K07"


TOKENS = """\
data:
  READER
  split: {val: 0.2, test: 0.2}
model:
  layers: [{embedding: {num_embeddings: $data.vocab, embedding_dim: 6}}, {linear: $data.vocab}]
loss: cross_entropy
metrics: [accuracy]
optimizer: {adam: {lr: 0.05}}
train: {epochs: 2, batch_size: 16}
"""


@pytest.mark.parametrize(
    ("reader", "vocabulary"),
    [
        ("text: {path: a.txt, context: 8}", "\n .abcdelmnpsu"),
        ("text: {path: a.txt, context: 8, tokenizer: byte}", "".join(map(chr, range(256)))),
        ("addition: {digits: 1, rows: 90}", "+0123456789="),
    ],
)
def test_a_model_of_tokens_comes_back_with_its_vocabulary(
    reader: str, vocabulary: str, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("a lump. a muscle. a cab land.\n" * 20)
    _, outcome, path = run(TOKENS.replace("READER", reader))
    assert checkpoint.load(outcome.checkpoint).metadata["vocabulary"] == list(vocabulary)
    restored = Experiment.restore(path)
    assert restored.evaluate("test") == outcome.results
    if "text" in reader:
        other = "char" if "byte" in reader else "byte"
        with pytest.raises(DataError, match="class_names of the data are not those") as error:
            Experiment.restore(path, overrides=[f"data.text.tokenizer={other}"])
        assert error.value.fault == "T26"


def test_T26_generated_data_must_be_those_of_the_run(run: Run) -> None:
    generated = CLASSES.replace("csv: {path: classes.csv, target: kind}", "blobs: {rows: 60}")
    _, outcome, path = run(generated)
    assert Experiment.restore(path).evaluate("test") == outcome.results
    with pytest.raises(DataError, match=r"blobs \(generated\) has changed since") as error:
        Experiment.restore(path, overrides=["data.blobs.seed=1"])
    assert error.value.fault == "T26"


@pytest.mark.parametrize(
    ("forged", "told"),
    [
        (
            {"class_names": ["blue", "red", "green"]},
            r"class_names .* 3 \('blue', 'red', 'green'\) then",
        ),
        ({"class_names": None}, "class_names .* none then"),
        ({"vocabulary": list("abcdefgh")}, r"vocabulary .*none now, 8 \(.*'e', \.\.\.\) then"),
    ],
)
def test_T26_names_in_another_order_are_refused(
    forged: dict[str, object], told: str, run: Run
) -> None:
    _, outcome, _ = run()
    stored = checkpoint.load(outcome.checkpoint)
    assert stored.metadata["vocabulary"] is None
    checkpoint.save(outcome.checkpoint, stored.tensors, {**stored.metadata, **forged})
    with pytest.raises(DataError, match=told) as error:
        Experiment.restore(outcome.checkpoint)
    assert error.value.fault == "T26"


def test_describe_names_layers_parameters_and_rows(tmp_path: Path) -> None:
    experiment = Experiment.build(load(write_toy(tmp_path)))
    assert experiment.describe() == (
        "toy: linear > relu > dropout > linear, 59 parameters; rows: 45 train, 15 val, 15 test"
    )
