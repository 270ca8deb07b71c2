"""`dgrad gradcheck`: what is shipped passes, a plugin's wrong gradient is found and told."""

from __future__ import annotations

import json
import os
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
    result = here("gradcheck", "--op", "tanh", "--op", "getitem", "--layer", "linear")
    assert result.code == 0
    rows = [line.split() for line in result.out.splitlines()[1:-1]]
    assert [row[:2] for row in rows] == [["op", "tanh"], ["op", "getitem"], ["layer", "linear"]]
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
    assert re.search(r"^model +loss +linear\.weight +wrong ", result.out, re.MULTILINE)
    assert re.search(r"^model +loss +linear_2\.weight +ok ", result.out, re.MULTILINE)


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
    assert ("parameter", "model", "linear.weight") in wrong
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
    assert parameters == {"linear.weight", "linear.bias", "linear_2.weight", "linear_2.bias"}


def test_what_is_named_is_checked_alone(here: Here, plugged: Callable) -> None:
    path = plugged("1.001")
    report = json.loads(here("gradcheck", path, "--op", "tanh", "--json").out)
    assert {c["subject"] for c in report["checks"]} == {"tanh"}
    result = here("gradcheck", path, "--op", "swish", "--json")  # the config's plugin has it
    assert result.code == 6
    assert {c["subject"] for c in json.loads(result.out)["checks"]} == {"swish"}


BARE = """\
import dgrad

@dgrad.op
def bare(x, *, scale):
    return x * scale

bare.vjp(x=lambda g, scale: g * scale)

@dgrad.op(example=lambda rng: ((rng.normal(size=3), rng.normal(size=3)), {}))
def half_right(a, b):
    return a * b

half_right.vjp(a=lambda g, b: g * b, b=lambda g, a: 2 * g * a)
"""


def test_G02_the_table_tells_what_has_no_example_and_which_input_is_wrong(
    here: Here, tmp_path: Path
) -> None:
    (tmp_path / "bare.py").write_text(BARE)
    write_toy(tmp_path, CLASSES + "plugins: [./bare.py]\n")
    result = here("gradcheck", "toy.yaml", "--order", "1")
    assert result.code == 6
    assert re.search(r"^op +bare +no example *$", result.out, re.MULTILINE)
    assert re.search(r"^op bare, input .*: skipped: no example \(.+\)$", result.out, re.MULTILINE)
    assert re.search(r"^op +half_right +a, b +ok: a; wrong: b ", result.out, re.MULTILINE)


def test_the_range_of_orders_and_seeds(here: Here) -> None:
    for order in ("0", "4", "second"):
        result = here("gradcheck", "--op", "tanh", "--order", order)
        assert (result.code, "is not one of '1', '2', '3'" in result.err) == (2, True)
    for seed, code in ((-1, 2), (2**64, 2), (2**64 - 1, 0)):
        assert here("gradcheck", "--op", "tanh", f"--seed={seed}").code == code


def test_G12_the_same_seed_gives_the_same_bytes(here: Here) -> None:
    first = here("gradcheck", "toy.yaml", "--json", "--seed", "5").out
    assert here("gradcheck", "toy.yaml", "--json", "--seed", "5").out == first
    assert here("gradcheck", "toy.yaml", "--json").out != first


def test_overrides_change_what_is_checked(here: Here) -> None:
    result = here("gradcheck", "toy.yaml", "model.layers=[{linear: 3}]", "--json")
    report = json.loads(result.out)
    assert [c["input"] for c in report["checks"]] == ["linear.weight", "linear.bias"]


def test_with_all_a_config_comes_besides_what_is_shipped(here: Here) -> None:
    report = json.loads(here("gradcheck", "toy.yaml", "--all", "--order", "1", "--json").out)
    assert set(registry.ops) | set(registry.layers) | {"model"} == {
        c["subject"] for c in report["checks"]
    }


@pytest.mark.parametrize("option", ["--op", "--layer"])
def test_unknown_names_are_usage_errors(option: str, here: Here, tmp_path: Path) -> None:
    name = {"--op": "sigmiod", "--layer": "linaer"}[option]
    result = here("gradcheck", option, name, "-o", "report.json")
    assert result.code == 2
    assert f"is called '{name}'; did you mean '{'sigmoid' if option == '--op' else 'linear'}'?" in (
        result.err
    )
    assert not (tmp_path / "report.json").exists()


def test_a_report_is_a_page_by_its_suffix(here: Here, plugged: Callable, tmp_path: Path) -> None:
    result = here("gradcheck", plugged("2"), "-o", "report.html", "-o", "report.json")
    assert result.code == 6
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "looks off by a constant factor 2" in page
    assert not json.loads((tmp_path / "report.json").read_text())["passed"]
    assert {"report: report.html", "report: report.json"} <= set(result.err.splitlines())
    help_text = here("gradcheck", "--help").out
    assert ".html" in help_text


def test_order_2_is_of_the_model_too(here: Here) -> None:
    report = json.loads(here("gradcheck", "toy.yaml", "--order", "2", "--json").out)
    found = {(c["input"], c["order"]) for c in report["checks"]}
    assert {("linear.weight", 1), ("linear.weight", 2), ("grad_output", 2)} <= found
    assert report["passed"]
    assert report["settings"]["order"] == 2


def test_a_report_that_cannot_be_written(here: Here, tmp_path: Path) -> None:
    result = here("gradcheck", "--op", "tanh", "-o", "missing/report.json")
    assert (result.code, str(tmp_path / "missing" / "report.json") in result.err) == (7, True)


def test_T20_a_report_never_replaces_what_is_no_file(
    here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dgrad.config.gradients.gradient_checks", pytest.fail)  # before checking
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(os.devnull)
    (tmp_path / "other").symlink_to("folder")
    for place in (".", "folder", "link", "other", os.devnull):
        result = here("gradcheck", "--op", "tanh", "-o", place)
        assert (result.code, "error[T20] cannot write " in result.err) == (7, True), place
    assert os.path.islink("link")


def test_nothing_is_written_without_output(here: Here, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    here("gradcheck", "toy.yaml")
    assert sorted(tmp_path.rglob("*")) == before


def test_an_op_that_was_not_checked_is_told_on_stderr(here: Here, tmp_path: Path) -> None:
    (tmp_path / "bare.py").write_text(
        "import dgrad\n\n@dgrad.op\ndef bare(x, *, size):\n    return x * size\n\n"
        "bare.vjp(x=lambda g, size: g * size)\n"
    )
    write_toy(tmp_path, CLASSES + "plugins: [./bare.py]\n")
    result = here("gradcheck", "toy.yaml")
    assert result.code == 0
    assert "warning: not checked, for want of an example: bare" in result.err


def test_order_3_is_checked(here: Here) -> None:
    result = here("gradcheck", "--op", "tanh", "--order", "3")
    assert (result.code, "tanh" in result.out) == (0, True)
