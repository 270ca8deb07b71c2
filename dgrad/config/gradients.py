"""What a gradient check covers: named components, what is shipped, or a config's own parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dgrad.nn
import dgrad.ops  # noqa: F401 - both fill the registries
from dgrad import registry
from dgrad.config.document import Config
from dgrad.config.experiment import Experiment
from dgrad.functional.components import check_all, check_layer, check_model, check_op
from dgrad.functional.report import Check, Report
from dgrad.train.threads import suited_threads

__all__ = ["gradient_checks"]


def gradient_checks(
    config: Config | None = None,
    *,
    ops: Sequence[str] = (),
    layers: Sequence[str] = (),
    everything: bool = False,
    order: int = 2,
    seed: int = 0,
) -> Report:
    """Check the ops and layers named, or without any: all there are when `everything` or when
    there is no config, else those of plugins. With a config also its model, by every parameter.

    The model is checked on the first batch of its training. order: of the derivatives of ops.
    Raises UnknownNameError before anything is checked, and what building the config raises.
    """
    experiment = None if config is None else Experiment.build(config)
    named = bool(ops or layers)
    with suited_threads(0, 0):  # what is checked is small
        if named or (config is not None and not everything):
            checks = _some(
                ops if named else _plugged(registry.ops),
                layers if named else _plugged(registry.layers),
                order,
                seed,
            )
        else:
            checks = check_all(order=order, seed=seed).checks
        if experiment is not None:
            trainer = experiment.trainer
            inputs, targets = next(iter(trainer.batches.epoch(0)))
            checks = checks + check_model(trainer.model, trainer.loss, inputs, targets, seed=seed)
    return Report(checks, seed)


def _some(ops: Sequence[str], layers: Sequence[str], order: int, seed: int) -> list[Check]:
    for known, names in ((registry.ops, ops), (registry.layers, layers)):
        for name in names:
            known[name]  # an unknown name is an error before anything runs
    checks = [check for name in ops for check in check_op(name, order=order, seed=seed)]
    return checks + [check for name in layers for check in check_layer(name, seed=seed)]


def _plugged(known: registry.Registry[Any]) -> list[str]:
    """The names of components that are defined outside of dgrad."""
    return [name for name in known if known[name].__module__.partition(".")[0] != "dgrad"]
