"""A whole run: build from a config, train into a run directory, come back from a checkpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dgrad.config import yaml
from dgrad.config.build import LoadedData, build_trainer, load_data, read_data
from dgrad.config.document import Config, from_text
from dgrad.data.dataset import Dataset
from dgrad.errors import CheckpointError, DataError, DgradError, DivergedError
from dgrad.train import checkpoint
from dgrad.train.environment import environment
from dgrad.train.run_directory import RunDirectory, find_checkpoint
from dgrad.train.threads import blas_threads, fit_threads
from dgrad.train.trainer import Progress, Trainer, Watcher

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
    """A config with its data and its trainer; BLAS uses as many threads as suit it."""

    def __init__(
        self, config: Config, data: LoadedData, trainer: Trainer, checkpoint: Path | None = None
    ) -> None:
        self.config = config
        self.data = data
        self.trainer = trainer
        self.checkpoint = checkpoint  # the file it was restored from
        fit_threads(config.train.batch_size, sum(p.size for p in trainer.parameters))

    @classmethod
    def build(cls, config: Config) -> Experiment:
        """Load the data, build the model. Raises ConfigError, DataError, ResourceError."""
        data = load_data(config, read_data(config))
        return cls(config, data, build_trainer(config, data))

    @classmethod
    def restore(cls, path: Path, *, plugins: Sequence[Path] = ()) -> Experiment:
        """The experiment that wrote a checkpoint, with its weights, transforms and counters.

        path: a checkpoint, a run directory, or the directory of a run's name. A checkpoint never
        loads code: plugins that its config names must be named again by the caller.
        Raises CheckpointError, DataError (the data changed since), ConfigError.
        """
        stored = checkpoint.load(find_checkpoint(path))
        text, progress, digests = _stored_facts(stored)
        config = _stored_config(stored.path, text, plugins)
        dataset = read_data(config)
        _check_sources(dataset, digests, stored.path)
        states: dict[str, dict[str, Any]] = {}
        for name, array in _section(stored.tensors, "transform").items():
            index, _, key = name.partition(".")
            states.setdefault(index, {})[key] = array
        data = load_data(config, dataset, states)
        trainer = build_trainer(config, data)
        trainer.model.load_state_dict(_section(stored.tensors, "model"))
        trainer.optimizer.load_state_arrays(
            _section(stored.tensors, "optimizer"), trainer.model.named_parameters()
        )
        trainer.progress = progress
        return cls(config, data, trainer, stored.path)

    def run(
        self, directory: RunDirectory, argv: Sequence[str], watchers: Sequence[Watcher] = ()
    ) -> Outcome:
        """Train, writing everything into the run directory; measure the best weights at the end."""
        config = self.config
        directory.write_text("config.yaml", config.text)
        directory.write_text("resolved.yaml", yaml.dump(config.resolved()))
        record = {**environment(argv, config.seed), "blas_threads": blas_threads()}
        directory.write_text("environment.json", json.dumps(record, indent=1) + "\n")
        parts = self.data.split
        directory.write_arrays(
            "splits.npz", {"train": parts.train, "val": parts.val, "test": parts.test}
        )

        def save(progress: Progress, best: bool) -> None:
            tensors = self.tensors()
            _check_finite(tensors, progress.step)
            directory.save_checkpoint(progress.step, tensors, self.metadata(record), best=best)

        try:
            how = self.trainer.fit(save, _Recorder(directory), *watchers)
        except DgradError as error:
            directory.log.append(f"error[{error.fault}] {error}")
            raise
        path = find_checkpoint(directory.path)
        best = checkpoint.load(path)
        self.trainer.model.load_state_dict(_section(best.tensors, "model"))
        split = "test" if "test" in self.trainer.splits else self.splits[-1]
        results = {} if how == "interrupted" else self.trainer.evaluate(split)
        return Outcome(how, path, split, results)

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

    def tensors(self) -> dict[str, Any]:
        """What a checkpoint stores as arrays: model, optimizer and transforms, by section."""
        trainer = self.trainer
        sections = {
            "model": trainer.model.state_dict(),
            "optimizer": trainer.optimizer.state_arrays(trainer.model.named_parameters()),
            "transform": {
                f"{i}.{key}": array
                for i, transform in enumerate(self.data.transforms)
                for key, array in transform.state().items()
            },
        }
        return {
            f"{s}.{name}": array for s, held in sections.items() for name, array in held.items()
        }

    def metadata(self, environment: dict[str, Any]) -> dict[str, Any]:
        """What a checkpoint stores as JSON."""
        dataset = self.data.dataset
        return {
            "format": FORMAT,
            "config": yaml.dump(self.config.resolved()),
            "progress": self.trainer.progress.stored(),
            "class_names": dataset.class_names and list(dataset.class_names),
            "feature_names": dataset.feature_names and list(dataset.feature_names),
            "input_shape": list(dataset.inputs.shape[1:]),
            "sources": [
                {"path": s.path, "size": s.size, "sha256": s.sha256} for s in dataset.sources
            ],
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

    def finished(self, outcome: str) -> None:
        """log.txt says how the loop ended."""
        self._directory.log.append(f"training ended: {outcome}")


def _section(tensors: Mapping[str, Any], section: str) -> dict[str, Any]:
    """The tensors of a section, by their names within it."""
    start = f"{section}."
    return {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}


def _stored_facts(stored: checkpoint.Checkpoint) -> tuple[str, Progress, dict[str, str]]:
    """The config's text, the counters, and the sha256 of every data file, from the metadata."""
    version = stored.metadata.get("format")
    if version != FORMAT:
        raise CheckpointError(
            f"{stored.path}: its content has format {version}, this dgrad reads {FORMAT}",
            fault="K05",
        )
    try:
        digests = {source["path"]: source["sha256"] for source in stored.metadata["sources"]}
        return stored.metadata["config"], Progress(**stored.metadata["progress"]), digests
    except (KeyError, TypeError) as error:
        raise CheckpointError(
            f"{stored.path}: its metadata are not those of a training run ({error}); "
            f"give a checkpoint that dgrad train wrote",
            fault="K07",
        ) from error


def _stored_config(path: Path, text: str, plugins: Sequence[Path]) -> Config:
    """The config that the checkpoint at `path` carries."""
    place = path.with_suffix(".yaml")  # what errors call the text inside the checkpoint
    named = yaml.plain(yaml.parse(text, str(place))).get("plugins")
    if named and not plugins:
        options = " ".join(f"--plugin {each}" for each in named)
        raise CheckpointError(
            f"{path} needs code, and a checkpoint never loads any by itself. "
            f"If you trust it, add: {options}",
            fault="K19",
        )
    return from_text(text, place, plugins=plugins)


def _check_finite(tensors: Mapping[str, Any], step: int) -> None:
    """Nothing that is not finite is ever saved: parameters, buffers, the optimizer's state."""
    for name, array in tensors.items():
        if not np.isfinite(array).all():
            raise DivergedError(
                f"{name} is not finite after step {step}; it is not saved, earlier checkpoints "
                f"stay. Try a lower learning rate or train.clip_norm",
                fault="T08",
            )


def _check_sources(dataset: Dataset, digests: Mapping[str, str], path: Path) -> None:
    """The data files must be those that the run of the checkpoint at `path` was trained on."""
    for source in dataset.sources:
        before = str(digests.get(source.path))
        if before != source.sha256:
            raise DataError(
                f"{source.path} has changed since {path.name} was written: its sha256 is "
                f"{source.sha256[:16]}..., it was {before[:16]}...; "
                f"the splits would not be the same",
                fault="T26",
            )
