"""`dgrad summary`: the table, as JSON, and what it says of wrong configs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from tests.cli.conftest import Result

Here = Callable[..., Result]


def test_the_table_has_a_row_for_every_layer(here: Here) -> None:
    result = here("summary", "toy.yaml")
    assert (result.code, result.err) == (0, "")
    rows = [re.split(r" {2,}", line.strip()) for line in result.out.splitlines()]
    assert rows[0] == ["layer", "path", "output", "parameters", "FLOPs / row", "kept, batch 16"]
    assert rows[1] == ["linear", "linear", "(batch, 8)", "32", "56", "192 B"]
    assert [row[0] for row in rows[1:]] == [
        "linear", "relu", "dropout", "linear", "total", "59 parameters",
    ]  # fmt: skip


def test_json_has_the_same_numbers(here: Here) -> None:
    found = json.loads(here("summary", "toy.yaml", "--json").out)
    assert found["format"] == 1
    assert sum(layer["parameters"] for layer in found["layers"]) == found["parameters"] == 59
    assert found["layers"][0]["shape"] == [8]


def test_depth_leaves_out_what_is_inside(here: Here) -> None:
    model = "model.layers=[{residual: [{linear: 3}, tanh]}, {linear: 3}]"
    assert len(here("summary", "toy.yaml", model).out.splitlines()) == 7
    assert len(here("summary", "toy.yaml", model, "--depth", "0").out.splitlines()) == 5


def test_C01_a_wrong_config_is_told(here: Here) -> None:
    result = here("summary", "toy.yaml", "model.layers=[{linaer: 3}]")
    assert result.code == 2
    assert "error[C01]" in result.err
