"""From a checked config to live objects: model, loss, metrics, optimizer, schedule.

What only construction can find out (a size that does not fit, a wrong kind of target) is reported
like every other config error: at its line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from dgrad.config.data import TRIAL, LoadedData
from dgrad.config.document import Config
from dgrad.config.marks import Problems, quote, suggest
from dgrad.config.model import build_model, without_gradient
from dgrad.config.places import place, placed
from dgrad.config.rates import build_schedule
from dgrad.config.schema import resolve_references
from dgrad.errors import ConfigError, DataError, ResourceError
from dgrad.nn.loss import BCEWithLogitsLoss
from dgrad.nn.memory import available_memory
from dgrad.nn.module import Module
from dgrad.nn.shapes import with_batch
from dgrad.optim.schedules import Length, Plateau
from dgrad.train.trainer import Examples, Settings, Trainer

__all__ = ["build_loss", "build_metrics", "build_trainer", "with_data"]


def with_data(config: Config, data: LoadedData) -> Config:
    """The config with every `$data.x` replaced. Raises ConfigError that lists all unknown ones."""
    problems = Problems()
    sections = ("model", "loss", "metrics", "optimizer", "schedule")
    known = {
        name: resolve_references(getattr(config, name), data.scope, problems) for name in sections
    }
    problems.raise_if_any()
    return replace(config, **known)


def build_loss(config: Config, data: LoadedData, output_shape: tuple[int, ...]) -> Module:
    """The loss, checked against the targets and the model's output. Raises ConfigError.

    config: from `with_data`.
    """
    component = config.loss
    names = data.dataset.class_names
    wants = getattr(component.target, "targets", None)  # a plugin's may take any
    if wants == "classes" and names is None:
        raise ConfigError(
            [component.problem("needs class targets, but the data has numbers", fault="C22")]
        )
    if wants == "numbers" and names is not None:
        hint = "set task: number in the reader, or use cross_entropy"
        message = f"needs number targets, but the data has {len(names)} classes"
        raise ConfigError([component.problem(message, fault="C22", hint=hint)])
    _check_output(config, names, output_shape)
    loss: Module = component.make()
    if getattr(loss, "reduction", "mean") != "mean":
        message = "training and evaluation take the mean over rows"
        hint = "leave reduction out"
        raise ConfigError([component.problem(message, "reduction", fault="C22", hint=hint)])
    if isinstance(loss, BCEWithLogitsLoss):
        with placed(lambda fault: component.mark, component.where):
            _check_shares(data.dataset.targets)
    return loss


def _check_output(
    config: Config, names: tuple[str, ...] | None, output_shape: tuple[int, ...]
) -> None:
    """The model must end with one number, or one score for each class. Raises ConfigError C23."""
    size, there = (1, "targets") if names is None else (len(names), "classes")
    if output_shape in ((size,), () if names is None else (size,)):
        return
    last, loss = config.model.layers[-1], config.loss
    message = f"the model ends with {with_batch(output_shape)}, {loss.name} needs "
    hint = f"end the model with linear: $data.{there}"
    if len(output_shape) > 1:
        hint += ', and put "flatten" before that linear'
    found = last.problem(message + with_batch((size,)), fault="C23", hint=hint)
    raise ConfigError([found])


def _check_shares(targets: np.ndarray) -> None:
    """Raises DataError D08 for targets that are no probabilities."""
    low, high = float(targets.min()), float(targets.max())
    if low < 0 or high > 1:
        raise DataError(
            f"targets must be within [0, 1], those of the data go from {low:g} to {high:g}; "
            f"use mse, or scale the column",
            fault="D08",
        )


def build_metrics(config: Config, data: LoadedData) -> dict[str, Any]:
    """name -> metric, each checked against the kind of targets. Raises ConfigError.

    config: from `with_data`.
    """
    kind = "numbers" if data.dataset.class_names is None else "classes"
    wrong = []
    for component in config.metrics:
        wants = getattr(component.target, "targets", kind)
        if wants != kind:
            text = f"{component.name} is for {wants}, the data has {kind}"
            wrong.append(component.problem(text, fault="C22"))
    names = [component.name for component in config.metrics]
    wrong += [
        component.problem(f"{component.name} is listed twice", fault="C22")
        for i, component in enumerate(config.metrics)
        if component.name in names[:i]
    ]
    if wrong:
        raise ConfigError(wrong)
    return {component.name: component.make() for component in config.metrics}


def build_trainer(config: Config, data: LoadedData) -> Trainer:
    """Everything that training needs; adds to `data.warnings`. Raises ConfigError, ResourceError.

    The model, the loss and their gradients are tried on two rows.
    """
    config = with_data(config, data)
    model, out = build_model(config, data.trial_rows(config.train.dtype))
    output_shape = out.shape[1:]
    loss = build_loss(config, data, output_shape)
    metrics = build_metrics(config, data)
    splits = data.examples(output_shape, config.train.dtype)
    per_epoch = -(-len(splits["train"]) // config.train.batch_size)
    total = per_epoch * config.train.epochs
    optimizer = _optimizer(config, model)
    lr = optimizer.param_groups[0]["lr"]
    schedule = build_schedule(config.schedule, total_steps=total, steps_per_epoch=per_epoch, lr=lr)
    if isinstance(schedule, Plateau):
        schedule.metric = _monitored(schedule.metric, splits)
    train = config.train
    stop = train.early_stop
    data.warnings.extend(_doubts(config, per_epoch))
    unreached = without_gradient(config, model, loss, out, splits["train"].targets[TRIAL])
    if unreached:
        data.warnings.append(f"no gradient of the loss reaches {', '.join(unreached)}")
    settings = Settings(
        seed=config.seed,
        epochs=train.epochs,
        batch_size=train.batch_size,
        eval_batch_size=train.eval_batch_size,
        clip_norm=train.clip_norm,
        save_every=train.checkpoint.every.steps(total, per_epoch),
        best=_monitored(train.checkpoint.best, splits),
        stop_metric=_monitored(stop.metric if stop else train.checkpoint.best, splits),
        patience=stop.patience if stop else None,
    )
    trainer = Trainer(
        model,
        loss,
        optimizer,
        splits,
        settings,
        schedule=schedule,
        metrics=metrics,
        unreached=unreached,
    )
    _check_monitored(config, trainer)
    return trainer


def _doubts(config: Config, per_epoch: int) -> Iterator[str]:
    """What is allowed, and seldom meant."""
    last, schedule = config.model.layers[-1].name, config.schedule
    if config.loss.name == "cross_entropy" and last in ("softmax", "log_softmax"):
        yield f"cross_entropy applies log-softmax itself: leave out {last}"
    size = schedule.arguments.get("step_size")
    if isinstance(size, Length) and size.unit == "steps" and size.amount < per_epoch:
        steps = f"{size.amount} optimizer step{'s' if size.amount > 1 else ''}"
        meant = f"{size.amount} epoch{'s' if size.amount > 1 else ''}"
        yield f"step_size: {size} means {steps}; write '{meant}' if you mean epochs"


def _optimizer(config: Config, model: Module) -> Any:
    """The optimizer. Raises ResourceError C24 when training with it needs more memory than is."""
    parameters = list(model.parameters())
    if not parameters:
        message = "the model has no parameters, so there is nothing to train"
        last = config.model.layers[-1]
        raise ConfigError([last.problem(message, fault="T06", hint="add a linear layer")])
    optimizer = config.optimizer.make(params=parameters)
    held = sum(p.data.nbytes for p in parameters)
    slots = len(optimizer.slots(optimizer.param_groups[0]))
    needed = 2 * held * (1 + slots)  # gradients and state, and copies of all while saving
    free = available_memory()
    if free is not None and needed > free:
        raise ResourceError(
            f"training needs {needed:,} bytes besides the parameters' {held:,}, for gradients, "
            f"{config.optimizer.name}'s state and checkpoints, but {free:,} are free; "
            f"make the layers smaller",
            fault="C24",
        )
    return optimizer


def _monitored(metric: str, splits: Mapping[str, Examples]) -> str:
    """Without validation rows the default, val/loss, is the training loss."""
    return "train/loss" if metric == "val/loss" and "val" not in splits else metric


def _check_monitored(config: Config, trainer: Trainer) -> None:
    """What training monitors must be measured. Raises ConfigError at the name in the config."""
    known, train = trainer.measured, config.train
    wanted = [(train.checkpoint.best, ("train", "checkpoint", "best"))]
    if train.early_stop:
        wanted.append((train.early_stop.metric, ("train", "early_stop", "metric")))
    if isinstance(trainer.schedule, Plateau):
        wanted.append((trainer.schedule.metric, ("schedule", "plateau", "metric")))
    problems = Problems()
    for name, keys in wanted:
        if _monitored(name, trainer.splits) not in known:
            text = f"{'.'.join(keys)}: nothing called {quote(name)} is measured"
            hint = f"{suggest(name, known)}   there is: {', '.join(known)}".strip()
            problems.add("C22", place(config, *keys), text, hint)
    problems.raise_if_any()
