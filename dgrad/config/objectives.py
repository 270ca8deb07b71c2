"""The loss and the metrics of a config, checked against the targets and the model's output."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dgrad.config.document import Config
from dgrad.config.places import placed
from dgrad.config.values import Component, to_plain
from dgrad.data.dataset import Dataset
from dgrad.errors import ConfigError, ParameterError, Problem, ShapeError
from dgrad.nn.input_shapes import with_batch
from dgrad.nn.loss import Loss
from dgrad.nn.module import Module
from dgrad.registry import losses
from dgrad.targets import IGNORED
from dgrad.train.metrics import Metric

__all__ = ["build_loss", "build_metrics", "doubts_about_loss"]


def build_loss(config: Config, dataset: Dataset, output_shape: tuple[int, ...]) -> Module:
    """The loss, checked against the targets and a row of the model's output.

    config: without references. Raises ConfigError, and DataError for values of the targets.
    """
    component = config.loss
    _check_kind(component, dataset)
    loss: Module = component.make()
    if getattr(loss, "reduction", "mean") not in getattr(loss, "means", ("mean",)):
        message = "training and evaluation take the mean over rows"
        hint = "leave reduction out"
        raise ConfigError([component.problem(message, "reduction", fault="C22", hint=hint)])
    if isinstance(loss, Loss):  # a plugin's may be any module
        _check_output(config, loss, dataset, output_shape)
        _check_values(component, loss, dataset)
    return loss


def _check_values(component: Component, made: Loss | Metric, dataset: Dataset) -> None:
    """The values of all targets must suit. Raises DataError with the component's place."""
    with placed(lambda fault: component.mark, component.where):
        made.check_targets(dataset.targets)


def _check_kind(component: Component, dataset: Dataset) -> None:
    """The targets must be of the kind that the loss compares with. Raises ConfigError C22."""
    names = dataset.class_names
    wants = getattr(component.target, "targets", None)  # a plugin's may take any
    soft = getattr(component.target, "soft_targets", False) and dataset.targets.ndim > 1
    if wants == "classes" and names is None and not soft:
        raise ConfigError(
            [component.problem("needs class targets, but the data has numbers", fault="C22")]
        )
    if wants == "numbers" and names is not None:
        hint = "set task: number in the reader, or use cross_entropy"
        message = f"needs number targets, but the data has {len(names)} classes"
        raise ConfigError([component.problem(message, fault="C22", hint=hint)])


def _targets_of(dataset: Dataset) -> tuple[tuple[int, ...], int | None]:
    """The shape of a row of targets, and how many classes they have."""
    names, shape = dataset.class_names, dataset.targets.shape[1:]
    return (shape, len(names)) if names is not None else (shape or (1,), None)


def _fits(wanted: tuple[int | str, ...], found: tuple[int, ...]) -> bool:
    if len(wanted) != len(found):
        return wanted == (1,) and not found  # one number a row: both (n,) and (n, 1) will do
    return all(isinstance(w, str) or w == f for w, f in zip(wanted, found, strict=True))


def _check_output(
    config: Config, loss: Loss, dataset: Dataset, output_shape: tuple[int, ...]
) -> None:
    """The model must end with what the loss needs for such targets. Raises ConfigError C23."""
    component = config.loss
    targets, classes = _targets_of(dataset)
    try:
        wanted = loss.wanted(targets, classes)
    except ParameterError as error:
        raise ConfigError([component.refused(error, fault="C23")]) from error
    except ShapeError as error:
        raise ConfigError([component.problem(str(error), fault="C23")]) from error
    if _fits(wanted, output_shape):
        return
    last = config.model.layers[-1]
    message = f"the model ends with {with_batch(output_shape)}, {component.name} needs "
    known = {targets[-1]: "$data.targets"} if classes is None else {classes: "$data.classes"}
    hint = _next_step(wanted, output_shape, known)
    raise ConfigError([last.problem(message + with_batch(wanted), fault="C23", hint=hint)])


def _next_step(
    wanted: tuple[int | str, ...], found: tuple[int, ...], known: Mapping[Any, str]
) -> str:
    """How to come from the output that was found to the one that is wanted; known: size -> name."""
    size = wanted[-1]
    units = known.get(size, size if isinstance(size, int) else "SIZE")
    hint = f"end the model with linear: {units}"
    if len(found) > len(wanted):
        return hint + ', and put "flatten" before that linear'
    if len(found) < len(wanted):
        axes = ", ".join(map(str, wanted[:-1]))
        return f"{hint}, over inputs that keep the axes ({axes})"
    return hint


def build_metrics(
    config: Config, loss: Module, dataset: Dataset, output_shape: tuple[int, ...]
) -> dict[str, Metric]:
    """What results call it -> metric, each checked against the targets and a row of outputs.

    config: without references. loss: what metrics may be told of. Raises ConfigError, and DataError
    for values of the targets.
    """
    wrong: list[Problem] = []
    made: dict[str, Metric] = {}
    for component, name in zip(config.metrics, _names(config.metrics), strict=True):
        if name in made:
            text = f"{name} is listed twice"
            wrong.append(component.problem(text, fault="C22"))
        elif not _takes_targets(component, loss, dataset):
            wrong.append(_other_targets(component, dataset))
        else:
            metric = made[name] = component.make(**_known(component, loss, dataset))
            wanted = metric.wanted(*_targets_of(dataset))
            if not _fits(wanted, output_shape):
                text = f"needs outputs {with_batch(wanted)}, these are {with_batch(output_shape)}"
                hint = f"leave it out: it does not go with the outputs of {config.loss.name}"
                wrong.append(component.problem(text, fault="C23", hint=hint))
    if wrong:
        raise ConfigError(wrong)
    for component, metric in zip(config.metrics, made.values(), strict=True):
        _check_values(component, metric, dataset)
    return made


def _names(components: Sequence[Component]) -> list[str]:
    """What results call each: its name; of one listed with several arguments, their values too.

    {top_k: 2} and {top_k: 5} are top_k_2 and top_k_5; arguments that do not differ are left out.
    """
    names = []
    for each in components:
        others = [other.arguments for other in components if other.name == each.name]
        differing = [
            json.dumps(to_plain(value)).strip('"')
            for key, value in each.arguments.items()
            if any(other[key] != value for other in others)
        ]
        names.append("_".join([each.name, *differing]))
    return names


def _known(component: Component, loss: Module, dataset: Dataset) -> dict[str, Any]:
    """What the metric may ask for: of the data, and any attribute of the loss."""
    columns = None if dataset.class_names else math.prod(dataset.targets.shape[1:])
    of_data = {"class_names": dataset.class_names, "columns": columns}
    of_loss = {name: getattr(loss, name) for name in component.awaits if hasattr(loss, name)}
    return {"ignore_index": IGNORED, "threshold": None} | of_loss | of_data


def _takes_targets(component: Component, loss: Module, dataset: Dataset) -> bool:
    """Whether the metric is for classes or numbers as the data has; yes and no are both."""
    wants = getattr(component.target, "targets", "any")
    if dataset.class_names is not None or wants != "classes":
        return wants in ("any", "numbers" if dataset.class_names is None else "classes")
    decides = getattr(loss, "threshold", None) is not None
    return decides and "threshold" in getattr(component.target, "supplied", ())


def _other_targets(component: Component, dataset: Dataset) -> Problem:
    """The problem of a metric that is not for such targets."""
    kind, hint = "numbers" if dataset.class_names is None else "classes", ""
    wants = getattr(component.target, "targets", "any")
    if "threshold" in getattr(component.target, "supplied", ()):
        decide = [n for n in losses if getattr(losses[n], "threshold", None) is not None]
        hint = f"for yes and no, take one of the losses {', '.join(decide)}"
    text = f"{component.name} is for {wants}, the data has {kind}"
    return component.problem(text, fault="C22", hint=hint)


def doubts_about_loss(config: Config) -> Iterator[str]:
    """What is allowed, and seldom meant, of the last layer and a loss that says what it expects."""
    last, loss = config.model.layers[-1].name, config.loss.name
    applied: tuple[str, ...] = getattr(config.loss.target, "applies", ())
    if last in applied:
        yield f"{loss} applies {applied[0]} itself: leave out {last}"
    taken = getattr(config.loss.target, "takes", None)
    if taken not in (None, last):
        yield f"{loss} takes what {taken} gives: put {taken} at the end of the model"
