"""What training with a config does in its first step: the graph it records, the layers it runs."""

from __future__ import annotations

import re
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from dgrad.config.document import Config
from dgrad.config.experiment import Experiment
from dgrad.core import stream
from dgrad.core.backward import grad
from dgrad.core.modes import detect_anomaly
from dgrad.core.tensor import Tensor
from dgrad.functional.graph import Graph, graph
from dgrad.functional.spans import record_layers
from dgrad.functional.summary import Summary, summarize
from dgrad.randomness import Purpose
from dgrad.train.trainer import Trainer

__all__ = ["model_summary", "recorded_graph"]


def recorded_graph(config: Config, *, backward: bool = False) -> Graph:
    """Model and loss on the first batch of training; with `backward` also the gradients of it.

    Parameters have the names of the model, operations the path of their layer, and, where a plugin
    called them, the line there. Nothing is trained. Raises what building the config raises.
    """
    with (
        _first_step(config) as (trainer, inputs, targets),
        detect_anomaly(check_nan=False),
        record_layers(trainer.model, loss=trainer.loss) as layers,
    ):
        loss = trainer.loss(trainer.model(Tensor(inputs)), Tensor(targets))
        outputs = [loss]
        if backward:
            parameters = [p for p in trainer.parameters if p.requires_grad]
            found = grad(loss, parameters, create_graph=True, allow_unused=True)
            outputs += [g for g in found if g is not None and g.requires_grad]
    whole = graph(outputs, trainer.model, layers=layers)
    nodes = [replace(node, source=_own(node.source, config.plugins)) for node in whole.nodes]
    return replace(whole, nodes=tuple(nodes))


def model_summary(config: Config) -> Summary:
    """What every layer makes of the first batch of training, holds, computes and keeps.

    Nothing is trained. Raises what building the config raises.
    """
    with _first_step(config) as (trainer, inputs, targets):
        return summarize(trainer.model, inputs, loss=trainer.loss, targets=targets)


@contextmanager
def _first_step(config: Config) -> Iterator[tuple[Trainer, np.ndarray, np.ndarray]]:
    """(trainer, inputs, targets) as they are at the first step of training."""
    trainer = Experiment.build(config).trainer
    inputs, targets = trainer.first_batch()
    trainer.model.train()
    with stream.at(config.seed, Purpose.STEP, 0), np.errstate(all="ignore"):
        yield trainer, inputs, targets


def _own(source: str | None, plugins: Sequence[Path]) -> str | None:
    """What is said of a node's origin, without the line if that is in no plugin."""
    if source is None:
        return None
    said = re.fullmatch(r"(?P<start>the backward of \w+)?(, called at )?(?P<line>.+:\d+)?", source)
    if said is None or not _in_plugin(said["line"], plugins):
        return None if said is None else said["start"]
    return source


def _in_plugin(line: str | None, plugins: Sequence[Path]) -> bool:
    """Whether a `file:line` is in a plugin, or in code of the user's beside one."""
    if line is None:
        return False
    file = Path(line.rpartition(":")[0]).resolve()
    paths = sysconfig.get_paths()
    installed = [paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    return any(file.is_relative_to(plugin.resolve().parent) for plugin in plugins) and not any(
        file.is_relative_to(folder) for folder in installed
    )
