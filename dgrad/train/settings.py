"""How to train, and how far training is."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["Progress", "Settings"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to train; `dgrad.config.training.Train` has the defaults.

    epochs or steps: the length; steps counts where both are given. batch_size: rows at a time;
    accumulate: as many times that for a step. clip_norm, clip_value: None for no clipping.
    eval_batch_size: rows at a time in evaluations. eval_every: steps between evaluations, None for
    one after every epoch and before every checkpoint. eval_rows: of the validation rows, None for
    all. save_every: steps between checkpoints. best, stop_metric: names such as "val/loss";
    patience: evaluations without improvement of stop_metric before training stops, None for never.
    """

    seed: int
    epochs: int | None = None
    steps: int | None = None
    batch_size: int
    accumulate: int = 1
    eval_batch_size: int
    eval_every: int | None = None
    eval_rows: int | None = None
    clip_norm: float | None
    clip_value: float | None = None
    save_every: int
    best: str
    stop_metric: str
    patience: int | None


@dataclass
class Progress:
    """Where a run is. Everything here is stored in checkpoints, but for the last batch's loss."""

    step: int = 0
    epoch: int = 0  # epochs that are complete
    epoch_loss: float = 0.0  # sum over what counted since the epoch, or the evaluation, began
    epoch_weight: float = 0.0  # how much that was, see Loss.weight_of
    best_value: float | None = None
    best_step: int = 0
    stop_value: float | None = None
    evaluations_since_better: int = 0
    averaged: int = 0  # how many weights the average is of
    schedule: dict[str, Any] = field(default_factory=dict)  # its state_dict, if it observes
    loss: float = math.nan

    def stored(self) -> dict[str, Any]:
        """The fields as a checkpoint holds them."""
        return {k: v for k, v in asdict(self).items() if k != "loss"}
