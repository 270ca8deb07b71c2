"""Parameter groups of a config: which parameters they get, what is wrong, what they do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dgrad import registry
from dgrad.config import document
from dgrad.config.build import build_trainer
from dgrad.config.data import load_data, read_data
from dgrad.config.document import Config, from_text
from dgrad.config.model import build_model
from dgrad.config.parameter_groups import build_optimizer, empty_groups
from dgrad.config.patterns import matches
from dgrad.config.tree import dump
from dgrad.config.yaml import parse, plain
from dgrad.errors import ConfigError
from dgrad.nn.module import Module

MODEL = """\
data: {csv: {path: none.csv, target: y}}
model:
  layers:
    - {linear: 4, id: stem}
    - {layer_norm: {}, id: stem_scale}
    - relu
    - batch_norm
    - {linear: 2, id: head}
loss: cross_entropy
optimizer: """
NO_IDS = re.sub(r"\{(.*), id: .*\}", r"\1", MODEL)  # linear, layer_norm, batch_norm, linear_2
NAMES = [
    "stem.weight",
    "stem.bias",
    "stem_scale.weight",
    "stem_scale.bias",
    "batch_norm.weight",
    "batch_norm.bias",
    "head.weight",
    "head.bias",
]


@pytest.fixture(autouse=True)
def _components() -> None:
    """In place of the fixture of that name beside: the components that dgrad ships."""
    document.register_shipped()


def read(optimizer: str, model: str = MODEL) -> Config:
    return from_text(f"{model}{optimizer}\n", Path("run.yaml"))


def built(optimizer: str, text: str = MODEL) -> tuple[Config, Module, Any]:
    config = read(optimizer, text)
    model, _ = build_model(config, np.ones((2, 3), np.float32))
    return config, model, build_optimizer(config, model)


def table(model: Module, optimizer: Any, *settings: str) -> dict[str, tuple[Any, ...]]:
    """The settings that every trained parameter gets."""
    names = {id(p): name for name, p in model.named_parameters()}
    return {
        names[id(p)]: tuple(group[key] for key in settings)
        for group in optimizer.param_groups
        for p in group["params"]
    }


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("bias", {"stem.bias", "stem_scale.bias", "batch_norm.bias", "head.bias"}),
        ("norm", {n for n in NAMES if n.startswith(("stem_scale", "batch"))}),
        ("layer_norm", {"stem_scale.weight", "stem_scale.bias"}),
        ("stem", {n for n in NAMES if n.startswith("stem")}),
        ("stem.weight", {"stem.weight"}),
        ("stem.*", {"stem.weight", "stem.bias"}),
        ("*.bias", {n for n in NAMES if n.endswith("bias")}),
        ("head.b?as", {"head.bias"}),
        ("head.[wx]eight", {"head.weight"}),
        ("*", set(NAMES)),
        ("stem*weight", {"stem.weight", "stem_scale.weight"}),
        ("HEAD", set()),
        ("hea", set()),
        ("norm*", set()),
    ],
)
def test_what_a_pattern_matches(pattern: str, found: set[str]) -> None:
    kinds = {"stem_scale": "layer_norm", "batch_norm": "batch_norm"}
    assert {n for n in NAMES if matches(pattern, n, kinds.get(n.split(".")[0], "linear"))} == found


def test_no_decay_and_groups_make_groups_of_the_optimizer() -> None:
    config, model, optimizer = built(
        "{adamw: {lr: 0.1, weight_decay: 0.2, no_decay: [bias, norm], groups: ["
        "{match: 'head.*', lr: 0.01}, {match: [stem, head], lr: 0.05, betas: [0.5, 0.6]},"
        "{match: stem_scale, lr: 1}]}}"
    )
    assert table(model, optimizer, "lr", "weight_decay", "betas") == {
        "stem.weight": (0.05, 0.2, (0.5, 0.6)),
        "stem.bias": (0.05, 0.0, (0.5, 0.6)),
        "stem_scale.weight": (0.05, 0.0, (0.5, 0.6)),
        "stem_scale.bias": (0.05, 0.0, (0.5, 0.6)),
        "batch_norm.weight": (0.1, 0.0, (0.9, 0.999)),
        "batch_norm.bias": (0.1, 0.0, (0.9, 0.999)),
        "head.weight": (0.01, 0.2, (0.9, 0.999)),
        "head.bias": (0.01, 0.0, (0.9, 0.999)),
    }
    optimizer.scale_lr(0.5)
    assert table(model, optimizer, "lr")["head.bias"] == (0.005,)
    (warning,) = empty_groups(config, model)
    assert "optimizer.adamw.groups[2] is empty" in warning
    assert "stem_scale" in warning


def test_a_group_that_sets_weight_decay_has_its_own() -> None:
    _, model, optimizer = built(
        "{sgd: {weight_decay: 0.2, no_decay: bias, groups: [{match: head, weight_decay: 0.3},"
        "{match: stem, momentum: 0.9}]}}"
    )
    found = table(model, optimizer, "weight_decay", "momentum")
    assert found["head.bias"] == (0.3, 0.0)
    assert found["stem.bias"] == (0.0, 0.9)


def test_what_is_frozen_is_not_trained() -> None:
    _, model, optimizer = built("{adam: {groups: [{match: stem, freeze: true}, {match: head}]}}")
    frozen = [name for name, p in model.named_parameters() if not p.requires_grad]
    assert frozen == [n for n in NAMES if n.startswith("stem")]
    assert list(table(model, optimizer)) == ["batch_norm.weight", "batch_norm.bias", *NAMES[6:]]
    with pytest.raises(ConfigError, match="every parameter is frozen") as caught:
        built("{adam: {groups: [{match: [stem, '*'], freeze: true}, {match: head}]}}")
    assert caught.value.fault == "T06"


def problem_of(optimizer: str) -> tuple[str, str, str, str]:
    """(fault, the optimizer's text from the place on, message, hint) of the only problem."""
    with pytest.raises(ConfigError) as caught:
        built(optimizer, NO_IDS)
    (found,) = caught.value.problems
    at = optimizer[found.column - 1 - len("optimizer: ") :]
    return found.fault, at, found.message, found.hint


@pytest.mark.parametrize(
    ("optimizer", "marked", "fault", "message", "hint"),
    [
        ("{adam: {no_decay: [linear, bais]}}", "bais", "C22", "matches no parameter", '"bias"'),
        ("{adam: {no_decay: bais}}", "bais", "C22", "no_decay: ", '"bias"'),
        (
            "{adam: {groups: [{match: [linear_2, 'liner.*'], lr: 1}]}}",
            "'liner",
            "C22",
            "optimizer.adam.groups[0].match: ",
            '"linear"?   there is: linear.weight, ',
        ),
        ("{adam: {groups: [{match: '*.kernel'}]}}", "'*.k", "C22", "no parameter", "linear.weight"),
        ("{adam: {groups: [{match: linear, lrr: 1}]}}", "lrr", "C01", '"lrr"', '"lr"'),
        ("{adam: {groups: [{match: linear, lr: -1}]}}", "-1", "C08", "groups[0].lr", ""),
        ("{adam: {groups: [{match: linear, betas: [1]}]}}", "[1]", "C03", "betas", ""),
        (
            "{adam: {groups: [{match: linear, momentum: 0}]}}",
            "momentum",
            "C02",
            "momentum",
            "match",
        ),
        ("{adam: {groups: [{match: linear, freeze: 1}]}}", "1}", "C09", "freeze", ""),
        ("{adam: {groups: [{lr: 1}]}}", "{lr", "C03", '"match" is missing', "text"),
        ("{adam: {groups: [linear]}}", "linear", "C03", "expected a mapping", "match, freeze, lr"),
        ("{adam: {groups: linear}}", "linear", "C03", "expected a list", ""),
        ("{lbfgs: {no_decay: [bias]}}", "no_decay", "C02", "no_decay", "history_size"),
        ("{lbfgs: {groups: [{match: linear}]}}", "{match", "C03", '"freeze" is missing', "true"),
        (
            "{lbfgs: {groups: [{match: linear, freeze: false}]}}",
            "false",
            "C08",
            "expected true",
            "",
        ),
        (
            "{lbfgs: {groups: [{match: linear, freeze: true, lr: 1}]}}",
            "lr",
            "C02",
            '"lr"',
            "freeze",
        ),
        ("{adam: {params: [1]}}", "params", "C02", "filled in by dgrad", ""),
    ],
)
def test_C22_what_is_wrong_with_a_group_has_its_place(
    optimizer: str, marked: str, fault: str, message: str, hint: str
) -> None:
    found = problem_of(optimizer)
    assert found[0] == fault
    assert found[1].startswith(marked)
    assert message in found[2]
    assert hint in found[3]


def test_an_id_that_only_a_pattern_names_is_used() -> None:
    read("{adam: {no_decay: [stem], groups: [{match: 'h*.weight'}, {match: stem_scale.bias}]}}")
    with pytest.raises(ConfigError, match="used nowhere") as caught:
        read("{adam: {no_decay: [bias, '*'], groups: [{match: stem}, {match: stem_scale}]}}")
    assert [found.message.split('"')[1] for found in caught.value.problems] == ["head"]


def test_the_resolved_config_has_the_groups_and_reads_as_the_same() -> None:
    config = read("{adamw: {no_decay: bias, groups: [{match: [stem, stem_scale, head], lr: 1}]}}")
    resolved = config.resolved()
    assert resolved["optimizer"]["adamw"]["no_decay"] == "bias"
    assert resolved["optimizer"]["adamw"]["groups"] == [
        {"match": ["stem", "stem_scale", "head"], "lr": 1.0}
    ]
    again = from_text(dump(resolved), Path("run.yaml"))
    assert again == config
    assert plain(parse(dump(resolved), "run.yaml")) == resolved


ROWS = "".join(f"{i % 7},{i % 5},{i % 3},{'ab'[i % 2]}\n" for i in range(40))


def trained(tmp_path: Path, optimizer: str, steps: int) -> Any:
    (tmp_path / "none.csv").write_text("p,q,r,y\n" + ROWS)
    text = f"{NO_IDS}{optimizer}\ntrain: {{epochs: 2, batch_size: 16}}\n"
    config = from_text(text, tmp_path / "run.yaml")
    trainer = build_trainer(config, load_data(config, read_data(config)))
    for batch, _ in zip(trainer.batches.epoch(0), range(steps), strict=False):
        trainer.train_step(*batch)
    return trainer


@pytest.mark.parametrize("name", [name for name in registry.optimizers])
def test_every_optimizer_trains_a_model_of_a_config_and_comes_back(
    name: str, tmp_path: Path
) -> None:
    keys = "no_decay: bias, groups: [{match: linear_2, lr: 1e-3}]"
    if name == "lbfgs":
        keys = "groups: [{match: linear_2, freeze: true}]"
    trainer = trained(tmp_path, f"{{{name}: {{{keys}}}}}", 2)
    tensors = trainer.tensors()
    measured = trainer.evaluate("val")
    other = trained(tmp_path, f"{{{name}: {{{keys}}}}}", 0)
    other.load_tensors(tensors, trainer.progress)
    assert other.evaluate("val") == measured
    for key, array in other.tensors().items():
        np.testing.assert_array_equal(array, tensors[key])
    third = trained(tmp_path, f"{{{name}: {{{keys}}}}}", 1)
    third.load_weights(tensors, 0)
    assert third.evaluate("val") == measured
