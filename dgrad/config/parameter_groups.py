"""Parameter groups of a config: settings of an optimizer for the parameters that patterns name.

    optimizer: {adamw: {lr: 1e-3, no_decay: [bias, norm], groups: [{match: "head.*", lr: 1e-4}]}}

The first group that matches counts; dgrad.config.patterns says which do. no_decay sets weight_decay
0, unless the group itself sets it; `freeze: true` leaves parameters out of the training.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from dgrad.config.document import Config
from dgrad.config.marks import Mark, Problems, quote, suggest
from dgrad.config.patterns import as_list, matches
from dgrad.config.tree import Mapping, Node, Sequence
from dgrad.errors import ConfigError
from dgrad.nn.module import Module, Parameter
from dgrad.registry import layers

__all__ = ["build_optimizer", "empty_groups"]

COMMON = ("no_decay", "groups")  # keys that are not of the optimizer itself


@dataclasses.dataclass(frozen=True)
class _Named:
    """A parameter with what patterns can find it by. kind: the registered name of its layer."""

    name: str
    kind: str
    parameter: Parameter

    def is_meant(self, pattern: str) -> bool:
        """Whether a pattern means it."""
        return matches(pattern, self.name, self.kind)


@dataclasses.dataclass(frozen=True)
class _Assigned:
    """The parameters of each of the config's groups, and those of none."""

    groups: list[list[_Named]]
    rest: list[_Named]


def build_optimizer(config: Config, model: Module) -> Any:
    """The optimizer of a config, with its groups; what is frozen no longer requires grad.

    Raises ConfigError for a pattern that means nothing, or when everything is frozen.
    """
    component, named = config.optimizer, _named(model)
    _check_patterns(config, named)
    assigned = _assigned(config, named)
    given: list[dict[str, Any]] = _split(config, assigned.rest, {})
    for group, members in zip(component.arguments.get("groups", ()), assigned.groups, strict=True):
        settings = {k: v for k, v in group.items() if k not in ("match", "freeze")}
        if group.get("freeze"):
            for each in members:
                each.parameter.requires_grad = False
        else:
            given += _split(config, members, settings)
    if not given:
        text = "every parameter is frozen, so there is nothing to train"
        raise ConfigError([component.problem(text, "groups", fault="T06")])
    own = {k: v for k, v in component.arguments.items() if k not in COMMON}
    return dataclasses.replace(component, arguments=own).make(params=given)


def empty_groups(config: Config, model: Module) -> Iterator[str]:
    """A warning for each group that gets no parameter, as earlier ones match all it matches."""
    groups = config.optimizer.arguments.get("groups", ())
    for i, members in enumerate(_assigned(config, _named(model)).groups):
        if not members:
            what = f"{config.optimizer.where}.groups[{i}]"
            patterns = ", ".join(as_list(groups[i]["match"]))
            yield f"{what} is empty: earlier groups match all that {patterns} does"


def _named(model: Module) -> list[_Named]:
    """All parameters, each once."""
    kinds = {id(layers[name]): name for name in layers}
    owners = {
        id(value): kinds.get(id(type(module)), "")
        for module in model.modules()
        for value in vars(module).values()
        if isinstance(value, Parameter)
    }
    return [_Named(name, owners.get(id(p), ""), p) for name, p in model.named_parameters()]


def _assigned(config: Config, named: list[_Named]) -> _Assigned:
    """Every parameter in the first group that matches it."""
    groups = config.optimizer.arguments.get("groups", ())
    members: list[list[_Named]] = [[] for _ in groups]
    rest: list[_Named] = []
    for each in named:
        found = (
            i
            for i, group in enumerate(groups)
            if any(each.is_meant(pattern) for pattern in as_list(group["match"]))
        )
        first = next(found, None)
        (rest if first is None else members[first]).append(each)
    return _Assigned(members, rest)


def _split(config: Config, members: list[_Named], settings: dict[str, Any]) -> list[dict[str, Any]]:
    """A group for the optimizer, or two: what no_decay matches apart; none without members."""
    patterns = as_list(config.optimizer.arguments.get("no_decay", ()))
    kept: list[Parameter] = []
    spared: list[Parameter] = []
    for each in members:
        is_spared = "weight_decay" not in settings and any(map(each.is_meant, patterns))
        (spared if is_spared else kept).append(each.parameter)
    groups = [{"params": kept, **settings}, {"params": spared, **settings, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


# -------------------------------------------------------------------------- patterns for nothing


def _check_patterns(config: Config, named: list[_Named]) -> None:
    """Raises ConfigError for each pattern that no parameter matches, at its place."""
    problems = Problems()
    for where, pattern, mark in _written(config):
        if pattern and any(each.is_meant(pattern) for each in named):
            continue
        names = [each.name for each in named]
        words = {part for each in named for part in (*each.name.split("."), each.kind) if part}
        close = suggest(pattern.partition(".")[0].strip("*?"), sorted(words))
        shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
        hint = f"{close}   there is: {shown}".strip()
        problems.add("C22", mark, f"{where}: {quote(pattern)} matches no parameter", hint)
    problems.raise_if_any()


def _written(config: Config) -> Iterator[tuple[str, str, Mark]]:
    """(what it is, the pattern, where it stands) of every pattern of a config."""
    component, tree = config.optimizer, config.tree.entries["optimizer"].value
    node: Node = tree.entries[component.name].value if isinstance(tree, Mapping) else tree
    entries = node.entries if isinstance(node, Mapping) else {}
    lists = []
    if "no_decay" in entries:
        patterns = component.arguments["no_decay"]
        lists.append(("no_decay", patterns, entries["no_decay"].value))
    if "groups" in entries and isinstance(entries["groups"].value, Sequence):
        items = entries["groups"].value.items
        groups = component.arguments["groups"]
        for i, (group, item) in enumerate(zip(groups, items, strict=True)):
            if isinstance(item, Mapping):
                where = f"groups[{i}].match"
                lists.append((where, group["match"], item.entries["match"].value))
    for where, given, written in lists:
        marks = [item.mark for item in written.items] if isinstance(written, Sequence) else []
        patterns = as_list(given)
        for pattern, mark in zip(patterns, marks or [written.mark] * len(patterns), strict=True):
            yield f"{component.where}.{where}", pattern, mark
