"""Every config in configs/ is loaded, checked, built and trained for two steps.

Data that are no part of the project are replaced by a few rows of the same shapes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from dgrad.config import document
from dgrad.config.document import from_text, load
from dgrad.config.experiment import Experiment
from dgrad.config.gradients import gradient_checks
from dgrad.config.yaml import dump
from tests.data.readers.test_idx import idx
from tests.toys import forgetting

FOLDER = Path(__file__).parents[1] / "configs"
CONFIGS = sorted(FOLDER.glob("*.yaml"))
ROWS = [line for line in (FOLDER / "README.md").read_text().splitlines() if line.startswith("| [")]
SYMBOLS = "".join(map(chr, range(ord(" "), ord(" ") + 65)))
CONTENTS = {  # reader -> parameter -> what a file in the place of the real one holds
    "text": {"path": (SYMBOLS * 30).encode()},
    "idx": {
        "images": idx(np.arange(200 * 28 * 28).reshape(200, 28, 28) % 251),
        "labels": idx(np.arange(200) % 10),
    },
}

every_config = pytest.mark.parametrize("path", CONFIGS, ids=[path.stem for path in CONFIGS])


@pytest.fixture(autouse=True)
def _components() -> Iterator[None]:
    """What plugins register is forgotten after each test."""
    document.register_shipped()
    with forgetting():
        yield


def replaced(path: Path, folder: Path) -> list[str]:
    """Overrides that name files in `folder` for those that are no part of the project."""
    overrides = []
    reader = load(path).data.reader
    for parameter, content in CONTENTS.get(reader.name, {}).items():
        (folder / parameter).write_bytes(content)
        overrides.append(f"data.{reader.name}.{parameter}={folder / parameter}")
    return overrides


def test_there_are_configs() -> None:
    assert CONFIGS


@every_config
def test_it_says_what_it_is_and_how_to_run_it(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert lines[0].startswith("# ")
    assert f"dgrad train configs/{path.name}" in "\n".join(lines[:4])


@every_config
def test_its_resolved_form_is_the_same_config(path: Path) -> None:
    config = load(path)
    assert from_text(dump(config.resolved()), path) == config


@every_config
def test_it_trains(path: Path, tmp_path: Path) -> None:
    trainer = Experiment.build(load(path, replaced(path, tmp_path))).trainer
    batches = trainer.batches.epoch(0)
    losses = [trainer.train_step(*next(batches)) for _ in range(2)]
    assert all(math.isfinite(loss) for loss in losses)
    assert trainer.progress.step == 2
    assert math.isfinite(trainer.evaluate("val", rows=32)["loss"])


@every_config
def test_the_table_tells_its_size(path: Path, tmp_path: Path) -> None:
    (row,) = [row for row in ROWS if row.startswith(f"| [{path.stem}]({path.name}) |")]
    model = Experiment.build(load(path, replaced(path, tmp_path))).trainer.model
    assert f"| {sum(p.size for p in model.parameters()):,} |" in row


def test_the_table_holds_no_other_config() -> None:
    assert len(ROWS) == len(CONFIGS)


def test_the_gradients_of_the_custom_op_are_right() -> None:
    checks = gradient_checks(load(FOLDER / "custom_op.yaml")).checks
    named = {(check.kind, check.subject) for check in checks}
    assert named == {("op", "snake"), ("layer", "snake"), ("parameter", "model")}
    assert {check.verdict for check in checks} == {"ok"}
