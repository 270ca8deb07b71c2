"""The JSON Schema against the reader itself: what one takes the other takes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dgrad.config import document, yaml
from dgrad.config.catalog import KINDS
from dgrad.config.document import Config, load
from dgrad.config.json_schema import json_schema
from dgrad.config.tree import plain
from dgrad.errors import ConfigError
from tests.toys import forgetting, write_toy

jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is the oracle")

CONFIGS = sorted(Path(__file__).parents[2].joinpath("configs").glob("*.yaml"))


@pytest.fixture(autouse=True)
def _components() -> Iterator[None]:
    """Here the shipped components are meant, not those of conftest."""
    document.register_shipped()
    with forgetting():
        yield


def problems(schema: dict[str, Any], data: Any) -> list[str]:
    found = jsonschema.Draft202012Validator(schema).iter_errors(data)
    return [f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in found]


def written(path: Path) -> Any:
    return plain(yaml.parse(path.read_text(), str(path), path.parent))


def test_it_is_a_schema_and_holds_every_component() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    for kind, known in KINDS.items():
        if kind in ("ops", "readers"):
            continue
        bare, one = schema["$defs"][known.kind]["anyOf"]
        extra = {"id", "from", "tie", "reuse"} if kind == "layers" else set()
        assert set(one["properties"]) == {*known} | extra
        assert set(bare["enum"]) <= {*known}
        for name in known:
            assert one["properties"][name]["description"], f"{kind} {name}"


@pytest.mark.parametrize("path", CONFIGS, ids=[path.stem for path in CONFIGS])
def test_a_shipped_config_and_its_resolved_form_are_valid(path: Path) -> None:
    config = load(path)
    schema = json_schema(config)
    assert problems(schema, written(path)) == []
    assert problems(schema, config.resolved()) == []


BASE = """\
data: {csv: {path: classes.csv, target: kind}}
model: {layers: [{linear: 4}, {linear: $data.classes}]}
loss: cross_entropy
optimizer: sgd
"""
LINES = dict(line.split(": ", 1) for line in BASE.splitlines())

GOOD = {  # key -> values that are taken
    "seed": ["0", "7"],
    "name": ["a-run_1.x"],
    "vars": ["{}", "{a: 1, b: text, c: null, d: true, e: 1.5}"],
    "data": [
        "{csv: {path: classes.csv, target: kind}, split: {val: 0.2, test: 0}}",
        "{csv: {path: classes.csv, target: kind}, transforms: [standardize, {scale: {low: -1}}]}",
    ],
    "model": [
        "{layers: [relu, {linear: {out_features: 3, bias: false}}]}",
        "{layers: [{linear: 3, id: a}, tanh, {linear: 3}, {add, from: [previous, a]}]}",
        "{layers: [{residual: [{linear: 3}, tanh]}, {repeat: {times: 2, layers: [tanh]}}]}",
        "{layers: [{parallel: {branches: [[], [tanh]], merge: add}}, {linear: 3}]}",
        "{layers: [{linear: 3, id: a}, tanh, {reuse: a}, {linear: {out_features: 3}, tie: a}]}",
        "{blocks: {b: {params: [n], layers: [{linear: $params.n}]}}, layers: [{b: 3}]}",
        "{blocks: {b: {params: {n: 3}, layers: [{linear: $params.n}]}}, layers: [b, {b: {n: 4}}]}",
        "{layers: [{linear: {out_features: 3, init: orthogonal}}]}",
        "{layers: [{linear: {out_features: 3, init: {normal: {std: 0.02}}}}]}",
    ],
    "loss": ["{cross_entropy: {label_smoothing: 0.1}}"],
    "metrics": ["[]", "[accuracy, f1_macro]"],
    "optimizer": ["{adamw: {lr: 1e-3, betas: [0.9, 0.95]}}", "{sgd: 0.1}", "{sgd: {lr: 1}}"],
    "schedule": ["constant", "{cosine: {warmup: 5%}}", "{cosine: {warmup: 100}}"],
    "train": ["{epochs: 3, batch_size: 8}", "{checkpoint: {every: 2 epochs, keep: 1}}", "{}"],
}
BAD = {  # key -> values that are refused for what they are, without looking at the data
    "sede": ["0"],
    "seed": ["-1", "1.5", "text", "true", "null"],
    "name": ["a/b", ".hidden", "3"],
    "vars": ["[1]", "{a: [1]}"],
    "data": [
        "{}", "{csv: {path: a.csv}}", "{scv: {path: a.csv, target: b}}", "csv",
        "{csv: {path: a.csv, target: b}, split: {val: 1.5}}",
        "{csv: {path: a.csv, target: b}, transforms: standardize}",
    ],
    "model": [
        "[relu]", "{layers: []}", "{layers: [rleu]}", "{layers: [linear]}", "{layer: [relu]}",
        "{layers: [{linear: {out_featurse: 3}}]}", "{layers: [{linear: 0}]}",
        "{layers: [{linear: wide}]}", "{layers: [{linear: 3, tanh: null}]}", "{layers: [{id: a}]}",
        "{layers: [{parallel: {branches: [[], [tanh]]}}]}", "{layers: [{residual: []}]}",
        "{layers: [{repeat: {times: 0, layers: [tanh]}}]}", "{layers: [{dropout: 1.5}]}",
        "{layers: [{linear: 3, from: []}]}", "{layers: [3]}", "{layers: [null]}",
    ],
    "loss": ["[cross_entropy]", "{cross_entropy: {label_smoothing: 2}}", "{a: 1, b: 2}", "mes"],
    "metrics": ["accuracy", "[acuracy]"],
    "optimizer": ["adma", "{adamw: {lr: -1}}", "{adamw: {betas: [0.9]}}", "{adamw: {lr: fast}}",
                  "{adamw: {momentum: 0.9}}", "{adamw: {params: []}}"],
    "schedule": ["{cosine: {warmup: soon}}", "{cosine: {warm: 5%}}"],
    "train": ["{epochs: 0}", "{epochs: 2.5}", "{epoch: 3}", "{dtype: float16}", "3",
              "{checkpoint: {every: 0}}"],
}  # fmt: skip


def made(folder: Path, key: str, value: str) -> tuple[Path, Any]:
    lines = {**LINES, key: value}
    path = write_toy(folder, "".join(f"{k}: {v}\n" for k, v in lines.items()))
    return path, written(path)


@pytest.mark.parametrize(("key", "value"), [(k, v) for k, each in GOOD.items() for v in each])
def test_what_is_read_is_valid(key: str, value: str, tmp_path: Path) -> None:
    path, data = made(tmp_path, key, value)
    config: Config = load(path)
    assert problems(json_schema(config), data) == []
    assert problems(json_schema(config), config.resolved()) == []


@pytest.mark.parametrize(("key", "value"), [(k, v) for k, each in BAD.items() for v in each])
def test_C01_what_is_refused_is_not_valid(key: str, value: str, tmp_path: Path) -> None:
    path, data = made(tmp_path, key, value)
    with pytest.raises(ConfigError):
        load(path)
    assert problems(json_schema(), data)


def test_a_missing_section_is_not_valid() -> None:
    schema = json_schema()
    sections = {"required": ["data", "model", "loss", "optimizer"]}
    assert schema["anyOf"] == [{"required": ["extends"]}, sections]
    assert problems(schema, {})
    assert not problems(schema, {"extends": "base.yaml", "seed": 3})
