"""Every config in configs/ is loaded, checked, built and trained for two steps."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from dgrad.config.document import from_text, load
from dgrad.config.experiment import Experiment
from dgrad.config.values import Component
from dgrad.config.yaml import dump

CONFIGS = sorted(Path(__file__).parents[1].joinpath("configs").glob("*.yaml"))


def data_files(reader: Component) -> list[Path]:
    return [value for value in reader.arguments.values() if isinstance(value, Path)]


def test_there_are_configs() -> None:
    assert CONFIGS


@pytest.mark.parametrize("path", CONFIGS, ids=[path.stem for path in CONFIGS])
def test_it_says_what_it_is_and_how_to_run_it(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert lines[0].startswith("# ")
    assert f"dgrad train configs/{path.name}" in "\n".join(lines[:4])


@pytest.mark.parametrize("path", CONFIGS, ids=[path.stem for path in CONFIGS])
def test_its_resolved_form_is_the_same_config(path: Path) -> None:
    config = load(path)
    assert from_text(dump(config.resolved()), path) == config


@pytest.mark.parametrize("path", CONFIGS, ids=[path.stem for path in CONFIGS])
def test_it_trains(path: Path) -> None:
    config = load(path)
    absent = [str(file) for file in data_files(config.data.reader) if not file.exists()]
    if absent:
        pytest.skip(f"its data are not part of the project and not here: {', '.join(absent)}")
    trainer = Experiment.build(config).trainer
    batches = trainer.batches.epoch(0)
    losses = [trainer.train_step(*next(batches)) for _ in range(2)]
    assert all(math.isfinite(loss) for loss in losses)
    assert trainer.progress.step == 2
    assert math.isfinite(trainer.evaluate("val")["loss"])
