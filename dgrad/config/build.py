"""From a checked config to live objects: data, model, loss, metrics, optimizer, schedule.

What only construction can find out (a size that does not fit, a wrong kind of target) is reported
like every other config error: at its line.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dgrad.config.document import Config, Every
from dgrad.config.marks import Problems
from dgrad.config.schema import resolve_references
from dgrad.config.values import Component
from dgrad.core.modes import no_grad
from dgrad.core.stream import default_stream
from dgrad.core.tensor import Tensor
from dgrad.data.dataset import Dataset
from dgrad.data.split import Split, check_classes, duplicate_rows, split
from dgrad.errors import (
    ConfigError,
    DtypeError,
    ParameterError,
    ResourceError,
    ShapeError,
)
from dgrad.nn.container import Sequential
from dgrad.nn.module import Module
from dgrad.train.trainer import Examples, Settings, Trainer

__all__ = ["LoadedData", "build_loss", "build_metrics", "build_model", "build_trainer", "load_data"]


@dataclass(frozen=True)
class LoadedData:
    """The data of a run, split and transformed.

    inputs: (n, ...) transformed; warnings: what the user should know before training.
    """

    dataset: Dataset
    split: Split
    transforms: tuple[Any, ...]
    inputs: np.ndarray
    warnings: list[str] = field(default_factory=list)

    @property
    def scope(self) -> dict[str, Any]:
        """What `$data.x` can refer to."""
        known: dict[str, Any] = {"features": math.prod(self.inputs.shape[1:])}
        if self.dataset.class_names is None:
            known["targets"] = 1
        else:
            known["classes"] = len(self.dataset.class_names)
        return {"data": known}

    def examples(self, output_shape: tuple[int, ...], dtype: str) -> dict[str, Examples]:
        """The rows of every split that has any; number targets take the model's output shape."""
        targets = self.dataset.targets
        if self.dataset.class_names is None:
            targets = targets.astype(dtype).reshape(len(targets), *output_shape)
        inputs = self.inputs.astype(dtype, copy=False)
        rows = {name: getattr(self.split, name) for name in ("train", "val", "test")}
        return {name: Examples(inputs[r], targets[r]) for name, r in rows.items() if len(r)}


def load_data(config: Config, state: Mapping[str, Mapping[str, Any]] | None = None) -> LoadedData:
    """Read, split and transform. state: of fitted transforms, by position; fitted here if None.

    Raises DataError, ConfigError.
    """
    dataset = _make(config.data.reader)
    choice = config.data.split
    parts = split(
        dataset.targets,
        val=choice.val,
        test=choice.test,
        stratify=choice.stratify,
        seed=config.seed,
    )
    warnings = []
    if dataset.class_names is not None:
        for name, missing in check_classes(dataset.targets, parts, dataset.class_names).items():
            warnings.append(f"the {name} split has no row of class {', '.join(missing)}")
    for pair, count in duplicate_rows(dataset.inputs, parts).items():
        if count:
            first, second = pair.split("/")
            warnings.append(f"{count} rows of the {second} split are also in the {first} split")
    inputs = dataset.inputs
    made = []
    for i, component in enumerate(config.data.transforms):
        transform = _make(component)
        if state is None:
            transform.fit_to(inputs[parts.train])
            if transform.constant_columns:
                count = transform.constant_columns
                warnings.append(f"{component.name}: {count} features are constant in training")
        else:
            transform.load_state(state.get(str(i), {}))
        inputs = transform.apply(inputs)
        made.append(transform)
    return LoadedData(dataset, parts, tuple(made), inputs, warnings)


def _make(component: Component, **supplied: Any) -> Any:
    """component.target(**arguments, **supplied); a refused argument is a ConfigError there."""
    try:
        return component.target(**component.arguments, **supplied)
    except ParameterError as error:
        message = f"{error.parameter} must be {error.expected}, got {error.value!r}"
        raise ConfigError([component.problem(message, error.parameter)]) from error


def build_model(config: Config, data: LoadedData) -> tuple[Sequential, tuple[int, ...]]:
    """The model and the shape of its output without the batch axis; sizes are inferred.

    Parameters depend on config.seed alone. Raises ConfigError, ResourceError (too large).
    """
    problems = Problems()
    components = resolve_references(config.model.layers, data.scope, problems)
    problems.raise_if_any()
    default_stream.move(config.seed)
    shape: tuple[int, ...] = data.inputs.shape[1:]
    layers = {}
    for i, component in enumerate(components):
        try:
            layer = _make(component, **component.target.infer(shape)).astype(config.train.dtype)
            shape = _output_shape(layer, shape, config.train.dtype)
        except (ShapeError, DtypeError) as error:
            text = f"input is {_with_batch(shape)}: {error}"
            raise ConfigError([component.problem(text, fault="C23")]) from error
        except MemoryError as error:
            raise ResourceError(
                f"{component.where} {component.name}: not enough memory for its parameters "
                f"({error}); make the layer smaller",
                fault="C24",
            ) from error
        layers[f"{i}_{component.name}"] = layer
    return Sequential(layers), shape


def _output_shape(layer: Module, shape: tuple[int, ...], dtype: str) -> tuple[int, ...]:
    """What the layer makes of one row, found by running it."""
    layer.eval()
    with no_grad():
        out = layer(Tensor(np.zeros((1, *shape), dtype)))
    layer.train()
    return tuple(out.shape[1:])


def _with_batch(shape: tuple[int, ...]) -> str:
    return f"({', '.join(['batch', *map(str, shape)])})"


def build_loss(config: Config, data: LoadedData, output_shape: tuple[int, ...]) -> Module:
    """The loss, checked against the targets and the model's output. Raises ConfigError."""
    component = config.loss
    names = data.dataset.class_names
    wants = component.target.targets  # type: ignore[attr-defined]
    if wants == "classes" and names is None:
        raise ConfigError(
            [component.problem("needs class targets, but the data has numbers", fault="C22")]
        )
    if wants == "numbers" and names is not None:
        hint = "set task: number in the reader, or use cross_entropy"
        message = f"needs number targets, but the data has {len(names)} classes"
        raise ConfigError([component.problem(message, fault="C22", hint=hint)])
    needed = (() if names is None else (len(names),), (1,) if names is None else (len(names),))
    if output_shape not in needed:
        last = config.model.layers[-1]
        wanted = _with_batch(needed[1])
        hint = f'add "flatten" before the last linear, or end the model with linear: {needed[1][0]}'
        message = (
            f"the model ends with {_with_batch(output_shape)}, {component.name} needs {wanted}"
        )
        raise ConfigError([last.problem(message, fault="C23", hint=hint)])
    return _make(component)  # type: ignore[no-any-return]


def build_metrics(config: Config, data: LoadedData) -> dict[str, Any]:
    """name -> metric, each checked against the kind of targets. Raises ConfigError."""
    kind = "numbers" if data.dataset.class_names is None else "classes"
    wrong = [
        component.problem(
            f"{component.name} is for {component.target.targets}, the data has {kind}",  # type: ignore[attr-defined]
            fault="C22",
        )
        for component in config.metrics
        if component.target.targets != kind  # type: ignore[attr-defined]
    ]
    if wrong:
        raise ConfigError(wrong)
    return {component.name: _make(component) for component in config.metrics}


def build_trainer(config: Config, data: LoadedData) -> Trainer:
    """Everything that training needs. Raises ConfigError, ResourceError."""
    model, output_shape = build_model(config, data)
    loss = build_loss(config, data, output_shape)
    metrics = build_metrics(config, data)
    splits = data.examples(output_shape, config.train.dtype)
    per_epoch = -(-len(splits["train"]) // config.train.batch_size)
    total = per_epoch * config.train.epochs
    optimizer = _make(config.optimizer, params=model.parameters())
    wanted = {"total_steps": total, "steps_per_epoch": per_epoch}
    supplied = getattr(config.schedule.target, "supplied", ())
    schedule = _make(config.schedule, **{name: wanted[name] for name in supplied})
    train = config.train
    stop = train.early_stop
    settings = Settings(
        seed=config.seed,
        epochs=train.epochs,
        batch_size=train.batch_size,
        clip_norm=train.clip_norm,
        save_every=_steps(train.checkpoint.every, per_epoch),
        best=_monitored(train.checkpoint.best, splits),
        stop_metric=_monitored(stop.metric if stop else train.checkpoint.best, splits),
        patience=stop.patience if stop else None,
    )
    return Trainer(model, loss, optimizer, splits, settings, schedule=schedule, metrics=metrics)


def _steps(every: Every, per_epoch: int) -> int:
    return every.count * (per_epoch if every.unit == "epoch" else 1)


def _monitored(metric: str, splits: Mapping[str, Examples]) -> str:
    """Without validation rows the default, val/loss, is the training loss."""
    return "train/loss" if metric == "val/loss" and "val" not in splits else metric
