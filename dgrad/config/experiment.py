"""A whole run: build from a config, train into a run directory, come back from a checkpoint."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dgrad.config import yaml
from dgrad.config.build import build_trainer
from dgrad.config.data import LoadedData, load_data, read_data
from dgrad.config.document import Config, from_text
from dgrad.data.dataset import Dataset
from dgrad.errors import CheckpointError, DataError, DgradError, ParameterError
from dgrad.train import checkpoint
from dgrad.train.environment import environment
from dgrad.train.files import AppendLog
from dgrad.train.range_test import RangeTest, range_test
from dgrad.train.run_directory import RunDirectory, find_checkpoint
from dgrad.train.threads import blas_threads, forward_work, suited_threads
from dgrad.train.trainer import Progress, Trainer, Watcher, section

__all__ = ["Experiment", "Outcome"]

FORMAT = 1  # of what dgrad stores in a checkpoint's metadata


@dataclass(frozen=True)
class Outcome:
    """How a run ended. results: "test" (or the last split there is) measured with the best weights.

    how: "done", "early stop" or "interrupted"; split: what was measured.
    """

    how: str
    checkpoint: Path
    split: str
    results: dict[str, float]


class Experiment:
    """A config with its data and its trainer."""

    def __init__(
        self, config: Config, data: LoadedData, trainer: Trainer, checkpoint: Path | None = None
    ) -> None:
        self.config = config
        self.data = data
        self.trainer = trainer
        self.checkpoint = checkpoint  # the file it was restored from

    @classmethod
    def build(cls, config: Config) -> Experiment:
        """Load the data, build the model. Raises ConfigError, DataError, ResourceError."""
        data = load_data(config, read_data(config))
        return cls(config, data, build_trainer(config, data))

    @classmethod
    def restore(
        cls, path: Path, *, plugins: Sequence[Path] = (), overrides: Sequence[str] = ()
    ) -> Experiment:
        """The experiment that wrote a checkpoint, with its weights, transforms and counters.

        path: a checkpoint, a run directory, or the directory of a run's name. A checkpoint never
        loads code: plugins that its config names must be named again by the caller. overrides:
        `data.csv.path=FILE` and the like, for data that were moved since.
        Raises CheckpointError, DataError (the data changed since), ConfigError, ParameterError.
        """
        for each in overrides:
            key = each.partition("=")[0]
            if not key.startswith("data.") or key.startswith(("data.split", "data.transforms")):
                expected = "one of the data's reader, such as data.csv.path"
                raise ParameterError("checkpoint", "a key to change", expected, key)
        stored = checkpoint.load(find_checkpoint(path))
        text, progress, digests = _stored_facts(stored)
        config = _stored_config(stored.path, text, plugins, overrides)
        dataset = _stored_data(config)
        _check_sources(dataset, digests, stored.path)
        _check_names(dataset, stored)
        states: dict[str, dict[str, Any]] = {}
        for name, array in section(stored.tensors, "transform").items():
            index, _, key = name.partition(".")
            states.setdefault(index, {})[key] = array
        data = load_data(config, dataset, states)
        trainer = build_trainer(config, data)
        trainer.load_tensors(stored.tensors, progress)
        return cls(config, data, trainer, stored.path)

    def run(
        self, directory: RunDirectory, argv: Sequence[str], watchers: Sequence[Watcher] = ()
    ) -> Outcome:
        """Train, writing everything into the run directory; measure the best weights at the end."""
        with self._threads():
            record = {**environment(argv, self.config.seed), "blas_threads": blas_threads()}
            self._describe_in(directory, record)

            def save(tensors: dict[str, np.ndarray], best: bool) -> None:
                tensors.update(self._transform_tensors())
                metadata = self._metadata(record, directory.metrics)
                directory.save_checkpoint(self.trainer.progress.step, tensors, metadata, best=best)

            try:
                how = self.trainer.fit(save=save, watchers=[_Recorder(directory), *watchers])
            except DgradError as error:
                directory.log.append(f"error[{error.fault}] {error}")
                raise
            return self._outcome(how, directory.path)

    def _describe_in(self, directory: RunDirectory, record: dict[str, Any]) -> None:
        """Write the files that say what is trained, on what, and where."""
        directory.write_text("config.yaml", self.config.text)
        directory.write_text("resolved.yaml", yaml.dump(self.config.resolved()))
        directory.write_text("environment.json", json.dumps(record, indent=1) + "\n")
        parts = self.data.split
        directory.write_arrays(
            "splits.npz", {"train": parts.train, "val": parts.val, "test": parts.test}
        )

    def _outcome(self, how: str, path: Path) -> Outcome:
        """Measure the best weights; of an interrupted run nothing is measured."""
        split = "test" if "test" in self.trainer.splits else self.splits[-1]
        if how == "interrupted":
            return Outcome(how, find_checkpoint(path, "latest"), split, {})
        best = checkpoint.load(find_checkpoint(path))
        self.trainer.load_weights(best.tensors, best.metadata["progress"]["averaged"])
        return Outcome(how, best.path, split, self.trainer.evaluate(split))

    def evaluate(self, split: str) -> dict[str, float]:
        """Loss and metrics of a split, to the bit what `run` measures with the same weights."""
        with self._threads():
            return self.trainer.evaluate(split)

    def find_rate(self, **settings: Any) -> RangeTest:
        """The learning-rate range test, see `range_test`; nothing is written or changed."""
        with self._threads():
            return range_test(self.trainer, **settings)

    def _threads(self) -> AbstractContextManager[None]:
        """As many BLAS threads as suit training; evaluations use them too, for equal bits."""
        return suited_threads(self._work)

    @functools.cached_property
    def _work(self) -> int:
        """FLOPs of one forward pass of a batch."""
        inputs = self.trainer.splits["train"].inputs
        return forward_work(
            self.trainer.model, inputs[:2], min(self.config.train.batch_size, len(inputs))
        )

    def describe(self) -> str:
        """One line: model, parameters, rows."""
        rows = ", ".join(f"{len(each):,} {name}" for name, each in self.trainer.splits.items())
        count = sum(p.size for p in self.trainer.parameters)
        layers = " > ".join(component.name for component in self.config.model.layers)
        return f"{self.config.name}: {layers}, {count:,} parameters; rows: {rows}"

    @property
    def splits(self) -> list[str]:
        """The splits that have rows."""
        return list(self.trainer.splits)

    def tensors(self) -> dict[str, np.ndarray]:
        """What a checkpoint stores as arrays: model, optimizer and transforms, by section."""
        return {**self.trainer.tensors(), **self._transform_tensors()}

    def _transform_tensors(self) -> dict[str, np.ndarray]:
        return {
            f"transform.{i}.{key}": array
            for i, transform in enumerate(self.data.transforms)
            for key, array in transform.state().items()
        }

    def _metadata(self, environment: dict[str, Any], log: AppendLog) -> dict[str, Any]:
        """What a checkpoint stores as JSON. log: metrics.jsonl, to be cut back to where it is."""
        dataset = self.data.dataset
        return {
            "format": FORMAT,
            "config": yaml.dump(self.config.resolved()),
            "progress": self.trainer.progress.stored(),
            "class_names": dataset.class_names and list(dataset.class_names),
            "vocabulary": dataset.vocabulary and list(dataset.vocabulary),
            "feature_names": dataset.feature_names and list(dataset.feature_names),
            "input_shape": list(dataset.inputs.shape[1:]),
            "sources": [
                {"path": s.path, "size": s.size, "sha256": s.sha256} for s in dataset.sources
            ],
            "metrics": {"offset": log.offset, "sha256": log.sha256},
            "environment": environment,
        }


class _Recorder:
    """Writes a run's log files."""

    def __init__(self, directory: RunDirectory) -> None:
        self._directory = directory

    def started(self, trainer: Trainer) -> None:
        """Nothing to write yet."""

    def evaluated(self, record: Mapping[str, Any], seconds: float) -> None:
        """metrics.jsonl gets what is deterministic, timing.jsonl the rest."""
        self._directory.log_metrics(record)
        rate = record["step"] / seconds if seconds else 0.0
        timing = {"step": record["step"], "seconds": seconds, "steps_per_second": rate}
        self._directory.log_timing(timing)

    def warned(self, text: str) -> None:
        """log.txt keeps it."""
        self._directory.log.append(f"warning: {text}")

    def finished(self, outcome: str) -> None:
        """log.txt says how the loop ended."""
        self._directory.log.append(f"training ended: {outcome}")


def _stored_facts(stored: checkpoint.Checkpoint) -> tuple[str, Progress, list[str]]:
    """The config's text, the counters, and the sha256 of every data file, from the metadata."""
    version = stored.metadata.get("format")
    if version != FORMAT:
        raise CheckpointError(
            f"{stored.path}: its content has format {version}, this dgrad reads {FORMAT}",
            fault="K05",
        )
    try:
        digests = [str(source["sha256"]) for source in stored.metadata["sources"]]
        text, counters = stored.metadata["config"], stored.metadata["progress"]
        if not isinstance(text, str):
            raise TypeError("the config is no text")
        counters = {"averaged": 0, **counters}
        for name in ("step", "epoch", "best_step", "evaluations_since_better", "averaged"):
            if type(counters[name]) is not int or counters[name] < 0:
                raise TypeError(f"{name} is {counters[name]!r}")
        return text, Progress(**counters), digests
    except (KeyError, TypeError) as error:
        raise CheckpointError(
            f"{stored.path}: its metadata are not those of a training run ({error}); "
            f"give a checkpoint that dgrad train wrote",
            fault="K07",
        ) from error


def _stored_config(
    path: Path, text: str, plugins: Sequence[Path], overrides: Sequence[str]
) -> Config:
    """The config that the checkpoint at `path` carries, changed by `overrides`."""
    place = path.with_suffix(".yaml")  # what errors call the text inside the checkpoint
    named = yaml.plain(yaml.parse(text, str(place), limits=yaml.STORED)).get("plugins")
    if isinstance(named, list) and named and not plugins:
        options = " ".join(f"--plugin {each}" for each in named)
        raise CheckpointError(
            f"{path} needs code, and a checkpoint never loads any by itself. "
            f"If you trust it, add: {options}",
            fault="K19",
        )
    return from_text(text, place, overrides, plugins=plugins)


def _stored_data(config: Config) -> Dataset:
    """What the config's reader reads; a missing file is an error that says how to name another."""
    try:
        return read_data(config)
    except DataError as error:
        reader = config.data.reader
        moved = [k for k, v in reader.arguments.items() if isinstance(v, Path) and not v.exists()]
        if not moved:
            raise
        options = " ".join(f"data.{reader.name}.{key}=FILE" for key in moved)
        raise DataError(f"{error} (if it was moved, add: {options})", fault=error.fault) from error


def _check_sources(dataset: Dataset, digests: Sequence[str], path: Path) -> None:
    """The data files, wherever they are, must be those that the run at `path` was trained on."""
    if len(dataset.sources) != len(digests):
        raise DataError(
            f"the data are {len(dataset.sources)} files, they were {len(digests)} when "
            f"{path.name} was written",
            fault="T26",
        )
    for source, before in zip(dataset.sources, digests, strict=True):
        if before != source.sha256:
            raise DataError(
                f"{source.path} has changed since {path.name} was written: its sha256 is "
                f"{source.sha256[:16]}..., it was {before[:16]}...; "
                f"the splits would not be the same",
                fault="T26",
            )


def _check_names(dataset: Dataset, stored: checkpoint.Checkpoint) -> None:
    """Indices must mean what they did in training: classes and symbols are in the same order."""
    for key in ("class_names", "vocabulary"):
        before, now = stored.metadata.get(key), getattr(dataset, key)
        if before != (now and list(now)):
            raise DataError(
                f"the {key} of the data are not those that {stored.path.name} was trained with: "
                f"{_counted(now)} now, {_counted(before)} then",
                fault="T26",
            )


def _counted(names: object) -> str:
    if not isinstance(names, list | tuple):
        return "none"
    shown = ", ".join(map(repr, names[:5]))
    return f"{len(names)} ({shown}{', ...' if len(names) > 5 else ''})"
