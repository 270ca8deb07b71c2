"""A shipped config's training step, as `dgrad train` runs it, for the benchmarks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from benchmarks.steps import Step, show
from dgrad.config.document import load
from dgrad.config.experiment import Experiment
from dgrad.train.allocation import keep_freed_memory
from dgrad.train.trainer import Trainer

__all__ = ["compare"]

ROOT = Path(__file__).resolve().parents[1]


def compare(
    name: str,
    title: str,
    torch_step: Callable[[Trainer, np.ndarray, np.ndarray], Step],
    threads: int,
) -> None:
    """Print what a step of configs/NAME.yaml takes beside torch_step(trainer, inputs, targets).

    In a process that keeps freed memory as `dgrad train` does.
    """
    keep_freed_memory()
    torch.set_num_threads(threads)
    trainer, inputs, targets = _text_trainer(name)
    theirs = torch_step(trainer, inputs, targets)  # copies the weights before they move
    show(title, {"dgrad": lambda: trainer.train_step(inputs, targets), "torch": theirs})


def _text_trainer(name: str) -> tuple[Trainer, np.ndarray, np.ndarray]:
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
