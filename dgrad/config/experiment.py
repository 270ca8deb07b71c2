"""A whole run: build from a config, train into a run directory, come back from a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dgrad.config import yaml
from dgrad.config.build import LoadedData, build_trainer, load_data
from dgrad.config.document import Config, from_text
from dgrad.errors import CheckpointError, DataError
from dgrad.train import checkpoint
from dgrad.train.environment import environment
from dgrad.train.run_directory import RunDirectory, find_checkpoint
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
    """A config with its data and its trainer."""

    def __init__(self, config: Config, data: LoadedData, trainer: Trainer) -> None:
        self.config = config
        self.data = data
        self.trainer = trainer

    @classmethod
    def build(cls, config: Config) -> Experiment:
        """Load the data, build the model. Raises ConfigError, DataError, ResourceError."""
        data = load_data(config)
        return cls(config, data, build_trainer(config, data))

    @classmethod
    def restore(cls, path: Path, *, plugins: Sequence[Path] = ()) -> Experiment:
        """The experiment that wrote a checkpoint, with its weights, transforms and counters.

        path: a checkpoint, a run directory, or the directory of a run's name. A checkpoint never
        loads code: plugins that its config names must be named again by the caller.
        Raises CheckpointError, DataError (the data changed since), ConfigError.
        """
        stored = checkpoint.load(find_checkpoint(path))
        config = _stored_config(stored, plugins)
        states: dict[str, dict[str, Any]] = {}
        for name, array in _section(stored.tensors, "transform").items():
            index, _, key = name.partition(".")
            states.setdefault(index, {})[key] = array
        data = load_data(config, states)
        _check_sources(data, stored)
        trainer = build_trainer(config, data)
        trainer.model.load_state_dict(_section(stored.tensors, "model"))
        trainer.optimizer.load_state_arrays(_section(stored.tensors, "optimizer"), names(trainer))
        trainer.progress = Progress(**stored.metadata["progress"])
        return cls(config, data, trainer)

    def run(
        self, directory: RunDirectory, argv: Sequence[str], watchers: Sequence[Watcher] = ()
    ) -> Outcome:
        """Train, writing everything into the run directory; measure the best weights at the end."""
        config = self.config
        directory.write_text("config.yaml", config.text)
        directory.write_text("resolved.yaml", yaml.dump(config.resolved()))
        record = environment(argv, config.seed)
        directory.write_text("environment.json", _json(record))
        parts = self.data.split
        directory.write_arrays(
            "splits.npz", {"train": parts.train, "val": parts.val, "test": parts.test}
        )

        def save(progress: Progress, best: bool) -> None:
            directory.save_checkpoint(
                progress.step, self.tensors(), self.metadata(record), best=best
            )

        how = self.trainer.fit(save, *watchers)
        path = find_checkpoint(directory.path)
        best = checkpoint.load(path)
        self.trainer.model.load_state_dict(_section(best.tensors, "model"))
        split = "test" if "test" in self.trainer.splits else self.splits[-1]
        results = {} if how == "interrupted" else self.trainer.evaluate(split)
        return Outcome(how, path, split, results)

    @property
    def splits(self) -> list[str]:
        """The splits that have rows."""
        return list(self.trainer.splits)

    def tensors(self) -> dict[str, Any]:
        """What a checkpoint stores as arrays: model, optimizer and transforms, by section."""
        trainer = self.trainer
        sections = {
            "model": trainer.model.state_dict(),
            "optimizer": trainer.optimizer.state_arrays(names(trainer)),
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
