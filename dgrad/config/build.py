"""From a checked config to live objects: model, loss, metrics, optimizer, schedule.

What only construction can find out (a size that does not fit, a wrong kind of target) is reported
like every other config error: at its line.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from dgrad.config.data import TRIAL, LoadedData
from dgrad.config.document import Config
from dgrad.config.marks import Problems
from dgrad.config.model import build_model, refuse_lone_row, without_gradient
from dgrad.config.objectives import build_loss, build_metrics, doubts_about_loss
from dgrad.config.parameter_groups import build_optimizer, empty_groups
from dgrad.config.schema import resolve_references
from dgrad.config.settings import (
    build_average,
    build_settings,
    check_monitored,
    doubts_about_averages,
    doubts_about_batches,
    doubts_about_lengths,
    monitored,
    steps_per_epoch,
)
from dgrad.errors import ConfigError, ResourceError
from dgrad.nn.memory import available_memory
from dgrad.nn.module import Module
from dgrad.train.footprint import footprint
from dgrad.train.trainer import Trainer

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
    trial = data.trial_rows(config.train.dtype)
    model, out = build_model(config, trial)
    output_shape = out.shape[1:]
    loss = build_loss(config, data.dataset, output_shape)
    metrics = build_metrics(config, loss, data.dataset, output_shape)
    splits = data.examples(output_shape, config.train.dtype)
    refuse_lone_row(config, model, trial, len(splits["train"]))
    per_epoch = steps_per_epoch(config, len(splits["train"]))
    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    optimizer = _optimizer(config, model)
    frozen = {name for name, p in trained if not p.requires_grad}
    schedule = config.schedule.make(
        total_steps=config.train.total_steps(per_epoch),
        steps_per_epoch=per_epoch,
        lr=optimizer.defaults["lr"],  # which groups may override
    )
    if getattr(schedule, "metric", None):  # a plugin's may be any function
        schedule.metric = monitored(schedule.metric, splits)
    data.warnings.extend(_doubts(config, per_epoch))
    data.warnings.extend(empty_groups(config, model))
    unreached = without_gradient(config, model, loss, out, splits["train"].targets[TRIAL])
    unreached = [name for name in unreached if name not in frozen]
    if unreached:
        data.warnings.append(f"no gradient of the loss reaches {', '.join(unreached)}")
    trainer = Trainer(
        model,
        loss,
        optimizer,
        splits,
        build_settings(config, splits, per_epoch),
        schedule=schedule,
        metrics=metrics,
        average=build_average(config, model, per_epoch),
        unreached=unreached,
    )
    check_monitored(config, trainer)
    return trainer


def _doubts(config: Config, per_epoch: int) -> Iterator[str]:
    """What is allowed, and seldom meant."""
    yield from doubts_about_loss(config)
    yield from doubts_about_batches(config, per_epoch)
    yield from doubts_about_averages(config, per_epoch)
    yield from doubts_about_lengths(config, per_epoch)


def _optimizer(config: Config, model: Module) -> Any:
    """The optimizer. Raises ResourceError C24 when training with it needs more memory than is."""
    parameters = list(model.parameters())
    if not parameters:
        message = "the model has no parameters, so there is nothing to train"
        last = config.model.layers[-1]
        raise ConfigError([last.problem(message, fault="T06", hint="add a linear layer")])
    optimizer = build_optimizer(config, model)
    averaged = bool(config.train.ema or config.train.swa)
    found = footprint(parameters, optimizer, averaged=averaged)
    needed = found.held - found.parameters + found.saved
    free = available_memory()
    if free is not None and needed > free:
        raise ResourceError(
            f"training needs {needed:,} bytes besides the parameters' {found.parameters:,}, for "
            f"gradients, {config.optimizer.name}'s state and checkpoints, but {free:,} are free; "
            f"make the layers smaller",
            fault="C24",
        )
    return optimizer
