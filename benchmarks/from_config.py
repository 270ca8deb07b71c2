"""A shipped config's training step, as `dgrad train` runs it, for the benchmarks."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.steps import Step
from dgrad.config.document import load
from dgrad.config.experiment import Experiment
from dgrad.train.trainer import Trainer

__all__ = ["step_of", "text_trainer"]

ROOT = Path(__file__).resolve().parents[1]


def text_trainer(name: str) -> tuple[Trainer, np.ndarray, np.ndarray]:
    """The trainer of configs/NAME.yaml, and its first batch of inputs and targets.

    Where the config's text is not there, this project's README is the text.
    """
    config = load(ROOT / "configs" / f"{name}.yaml")
    if not config.data.reader.arguments["path"].exists():
        readme = f"data.text.path={ROOT / 'README.md'}"
        config = load(config.path, [readme, "data.split.val=0.1"])
    trainer = Experiment.build(config).trainer
    inputs, targets = next(iter(trainer.batches.epoch(0)))
    trainer.model.train()
    return trainer, inputs.copy(), targets.copy()


def step_of(trainer: Trainer, inputs: np.ndarray, targets: np.ndarray) -> Step:
    """One training step on the batch: forward, loss, backward, clipping, update."""
    return lambda: trainer.train_step(inputs, targets)
