"""`dgrad eval`: which checkpoint is meant, splits, changed data, damage, plugins."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from dgrad.train import checkpoint
from tests.cli.conftest import Result
from tests.toys import CLASSES, write_toy

Here = Callable[..., Result]


@pytest.fixture
def run(here: Here, tmp_path: Path) -> Path:
    """A run directory of the toy config; its checkpoints are those of steps 6 and 9."""
    assert here("train", "toy.yaml", "--quiet").code == 0
    return tmp_path / "runs" / "toy" / "001"


@pytest.mark.parametrize("which", ["best", "latest"])
def test_a_pointer_file_is_followed(which: str, here: Here, run: Path) -> None:
    result = here("eval", run / "checkpoints" / which)
    name = (run / "checkpoints" / which).read_text().split()[0]
    assert result.code == 0
    assert result.err == f"checkpoint: {run / 'checkpoints' / name}\n"


def test_K21_a_pointer_that_lies_is_refused(here: Here, run: Path) -> None:
    pointer = run / "checkpoints" / "latest"
    pointer.write_text(f"../../../toy.yaml {'0' * 64}\n")
    result = here("eval", pointer)
    assert (result.code, "error[K21]" in result.err) == (4, True)


def test_without_a_best_the_latest_is_measured(here: Here, run: Path) -> None:
    (run / "checkpoints" / "best").unlink()
    result = here("eval", run)
    assert result.code == 0
    assert "step-000000009.safetensors" in result.err


def test_E03_eval_twice_gives_the_same_digits(here: Here, run: Path) -> None:
    assert here("eval", run).out == here("eval", run).out


def test_splits(here: Here, run: Path) -> None:
    last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    result = here("eval", run / "checkpoints" / "latest", "--split", "val")
    found = dict(line.split() for line in result.out.splitlines())
    assert found == {k: repr(v) for k, v in last.items() if k.startswith("val/")}
    assert here("eval", run, "--split", "train").out.startswith("train/loss ")


MANY = CLASSES.replace("[accuracy]", "[{recall: none}, confusion_matrix]").replace(
    "best: val/loss", "best: 'val/recall[red]'"
)


def test_values_of_each_class_and_tables(here: Here, tmp_path: Path) -> None:
    write_toy(tmp_path, MANY, "many.yaml")
    trained = here("train", "many.yaml", "-q")
    shown = here("eval", "runs/many")
    assert (trained.code, shown.code) == (0, 0)
    lines = shown.out.splitlines()
    names = ["loss", "recall", *(f"recall[{c}]" for c in ("blue", "green", "red"))]
    assert [line.split()[0] for line in lines[:5]] == [f"test/{name}" for name in names]
    assert trained.out.splitlines() == lines[:5]
    assert lines[5:7] == ["test/confusion_matrix", "  class, predicted as  blue  green  red"]
    counts = [line.split() for line in lines[7:]]
    assert [row[0] for row in counts] == ["blue", "green", "red"]
    values = [[int(cell) for cell in row[1:]] for row in counts]
    recalls = [float(line.split()[1]) for line in lines[2:5]]
    assert recalls == [row[i] / sum(row) for i, row in enumerate(values)]
    given = json.loads(here("eval", "runs/many", "--json").out)
    heads = ["blue", "green", "red"]
    assert given["test/confusion_matrix"] == {"rows": heads, "columns": heads, "values": values}
    assert [given[f"test/recall[{name}]"] for name in heads] == recalls
    record = json.loads((tmp_path / "runs/many/001/metrics.jsonl").read_text().splitlines()[-1])
    assert [k for k in record if k.startswith("val/")] == [f"val/{name}" for name in names]


def test_E06_an_undefined_metric_is_null_with_a_reason(here: Here, tmp_path: Path) -> None:
    write_toy(tmp_path, CLASSES.replace("[accuracy]", "[roc_auc, {precision: none}]"), "one.yaml")
    rows = [f"{i}.0,{i * i}.0,1.0,{'red' if i % 4 else 'blue'}" for i in range(40)]
    (tmp_path / "classes.csv").write_text("\n".join(["a,b,c,kind", *rows]) + "\n")
    assert here("train", "one.yaml", "optimizer.adam.lr=1e-9", "-q").code == 0
    record = json.loads((tmp_path / "runs/one/001/metrics.jsonl").read_text().splitlines()[-1])
    undefined = [k for k, v in record.items() if v is None]
    assert len(undefined) == 1
    assert undefined[0].startswith("val/precision[")
    assert record[f"{undefined[0]}_reason"] == "no row is predicted as the class"


def test_E06_a_split_in_which_nothing_counts_has_no_loss(here: Here, tmp_path: Path) -> None:
    text = CLASSES.replace("stratify: true", "mode: contiguous")
    text = text.replace("loss: cross_entropy", "loss: {cross_entropy: {ignore_index: 1}}")
    write_toy(tmp_path, text.replace("best: val/loss", "best: train/loss"), "none.yaml")
    kinds = ["blue", "red"] * 10 + ["green"] * 40  # the second in order, all of val and test
    rows = [f"{i}.0,{i * i}.0,1.0,{kind}" for i, kind in enumerate(kinds)]
    (tmp_path / "classes.csv").write_text("\n".join(["a,b,c,kind", *rows]) + "\n")
    result = here("train", "none.yaml", "-q")
    assert result.code == 0
    assert result.out.splitlines()[:2] == [
        "test/loss      nan (no target counts)",
        "test/accuracy  nan (no target counts)",
    ]
    given = json.loads(here("eval", "runs/none", "--json").out)
    assert (given["test/loss"], given["test/loss_reason"]) == (None, "no target counts")
    record = json.loads((tmp_path / "runs/none/001/metrics.jsonl").read_text().splitlines()[0])
    assert (record["val/loss"], record["val/loss_reason"]) == (None, "no target counts")
    assert record["val/accuracy_reason"] == "no target counts"


def test_an_unknown_split_is_a_usage_error(here: Here, run: Path) -> None:
    result = here("eval", run, "--split", "dev")
    assert result.code == 2
    assert "'dev'" in result.err
    assert all(name in result.err for name in ("'--split'", "train", "val", "test"))
    assert "train|val|test" in here("eval", "--help").out


def test_D10_a_split_without_rows(here: Here, tmp_path: Path) -> None:
    trained = here("train", "toy.yaml", "data.split={val: 0, test: 0}", "-q")
    assert trained.out.startswith("train/loss ")  # the last split there is
    assert here("eval", "runs/toy").out == trained.out
    told = here("train", "toy.yaml", "data.split={val: 0, test: 0}").err
    assert told.endswith("measure them again: dgrad eval runs/toy/002 --split train\n")
    result = here("eval", "runs/toy", "--split", "test")
    assert result.code == 3
    assert "error[D10] the test split has no rows; there are: train" in result.err


def test_json_is_one_object_with_the_same_numbers(here: Here, run: Path) -> None:
    plain, given = here("eval", run), here("eval", run, "--json")
    found = json.loads(given.out)
    name = (run / "checkpoints" / "best").read_text().split()[0]
    assert found.pop("checkpoint") == str(run / "checkpoints" / name)
    assert found.pop("split") == "test"
    assert {k: repr(v) for k, v in found.items()} == dict(
        line.split() for line in plain.out.splitlines()
    )
    assert (given.out.count("\n"), given.err) == (1, "")


@pytest.mark.parametrize("change", ["one cell", "another class", "a ragged row", "no rows"])
def test_T26_changed_data_are_refused(change: str, here: Here, run: Path, tmp_path: Path) -> None:
    data = tmp_path / "classes.csv"
    text = data.read_text()
    data.write_text(
        {
            "one cell": text.replace("1", "2", 1),
            "another class": text + "0,0,0,violet\n" * 10,
            "a ragged row": text + "0,0\n",
            "no rows": text.splitlines()[0] + "\n",
        }[change]
    )
    result = here("eval", run)
    assert result.code == 3
    assert str(data) in result.err
    if change in ("one cell", "another class"):
        assert "error[T26]" in result.err


def test_D01_moved_data_are_named(here: Here, run: Path, tmp_path: Path) -> None:
    (tmp_path / "classes.csv").rename(tmp_path / "elsewhere.csv")
    result = here("eval", run)
    assert result.code == 3
    assert re.match(r"error\[D01\] .*classes\.csv: no such file \(if it was moved", result.err)
    assert "add: data.csv.path=FILE" in result.err
    assert here("eval", run, "data.csv.path=elsewhere.csv").code == 0


def test_moved_data_can_be_named(here: Here, run: Path, tmp_path: Path) -> None:
    before = here("eval", run)
    (tmp_path / "classes.csv").rename(tmp_path / "elsewhere.csv")
    refused = here("eval", run)
    assert refused.err.rstrip().endswith("(if it was moved, add: data.csv.path=FILE)")
    assert here("eval", run, "data.csv.path=elsewhere.csv").out == before.out
    assert here("eval", run, "train.epochs=1").code == 2


def test_K01_a_truncated_checkpoint_is_named_with_its_sizes(here: Here, run: Path) -> None:
    path = run / "checkpoints" / "step-000000009.safetensors"
    size = path.stat().st_size
    os.truncate(path, size - 100)
    result = here("eval", path)
    assert result.code == 4
    assert f"error[K01] {path} is damaged: the file is {size - 100} of {size} bytes" in result.err


def test_K02_one_changed_byte_is_found(here: Here, run: Path) -> None:
    path = run / "checkpoints" / "step-000000009.safetensors"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    result = here("eval", path)
    assert (result.code, "error[K02]" in result.err, str(path) in result.err) == (4, True, True)


@pytest.mark.parametrize("missing", ["config", "progress", "sources", "format"])
def test_K07_a_checkpoint_of_something_else(missing: str, here: Here, run: Path) -> None:
    path = run / "checkpoints" / "step-000000009.safetensors"
    stored = checkpoint.load(path)
    del stored.metadata[missing]
    checkpoint.save(path, stored.tensors, stored.metadata)
    result = here("eval", path)
    assert (result.code, str(path) in result.err) == (4, True)


def test_K14_weights_of_another_model(here: Here, run: Path) -> None:
    path = run / "checkpoints" / "step-000000009.safetensors"
    stored = checkpoint.load(path)
    stored.tensors["model.linear.weight"] = stored.tensors["model.linear.weight"][:2]
    checkpoint.save(path, stored.tensors, stored.metadata)
    result = here("eval", path)
    assert (result.code, "linear.weight" in result.err) == (4, True)


def test_K21_missing_and_empty_places(here: Here, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for place in ("missing", "empty", "toy.yaml"):
        result = here("eval", place)
        assert (result.code, str(tmp_path / place) in result.err or place in result.err) == (
            4,
            True,
        )


def test_K21_a_config_is_no_checkpoint(here: Here) -> None:
    result = here("eval", "toy.yaml")
    assert result.code == 4
    assert "toy.yaml is a config, not a checkpoint; train it with: dgrad train toy.yaml" in (
        result.err
    )


def test_C26_a_plugin_that_is_not_there(here: Here, run: Path) -> None:
    result = here("eval", run, "--plugin", "nope.py")
    assert (result.code, "--plugin: there is no file nope.py\n" in result.err) == (2, True)


PLUGIN = """\
from dgrad.nn import Module
from dgrad.registry import layers

open("loaded.txt", "a").close()

@layers.register("double")
class Double(Module):
    def forward(self, x):
        return 2 * x
"""


def test_K19_a_checkpoint_never_loads_code_by_itself(here: Here, tmp_path: Path) -> None:
    (tmp_path / "double.py").write_text(PLUGIN)
    text = (tmp_path / "toy.yaml").read_text().replace("    - relu", "    - double")
    write_toy(tmp_path, text + "plugins: [./double.py]\n", "plugged.yaml")
    trained = here("train", "plugged.yaml", "-q")
    (tmp_path / "loaded.txt").unlink()
    result = here("eval", "runs/plugged")
    assert (result.code, "error[K19]" in result.err) == (4, True)
    assert f"--plugin {tmp_path / 'double.py'}" in result.err
    assert not (tmp_path / "loaded.txt").exists()
    assert here("eval", "runs/plugged", "--plugin", "double.py").out == trained.out
