"""`dgrad gradcheck`: what is shipped passes, a plugin's wrong gradient is found and told."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from dgrad import registry
from tests.cli.conftest import Result
from tests.toys import CLASSES, write_toy

Here = Callable[..., Result]

SWISH = """\
import dgrad
from dgrad.nn import Module
from dgrad.registry import layers

@dgrad.op
def swish(x):
    return x * dgrad.sigmoid(x)

swish.vjp(x=lambda g, x: FACTOR * g * dgrad.sigmoid(x) * (1 + x * dgrad.sigmoid(-x)))

@layers.register("swish_layer")
class Swish(Module):
    def forward(self, x):
        return swish(x)
"""


@pytest.fixture
def plugged(here: Here, tmp_path: Path) -> Callable[[str], Path]:
    """Writes a config whose model uses a plugin's layer, its gradient off by a factor."""

    def plugged(factor: str) -> Path:
        (tmp_path / "swish.py").write_text(SWISH.replace("FACTOR", factor))
        text = CLASSES.replace("- relu", "- swish_layer") + "plugins: [./swish.py]\n"
        return write_toy(tmp_path, text, "plugged.yaml")

    return plugged


def test_everything_shipped_is_checked_and_passes(here: Here, tmp_path: Path) -> None:
    result = here("gradcheck", "--json", "-o", "report.json")
    assert (result.code, result.err) == (0, "")
    report = json.loads(result.out)
    assert report["passed"]
    for kind, known in (("op", registry.ops), ("layer", registry.layers)):
        checked = {check["subject"] for check in report["checks"] if check["kind"] == kind}
        assert checked == set(known)
    assert (tmp_path / "report.json").read_text() == result.out  # G12


def test_the_table_has_a_row_for_each_op_and_layer(here: Here) -> None:
    result = here("gradcheck", "--op", "tanh", "--op", "matmul", "--layer", "linear")
    assert result.code == 0
    rows = [line.split() for line in result.out.splitlines()[1:-1]]
    assert [row[:2] for row in rows] == [["op", "tanh"], ["op", "matmul"], ["layer", "linear"]]
    assert all("ok" in row for row in rows)
    assert re.fullmatch(r"\d+ checks: \d+ ok", result.out.splitlines()[-1])


def test_G01_a_wrong_rule_is_told_with_place_and_both_values(here: Here, plugged: Callable) -> None:
    result = here("gradcheck", plugged("1.001"))
    assert result.code == 6
    told = re.search(
        r"op swish, input x: wrong.*\n.*index \((\d+), (\d+)\) of the input, .*: "
        r"analytic (\S+), numeric (\S+) ",
        result.err,
    )
    assert told
    assert float(told[3]) == pytest.approx(1.001 * float(told[4]), rel=1e-6)
    assert result.err.startswith("error[G01] ")
    assert re.search(r"^op +swish +x.* wrong ", result.out, re.MULTILINE)
    assert re.search(r"^layer +swish_layer +input.* wrong ", result.out, re.MULTILINE)


def test_G12_the_report_is_written_also_when_it_fails(
    here: Here, plugged: Callable, tmp_path: Path
) -> None:
    result = here("gradcheck", plugged("1.001"), "--json", "-o", "report.json")
    assert result.code == 6
    report = json.loads(result.out)
    assert (tmp_path / "report.json").read_text() == result.out
    assert not report["passed"]
    wrong = {(c["kind"], c["subject"], c["input"]) for c in report["checks"] if not c["passed"]}
    assert {("op", "swish", "x"), ("layer", "swish_layer", "input")} <= wrong
    assert ("parameter", "model", "0_linear.weight") in wrong
    first = next(c for c in report["checks"] if (c["subject"], c["input"]) == ("swish", "x"))
    entry = first["worst"][0]
    assert entry["analytic"] == pytest.approx(1.001 * entry["numeric"], rel=1e-6)


def test_G02_a_right_plugin_passes_and_is_among_what_is_checked(
    here: Here, plugged: Callable
) -> None:
    result = here("gradcheck", plugged("1"), "--json")
    assert result.code == 0, result.err
    report = json.loads(result.out)
    assert {c["subject"] for c in report["checks"]} == {"swish", "swish_layer", "model"}
    parameters = {c["input"] for c in report["checks"] if c["kind"] == "parameter"}
    assert parameters == {"0_linear.weight", "0_linear.bias", "3_linear.weight", "3_linear.bias"}


def test_G01_the_model_check_finds_a_wrong_rule_inside_a_layer(
    here: Here, plugged: Callable
) -> None:
    result = here("gradcheck", plugged("1.001"), "--op", "tanh")  # the plugin's op is not checked
    assert result.code == 6
    assert "parameter model, input 0_linear.weight: wrong" in result.err
    assert "3_linear.weight" not in result.err  # its gradient does not pass the layer


def test_G12_the_same_seed_gives_the_same_bytes(here: Here) -> None:
    first = here("gradcheck", "toy.yaml", "--json", "--seed", "5").out
    assert here("gradcheck", "toy.yaml", "--json", "--seed", "5").out == first
    assert here("gradcheck", "toy.yaml", "--json").out != first


def test_overrides_change_what_is_checked(here: Here) -> None:
    result = here("gradcheck", "toy.yaml", "model.layers=[{linear: 3}]", "--json")
    report = json.loads(result.out)
    assert [c["input"] for c in report["checks"]] == ["0_linear.weight", "0_linear.bias"]


def test_with_all_a_config_comes_besides_what_is_shipped(here: Here) -> None:
    report = json.loads(here("gradcheck", "toy.yaml", "--all", "--order", "1", "--json").out)
    assert set(registry.ops) | set(registry.layers) | {"model"} == {
        c["subject"] for c in report["checks"]
    }


@pytest.mark.parametrize("option", ["--op", "--layer"])
def test_unknown_names_are_usage_errors(option: str, here: Here, tmp_path: Path) -> None:
    name = {"--op": "tahn", "--layer": "linaer"}[option]
    result = here("gradcheck", option, name, "-o", "report.json")
    assert result.code == 2
    assert f"is called '{name}'; did you mean '{'tanh' if option == '--op' else 'linear'}'?" in (
        result.err
    )
    assert not (tmp_path / "report.json").exists()


def test_a_report_that_cannot_be_written(here: Here, tmp_path: Path) -> None:
    result = here("gradcheck", "--op", "tanh", "-o", "missing/report.json")
    assert (result.code, str(tmp_path / "missing" / "report.json") in result.err) == (7, True)


def test_nothing_is_written_without_output(here: Here, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    here("gradcheck", "toy.yaml")
    assert sorted(tmp_path.rglob("*")) == before
