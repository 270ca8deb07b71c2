"""`dgrad lr` and `dgrad lr-find`: the drawings, JSON, streams without Unicode, narrow ones."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dgrad.cli.plot import plot
from tests.cli.conftest import ROOT, Result
from tests.toys import CLASSES, write_toy

Cli = Callable[..., Result]
ASCII = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}


def strict(text: str) -> Any:
    return json.loads(text, parse_constant=pytest.fail)


def test_the_curve_of_a_config_is_drawn(cli: Cli, tmp_path: Path) -> None:
    result = cli("lr", ROOT / "configs" / "digits_mlp.yaml", cwd=tmp_path)
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0] == "digits_mlp: cosine, 400 steps (20 an epoch), warm-up until step 20"
    assert [line[:11].strip() for line in (lines[1], lines[11])] == ["0.01 ┤", "0 ┼─"[:3]]
    assert all(len(line) <= 80 for line in lines[:13])
    heights = ["".join(line[11:].ljust(69)[i] for line in lines[1:11]) for i in range(69)]
    full = [len(column.replace(" ", "")) for column in heights]
    assert full[4] == max(full) == 10  # after the warm-up
    assert full[4:] == sorted(full[4:], reverse=True)
    assert lines[12].split() == ["1", "400"]
    assert re.split(" {2,}", lines[13]) == ["lr of", "first", "max", "min", "last"]
    assert re.split(" {2,}", lines[14])[:3] == ["all parameters", "0.0005", "0.01 (step 20)"]


def test_json_holds_the_numbers(cli: Cli, tmp_path: Path) -> None:
    write_toy(tmp_path)
    more = ["train={steps: 3000}", "schedule={cosine: {min_lr: 0.005, warmup: 10}}"]
    result = cli("lr", "toy.yaml", *more, "--json", cwd=tmp_path)
    found = strict(result.out)
    assert (found["steps"], found["warmup"], found["steps_per_epoch"]) == (3000, 10, None)
    (group,) = found["groups"]
    assert (group["max"], group["max_step"], group["first"]) == (0.05, 10, pytest.approx(0.005))
    assert len(found["points"]) == 1001
    assert found["points"][-1] == [3000, group["last"]]
    assert found["points"][0] == [1, group["first"]]
    plateau = strict(cli("lr", "toy.yaml", "schedule=plateau", "--json", cwd=tmp_path).out)
    assert plateau["note"].startswith("plateau")


@pytest.mark.parametrize("command", ["lr", "lr-find"])
def test_L06_a_stream_without_block_characters(command: str, cli: Cli, tmp_path: Path) -> None:
    write_toy(tmp_path)
    result = cli(command, "toy.yaml", cwd=tmp_path, **ASCII)
    assert result.code == 0, result.err
    assert result.out.isascii()
    assert "#" in result.out
    assert "\\u" not in result.out


@pytest.mark.parametrize("width", [1, 24, 200])
def test_L03_any_width_will_do(width: int, cli: Cli, tmp_path: Path) -> None:
    write_toy(tmp_path)
    result = cli("lr", "toy.yaml", cwd=tmp_path, COLUMNS=str(width))
    assert result.code == 0
    axis = next(line for line in result.out.splitlines() if "┼" in line)
    assert len(axis) == max(width, 20) - 1


@pytest.mark.parametrize("command", ["lr", "lr-find"])
def test_C01_a_typo_is_told_with_its_place(command: str, cli: Cli, tmp_path: Path) -> None:
    write_toy(tmp_path, CLASSES.replace("cosine:", "cosin:"))
    result = cli(command, "toy.yaml", cwd=tmp_path)
    assert (result.code, result.out) == (2, "")
    assert re.search(r'error\[C01\] toy\.yaml:15:12 .*no schedule is called "cosin"', result.err)
    assert 'did you mean "cosine"?' in result.err
    told = strict(cli(command, "toy.yaml", "--json", cwd=tmp_path).out)
    assert (told["event"], told["fault"], told["exit_code"]) == ("error", "C01", 2)


def test_the_range_test_suggests_and_writes_nothing(cli: Cli, tmp_path: Path) -> None:
    write_toy(tmp_path)
    before = sorted(tmp_path.iterdir())
    result = cli("lr-find", "toy.yaml", "seed=1", cwd=tmp_path)
    assert result.code == 0, result.err
    assert sorted(tmp_path.iterdir()) == before
    rates = {
        name: float(rate)
        for name, rate in re.findall(r"^(steepest|minimum / 10) +(\S+)$", result.out, re.MULTILINE)
    }
    assert list(rates) == ["steepest", "minimum / 10"]
    assert all(1e-4 < rate < 10 for rate in rates.values())
    assert re.search(
        r"^try: dgrad train toy\.yaml seed=1 optimizer\.adam\.lr=\S+$", result.err, re.MULTILINE
    )
    assert cli("lr-find", "toy.yaml", "seed=1", cwd=tmp_path).out == result.out
    found = strict(cli("lr-find", "toy.yaml", "seed=1", "--json", cwd=tmp_path).out)
    assert f"{found['steepest']:.3g}" == f"{rates['steepest']:.3g}"
    assert len(found["rates"]) == len(found["losses"]) == len(found["smoothed"])


def test_a_range_without_a_good_rate(cli: Cli, tmp_path: Path) -> None:
    write_toy(tmp_path)
    words = ["lr-find", "toy.yaml", "--start", "1e3", "--end", "1e9", "--steps", "9"]
    result = cli(*words, cwd=tmp_path)
    assert result.code == 0
    assert re.search(r"^stopped after \d of 9 steps: the loss diverged$", result.err, re.MULTILINE)
    assert "no rate of these lets the loss fall; try others with --start" in result.out
    assert strict(cli(*words, "--json", cwd=tmp_path).out)["steepest"] is None
    wrong = cli("lr-find", "toy.yaml", "--steps", "1", cwd=tmp_path)
    assert (wrong.code, "steps must be at least 2, got 1" in wrong.err) == (2, True)


@pytest.mark.parametrize("command", ["lr", "lr-find"])
def test_the_help_has_an_example(command: str, cli: Cli, tmp_path: Path) -> None:
    result = cli(command, "--help", cwd=tmp_path)
    assert (result.code, f"Example: dgrad {command} configs/digits_mlp.yaml" in result.out) == (
        0,
        True,
    )


def test_the_shape_of_a_plot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COLUMNS", "20")  # 8 for the plot
    with (tmp_path / "ascii").open("w", encoding="ascii") as stream:
        flat = plot([2.0, 2.0], ("a", "b"), stream)
        assert flat[0] == "        2 |########"
        assert flat[-2:] == ["        0 +--------", "           a      b"]
        rising = plot(range(1, 9), ("a", "b"), stream, low=0, high=8)
        assert [line.count("#") for line in rising[:10]] == [1, 2, 2, 3, 4, 5, 6, 6, 7, 8]
        assert plot([0.0], ("a", "b"), stream)[0] == "        0 |"
    with (tmp_path / "unicode").open("w", encoding="utf-8") as stream:
        eighths = plot([i / 80 for i in range(8)], ("a", "b"), stream, high=1.0)
        assert eighths[9] == "          ┤ ▁▂▃▄▅▆▇"
