"""The learning rates of a whole run, as its config gives them, without training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dgrad.config.build import with_data
from dgrad.config.data import load_data, read_data
from dgrad.config.document import Config
from dgrad.config.settings import steps_per_epoch
from dgrad.config.values import Reference, leaves
from dgrad.errors import ConfigError
from dgrad.optim.schedules import Length

__all__ = ["RateCurve", "rate_curve"]


@dataclass(frozen=True)
class RateCurve:
    """factors: (steps,), of every group's lr, for each update of a run.

    groups: (name, lr) of each group of parameters. steps_per_epoch: None where nobody asked for it.
    warmup: the steps until the rate is full. note: what the curve cannot show.
    """

    factors: np.ndarray
    groups: tuple[tuple[str, float], ...]
    steps_per_epoch: int | None
    warmup: int
    note: str = ""


def rate_curve(config: Config) -> RateCurve:
    """The rates of a run. Raises ConfigError, DataError.

    The data are read only where the length of the run, or of a part, is in epochs or refers to
    them; the model is not built.
    """
    per_epoch = None
    if _asks_for_data(config):
        data = load_data(config, read_data(config))
        config = with_data(config, data)
        per_epoch = steps_per_epoch(config, len(data.split.train))
    total = config.train.total_steps(per_epoch or 1)
    groups = tuple(_groups(config))
    schedule = config.schedule.make(
        total_steps=total, steps_per_epoch=per_epoch or 1, lr=groups[0][1]
    )
    note = getattr(schedule, "note", "")  # a plugin's may be any function
    factors = np.array([schedule(step) for step in range(total)], np.float64)
    wrong = np.flatnonzero(~(np.isfinite(factors) & (factors >= 0)))
    if len(wrong):
        first = wrong[0]
        text = f"gives no usable rate from step {first + 1} on: {factors[first]:g} times the lr"
        raise ConfigError([config.schedule.problem(text, fault="T07")])
    return RateCurve(factors, groups, per_epoch, getattr(schedule, "warmup", 0), note)


def _groups(config: Config) -> Iterator[tuple[str, float]]:
    """(name, lr): the optimizer's own, and of the groups with another."""
    arguments = config.optimizer.arguments
    own = float(arguments.get("lr", 1.0))
    groups = [group for group in arguments.get("groups", ()) if not group.get("freeze")]
    others = [group for group in groups if group.get("lr", own) != own]
    yield "all others" if others else "all parameters", own
    for group in others:
        match = group["match"]
        yield match if isinstance(match, str) else " ".join(match), float(group["lr"])


def _asks_for_data(config: Config) -> bool:
    """Whether the rates depend on the data."""
    if config.train.steps is None:
        return True
    values = [each for part in (config.schedule, config.optimizer) for _, each in leaves(part)]
    return any(
        isinstance(each, Reference) or (isinstance(each, Length) and each.unit == "epochs")
        for each in values
    )
