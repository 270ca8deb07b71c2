"""The data of a run: read, split and transformed as the config says."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from dgrad.config.document import Config
from dgrad.config.marks import Mark, quote, refuse
from dgrad.config.places import place, placed
from dgrad.config.task import is_implied
from dgrad.config.values import Component
from dgrad.data.dataset import Dataset
from dgrad.data.split import Split, as_slice, split, split_in_order
from dgrad.data.split_checks import check_classes, duplicate_rows, unseen_classes
from dgrad.errors import ConfigError, DataError
from dgrad.train.trainer import Examples

__all__ = ["TRIAL", "LoadedData", "load_data", "read_data"]


@dataclass(frozen=True)
class LoadedData:
    """The data of a run, split and transformed.

    inputs: (n, ...) transformed; warnings: what the user should know before training; notes: what
    is as it should be, and good to know.
    """

    dataset: Dataset
    split: Split
    transforms: tuple[Any, ...]
    inputs: np.ndarray
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def scope(self) -> dict[str, Any]:
        """What `$data.x` can refer to: features, or vocab and context (the tokens of a row) where
        the inputs are tokens; classes, or targets (numbers a row).
        """
        dataset, row = self.dataset, self.inputs.shape[1:]
        if dataset.vocabulary is None:
            known = {"features": math.prod(row)}
        else:
            known = {"vocab": len(dataset.vocabulary), "context": row[0] if row else 1}
        if dataset.class_names is None:
            known["targets"] = math.prod(dataset.targets.shape[1:])
        else:
            known["classes"] = len(dataset.class_names)
        return {"data": known}

    def examples(self, output_shape: tuple[int, ...], dtype: str) -> dict[str, Examples]:
        """The rows of every split that has any; number targets take the model's output shape."""
        targets = self.dataset.targets
        if self.dataset.class_names is None:
            targets = targets.astype(dtype).reshape(len(targets), *output_shape)
        inputs = _floats_as(self.inputs, dtype)
        rows = {name: getattr(self.split, name) for name in ("train", "val", "test")}
        chosen = {name: as_slice(each) for name, each in rows.items() if len(each)}
        return {name: Examples(inputs[r], targets[r]) for name, r in chosen.items()}

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
    keys = {"D01": paths, "D23": paths, "D06": ["target"], "D08": ["target"]}.get(fault, [])
    return next((reader.marks[key] for key in keys if key in reader.marks), reader.mark)


def load_data(
    config: Config, dataset: Dataset, state: Mapping[str, Mapping[str, Any]] | None = None
) -> LoadedData:
    """Split and transform. state: of fitted transforms, by position; fitted here if None.

    Raises DataError, ConfigError.
    """
    with placed(lambda fault: place(config, "data", "split"), "data.split"):
        parts = _split(config, dataset)
        warnings = list(_doubts(dataset, parts))
    inputs = dataset.inputs
    made = []
    for i, component in enumerate(config.data.transforms):
        if inputs.dtype.kind != "f":
            message = "transforms numbers, but the inputs are tokens"
            found = component.problem(message, fault="C22", hint="leave it out")
            raise ConfigError([found])
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
    notes = [
        f"the last {count} places of the {name} split fill no row of {dataset.overlap} and are "
        f"not measured"
        for name, count in parts.left_over.items()
    ]
    return LoadedData(dataset, parts, tuple(made), inputs, warnings, notes)


def _split(config: Config, dataset: Dataset) -> Split:
    """The parts, as the config asks for them. Raises ConfigError C22 where the data forbid it."""
    choice = config.data.split
    shares = {"val": choice.val, "test": choice.test}
    overlap = dataset.overlap
    if overlap > 1:
        for key, is_wrong in (("mode", choice.mode == "random"), ("stratify", choice.stratify)):
            if is_wrong:
                text = f"data.split.{key}: a row shares all but one token with the next, so a "
                text += "random split would put the same text into several parts"
                hint = "set mode: contiguous" if key == "mode" else "leave it out"
                refuse("C22", place(config, "data", "split", key), text, hint)
    if choice.mode == "contiguous" or (choice.mode == "auto" and overlap > 1):
        return split_in_order(len(dataset), **shares, overlap=overlap)
    return split(dataset.targets, **shares, stratify=choice.stratify, seed=config.seed)


def _doubts(dataset: Dataset, parts: Split) -> Iterator[str]:
    """What the user should know of the parts. Raises DataError D09."""
    names, targets = dataset.class_names, dataset.targets
    if names is not None and len(names) == 1:
        yield f"all rows are of class {names[0]!r}: there is nothing to learn"
    if names is not None and targets.ndim == 1:
        for name, missing in check_classes(targets, parts, names).items():
            yield f"the {name} split has no row of class {', '.join(missing)}"
    elif names is not None:
        unseen = unseen_classes(targets, parts, names, overlap=dataset.overlap)
        for name, classes in unseen.items():
            listed = ", ".join(map(quote, classes))
            yield f"the {name} split has what training never sees: {listed}"
    if dataset.overlap == 1:  # where windows of a sequence are alike, it repeats itself
        for pair, count in duplicate_rows(dataset.inputs, parts).items():
            if count:
                first, second = pair.split("/")
                yield f"{count} rows of the {second} split are also in the {first} split"
