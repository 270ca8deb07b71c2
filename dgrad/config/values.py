"""What a config's values become that are not plain data: components and references."""

from __future__ import annotations

import dataclasses
import functools
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

    def make(self, **supplied: Any) -> Any:
        """target(**arguments, **supplied); a refused argument is a ConfigError at its place.

        A component among the arguments is made first; one that awaits what the program supplies
        (an initialiser its tensor) becomes the function of that.
        """
        arguments = {name: _made(value) for name, value in self.arguments.items()}
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
    if not isinstance(value, Component):
        return value
    if getattr(value.target, "supplied", ()):
        return functools.partial(value.target, **value.arguments)
    return value.make()


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
