"""The training loop: batches, steps, evaluations, early stopping, checkpoints, interruption."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from dgrad.data.loader import Batches
from dgrad.errors import DivergedError
from dgrad.nn.module import Module
from dgrad.optim.optimizer import Optimizer
from dgrad.train.averaging import WeightAverage
from dgrad.train.evaluation import evaluate, weight_of
from dgrad.train.gradient import Gradient
from dgrad.train.metrics import Metric, Table
from dgrad.train.metrics.metric import mean_of
from dgrad.train.monitor import Monitor
from dgrad.train.remarks import rows_left_out, unreached_parameters
from dgrad.train.settings import Progress, Settings
from dgrad.train.watcher import Watcher

__all__ = ["Examples", "Progress", "Settings", "Trainer", "Watcher", "section"]


@dataclass(frozen=True)
class Examples:
    """Rows ready for the model. inputs: (n, ...), targets: (n, ...)."""

    inputs: np.ndarray
    targets: np.ndarray

    def __len__(self) -> int:
        return len(self.inputs)


Save = Callable[[dict[str, np.ndarray], bool], None]  # (Trainer.tensors(), the best so far?)


def section(tensors: Mapping[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    """The tensors called `name.x`, by x."""
    start = f"{name}."
    return {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}


class Trainer:
    """Trains `model` on the "train" examples; see `fit`.

    splits: "train" and, if there are any rows, "val" and "test". schedule: step -> factor of the
    learning rate. average: of the model's weights, which are then what is evaluated.
    Every random draw is a function of (seed, step), so a run repeats bit for bit.
    unreached: names of parameters without a gradient that the user has been told of already.
    """

    def __init__(
        self,
        model: Module,
        loss: Module,
        optimizer: Optimizer,
        splits: Mapping[str, Examples],
        settings: Settings,
        *,
        schedule: Callable[[int], float] = lambda step: 1.0,
        metrics: Mapping[str, Metric] | None = None,
        average: WeightAverage | None = None,
        unreached: Collection[str] = (),
    ) -> None:
        self.model, self.loss, self.optimizer = model, loss, optimizer
        self.splits, self.settings, self.schedule = splits, settings, schedule
        self.metrics = dict(metrics or {})
        self.average = average
        self.unreached = frozenset(unreached)
        self.progress = Progress()
        self.stop_requested = False  # set by a signal handler: the step at hand is finished first
        self.gradient = Gradient(model, loss, settings)
        self.parameters = self.gradient.parameters
        self.monitor = Monitor(settings, self.metrics, schedule)
        train = splits["train"]
        self.batches = Batches(
            train.inputs,
            train.targets,
            batch_size=settings.batch_size * settings.accumulate,
            shuffle=True,
            seed=settings.seed,
        )

    @property
    def measured(self) -> list[str]:
        """What an evaluation measures: the names that settings.best and stop_metric may take."""
        if "val" not in self.splits:
            return ["train/loss"]
        each = (f"{name}{which}" for name, m in self.metrics.items() for which in m.values())
        return ["train/loss", "val/loss", *(f"val/{name}" for name in each)]

    @property
    def total_steps(self) -> int:
        """Steps of the whole run, if it is not stopped early."""
        settings = self.settings
        return settings.steps or (settings.epochs or 0) * len(self.batches)

    def fit(self, *, save: Save | None = None, watchers: Sequence[Watcher] = ()) -> str:
        """Train on from `progress` to the end; returns "done", "early stop" or "interrupted".

        Evaluates every `eval_every` steps and at the end, or after every epoch and before every
        save; saves every `save_every` steps, when the best metric improves, and at the end. A
        number of steps may end within an epoch. A stop request saves at once, and evaluates only
        if it is time to: a run that goes on from there measures what an undisturbed one does.
        A model in training mode keeps the modes of its modules, one that is not is put into it.
        After the first step watchers are told which parameters got no gradient.
        Raises DivergedError (exit code 5) when the loss or what is to be saved is not finite.
        """
        if not self.model.training:
            self.model.train()
        for watcher in watchers:
            watcher.started(self)
        _tell(watchers, rows_left_out(self.settings, len(self.splits.get("val", ()))))
        outcome = "failed"
        begun = time.perf_counter()
        try:
            with np.errstate(all="ignore"):  # what is not finite is found by looking for it
                outcome = self._steps(save, watchers, begun)
        finally:
            for watcher in watchers:
                watcher.finished(outcome)
        return outcome

    def _steps(self, save: Save | None, watchers: Sequence[Watcher], begun: float) -> str:
        progress, first = self.progress, True
        while progress.step < self.total_steps:
            if self.monitor.should_stop(progress):  # where a run came back from that had stopped
                return "early stop"
            for batch in self.batches.epoch(progress.epoch, progress.step % len(self.batches)):
                loss = self.train_step(*batch)
                if first and not math.isnan(loss):
                    _tell(watchers, unreached_parameters(self.model, self.unreached, progress.step))
                    first = False
                if first:
                    self._refuse_nothing()
                outcome = self._between_steps(save, watchers, begun)
                if outcome:
                    return outcome
        return "done"

    def _refuse_nothing(self) -> None:
        """Raise DivergedError when all of the first epoch, or of the run, gave no gradient."""
        step = self.progress.step
        if step % len(self.batches) == 0 or step == self.total_steps:
            raise DivergedError(
                f"no row of the first {step} batches counts for the loss, so nothing was learned. "
                f"Look at its weight, at ignore_index, or enlarge train.batch_size where the loss "
                f"compares rows"
            )

    def _between_steps(
        self, save: Save | None, watchers: Sequence[Watcher], begun: float
    ) -> str | None:
        """Evaluate and save as far as it is time to; the outcome of the run if it is over."""
        progress, settings = self.progress, self.settings
        asked = self.stop_requested  # read once: a signal may come at any moment
        last = progress.step == self.total_steps
        due = last or progress.step % settings.save_every == 0
        ended = progress.step % len(self.batches) == 0
        better = False
        if ended:
            progress.epoch += 1
        if settings.eval_every is None:
            measure, restart = ended or due, ended
        else:
            measure = restart = last or progress.step % settings.eval_every == 0
        if measure:
            better = self._evaluate(watchers, begun)
        if restart:
            progress.epoch_loss, progress.epoch_weight = 0.0, 0.0
        stop = self.monitor.should_stop(progress)
        if due or better or stop or asked:
            tensors = self.tensors()
            if save is not None:
                save(tensors, better)
        if last:
            return "done"
        return "early stop" if stop else "interrupted" if asked else None

    def train_step(self, inputs: np.ndarray, targets: np.ndarray) -> float:
        """Forward, loss, backward, clip, update, on one batch; returns the loss.

        With `accumulate` the batch is taken in parts: the gradient is that of the whole.
        A batch in which nothing counts, as all its targets are ignored, updates nothing: NaN.
        """
        progress, optimizer = self.progress, self.optimizer
        weight = weight_of(self.loss, targets)
        if not weight:
            progress.step += 1
            return math.nan

        def closure() -> float:
            optimizer.zero_grad()
            value = self.gradient.add(inputs, targets, progress.step)
            self.gradient.clip(inputs, targets, progress.step)
            return value

        factor = self.schedule(progress.step)
        if not 0 <= factor < math.inf:
            raise DivergedError(
                f"the schedule gave the factor {factor} for step {progress.step + 1}; nothing was "
                f"updated. A factor must be finite and not negative",
                fault="T07",
            )
        optimizer.scale_lr(factor)
        value = float(optimizer.step(closure))
        progress.step += 1
        progress.loss = value
        progress.epoch_loss += value * weight
        progress.epoch_weight += weight
        if self.average is not None:
            self.average.update(progress.step)
            progress.averaged = self.average.count
        return value

    def tensors(self) -> dict[str, np.ndarray]:
        """Copies of all that training changes, by "model.name" and "optimizer.slot.name".

        Averaged weights are "ema.name" or "swa.name".

        Raises DivergedError that names what is not finite: nothing of that kind is ever saved.
        """
        optimizer = self.optimizer.state_arrays(self.model.named_parameters())
        found = {f"model.{name}": array for name, array in self.model.state_dict().items()}
        found.update({f"optimizer.{name}": array for name, array in optimizer.items()})
        if self.average is not None:
            averaged = self.average.tensors()
            found.update({f"{self.average.section}.{k}": v for k, v in averaged.items()})
        for name, array in found.items():
            if not np.isfinite(array).all():
                raise DivergedError(
                    f"{name} is not finite after step {self.progress.step}; it is not saved, "
                    f"earlier checkpoints stay. Try a lower learning rate or train.clip_norm",
                    fault="T08" if name.startswith("optimizer.") else "T02",
                )
        return found

    def load_tensors(self, tensors: Mapping[str, np.ndarray], progress: Progress) -> None:
        """Go on from `tensors`, the result of `tensors()` at `progress`. Raises CheckpointError."""
        self._load_model(tensors, progress.averaged)
        self._load_optimizer(tensors)
        self.monitor.load(progress)
        self.progress = progress

    def load_weights(self, tensors: Mapping[str, np.ndarray], averaged: int) -> None:
        """Take the model's weights, and their average of so many, from the result of `tensors()`.

        An optimizer that holds the average itself takes its state, too. Raises CheckpointError.
        """
        self._load_model(tensors, averaged)
        if self.optimizer.averages:
            self._load_optimizer(tensors)

    def _load_model(self, tensors: Mapping[str, np.ndarray], averaged: int) -> None:
        self.model.load_state_dict(section(tensors, "model"))
        if self.average is not None:
            self.average.load(section(tensors, self.average.section), averaged)

    def _load_optimizer(self, tensors: Mapping[str, np.ndarray]) -> None:
        named = self.model.named_parameters()
        self.optimizer.load_state_arrays(section(tensors, "optimizer"), named)

    def _evaluate(self, watchers: Sequence[Watcher], begun: float) -> bool:
        """Measure, tell the watchers; whether the best metric improved."""
        progress = self.progress
        record: dict[str, Any] = {
            "epoch": progress.epoch,
            "step": progress.step,
            "train/loss": mean_of(progress.epoch_loss, progress.epoch_weight),
        }
        if "val" in self.splits:
            rows = self.settings.eval_rows
            found = self.evaluate("val") if rows is None else self.evaluate("val", rows)
            record.update({f"val/{k}": value for k, value in found.items()})
        record["lr"] = self.optimizer.param_groups[0]["lr"]
        better = self.monitor.observe(record, progress)
        for watcher in watchers:
            watcher.evaluated(record, time.perf_counter() - begun)
        return better

    def evaluate(self, split: str, rows: int | None = None) -> dict[str, float]:
        """Loss and metrics of a split, with the weights, or their average, as they are now.

        rows: measure only as many, evenly spaced.
        """
        inputs, targets = self.splits[split].inputs, self.splits[split].targets
        if rows is not None and rows < len(inputs):
            chosen = np.linspace(0, len(inputs) - 1, rows).round().astype(np.int64)
            inputs, targets = inputs[chosen], targets[chosen]
        size = self.settings.eval_batch_size
        with self.evaluated_weights():
            return evaluate(self.model, self.loss, self.metrics, inputs, targets, batch_size=size)

    @contextmanager
    def evaluated_weights(self) -> Iterator[None]:
        """Within, the model has the weights that evaluations see: the average, if there is one."""
        average = self.average
        with average.applied(self._training_inputs) if average else self.optimizer.averaged():
            yield

    def first_batch(self) -> tuple[np.ndarray, np.ndarray]:
        """(inputs, targets), (b, ...) each, of the first forward and backward of training."""
        inputs, targets = next(iter(self.batches.epoch(0)))
        size = self.settings.batch_size  # with `accumulate` a part of a step
        return inputs[:size], targets[:size]

    def _training_inputs(self) -> Iterator[np.ndarray]:
        """All training inputs once, in batches, in an order that depends on the seed alone."""
        size = self.settings.batch_size
        for inputs, _ in self.batches.epoch(0):
            for start in range(0, len(inputs), size):
                yield inputs[start : start + size]

    def tables(self) -> dict[str, Table]:
        """What the metrics have to show of the last evaluation that is not one number, by name."""
        tables = {name: metric.table() for name, metric in self.metrics.items()}
        return {name: table for name, table in tables.items() if table is not None}


def _tell(watchers: Sequence[Watcher], texts: Iterator[str]) -> None:
    for text in texts:
        for watcher in watchers:
            watcher.warned(text)
