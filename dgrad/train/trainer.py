"""The training loop: batches, steps, evaluations, early stopping, checkpoints, interruption."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np

from dgrad.core import stream
from dgrad.core.tensor import Tensor
from dgrad.data.loader import Batches
from dgrad.errors import DivergedError
from dgrad.nn.module import Module
from dgrad.optim.clipping import clip_grad_norm_
from dgrad.optim.optimizer import Optimizer
from dgrad.optim.schedules import Plateau
from dgrad.randomness import Purpose
from dgrad.train.divergence import first_fault
from dgrad.train.evaluation import evaluate, weight_of
from dgrad.train.metrics import Metric

__all__ = ["Examples", "Progress", "Settings", "Trainer", "Watcher", "section"]


@dataclass(frozen=True)
class Examples:
    """Rows ready for the model. inputs: (n, ...), targets: (n, ...)."""

    inputs: np.ndarray
    targets: np.ndarray

    def __len__(self) -> int:
        return len(self.inputs)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to train; `dgrad.config.document.Train` has the defaults.

    clip_norm: None for no clipping. eval_batch_size: rows at a time in evaluations.
    save_every: steps between checkpoints. best, stop_metric: names such as "val/loss";
    patience: evaluations without improvement of stop_metric before training stops, None for never.
    """

    seed: int
    epochs: int
    batch_size: int
    eval_batch_size: int
    clip_norm: float | None
    save_every: int
    best: str
    stop_metric: str
    patience: int | None


@dataclass
class Progress:
    """Where a run is. Everything here is stored in checkpoints, but for the last batch's loss."""

    step: int = 0
    epoch: int = 0  # epochs that are complete
    epoch_loss: float = 0.0  # sum over what counted in the epoch at hand
    epoch_weight: float = 0.0  # how much that was, see Loss.weight_of
    best_value: float | None = None
    best_step: int = 0
    stop_value: float | None = None
    evaluations_since_better: int = 0
    schedule: dict[str, Any] = field(default_factory=dict)  # what a Plateau remembers
    loss: float = math.nan

    def stored(self) -> dict[str, Any]:
        """The fields as a checkpoint holds them."""
        return {k: v for k, v in asdict(self).items() if k != "loss"}


class Watcher(Protocol):
    """What is told about a run: displays and logs. All methods run between steps."""

    def started(self, trainer: Trainer) -> None:
        """Training is about to begin."""

    def evaluated(self, record: Mapping[str, Any], seconds: float) -> None:
        """An evaluation: epoch, step, train/loss, val/loss, ...; seconds of training so far."""

    def warned(self, text: str) -> None:
        """What the user should know, found after the first step."""

    def finished(self, outcome: str) -> None:
        """The loop is over: "done", "early stop", "interrupted", or "failed" by an exception."""


Save = Callable[[dict[str, np.ndarray], bool], None]  # (Trainer.tensors(), the best so far?)


def section(tensors: Mapping[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    """The tensors called `name.x`, by x."""
    start = f"{name}."
    return {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}


class Trainer:
    """Trains `model` on the "train" examples; see `fit`.

    splits: "train" and, if there are any rows, "val" and "test". schedule: step -> factor of the
    learning rate. Every random draw is a function of (seed, step), so a run repeats bit for bit.
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
        unreached: Collection[str] = (),
    ) -> None:
        self.model, self.loss, self.optimizer = model, loss, optimizer
        self.splits, self.settings, self.schedule = splits, settings, schedule
        self.metrics = dict(metrics or {})
        self.unreached = frozenset(unreached)
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

    @property
    def measured(self) -> list[str]:
        """What an evaluation measures: the names that settings.best and stop_metric may take."""
        names = ("loss", *self.metrics) if "val" in self.splits else ()
        return ["train/loss", *(f"val/{name}" for name in names)]

    @property
    def total_steps(self) -> int:
        """Steps of the whole run, if it is not stopped early."""
        return self.settings.epochs * len(self.batches)

    def fit(self, *, save: Save | None = None, watchers: Sequence[Watcher] = ()) -> str:
        """Train on from `progress` to the end; returns "done", "early stop" or "interrupted".

        Evaluates after every epoch and before every save; saves every `save_every` steps, when
        the best metric improves, and at the end. A stop request saves at once, and evaluates only
        if it is time to: a run that goes on from there measures what an undisturbed one does.
        A model in training mode keeps the modes of its modules, one that is not is put into it.
        After the first step watchers are told which parameters got no gradient.
        Raises DivergedError (exit code 5) when the loss or what is to be saved is not finite.
        """
        if not self.model.training:
            self.model.train()
        for watcher in watchers:
            watcher.started(self)
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
            if self._should_stop():  # where a run came back from that had stopped
                return "early stop"
            for batch in self.batches.epoch(progress.epoch, progress.step % len(self.batches)):
                loss = self.train_step(*batch)
                if first and not math.isnan(loss):
                    self._tell_unreached(watchers)
                    first = False
                outcome = self._between_steps(save, watchers, begun)
                if outcome:
                    return outcome
        return "done"

    def _tell_unreached(self, watchers: Sequence[Watcher]) -> None:
        """Warn of parameters that are trained but got no gradient in the step just made."""
        named = self.model.named_parameters()
        without = [name for name, p in named if p.requires_grad and p.grad is None]
        new = [name for name in without if name not in self.unreached]
        if new:
            text = (
                f"step {self.progress.step} gave no gradient to {', '.join(new)}: the loss does "
                f"not depend on them; dgrad.explain_grad tells why"
            )
            for watcher in watchers:
                watcher.warned(text)

    def _between_steps(
        self, save: Save | None, watchers: Sequence[Watcher], begun: float
    ) -> str | None:
        """Evaluate and save as far as it is time to; the outcome of the run if it is over."""
        progress = self.progress
        asked = self.stop_requested  # read once: a signal may come at any moment
        last = progress.step == self.total_steps
        due = last or progress.step % self.settings.save_every == 0
        ended = progress.step % len(self.batches) == 0
        better = False
        if ended:
            progress.epoch += 1
        if ended or due:
            better = self._evaluate(watchers, begun)
        if ended:
            progress.epoch_loss, progress.epoch_weight = 0.0, 0.0
        stop = self._should_stop()
        if due or better or stop or asked:
            tensors = self.tensors()
            if save is not None:
                save(tensors, better)
        if last:
            return "done"
        return "early stop" if stop else "interrupted" if asked else None

    def train_step(self, inputs: np.ndarray, targets: np.ndarray) -> float:
        """Forward, loss, backward, clip, update, on one batch; returns the loss.

        A batch in which nothing counts, as all its targets are ignored, updates nothing: NaN.
        """
        progress, optimizer = self.progress, self.optimizer
        weight = weight_of(self.loss, targets)
        if not weight:
            progress.step += 1
            return math.nan
        with stream.at(self.settings.seed, Purpose.STEP, progress.step):
            loss = self.loss(self.model(Tensor(inputs)), Tensor(targets))
            value = float(loss.data)
            if not math.isfinite(value):
                raise DivergedError(
                    f"the loss is {value} at step {progress.step + 1}; nothing was updated. "
                    f"{self._first_fault(inputs, targets)}"
                    f"Try a lower learning rate, train.clip_norm, or look for bad values in the "
                    f"data"
                )
            optimizer.zero_grad()
            loss.backward()
        if self.settings.clip_norm is not None:
            norm = clip_grad_norm_(self.parameters, self.settings.clip_norm)
            if not math.isfinite(norm):
                raise DivergedError(
                    f"the norm of the gradients is {norm} at step {progress.step + 1}; "
                    f"nothing was updated. {self._first_fault(inputs, targets)}"
                    f"Try a lower learning rate",
                    fault="T02",
                )
        optimizer.scale_lr(self.schedule(progress.step))
        optimizer.step()
        progress.step += 1
        progress.loss = value
        progress.epoch_loss += value * weight
        progress.epoch_weight += weight
        return value

    def _first_fault(self, inputs: np.ndarray, targets: np.ndarray) -> str:
        """What was not finite first in the step at hand, with its random draws; see divergence."""
        draws = functools.partial(stream.at, self.settings.seed, Purpose.STEP, self.progress.step)
        return first_fault(self.model, self.loss, inputs, targets, draws)

    def tensors(self) -> dict[str, np.ndarray]:
        """Copies of all that training changes, by "model.name" and "optimizer.slot.name".

        Raises DivergedError that names what is not finite: nothing of that kind is ever saved.
        """
        optimizer = self.optimizer.state_arrays(self.model.named_parameters())
        found = {f"model.{name}": array for name, array in self.model.state_dict().items()}
        found.update({f"optimizer.{name}": array for name, array in optimizer.items()})
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
        self.model.load_state_dict(section(tensors, "model"))
        named = self.model.named_parameters()
        self.optimizer.load_state_arrays(section(tensors, "optimizer"), named)
        if isinstance(self.schedule, Plateau):
            self.schedule.load_state_dict(progress.schedule)
        self.progress = progress

    def _evaluate(self, watchers: Sequence[Watcher], begun: float) -> bool:
        """Measure, tell the watchers; whether the best metric improved."""
        progress, settings = self.progress, self.settings
        record: dict[str, Any] = {
            "epoch": progress.epoch,
            "step": progress.step,
            "train/loss": progress.epoch_loss / (progress.epoch_weight or math.nan),
        }
        if "val" in self.splits:
            record.update({f"val/{k}": value for k, value in self.evaluate("val").items()})
        record["lr"] = self.optimizer.param_groups[0]["lr"]
        better = self._improves(settings.best, record[settings.best], progress.best_value)
        if better:
            progress.best_value, progress.best_step = record[settings.best], progress.step
        if settings.patience is not None:
            value = record[settings.stop_metric]
            if self._improves(settings.stop_metric, value, progress.stop_value):
                progress.stop_value, progress.evaluations_since_better = value, 0
            else:
                progress.evaluations_since_better += 1
        self._tell_schedule(record)
        for watcher in watchers:
            watcher.evaluated(record, time.perf_counter() - begun)
        return better

    def _tell_schedule(self, record: Mapping[str, Any]) -> None:
        """Let a schedule that waits for a plateau see what it monitors."""
        schedule = self.schedule
        if isinstance(schedule, Plateau):
            higher = self._is_higher_better(schedule.metric)
            value = record[schedule.metric]
            schedule.observe(value, step=self.progress.step, higher_is_better=higher)
            self.progress.schedule = schedule.state_dict()

    def _should_stop(self) -> bool:
        patience = self.settings.patience
        return patience is not None and self.progress.evaluations_since_better >= patience

    def evaluate(self, split: str) -> dict[str, float]:
        """Loss and metrics of a split, with the weights as they are now."""
        examples = self.splits[split]
        return evaluate(
            self.model,
            self.loss,
            self.metrics,
            examples.inputs,
            examples.targets,
            batch_size=self.settings.eval_batch_size,
        )

    def _improves(self, name: str, value: float, best: float | None) -> bool:
        """Whether `value` of "val/loss" or another measure beats `best`; NaN, inf never do."""
        if not math.isfinite(value):
            return False
        if best is None:
            return True
        return value > best if self._is_higher_better(name) else value < best

    def _is_higher_better(self, name: str) -> bool:
        metric = self.metrics.get(name.rpartition("/")[2])  # None for the loss
        return metric is not None and metric.higher_is_better
