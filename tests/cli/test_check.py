"""`dgrad check`: what a config would do, and everything that is wrong with it, without a trace."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dgrad.config.checks import check_config
from dgrad.config.document import load
from tests.cli.conftest import Result
from tests.toys import CLASSES, NUMBERS, write_toy

Here = Callable[..., Result]


def test_it_says_what_training_would_use_and_writes_nothing(here: Here, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    result = here("check", "toy.yaml")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0].startswith(
        "toy: linear > relu > dropout > linear, 59 parameters; rows: 45 train"
    )
    assert lines[1] == "steps: 9 with 16 rows each"
    assert lines[-1] == "no errors"
    assert sorted(tmp_path.rglob("*")) == before


def test_json_has_the_figures(here: Here) -> None:
    found = json.loads(here("check", "toy.yaml", "--json").out)
    assert found["state"] == 59 * 4 * 4  # parameter, gradient, two moments
    assert found["flops"] == 56 + 8 + 51
    assert found["loss"] == pytest.approx(np.log(3), rel=0.5)


def test_accumulation_and_averages_count(here: Here) -> None:
    more = ["train.accumulate=2", "train.ema={decay: 0.5}", "train.batch_size=8"]
    found = json.loads(here("check", "toy.yaml", *more, "--json").out)
    assert (found["steps"], found["batch"]) == (9, 16)
    assert found["state"] == 59 * 4 * 6  # an average, and what it is moved by
    whole = json.loads(here("check", "toy.yaml", "--json").out)
    assert found["kept"] == 864 < whole["kept"] == 1408  # of a part of a step, and all its rows


def test_all_errors_are_told_at_once(here: Here) -> None:
    result = here("check", "toy.yaml", "train.epocks=3", "optimizer.adam.lr=-1")
    assert result.code == 2
    assert result.err.count("error[") == 2
    assert result.err.endswith("2 errors, nothing was run\n")


def test_warnings_are_told(here: Here) -> None:
    result = here("check", "toy.yaml", "model.layers=[{linear: 3}, softmax]")
    assert result.code == 0
    assert "warning: cross_entropy applies log_softmax itself" in result.err


def test_T01_a_first_loss_that_is_not_finite_is_told(here: Here, tmp_path: Path) -> None:
    write_toy(tmp_path, NUMBERS, "numbers.yaml")
    huge = "data.transforms=[{scale: {low: -1e38, high: 1e38}}]"
    result = here("check", "numbers.yaml", huge, "model.layers=[{linear: 1}]")
    assert result.code == 5
    assert "before any step" in result.err


def test_neither_weights_nor_modes_are_changed(tmp_path: Path) -> None:
    config = load(write_toy(tmp_path, CLASSES))
    first, second = check_config(config), check_config(config)
    assert first == second
