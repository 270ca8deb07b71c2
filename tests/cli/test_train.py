"""`dgrad train`: the digits config to its end, what a run leaves behind, repeatability."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dgrad.config.document import load
from dgrad.train.checkpoint import load as load_checkpoint
from tests.cli.conftest import ROOT, Result
from tests.toys import NUMBERS, write_toy

DIGITS = ROOT / "configs" / "digits_mlp.yaml"
Cli = Callable[..., Result]


@pytest.fixture(scope="session")
def digits(cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """The folder in which the digits config was trained, and how that went."""
    folder = tmp_path_factory.mktemp("digits")
    return folder, cli("train", DIGITS, cwd=folder)


@pytest.fixture(scope="session")
def again(cli: Cli, digits: tuple[Path, Result]) -> tuple[Path, Result]:
    """The run directory of a second run, from the resolved config of the first."""
    folder, _ = digits
    result = cli("train", "runs/digits_mlp/001/resolved.yaml", "--json", cwd=folder)
    return folder / "runs" / "digits_mlp" / "002", result


def strict(text: str) -> Any:
    """JSON without NaN and Infinity."""

    def refuse(name: str) -> None:
        raise ValueError(name)

    return json.loads(text, parse_constant=refuse)


def records(path: Path) -> list[dict[str, Any]]:
    return [strict(line) for line in path.read_text().splitlines()]


def results(out: str) -> dict[str, str]:
    """name -> digits, of the lines that train and eval end with."""
    return dict(line.split() for line in out.splitlines())


def test_digits_train_to_97_percent(digits: tuple[Path, Result]) -> None:
    _, result = digits
    assert result.code == 0
    found = results(result.out)
    assert list(found) == ["test/loss", "test/accuracy", "test/f1_macro"]
    assert float(found["test/accuracy"]) >= 0.97
    assert found["test/accuracy"] == repr(float(found["test/accuracy"]))  # every digit
    assert "run directory: runs/digits_mlp/001\n" in result.err
    assert "measure them again: dgrad eval runs/digits_mlp/001\n" in result.err
    pattern = r"epoch=\d+ step=\d+ train/loss=\S+ val/loss=\S+ val/accuracy=\S+ val/f1_macro=\S+"
    assert re.search(f"^{pattern} lr=", result.err, re.MULTILINE)


def test_L01_L02_piped_output_has_no_control_codes(digits: tuple[Path, Result]) -> None:
    _, result = digits
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", result.out + result.err)


def test_the_run_directory_holds_everything(digits: tuple[Path, Result]) -> None:
    folder, _ = digits
    run = folder / "runs" / "digits_mlp" / "001"
    assert sorted(path.name for path in run.iterdir()) == [
        ".lock", "checkpoints", "config.yaml", "environment.json", "log.txt", "metrics.jsonl",
        "resolved.yaml", "splits.npz", "timing.jsonl",
    ]  # fmt: skip
    assert (run / "config.yaml").read_bytes() == DIGITS.read_bytes()
    record = strict((run / "environment.json").read_text())
    assert record["seed"] == 0
    assert str(DIGITS) in record["argv"]
    assert {"dgrad", "numpy", "python", "blas", "threads", "cpu", "git_commit"} <= set(record)
    assert (run / "log.txt").read_text() in (
        "training ended: early stop\n",
        "training ended: done\n",
    )


def test_C29_resolved_config_loads_as_an_equal_one(digits: tuple[Path, Result]) -> None:
    folder, _ = digits
    resolved = load(folder / "runs" / "digits_mlp" / "001" / "resolved.yaml")
    assert resolved == load(DIGITS)


def test_splits_are_recorded(digits: tuple[Path, Result]) -> None:
    folder, _ = digits
    with np.load(folder / "runs" / "digits_mlp" / "001" / "splits.npz") as parts:
        rows = np.concatenate([parts[name] for name in ("train", "val", "test")])
        assert len(parts["train"]) == 1258
    assert np.array_equal(np.sort(rows), np.arange(1797))


def test_logs_have_a_line_for_each_evaluation(digits: tuple[Path, Result]) -> None:
    folder, result = digits
    run = folder / "runs" / "digits_mlp" / "001"
    metrics, timing = records(run / "metrics.jsonl"), records(run / "timing.jsonl")
    assert [each["step"] for each in metrics] == [20 * (i + 1) for i in range(len(metrics))]
    assert list(metrics[0]) == [
        "epoch", "step", "train/loss", "val/loss", "val/accuracy", "val/f1_macro", "lr",
    ]  # fmt: skip
    assert [each["step"] for each in timing] == [each["step"] for each in metrics]
    assert set(timing[0]) == {"step", "seconds", "steps_per_second"}
    assert len(re.findall("^epoch=", result.err, re.MULTILINE)) == len(metrics)


def test_the_newest_checkpoints_and_the_best_are_kept(digits: tuple[Path, Result]) -> None:
    folder, result = digits
    run = folder / "runs" / "digits_mlp" / "001"
    metrics = records(run / "metrics.jsonl")
    best = min(metrics, key=lambda each: each["val/loss"])["step"]
    kept = {int(path.stem.removeprefix("step-")) for path in run.glob("checkpoints/step-*")}
    assert kept == {best, *(each["step"] for each in metrics[-3:])}
    latest = (run / "checkpoints" / "latest").read_text().split()[0]
    assert latest == f"step-{metrics[-1]['step']:09d}.safetensors"
    name = (run / "checkpoints" / "best").read_text().split()[0]
    assert name == f"step-{best:09d}.safetensors"
    assert f"best weights: runs/digits_mlp/001/checkpoints/{name}\n" in result.err


def test_the_same_config_gives_the_same_bits(
    digits: tuple[Path, Result], again: tuple[Path, Result]
) -> None:
    first, (second, result) = digits[0] / "runs" / "digits_mlp" / "001", again
    assert result.code == 0
    for name in ("metrics.jsonl", "splits.npz", "resolved.yaml", "log.txt"):
        assert (first / name).read_bytes() == (second / name).read_bytes(), name
    paths = sorted(first.glob("checkpoints/step-*"))
    assert [p.name for p in paths] == [p.name for p in sorted(second.glob("checkpoints/step-*"))]
    for path in paths:
        mine, other = (
            load_checkpoint(each / "checkpoints" / path.name) for each in (first, second)
        )
        assert list(mine.tensors) == list(other.tensors)
        assert all(np.array_equal(mine.tensors[k], other.tensors[k]) for k in mine.tensors)


def test_json_is_one_strict_object_per_line_and_nothing_else(
    digits: tuple[Path, Result], again: tuple[Path, Result]
) -> None:
    run, result = again
    events = [strict(line) for line in result.out.splitlines()]
    assert [e["event"] for e in events if e["event"] != "evaluation"] == [
        "start", "trained", "result",
    ]  # fmt: skip
    assert (events[0]["event"], events[-1]["event"]) == ("start", "result")
    assert events[0]["name"] == "digits_mlp"
    assert events[0]["run_directory"] == str(run.relative_to(run.parents[2]))
    assert events[0]["rows"] == {"train": 1258, "val": 270, "test": 269}
    shown = [e for e in events if e["event"] == "evaluation"]
    for event, record in zip(shown, records(run / "metrics.jsonl"), strict=True):
        assert {k: v for k, v in event.items() if k not in ("event", "seconds")} == record
    expected = {k: float(v) for k, v in results(digits[1].out).items()}
    assert {k: v for k, v in events[-1].items() if k in expected} == expected
    assert result.err == ""


@pytest.mark.parametrize(
    "place",
    ["runs/digits_mlp/001", "runs/digits_mlp", "runs/digits_mlp/001/checkpoints/best", "file"],
)
def test_eval_prints_what_training_ended_with(
    place: str,
    cli: Cli,
    here: Cli,
    digits: tuple[Path, Result],
    again: tuple[Path, Result],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, trained = digits
    if place == "file":
        best = (folder / "runs/digits_mlp/001/checkpoints/best").read_text().split()[0]
        result = cli("eval", f"runs/digits_mlp/001/checkpoints/{best}", cwd=folder)
        assert result.err == f"checkpoint: runs/digits_mlp/001/checkpoints/{best}\n"
    else:
        monkeypatch.chdir(folder)
        result = here("eval", place)
    assert (result.code, result.out) == (0, trained.out)


def test_quiet_prints_the_result_alone(here: Cli) -> None:
    result = here("train", "toy.yaml", "--quiet")
    assert (result.code, result.err) == (0, "")
    assert list(results(result.out)) == ["test/loss", "test/accuracy"]


def test_another_seed_gives_other_weights(here: Cli, tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        assert here("train", "toy.yaml", f"seed={seed}", "--run-dir", name).code == 0
    a, b, c = (
        load_checkpoint(tmp_path / each / "checkpoints" / "step-000000009.safetensors").tensors
        for each in "abc"
    )
    assert all(np.array_equal(a[name], b[name]) for name in a)
    assert not np.array_equal(a["model.linear.weight"], c["model.linear.weight"])


def test_runs_are_numbered_and_named(here: Cli, tmp_path: Path) -> None:
    for _ in range(2):
        here("train", "toy.yaml", "train.epochs=1")
    here("train", "toy.yaml", "train.epochs=1", "name=other")
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.glob("runs/*/*")) == [
        "runs/other/001", "runs/toy/001", "runs/toy/002",
    ]  # fmt: skip


def test_C25_overrides_are_resolved_but_the_file_is_kept_as_given(
    here: Cli, tmp_path: Path
) -> None:
    assert here("train", "toy.yaml", "train.epochs=1", "optimizer.adam.lr=1e-3").code == 0
    run = tmp_path / "runs" / "toy" / "001"
    assert (run / "config.yaml").read_bytes() == (tmp_path / "toy.yaml").read_bytes()
    resolved = load(run / "resolved.yaml")
    assert resolved.train.epochs == 1
    assert resolved.optimizer.arguments["lr"] == 1e-3


def test_number_targets_train_and_eval(here: Cli, tmp_path: Path) -> None:
    write_toy(tmp_path, NUMBERS, "numbers.yaml")
    trained = here("train", "numbers.yaml", "--quiet")
    found = results(trained.out)
    assert list(found) == ["test/loss", "test/mae", "test/rmse", "test/r2"]
    assert float(found["test/r2"]) > 0.95
    assert float(found["test/rmse"]) == pytest.approx(float(found["test/loss"]) ** 0.5)
    assert here("eval", "runs/numbers").out == trained.out


def test_two_classes_as_numbers_with_bce(here: Cli, tmp_path: Path) -> None:
    rows = [f"{i / 40},{int(i >= 20)}" for i in range(40)]
    (tmp_path / "half.csv").write_text("\n".join(["x,y", *rows]) + "\n")
    text = NUMBERS.replace("{path: numbers.csv, target: y}", "{path: half.csv, target: y}")
    text = text.replace("loss: mse", "loss: bce_with_logits").replace("[mae, rmse, r2]", "[]")
    text = text.replace("$data.targets", "1")
    write_toy(tmp_path, text, "half.yaml")
    trained = here("train", "half.yaml", "--quiet")  # the loss says that they are numbers
    given = here("train", "half.yaml", "data.csv.task=number", "--quiet")
    assert given.out == trained.out
    assert float(results(trained.out)["test/loss"]) < 0.5
    assert here("eval", "runs/half").out == trained.out
