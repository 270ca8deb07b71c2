"""From a checked config to live objects: data, model, loss, metrics, optimizer, schedule.

What only construction can find out (a size that does not fit, a wrong kind of target) is reported
like every other config error: at its line.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from dgrad.config.document import Config, Every
from dgrad.config.marks import Mark, Problems, quote, suggest
from dgrad.config.memory import available_memory, limited_memory
from dgrad.config.schema import resolve_references
from dgrad.config.values import Component
from dgrad.core.modes import no_grad
from dgrad.core.stream import default_stream
from dgrad.core.tensor import Tensor
from dgrad.data.dataset import Dataset
from dgrad.data.split import Split, check_classes, duplicate_rows, split
from dgrad.errors import ConfigError, DtypeError, ParameterError, ResourceError, ShapeError
from dgrad.nn.container import Sequential
from dgrad.nn.module import Module
from dgrad.train.trainer import Examples, Settings, Trainer

__all__ = [
    "LoadedData",
    "build_loss",
    "build_metrics",
    "build_model",
    "build_trainer",
    "load_data",
    "read_data",
    "with_data",
]


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


def read_data(config: Config) -> Dataset:
    """What the config's reader reads. Raises DataError, ConfigError."""
    return _make(config.data.reader)  # type: ignore[no-any-return]


def load_data(
    config: Config, dataset: Dataset, state: Mapping[str, Mapping[str, Any]] | None = None
) -> LoadedData:
    """Split and transform. state: of fitted transforms, by position; fitted here if None.

    Raises DataError, ConfigError.
    """
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


def with_data(config: Config, data: LoadedData) -> Config:
    """The config with every `$data.x` replaced. Raises ConfigError that lists all unknown ones."""
    problems = Problems()
    sections = ("model", "loss", "metrics", "optimizer", "schedule")
    known = {
        name: resolve_references(getattr(config, name), data.scope, problems) for name in sections
    }
    problems.raise_if_any()
    return replace(config, **known)


def _make(component: Component, **supplied: Any) -> Any:
    """component.target(**arguments, **supplied); a refused argument is a ConfigError there."""
    try:
        return component.target(**component.arguments, **supplied)
    except ParameterError as error:
        message = f"{error.parameter} must be {error.expected}, got {error.value!r}"
        found = component.problem(message, error.parameter, fault=error.fault)
        raise ConfigError([found]) from error


def build_model(config: Config, data: LoadedData) -> tuple[Sequential, tuple[int, ...]]:
    """The model and the shape of its output without the batch axis; sizes are inferred.

    config: from `with_data`. Parameters depend on config.seed alone.
    Raises ConfigError, ResourceError (too large).
    """
    default_stream.move(config.seed)
    shape: tuple[int, ...] = data.inputs.shape[1:]
    layers = {}
    with np.errstate(all="ignore"), limited_memory():
        for i, component in enumerate(config.model.layers):
            layers[f"{i}_{component.name}"], shape = _layer(component, shape, config.train.dtype)
    return Sequential(layers), shape


def _layer(
    component: Component, shape: tuple[int, ...], dtype: str
) -> tuple[Module, tuple[int, ...]]:
    """The layer for rows of `shape`, and the shape of what it makes of one."""
    try:
        layer = _make(component, **component.target.infer(shape)).astype(dtype)  # type: ignore[attr-defined]
        return layer, _output_shape(layer, shape, dtype)
    except ConfigError:
        raise
    except (ShapeError, DtypeError) as error:
        text = f"input is {_with_batch(shape)}: {error}"
        raise ConfigError([component.problem(text, fault="C23")]) from error
    except MemoryError as error:
        raise ResourceError(
            f"{component.where}: not enough memory for its parameters ({error}); "
            f"make the layer smaller",
            fault="C24",
        ) from error
    except Exception as error:  # a plugin may raise anything
        text = f"cannot be built for {_with_batch(shape)}: {type(error).__name__}: {error}"
        hint = "--traceback shows where this was raised"
        raise ConfigError([component.problem(text, fault="T41", hint=hint)]) from error


def _output_shape(layer: Module, shape: tuple[int, ...], dtype: str) -> tuple[int, ...]:
    """What the layer makes of one row, found by running it on two. Raises ShapeError."""
    layer.eval()
    with no_grad():
        out = layer(Tensor(np.zeros((2, *shape), dtype)))
    layer.train()
    if out.shape[:1] != (2,):
        raise ShapeError(f"it must keep the rows apart, but made {out.shape} of 2 rows")
    return tuple(out.shape[1:])


def _with_batch(shape: tuple[int, ...]) -> str:
    return f"({', '.join(['batch', *map(str, shape)])})"


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
    needed = (() if names is None else (len(names),), (1,) if names is None else (len(names),))
    if output_shape not in needed:
        last = config.model.layers[-1]
        wanted = _with_batch(needed[1])
        hint = f'add "flatten" before the last linear, or end the model with linear: {needed[1][0]}'
        message = (
            f"the model ends with {_with_batch(output_shape)}, {component.name} needs {wanted}"
        )
        raise ConfigError([last.problem(message, fault="C23", hint=hint)])
    loss: Module = _make(component)
    if getattr(loss, "reduction", "mean") != "mean":
        message = "training and evaluation take the mean over rows"
        hint = "leave reduction out"
        raise ConfigError([component.problem(message, "reduction", fault="C22", hint=hint)])
    return loss


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
    return {component.name: _make(component) for component in config.metrics}


def build_trainer(config: Config, data: LoadedData) -> Trainer:
    """Everything that training needs. Raises ConfigError, ResourceError."""
    config = with_data(config, data)
    model, output_shape = build_model(config, data)
    loss = build_loss(config, data, output_shape)
    metrics = build_metrics(config, data)
    splits = data.examples(output_shape, config.train.dtype)
    per_epoch = -(-len(splits["train"]) // config.train.batch_size)
    total = per_epoch * config.train.epochs
    optimizer = _optimizer(config, model)
    wanted = {"total_steps": total, "steps_per_epoch": per_epoch}
    supplied = getattr(config.schedule.target, "supplied", ())
    schedule = _make(config.schedule, **{name: wanted[name] for name in supplied})
    train = config.train
    stop = train.early_stop
    _check_monitored(config, splits)
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


def _optimizer(config: Config, model: Module) -> Any:
    """The optimizer. Raises ResourceError C24 when training with it needs more memory than is."""
    parameters = list(model.parameters())
    if not parameters:
        message = "the model has no parameters, so there is nothing to train"
        last = config.model.layers[-1]
        raise ConfigError([last.problem(message, fault="T06", hint="add a linear layer")])
    optimizer = _make(config.optimizer, params=parameters)
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


def _steps(every: Every, per_epoch: int) -> int:
    return every.count * (per_epoch if every.unit == "epoch" else 1)


def _monitored(metric: str, splits: Mapping[str, Examples]) -> str:
    """Without validation rows the default, val/loss, is the training loss."""
    return "train/loss" if metric == "val/loss" and "val" not in splits else metric


def _check_monitored(config: Config, splits: Mapping[str, Examples]) -> None:
    """What training monitors must be measured. Raises ConfigError at the name in the config."""
    names = ["loss", *(component.name for component in config.metrics)]
    known = ["train/loss", *(f"val/{name}" for name in names if "val" in splits)]
    train = config.train
    wanted = [(train.checkpoint.best, ("checkpoint", "best"))]
    if train.early_stop:
        wanted.append((train.early_stop.metric, ("early_stop", "metric")))
    problems = Problems()
    for name, keys in wanted:
        if _monitored(name, splits) not in known:
            where = ".".join(("train", *keys))
            text = f"{where}: nothing called {quote(name)} is measured"
            hint = f"{suggest(name, known)}   there is: {', '.join(known)}".strip()
            problems.add("C22", _place(config, "train", *keys), text, hint)
    problems.raise_if_any()


def _place(config: Config, *keys: str) -> Mark:
    """Where the config writes the value at `keys`."""
    node: Any = config.tree
    for key in keys:
        node = node.entries[key].value
    mark: Mark = node.mark
    return mark
