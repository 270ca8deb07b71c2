"""What a config can name: every component with its parameters, defaults and documentation."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from dgrad import registry
from dgrad.config.document import register_shipped
from dgrad.config.signature import Parameter, describe, writable
from dgrad.config.values import to_plain
from dgrad.errors import UnknownNameError
from dgrad.registry import Registry, closest

__all__ = ["KINDS", "Entry", "Taken", "catalog", "find"]

KINDS: dict[str, Registry[Any]] = {
    "layers": registry.layers,
    "losses": registry.losses,
    "metrics": registry.metrics,
    "optimizers": registry.optimizers,
    "schedules": registry.schedules,
    "readers": registry.readers,
    "transforms": registry.transforms,
    "initialisers": registry.initialisers,
    "ops": registry.ops,
}
"""The registries by the plural of what they hold. Ops are for Python: a config names none."""


@dataclass(frozen=True)
class Taken:
    """A parameter: its type in words; its default as a config would write it, if it has one."""

    name: str
    takes: str
    required: bool
    default: Any = None


@dataclass(frozen=True)
class Entry:
    """A component. summary: the first paragraph of its documentation, text: all of it."""

    name: str
    kind: str
    summary: str
    text: str
    parameters: tuple[Taken, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, numbers and strings."""
        taken = [
            {"name": p.name, "takes": p.takes, "required": p.required}
            | ({} if p.required else {"default": p.default})
            for p in self.parameters
        ]
        return {"name": self.name, "kind": self.kind, "doc": self.text, "parameters": taken}


def catalog(kinds: Iterable[str] = KINDS) -> list[Entry]:
    """Every component of these kinds, by kind and name."""
    register_shipped()
    return [_entry(KINDS[kind], name) for kind in kinds for name in KINDS[kind]]


def find(name: str, kinds: Iterable[str] = KINDS) -> list[Entry]:
    """The components called `name`, of whatever kind. Raises UnknownNameError if there is none."""
    register_shipped()
    found = [_entry(KINDS[kind], name) for kind in kinds if name in KINDS[kind]]
    if not found:
        known = {each for kind in kinds for each in KINDS[kind]}
        close = closest(name, known)
        hint = f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
        text = f"nothing is called {name!r}{hint} (dgrad list shows what there is)"
        raise UnknownNameError(text, close)
    return found


def _entry(known: Registry[Any], name: str) -> Entry:
    target = known[name]
    text = inspect.getdoc(target) or ""
    parameters = _operands(target) if known is registry.ops else writable(target)
    return Entry(
        name=name,
        kind=known.kind,
        summary=" ".join(text.partition("\n\n")[0].split()),
        text=text,
        parameters=tuple(_taken(each) for each in parameters.values()),
    )


def _operands(op: Callable[..., Any]) -> dict[str, Parameter]:
    """The arrays and static parameters of an op, as its forward names them."""
    found = {}
    for name, each in inspect.signature(op).parameters.items():
        star = "*" if each.kind is each.VAR_POSITIONAL else ""
        given = star or each.default is not each.empty
        default = functools.partial(_same, None if star else each.default)
        hint = each.annotation if isinstance(each.annotation, str) else ""
        found[star + name] = Parameter(star + name, hint, default if given else None)
    return found


def _same(value: Any) -> Any:
    return value


def _taken(parameter: Parameter) -> Taken:
    hint = parameter.hint
    takes = hint if isinstance(hint, str) else describe(hint)
    if parameter.data:
        return Taken(parameter.name, takes, False, f"$data.{parameter.data}")
    if parameter.default is None:
        return Taken(parameter.name, takes, True)
    return Taken(parameter.name, takes, False, _shown(parameter.default()))


def _shown(value: Any) -> Any:
    """A default as plain data."""
    value = to_plain(value)
    plain = value is None or isinstance(value, bool | int | float | str | list | dict)
    return value if plain else str(value)
