"""What a component takes: its Python signature, read as a schema, and types told in words."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import types
import typing
from collections import abc
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

from dgrad.registry import LayerList, Range, Registry

__all__ = [
    "LISTS",
    "MAPPINGS",
    "Choice",
    "Example",
    "Parameter",
    "Partial",
    "describe",
    "parameters",
    "writable",
]

LISTS = (list, tuple, abc.Sequence, abc.Iterable, abc.Collection)
"""Origins of hints that a YAML list is read for; all but tuple give a list."""

MAPPINGS = (dict, abc.Mapping)
"""Origins of hints that a YAML mapping with free keys is read for."""


@dataclasses.dataclass(frozen=True, eq=False)
class Choice:
    """`Annotated[Any, Choice(registry)]`: a component of that registry, written by its name.

    `supplied` names parameters that the program fills in; without it they are what the target's
    class attributes `inferred` and `supplied` name. A bare Registry means `Choice(registry)`.
    """

    registry: Registry[Any]
    supplied: Iterable[str] | Callable[[Any], Iterable[str]] | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Partial:
    """`Annotated[dict, Partial(keys)]`: those keys of a dataclass that a mapping writes."""

    keys: type


@dataclasses.dataclass(frozen=True)
class Example:
    """`Annotated[T, Example("loss: cross_entropy")]`: shown when a required key is missing."""

    text: str


@dataclasses.dataclass(frozen=True)
class Parameter:
    """One key that a component takes; `default` makes its value, None when it is required.

    data: what it is under `$data` where a config leaves it out, "" if nothing.
    """

    name: str
    hint: Any
    default: Callable[[], Any] | None
    data: str = ""


@functools.cache
def parameters(target: Callable[..., Any]) -> dict[str, Parameter]:
    """The parameters of a class, dataclass or function, in order, without *args and **kwargs."""
    function = target.__init__ if isinstance(target, type) else target  # type: ignore[misc]
    hints = typing.get_type_hints(function, include_extras=True)
    factories = {}
    if dataclasses.is_dataclass(target):
        factories = {field.name: field.default_factory for field in dataclasses.fields(target)}
    found = {}
    for name, parameter in inspect.signature(target).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        hint = hints.get(name, Any)
        default: Callable[[], Any] | None = None
        if factories.get(name, dataclasses.MISSING) is not dataclasses.MISSING:
            default = typing.cast(Callable[[], Any], factories[name])
        elif parameter.default is not parameter.empty:
            default = functools.partial(_same, _as_hinted(parameter.default, hint))
        found[name] = Parameter(name, hint, default)
    return found


def writable(
    target: Callable[..., Any], supplied: Iterable[str] | None = None
) -> dict[str, Parameter]:
    """The parameters that a config may write, in order; a scalar is the first one's value.

    Left out is what the program fills in: `supplied`, by default what the target's attributes
    `inferred` and `supplied` name. Those that `from_data` names come last, with what the data know
    as their default: `{"num_embeddings": "vocab"}` means `$data.vocab`.
    """
    if supplied is None:
        supplied = (*getattr(target, "inferred", ()), *getattr(target, "supplied", ()))
    from_data = getattr(target, "from_data", {})
    filled = {*supplied}
    free = {name: each for name, each in parameters(target).items() if name not in filled}
    known = {name: dataclasses.replace(free.pop(name), data=from_data[name]) for name in from_data}
    return free | known | _group_parameters(target)


@functools.cache
def _group_parameters(target: Callable[..., Any]) -> dict[str, Parameter]:
    """The keys that every optimizer takes besides its own; dgrad.config.parameter_groups."""
    if not hasattr(target, "takes_groups"):
        return {}
    own = {name: p for name, p in parameters(target).items() if name != "params"}
    patterns = str | list[str]
    keys: list[tuple[str, Any] | tuple[str, Any, Any]] = [("match", patterns)]
    if target.takes_groups:
        keys += [("freeze", bool, False), *((name, p.hint, None) for name, p in own.items())]
    else:
        keys, own = [*keys, ("freeze", typing.Literal[True])], {}
    group = dataclasses.make_dataclass("Group", keys, kw_only=True)
    hint = list[Annotated[dict[str, Any], Partial(group)]]
    decay = {"no_decay": Parameter("no_decay", patterns, list)} if "weight_decay" in own else {}
    return {**decay, "groups": Parameter("groups", hint, list)}


def _same(value: Any) -> Any:
    return value


def _as_hinted(default: Any, hint: Any) -> Any:
    """`lr: float = 1` has the default 1.0, as a config that says `lr: 1` has."""
    members = set(_members(hint))
    is_float = type(default) is int and float in members and int not in members
    return float(default) if is_float else default


def _members(hint: Any) -> Iterable[Any]:
    """The plain types that a hint is a union of, without what annotates them."""
    if typing.get_origin(hint) is Annotated:
        yield from _members(typing.get_args(hint)[0])
    elif typing.get_origin(hint) in (typing.Union, types.UnionType):
        for part in typing.get_args(hint):
            yield from _members(part)
    else:
        yield hint


_WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    Path: "a path",
    type(None): "null",
    Any: "a value",
}


def describe(hint: Any) -> str:
    """A hint in words: `Annotated[int, Range(low=1)] | None` -> `a whole number >= 1 or null`."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        for extra in parts[1:]:
            if isinstance(extra, LayerList):
                return "a list of layers"
            if isinstance(extra, Choice | Registry):
                known = extra.registry if isinstance(extra, Choice) else extra
                return f"the name of {known.one}"
        ranges = [str(extra) for extra in parts[1:] if isinstance(extra, Range)]
        return " ".join([describe(parts[0]), *ranges])
    if origin in (typing.Union, types.UnionType):
        return " or ".join(describe(part) for part in parts)
    if origin is typing.Literal:
        told = [str(each).lower() if isinstance(each, bool) else str(each) for each in parts]
        return "one of " + ", ".join(told) if len(told) > 1 else told[0]
    if (origin or hint) in LISTS:
        if not parts:
            return "a list"
        if origin is tuple and parts[-1] is not Ellipsis:
            return f"a list of {len(parts)}"
        return f"a list (each item {describe(parts[0])})"
    if hint in _WORDS:
        return _WORDS[hint]
    if hasattr(hint, "from_config"):
        return str(hint.__name__).lower()
    if (origin or hint) in MAPPINGS or dataclasses.is_dataclass(hint):
        return "a mapping"
    return str(getattr(hint, "__name__", hint))
