"""`dgrad list`, `show` and `schema`: what there is, told to people and to programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from dgrad import registry
from tests.cli.conftest import Result

Here = Callable[..., Result]

PLUGIN = """\
from dgrad.nn import Module
from dgrad.registry import layers

@layers.register("doubled")
class Doubled(Module):
    \"\"\"y = factor x.   x: any shape -> same shape.\"\"\"

    def __init__(self, factor: float = 2.0):
        self.factor = factor

    def forward(self, x):
        return x * self.factor
"""


def test_list_has_every_name_of_a_kind(here: Here) -> None:
    result = here("list", "optimizers")
    assert (result.code, result.err) == (0, "")
    assert [line.split()[0] for line in result.out.splitlines()] == registry.optimizers.names()


def test_list_without_a_kind_has_all_kinds(here: Here) -> None:
    lines = here("list").out.splitlines()
    assert [line.split()[0] for line in lines if line and not line.startswith(" ")] == [
        "layers", "losses", "metrics", "optimizers", "schedules", "readers", "transforms",
        "initialisers", "ops",
    ]  # fmt: skip


def test_list_as_json_has_parameters_and_defaults(here: Here) -> None:
    found = json.loads(here("list", "layers", "--json").out)["layers"]
    (linear,) = (each for each in found if each["name"] == "linear")
    assert linear["parameters"][:2] == [
        {"name": "out_features", "takes": "a whole number >= 1", "required": True},
        {"name": "bias", "takes": "true or false", "required": False, "default": True},
    ]
    assert "W^T" in linear["doc"]


def test_show_tells_of_one_component(here: Here) -> None:
    out = here("show", "adamw").out
    assert out.startswith("adamw (optimizer)\n  p <- p - lr weight_decay p")
    assert "  betas " in out
    assert "default: [0.9, 0.999]" in out
    only = here("show", "linear", "--kind", "ops").out
    assert only.startswith("linear (op)\n")
    assert here("show", "relu", "--kind", "layers").out.endswith("takes no parameters\n")
    found = json.loads(here("show", "linear", "--json").out)["found"]
    assert [each["kind"] for each in found] == ["layer", "schedule", "op"]


def test_plugins_are_shown_where_they_are_named(here: Here, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(PLUGIN)
    assert "doubled" not in here("list", "layers").out
    assert "doubled" in here("list", "layers", "--plugin", "mine.py").out
    assert "default: 2.0" in here("show", "doubled", "--plugin", "mine.py").out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["show", "linaer"], 2, "did you mean 'linear'"),
        (["show", "linear", "--kind", "layer"], 2, "layer"),
        (["list", "layer"], 2, "layer"),
        (["list", "--plugin", "absent.py"], 2, "error[C26] command line:1:1  there is no plugin"),
        (["schema", "absent.yaml"], 2, "absent.yaml"),
    ],
)
def test_C01_what_is_not_there_is_told(
    arguments: list[str], code: int, words: str, here: Here
) -> None:
    result = here(*arguments)
    assert result.code == code
    assert words in result.err
    assert not result.out


def test_schema_is_json_also_in_a_file_and_knows_a_configs_own_names(
    here: Here, tmp_path: Path
) -> None:
    plain = json.loads(here("schema").out)
    assert plain["title"] == "dgrad config"
    layers = plain["$defs"]["layer"]["anyOf"][1]["properties"]
    assert "linear" in layers
    (tmp_path / "mine.py").write_text(PLUGIN)
    text = (tmp_path / "toy.yaml").read_text()
    block = "model:\n  blocks: {pair: {params: [n], layers: [{linear: $params.n}, doubled]}}\n"
    text = text.replace("model:\n", block).replace("- linear: 8", "- pair: 8")
    (tmp_path / "own.yaml").write_text(f"{text}plugins: [./mine.py]\n")
    result = here("schema", "own.yaml", "-o", "own.json")
    assert (result.code, result.out, result.err) == (0, "", "schema: own.json\n")
    own = json.loads((tmp_path / "own.json").read_text())
    assert {"pair", "doubled"} <= own["$defs"]["layer"]["anyOf"][1]["properties"].keys()
    assert not {"pair", "doubled"} & layers.keys()
