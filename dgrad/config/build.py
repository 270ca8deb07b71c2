"""From a checked config to live objects: model, loss, metrics, optimizer, schedule.

What only construction can find out (a size that does not fit, a wrong kind of target) is reported
like every other config error: at its line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from dgrad.config.data import TRIAL, LoadedData
from dgrad.config.document import Config
from dgrad.config.marks import Problems, quote, suggest
from dgrad.config.model import build_model, without_gradient
from dgrad.config.objectives import build_loss, build_metrics, doubts_about_loss
from dgrad.config.places import place
from dgrad.config.rates import build_schedule
from dgrad.config.schema import resolve_references
from dgrad.errors import ConfigError, ResourceError
from dgrad.nn.memory import available_memory
from dgrad.nn.module import Module
from dgrad.optim.schedules import Length, Plateau
from dgrad.train.trainer import Examples, Settings, Trainer

__all__ = ["build_trainer", "with_data"]


def with_data(config: Config, data: LoadedData) -> Config:
    """The config with every `$data.x` replaced. Raises ConfigError that lists all unknown ones."""
    problems = Problems()
    sections = ("model", "loss", "metrics", "optimizer", "schedule")
    known = {
        name: resolve_references(getattr(config, name), data.scope, problems) for name in sections
    }
    problems.raise_if_any()
    return replace(config, **known)


def build_trainer(config: Config, data: LoadedData) -> Trainer:
    """Everything that training needs; adds to `data.warnings`. Raises ConfigError, ResourceError.

    The model, the loss and their gradients are tried on two rows.
    """
    config = with_data(config, data)
    model, out = build_model(config, data.trial_rows(config.train.dtype))
    output_shape = out.shape[1:]
    loss = build_loss(config, data.dataset, output_shape)
    metrics = build_metrics(config, data.dataset)
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
    yield from doubts_about_loss(config)
    size = config.schedule.arguments.get("step_size")
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
