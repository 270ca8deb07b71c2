"""What a gradient check covers: named components, what is shipped, or a config's own parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dgrad.nn
import dgrad.ops  # noqa: F401 - both fill the registries
from dgrad import registry
from dgrad.config.document import Config
from dgrad.config.experiment import Experiment
from dgrad.functional.compare import Settings
from dgrad.functional.components import check_all, check_layer, check_op
from dgrad.functional.models import check_model
from dgrad.functional.report import Check, Report
from dgrad.train.threads import suited_threads

__all__ = ["gradient_checks"]


def gradient_checks(
    config: Config | None = None,
    *,
    ops: Sequence[str] = (),
    layers: Sequence[str] = (),
    everything: bool = False,
    order: int | None = None,
    seed: int = 0,
) -> Report:
    """Check the ops and layers named, or without any: all there are when `everything` or when
    there is no config, else those of plugins. With a config also its model, by every parameter.

    The model is checked on the first batch of its training. order: of all derivatives; None means
    2 for ops and 1 for layers and the model.
    Raises UnknownNameError before anything is checked, and what building the config raises.
    """
    experiment = None if config is None else Experiment.build(config)
    named = bool(ops or layers)
    of_ops, of_others = order or 2, order or 1
    with suited_threads(0):  # what is checked is small
        if named or (config is not None and not everything):
            checks = _some(
                ops if named else _plugged(registry.ops),
                layers if named else _plugged(registry.layers),
                of_ops,
                of_others,
                seed,
            )
        else:
            checks = check_all(order=of_ops, layer_order=of_others, seed=seed).checks
        if experiment is not None:
            trainer = experiment.trainer
            inputs, targets = trainer.first_batch()
            checks += check_model(
                trainer.model, trainer.loss, inputs, targets, order=of_others, seed=seed
            )
    told = order or "2 of ops, 1 of layers and models"
    return Report(checks, seed, {"order": told, **Settings().told()})


def _some(
    ops: Sequence[str], layers: Sequence[str], of_ops: int, of_layers: int, seed: int
) -> list[Check]:
    for known, names in ((registry.ops, ops), (registry.layers, layers)):
        for name in names:
            known[name]  # an unknown name is an error before anything runs
    checks = [check for name in ops for check in check_op(name, order=of_ops, seed=seed)]
    for name in layers:
        checks += check_layer(name, order=of_layers, seed=seed)
    return checks


def _plugged(known: registry.Registry[Any]) -> list[str]:
    """The names of components that are defined outside of dgrad."""
    return [name for name in known if known[name].__module__.partition(".")[0] != "dgrad"]
