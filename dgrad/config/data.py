"""The data of a run: read, split and transformed as the config says."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from dgrad.config.document import Config
from dgrad.config.marks import Mark
from dgrad.config.places import place, placed
from dgrad.config.task import is_implied
from dgrad.config.values import Component
from dgrad.data.dataset import Dataset
from dgrad.data.split import Split, check_classes, duplicate_rows, split
from dgrad.errors import DataError
from dgrad.train.trainer import Examples

__all__ = ["TRIAL", "LoadedData", "load_data", "read_data"]


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
        inputs = _floats_as(self.inputs, dtype)
        rows = {name: getattr(self.split, name) for name in ("train", "val", "test")}
        return {name: Examples(inputs[r], targets[r]) for name, r in rows.items() if len(r)}

    def trial_rows(self, dtype: str) -> np.ndarray:
        """Inputs to try a model on: the first and the last training row, (2, ...)."""
        return _floats_as(self.inputs[self.split.train[TRIAL]], dtype)


TRIAL = [0, -1]  # of the training rows; two also where there is one


def _floats_as(inputs: np.ndarray, dtype: str) -> np.ndarray:
    """`inputs` in the dtype of training; integers, which a layer may look up, stay."""
    return inputs.astype(dtype, copy=False) if inputs.dtype.kind == "f" else inputs


def read_data(config: Config) -> Dataset:
    """What the config's reader reads. Raises DataError with its place in the config, ConfigError.

    Targets of the wrong kind altogether are read as what they are: `build_loss` refuses them.
    """
    reader = config.data.reader
    dataset: Dataset
    try:
        with placed(lambda fault: _reader_mark(reader, fault), f"data.{reader.name}"):
            dataset = reader.make()
    except DataError:
        other = _read_otherwise(reader) if is_implied(reader) else None
        if other is None:
            raise
        dataset = other
    return dataset


def _read_otherwise(reader: Component) -> Dataset | None:
    """The data read without regard to the loss, where that gives targets of the other kind.

    None where some cell is at fault: a column with a number among its classes is such a column.
    """
    task = reader.arguments["task"]
    try:
        read: Dataset = replace(reader, arguments={**reader.arguments, "task": "auto"}).make()
    except DataError:
        return None
    names = read.class_names
    if task == "classes":
        return read if names is None else None
    return read if names is not None and not any(map(_is_number, names)) else None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _reader_mark(reader: Component, fault: str) -> Mark:
    """Where the config writes what a fault in the data is about."""
    paths = [key for key, value in reader.arguments.items() if isinstance(value, Path)]
    keys = {"D01": paths, "D06": ["target"], "D08": ["target"]}.get(fault, [])
    return next((reader.marks[key] for key in keys if key in reader.marks), reader.mark)


def load_data(
    config: Config, dataset: Dataset, state: Mapping[str, Mapping[str, Any]] | None = None
) -> LoadedData:
    """Split and transform. state: of fitted transforms, by position; fitted here if None.

    Raises DataError, ConfigError.
    """
    with placed(lambda fault: place(config, "data", "split"), "data.split"):
        parts, warnings = _split(config, dataset)
    for pair, count in duplicate_rows(dataset.inputs, parts).items():
        if count:
            first, second = pair.split("/")
            warnings.append(f"{count} rows of the {second} split are also in the {first} split")
    inputs = dataset.inputs
    made = []
    for i, component in enumerate(config.data.transforms):
        transform = component.make()
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


def _split(config: Config, dataset: Dataset) -> tuple[Split, list[str]]:
    """The parts, and what is to be known about their classes."""
    choice, names, warnings = config.data.split, dataset.class_names, []
    parts = split(
        dataset.targets,
        val=choice.val,
        test=choice.test,
        stratify=choice.stratify,
        seed=config.seed,
    )
    if names is not None and len(names) == 1:
        warnings.append(f"all rows are of class {names[0]!r}: there is nothing to learn")
    if names is not None:
        for name, missing in check_classes(dataset.targets, parts, names).items():
            warnings.append(f"the {name} split has no row of class {', '.join(missing)}")
    return parts, warnings
