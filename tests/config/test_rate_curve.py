"""The learning rates of a run, from its config: how many steps, and when the data are needed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from dgrad.config import document
from dgrad.config.document import load
from dgrad.config.experiment import Experiment
from dgrad.config.rate_curve import RateCurve, rate_curve
from dgrad.errors import ConfigError, DataError
from tests.toys import CLASSES, forgetting, write_toy


@pytest.fixture(autouse=True)
def _components() -> Iterator[None]:
    """Here the shipped components are meant, not those of conftest."""
    document.register_shipped()
    with forgetting():
        yield


def curve(folder: Path, *overrides: str) -> RateCurve:
    return rate_curve(load(write_toy(folder), overrides))


@pytest.mark.parametrize(
    "given",
    [
        [],
        ["train.accumulate=2", "schedule={step: 1 epoch}"],
        ["train={steps: 31, batch_size: 4}", "schedule={cosine: {warmup: 1 epoch}}"],
        ["schedule={chain: {schedules: [constant, {linear: {}}], milestones: [0.5 epochs]}}"],
    ],
)
def test_the_rates_are_those_that_training_uses(given: list[str], tmp_path: Path) -> None:
    found = curve(tmp_path, *given)
    trainer = Experiment.build(load(write_toy(tmp_path), given)).trainer
    used: list[float] = []
    step = trainer.train_step

    def kept(x: np.ndarray, y: np.ndarray) -> float:
        loss = step(x, y)
        used.append(trainer.optimizer.param_groups[0]["lr"])
        return loss

    trainer.train_step = kept  # type: ignore[method-assign]
    trainer.fit()
    ((name, rate),) = found.groups
    assert (name, rate, found.steps_per_epoch) == ("all parameters", 0.05, len(trainer.batches))
    np.testing.assert_array_equal(found.factors * rate, used)
    assert found.warmup == getattr(trainer.schedule, "warmup", None)


@pytest.mark.parametrize(
    ("given", "asks"),
    [
        (["train={steps: 20}"], False),
        (["train={steps: 20}", "schedule={step: 3}"], False),
        (["train={steps: 20}", "schedule={step: 3 epochs}"], True),
        (
            [
                "train={steps: 20}",
                "schedule={chain: {schedules: [constant, {cosine: {warmup: 1 epoch}}], "
                "milestones: [9]}}",
            ],
            True,
        ),
        (["train={steps: 20}", "optimizer.adam.lr=$data.features"], True),
        (["train={epochs: 2}"], True),
    ],
)
def test_the_data_are_read_where_they_matter_only(
    given: list[str], asks: bool, tmp_path: Path
) -> None:
    config = load(write_toy(tmp_path), given)
    (tmp_path / "classes.csv").unlink()
    if asks:
        with pytest.raises(DataError):
            rate_curve(config)
        return
    found = rate_curve(config)
    assert (len(found.factors), found.steps_per_epoch) == (20, None)


def test_groups_with_a_rate_of_their_own_are_told(tmp_path: Path) -> None:
    groups = (
        '[{match: "*.bias", lr: 0.1}, {match: linear.weight, lr: 0.05}, '
        "{match: linear_2.*, lr: 0.2, freeze: true}]"
    )
    found = curve(tmp_path, f"optimizer.adam.groups={groups}")
    assert found.groups == (("all others", 0.05), ("*.bias", 0.1))
    two = curve(tmp_path, "optimizer.adam.groups=[{match: [linear.bias, linear_2.bias], lr: 0.1}]")
    assert two.groups == (("all others", 0.05), ("linear.bias linear_2.bias", 0.1))


def test_what_a_plateau_does_is_not_shown(tmp_path: Path) -> None:
    found = curve(tmp_path, "schedule={plateau: {metric: val/accuracy}}")
    assert (found.factors == 1).all()
    assert found.note.startswith("plateau lowers the rate when val/accuracy no longer improves")


def test_C22_a_warm_up_that_is_too_long_has_its_place(tmp_path: Path) -> None:
    text = CLASSES.replace("warmup: 10%", "warmup: 4 epochs")
    with pytest.raises(ConfigError, match="warmup must be at most the 9 steps of the run") as e:
        rate_curve(load(write_toy(tmp_path, text)))
    (problem,) = e.value.problems
    line = text.splitlines()[problem.line - 1]
    assert line[problem.column - 1 :] == "4 epochs}}"


def test_T07_a_rate_too_large_for_a_float_is_told_at_the_schedule(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no usable rate from step 3 on: inf") as caught:
        curve(tmp_path, "schedule={exponential: {gamma: 1e200}}")
    assert (caught.value.fault, caught.value.problems[0].column) == ("T07", 11)
