"""The training loop: batches, steps, evaluations, early stopping, checkpoints, interruption."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np

from dgrad.core.stream import default_stream
from dgrad.core.tensor import Tensor
from dgrad.data.loader import Batches
from dgrad.errors import DivergedError, ParameterError
from dgrad.nn.module import Module
from dgrad.train.evaluation import evaluate

__all__ = ["Examples", "Progress", "Settings", "Trainer", "Watcher"]


@dataclass(frozen=True)
class Examples:
    """Rows ready for the model. inputs: (n, ...), targets: (n, ...)."""

    inputs: np.ndarray
    targets: np.ndarray

    def __len__(self) -> int:
        return len(self.inputs)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to train.

    save_every: steps between checkpoints. best, stop_metric: names such as "val/loss";
    patience: evaluations without improvement of stop_metric before training stops, None for never.
    """

    seed: int = 0
    epochs: int = 10
    batch_size: int = 32
    clip_norm: float | None = None
    save_every: int = 1
    best: str = "val/loss"
    stop_metric: str = "val/loss"
    patience: int | None = None


@dataclass
class Progress:
    """Where a run is. Everything here is stored in checkpoints, but for the last batch's loss."""

    step: int = 0
    epoch: int = 0  # epochs that are complete
    best_value: float | None = None
    best_step: int = 0
    stop_value: float | None = None
    evaluations_since_better: int = 0
    loss: float = math.nan
    record: dict[str, Any] = field(default_factory=dict)  # the last evaluation

    def stored(self) -> dict[str, Any]:
        """The fields as a checkpoint holds them."""
        return {k: v for k, v in asdict(self).items() if k not in ("loss", "record")}


class Watcher(Protocol):
    """What is told about a run: displays and logs. All methods run between steps."""

    def started(self, trainer: Trainer) -> None:
        """Training is about to begin."""

    def evaluated(self, record: Mapping[str, Any], seconds: float) -> None:
        """An evaluation: epoch, step, train/loss, val/loss, ...; seconds of training so far."""

    def finished(self, outcome: str) -> None:
        """The loop is over: "done", "early stop", "interrupted", or "failed" by an exception."""


Save = Callable[[Progress, bool], None]  # (progress, is the best so far)


class Trainer:
    """Trains `model` on the "train" examples; see `fit`.

    splits: "train" and, if there are any rows, "val" and "test". schedule: step -> factor of the
    learning rate. Every random draw is a function of (seed, step), so a run repeats bit for bit.
    """

    def __init__(
        self,
        model: Module,
        loss: Module,
        optimizer: Any,
        splits: Mapping[str, Examples],
        settings: Settings,
        *,
        schedule: Callable[[int], float] = lambda step: 1.0,
        metrics: Mapping[str, Any] | None = None,
    ) -> None:
        self.model, self.loss, self.optimizer = model, loss, optimizer
        self.splits, self.settings, self.schedule = splits, settings, schedule
        self.metrics = dict(metrics or {})
        self.progress = Progress()
        self.stop_requested = False  # set by a signal handler: the step at hand is finished first
        self.parameters = list(model.parameters())
        train = splits["train"]
        self.batches = Batches(
            train.inputs,
            train.targets,
            batch_size=settings.batch_size,
            shuffle=True,
            seed=settings.seed,
        )
        for name in {settings.best, settings.stop_metric if settings.patience else settings.best}:
            if name not in self.measured:
                raise ParameterError("train", "metric", f"one of {', '.join(self.measured)}", name)

    @property
    def measured(self) -> list[str]:
        """Names of what an evaluation measures."""
        held_out = [name for name in ("val",) if name in self.splits]
        return ["train/loss", *(f"{s}/{m}" for s in held_out for m in ("loss", *self.metrics))]

    @property
    def total_steps(self) -> int:
        """Steps of the whole run, if it is not stopped early."""
        return self.settings.epochs * len(self.batches)

    def fit(self, save: Save = lambda progress, best: None, *watchers: Watcher) -> str:
        """Train to the end; returns "done", "early stop" or "interrupted".

        Evaluates after every epoch and before every save; saves every `save_every` steps, when
        the best metric improves, and at the end. Raises DivergedError (exit code 5) when the
        loss or a parameter is not finite: nothing that is not finite is ever saved.
        """
        for watcher in watchers:
            watcher.started(self)
        outcome = "failed"
        begun = time.perf_counter()
        try:
            with np.errstate(all="ignore"):  # what is not finite is found by looking for it
                outcome = self._epochs(save, watchers, begun)
        finally:
            for watcher in watchers:
                watcher.finished(outcome)
        return outcome

    def _epochs(self, save: Save, watchers: tuple[Watcher, ...], begun: float) -> str:
        outcome = "done"
        while self.progress.epoch < self.settings.epochs and outcome == "done":
            outcome = self._epoch(save, watchers, begun)
        return outcome

    def _epoch(self, save: Save, watchers: tuple[Watcher, ...], begun: float) -> str:
        progress, per_epoch = self.progress, len(self.batches)
        total, rows = 0.0, 0
        self.model.train()
        for inputs, targets in self.batches.epoch(progress.epoch):
            value = self.train_step(inputs, targets)
            total += value * len(inputs)
            rows += len(inputs)
            ended = progress.step % per_epoch == 0
            last = progress.step == self.total_steps
            due = last or progress.step % self.settings.save_every == 0
            asked = self.stop_requested  # read once: a signal may come at any moment
            if ended:
                progress.epoch += 1
            if ended or due or asked:
                better = self._evaluate(total / rows, watchers, begun)
                stop = self._should_stop()
                if due or better or stop or asked:
                    save(progress, better)
                if (asked or stop) and not last:
                    return "interrupted" if asked else "early stop"
        return "done"

    def train_step(self, inputs: np.ndarray, targets: np.ndarray) -> float:
        """Forward, loss, backward, clip, update, on one batch; returns the loss."""
        progress, optimizer = self.progress, self.optimizer
        default_stream.move(self.settings.seed, progress.step + 1)  # place 0 is initialisation
        loss = self.loss(self.model(Tensor(inputs)), Tensor(targets))
        value = float(loss.data)
        if not math.isfinite(value):
            raise DivergedError(
                f"the loss is {value} at step {progress.step + 1}; nothing was updated. "
                f"Try a lower learning rate, train.clip_norm, or look for bad values in the data"
            )
        optimizer.zero_grad()
        loss.backward()
        if self.settings.clip_norm is not None:
            self._clip(self.settings.clip_norm)
        optimizer.scale_lr(self.schedule(progress.step))
        optimizer.step()
        progress.step += 1
        progress.loss = value
        return value

    def _clip(self, limit: float) -> None:
        """Scale all gradients so that their joint norm is at most `limit`."""
        grads = [p.grad.data for p in self.parameters if p.grad is not None]
        norm = math.sqrt(sum(float(np.vdot(g, g)) for g in grads))
        if not math.isfinite(norm):
            raise DivergedError(
                f"the norm of the gradients is {norm} at step {self.progress.step + 1}; "
                f"nothing was updated. Try a lower learning rate",
                fault="T02",
            )
        if norm > limit:
            for g in grads:
                g *= limit / norm

    def _evaluate(self, train_loss: float, watchers: tuple[Watcher, ...], begun: float) -> bool:
        """Measure, tell the watchers; whether the best metric improved."""
        progress, settings = self.progress, self.settings
        for name, parameter in self.model.named_parameters():
            if not np.isfinite(parameter.data).all():
                raise DivergedError(
                    f"parameter {name} is not finite after step {progress.step}; "
                    f"try a lower learning rate or train.clip_norm",
                    fault="T02",
                )
        record = {"epoch": progress.epoch, "step": progress.step, "train/loss": train_loss}
        if "val" in self.splits:
            for name, value in self.evaluate("val").items():
                record[f"val/{name}"] = value
        record["lr"] = self.optimizer.param_groups[0]["lr"]
        progress.record = record
        better = self._improves(settings.best, record[settings.best], progress.best_value)
        if better:
            progress.best_value, progress.best_step = record[settings.best], progress.step
        if settings.patience is not None:
            value = record[settings.stop_metric]
            if self._improves(settings.stop_metric, value, progress.stop_value):
                progress.stop_value, progress.evaluations_since_better = value, 0
            else:
                progress.evaluations_since_better += 1
        for watcher in watchers:
            watcher.evaluated(record, time.perf_counter() - begun)
        return better

    def _should_stop(self) -> bool:
        patience = self.settings.patience
        return patience is not None and self.progress.evaluations_since_better >= patience

    def evaluate(self, split: str) -> dict[str, float]:
        """Loss and metrics of a split, with the weights as they are now."""
        examples = self.splits[split]
        return evaluate(self.model, self.loss, self.metrics, examples.inputs, examples.targets)

    def _improves(self, name: str, value: float, best: float | None) -> bool:
        """Whether `value` of "val/loss" or another measure beats `best`; NaN, inf never do."""
        if not math.isfinite(value):
            return False
        if best is None:
            return True
        metric = self.metrics.get(name.rpartition("/")[2])
        return value > best if getattr(metric, "higher_is_better", False) else value < best
