"""What a config's values become that are not plain data: components and references."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dgrad.config.marks import Mark, problem
from dgrad.errors import ConfigError, ParameterError, Problem

__all__ = ["REFERENCE", "Component", "Reference", "leaves", "to_plain"]

REFERENCE = re.compile(r"\$[A-Za-z_]\w*(?:\.\w+)+", re.ASCII)
"""`$data.classes`: text that stands for a value known later. `$HOME` and `${x}` are just text."""


@dataclass(frozen=True)
class Reference:
    """A `$a.b` in a config: the value at `path` of a scope, which must fit `hint`."""

    path: tuple[str, ...]
    where: str = field(compare=False)
    hint: Any = field(compare=False, repr=False)
    mark: Mark = field(compare=False, repr=False)

    def __str__(self) -> str:
        return "$" + ".".join(self.path)

    def plain(self) -> str:
        """The reference as a config writes it."""
        return str(self)


@dataclass(frozen=True)
class Component:
    """A component that a config names: `target(**arguments)` makes it once references are gone."""

    name: str
    target: Callable[..., Any]
    arguments: dict[str, Any]
    mark: Mark = field(compare=False, repr=False)
    where: str = field(compare=False)
    marks: dict[str, Mark] = field(default_factory=dict, compare=False, repr=False)

    def plain(self) -> dict[str, Any]:
        """`{name: {argument: value, ...}}`, every value shown, as Python data."""
        return {self.name: to_plain(self.arguments)}

    @property
    def awaits(self) -> tuple[str, ...]:
        """The parameters that the program fills in: what `inferred` and `supplied` name."""
        inferred, supplied = (getattr(self.target, name, ()) for name in ("inferred", "supplied"))
        return (*inferred, *supplied)

    def make(self, *given: Any, **known: Any) -> Any:
        """target(**arguments), with what it awaits: given in that order, or picked from `known`.

        A component among the arguments is made first; one that awaits something itself (an
        initialiser its tensor, a schedule in a chain the length of the run) becomes a function of
        that. A refused argument is a ConfigError at its place.
        """
        known |= dict(zip(self.awaits, given, strict=False))
        unknown = [name for name in self.awaits if name not in known]
        if unknown:
            text = f"it wants {', '.join(unknown)} supplied, which dgrad does not know here"
            hint = f"it knows: {', '.join(known) or 'nothing'}"
            raise ConfigError([self.problem(text, fault="T41", hint=hint)])
        arguments = {name: _made(value) for name, value in self.arguments.items()}
        supplied = {name: known[name] for name in self.awaits}
        return self.made(lambda: self.target(**arguments, **supplied))

    def made(self, construct: Callable[[], Any]) -> Any:
        """construct(); an argument that it refuses is a ConfigError at its place."""
        try:
            return construct()
        except ParameterError as error:
            raise ConfigError([self.refused(error, fault=error.fault)]) from error

    def refused(self, error: ParameterError, *, fault: str) -> Problem:
        """The Problem of an argument that the target refuses."""
        message = f"{error.parameter} must be {error.expected}, got {error.value!r}"
        return self.problem(message, error.parameter, fault=fault)

    def problem(
        self, message: str, argument: str | None = None, *, fault: str = "C08", hint: str = ""
    ) -> Problem:
        """A Problem at the component, or at one of its arguments where the config writes it."""
        mark = self.marks.get(argument, self.mark) if argument else self.mark
        return problem(fault, mark, f"{self.where}: {message}", hint)


def _made(value: Any) -> Any:
    """`value` with the components in it made, or as functions of what they await."""
    if isinstance(value, list | tuple):
        return type(value)(map(_made, value))
    if not isinstance(value, Component):
        return value
    return value.make if value.awaits else value.make()


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """(name of the argument, value) of all that a component's arguments hold, at any depth."""
    if isinstance(value, Component):
        value = value.arguments
    if isinstance(value, dict):
        for key, each in value.items():
            yield from leaves(each, key)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from leaves(each, name)
    else:
        yield name, value


def to_plain(value: object) -> Any:
    """The Python data that a config would hold to get `value` back from `convert`."""
    if hasattr(value, "plain"):
        return value.plain()
    if hasattr(value, "from_config") or isinstance(value, Path):
        return str(value)
    if dataclasses.is_dataclass(value):
        value = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: to_plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(each) for each in value]
    return value
