"""`extends`: what is merged, what replaces, whose paths count, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dgrad.config.document import Config, from_text, load
from dgrad.config.origins import origins
from dgrad.config.yaml import dump
from dgrad.errors import ConfigError, Problem

Write = Callable[..., Path]

BASE = """\
seed: 1
vars: {width: 4, depth: 2}
data:
  csv: {path: digits.csv, target: label}
  split: {val: 0.2, test: 0.1}
model: {layers: [{linear: $vars.width}, relu]}
loss: cross_entropy
metrics: [accuracy]
optimizer: {adam: {lr: 1e-3, weight_decay: 0.1}}
schedule: {cosine: {warmup: 5%}}
train: {epochs: 5, batch_size: 8}
"""


@pytest.fixture
def extending(write: Write) -> Callable[..., Config]:
    """Loads a config that extends BASE, which lies in another folder."""

    def extending(text: str, *overrides: str) -> Config:
        base = write(BASE, "base.yaml")
        folder = base.parent / "below"
        folder.mkdir(exist_ok=True)
        (folder / "own.yaml").write_text(f"extends: ../base.yaml\n{text}")
        return load(folder / "own.yaml", overrides)

    return extending


def test_a_config_may_add_nothing(extending: Callable[..., Config], tmp_path: Path) -> None:
    config = extending("")
    assert (config.seed, config.train.epochs, config.name) == (1, 5, "own")
    assert config.data.reader.arguments["path"] == (tmp_path / "digits.csv").resolve()


def test_mappings_are_merged_and_lists_replace(extending: Callable[..., Config]) -> None:
    config = extending(
        "vars: {width: 6}\ntrain: {batch_size: 16}\nmetrics: [top_k]\ndata: {split: {val: 0.3}}\n"
    )
    assert config.vars == {"width": 6, "depth": 2}
    assert config.model.layers[0].arguments["units"] == 6
    assert (config.train.epochs, config.train.batch_size) == (5, 16)
    assert [component.name for component in config.metrics] == ["top_k"]
    assert (config.data.split.val, config.data.split.test) == (0.3, 0.1)


def test_the_same_component_is_merged_another_one_replaces(
    extending: Callable[..., Config],
) -> None:
    same = extending("optimizer: {adam: {lr: 0.5}}\n").optimizer
    assert (same.arguments["lr"], same.arguments["weight_decay"]) == (0.5, 0.1)
    other = extending("optimizer: {sgd: {lr: 0.5}}\nschedule: constant\n")
    assert (other.optimizer.name, other.schedule.name) == ("sgd", "constant")
    bare = extending("optimizer: adam\n").optimizer
    assert bare.arguments["weight_decay"] == 0


def test_what_excludes_another_key_replaces_it(extending: Callable[..., Config]) -> None:
    config = extending("train: {steps: 7}\n")
    assert (config.train.epochs, config.train.steps) == (None, 7)
    config = extending("train: {steps: 7}\n", "train.epochs=2")
    assert (config.train.epochs, config.train.steps) == (2, None)
    config = extending("", "train.steps=null")
    assert (config.train.epochs, config.train.steps) == (5, None)


def test_paths_start_at_the_file_that_names_them(
    extending: Callable[..., Config], tmp_path: Path
) -> None:
    config = extending("data: {csv: {path: mine.csv}}\n")
    arguments = config.data.reader.arguments
    assert arguments["path"] == (tmp_path / "below" / "mine.csv").resolve()
    assert arguments["target"] == "label"


def test_the_command_line_comes_last_and_the_resolved_config_extends_nothing(
    extending: Callable[..., Config],
) -> None:
    config = extending("seed: 2\n", "seed=3", "~train.epochs")
    assert (config.seed, config.train.epochs) == (3, 10)
    assert "extends" not in config.resolved()
    assert from_text(dump(config.resolved()), config.path) == config


def test_a_chain_of_three(write: Write) -> None:
    write(BASE, "a.yaml")
    write("extends: a.yaml\nseed: 2\ntrain: {epochs: 7}\n", "b.yaml")
    config = load(write("extends: b.yaml\nseed: 3\n", "c.yaml"))
    assert (config.seed, config.train.epochs, config.train.batch_size) == (3, 7, 8)


def test_every_value_has_its_origin(extending: Callable[..., Config]) -> None:
    config = extending("seed: 2\noptimizer: {adam: {lr: 0.5}}\n", "train.batch_size=4")
    found = {o.path: (o.value, o.place.rpartition("/")[2]) for o in origins(config)}
    assert found["seed"] == (2, "own.yaml:2:7")
    assert found["optimizer.adam.lr"] == (0.5, "own.yaml:3:24")
    assert found["optimizer.adam.weight_decay"] == (0.1, "base.yaml:9:44")
    assert found["optimizer.adam.betas"] == ([0.9, 0.999], "default")
    assert found["train.batch_size"] == (4, "command line:1:18")
    assert found["train.dtype"] == ("float32", "default")
    assert found["name"] == ("own", "default")
    assert found["model.layers[0].linear.units"] == (4, "base.yaml:6:27")
    assert found["model.layers[1].relu"] == ({}, "base.yaml:6:41")
    assert found["data.split.val"] == (0.2, "base.yaml:5:16")


def refused(write: Write, text: str, *overrides: str) -> Problem:
    write(BASE, "base.yaml")
    with pytest.raises(ConfigError) as caught:
        load(write(text, "own.yaml"), overrides)
    (found,) = caught.value.problems
    return found


@pytest.mark.parametrize(
    ("text", "fault", "line", "column", "words"),
    [
        ("seed: 1\nextends: absent.yaml\n", "C26", 2, 10, "there is no file"),
        ("extends: [base.yaml]\n", "C03", 1, 10, "the path of one config"),
        ("extends: own.yaml\n", "C22", 1, 10, "in a circle: own.yaml -> own.yaml"),
        ("extends: base.yaml\nsede: 1\n", "C01", 2, 1, 'unknown key "sede"'),
        ("extends: base.yaml\noptimizer: {adam: {lr: fast}}\n", "C03", 2, 24, '"fast"'),
    ],
)
def test_C26_what_is_wrong_has_its_place(
    text: str, fault: str, line: int, column: int, words: str, write: Write
) -> None:
    found = refused(write, text)
    assert (found.fault, found.line, found.column) == (fault, line, column)
    assert words in found.message


def test_C01_a_fault_of_the_other_file_is_told_there(write: Write) -> None:
    write(BASE.replace("epochs", "epocks"), "wrong.yaml")
    found = refused(write, "extends: wrong.yaml\n")
    assert found.file.endswith("wrong.yaml")
    assert (found.fault, found.line, found.column) == ("C01", 11, 9)


def test_C22_configs_in_a_circle_and_too_many_are_refused(write: Write) -> None:
    write("extends: own.yaml\n", "b.yaml")
    assert "own.yaml -> b.yaml -> own.yaml" in refused(write, "extends: b.yaml\n").message
    for i in range(12):
        write(f"extends: c{i + 1}.yaml\n", f"c{i}.yaml")
    assert "more than 10" in refused(write, "extends: c0.yaml\n").message


def test_C25_the_command_line_cannot_extend(write: Write) -> None:
    found = refused(write, BASE, "extends=base.yaml")
    assert (found.fault, found.file) == ("C25", "command line")


def test_what_a_checkpoint_holds_extends_nothing(write: Write) -> None:
    path = write(BASE, "base.yaml")
    with pytest.raises(ConfigError, match=r"unknown key .extends"):
        from_text(f"extends: base.yaml\n{BASE}", path, plugins=())
