"""`dgrad graph`: the graph of a config's first step, in every form."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Result
from tests.toys import CLASSES, NUMBERS, write_toy

Here = Callable[..., Result]

PLUGIN = """\
import dgrad
from dgrad.nn import Module
from dgrad.registry import layers

@layers.register("swish_layer")
class Swish(Module):
    def forward(self, x):
        gate = dgrad.sigmoid(x)
        return x * gate
"""


@pytest.fixture
def plugged(here: Here, tmp_path: Path) -> Path:
    """A config whose model uses a plugin's layer."""
    (tmp_path / "swish.py").write_text(PLUGIN)
    text = CLASSES.replace("- relu", "- swish_layer") + "plugins: [./swish.py]\n"
    return write_toy(tmp_path, text, "plugged.yaml")


def test_the_table_has_ops_shapes_bytes_parameters_and_layers(here: Here) -> None:
    result = here("graph", "toy.yaml")
    assert (result.code, result.err) == (0, "")
    rows = [re.split(r" {2,}", line.strip()) for line in result.out.splitlines()]
    assert [row[1] for row in rows[1:5]] == [
        "leaf linear.weight", "leaf linear.bias", "leaf linear_2.weight", "leaf linear_2.bias",
    ]  # fmt: skip
    first = rows[5]
    assert first[1:4] == ["linear", "weight=1, bias=2", "float32 (16, 8)"]
    assert first[4] == "192 B"  # the batch: 16 rows of 3 float32
    where = [row[-1] for row in rows[5:-1]]
    assert where[:4] == ["linear", "relu", "dropout", "linear_2"]
    assert set(where[4:]) == {"loss"}
    assert result.out.endswith("kept for backward\n")


def test_lines_of_plugins_are_shown_and_no_other(here: Here, plugged: Path) -> None:
    nodes = json.loads(here("graph", plugged, "--format", "json").out)["nodes"]
    told = {node["op"]: node["source"] for node in nodes if node["layer"] == "swish_layer"}
    path = plugged.parent / "swish.py"
    assert told == {"sigmoid": f"{path}:8", "multiply": f"{path}:9"}
    assert {node["source"] for node in nodes if node["layer"] != "swish_layer"} == {None}


def test_backward_shows_what_the_gradients_are_made_of(here: Here, plugged: Path) -> None:
    plain = json.loads(here("graph", plugged, "--format", "json").out)
    whole = json.loads(here("graph", plugged, "--format", "json", "--backward").out)
    count = len(plain["nodes"])
    assert whole["nodes"][:count] == plain["nodes"]
    assert whole["outputs"][0] == plain["outputs"][0]
    assert len(whole["outputs"]) == 1 + 4  # and the gradient of every parameter
    shapes = [whole["nodes"][o["node"] - 1]["results"][0]["shape"] for o in whole["outputs"]]
    assert shapes == [[], [8, 3], [8], [3, 8], [3]]
    sources = {node["source"] for node in whole["nodes"][count:]}
    assert f"the backward of multiply, called at {plugged.parent / 'swish.py'}:9" in sources
    assert "the backward of linear" in sources


def test_every_format_and_overrides(here: Here) -> None:
    assert here("graph", "toy.yaml", "--format", "dot").out.startswith("digraph {\n")
    assert here("graph", "toy.yaml", "--format", "mermaid").out.startswith("flowchart TD\n")
    layers = "model.layers=[{linear: 3}]"
    text = here("graph", "toy.yaml", layers, "--format", "json").out
    assert [n["name"] for n in json.loads(text)["nodes"]][:2] == ["linear.weight", "linear.bias"]
    result = here("graph", "toy.yaml", "--format", "svg")
    assert (result.code, "'dot'" in result.err) == (2, True)


def test_the_same_config_gives_the_same_bytes(here: Here) -> None:
    for form in ("text", "json"):
        once = here("graph", "toy.yaml", "--backward", "--format", form).out
        assert here("graph", "toy.yaml", "--backward", "--format", form).out == once


def test_number_targets(here: Here, tmp_path: Path) -> None:
    write_toy(tmp_path, NUMBERS, "numbers.yaml")
    result = here("graph", "numbers.yaml")
    assert (result.code, "tanh" in result.out) == (0, True)


def test_nothing_is_written_or_trained(here: Here, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    here("graph", "toy.yaml", "--backward")
    assert sorted(tmp_path.rglob("*")) == before


def test_into_a_file(here: Here, tmp_path: Path) -> None:
    result = here("graph", "toy.yaml", "-o", "net.txt")
    assert (result.code, result.out, result.err) == (0, "", "graph: net.txt\n")
    assert (tmp_path / "net.txt").read_text() == here("graph", "toy.yaml").out


def test_T20_a_file_never_replaces_what_is_no_file(
    here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dgrad.config.graphs.recorded_graph", pytest.fail)  # before building
    (tmp_path / "folder").mkdir()
    for place in ("folder", os.devnull):
        result = here("graph", "toy.yaml", "-o", place)
        assert (result.code, "error[T20] cannot write " in result.err) == (7, True), place


def test_a_file_that_cannot_be_written(here: Here, tmp_path: Path) -> None:
    result = here("graph", "toy.yaml", "-o", "missing/net.dot")
    assert (result.code, str(tmp_path / "missing" / "net.dot") in result.err) == (7, True)


def test_an_error_in_the_config_is_told_as_always(here: Here) -> None:
    result = here("graph", "toy.yaml", "model.layers=[{linaer: 3}]")
    assert (result.code, "did you mean" in result.err) == (2, True)


@pytest.mark.parametrize(
    ("name", "start"), [("g.dot", "digraph"), ("g.mmd", "flowchart"), ("g.json", "{"), ("g", "#")]
)
def test_the_form_of_a_file_follows_its_suffix(
    here: Here, tmp_path: Path, name: str, start: str
) -> None:
    write_toy(tmp_path, CLASSES)
    assert here("graph", "toy.yaml", "-o", name).code == 0
    assert (tmp_path / name).read_text().startswith(start)
