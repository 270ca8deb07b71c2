"""Registries: a name for every component that a config can use, with did-you-mean and ranges."""

from __future__ import annotations

import difflib
import functools
import inspect
import math
import types
import typing
from collections import abc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from numbers import Real
from typing import Annotated, Any, Generic, TypeVar

from dgrad.errors import DgradError, ParameterError, UnknownNameError

T = TypeVar("T")

__all__ = [
    "Count",
    "Epsilon",
    "Fraction",
    "LayerList",
    "NonNegative",
    "Positive",
    "Range",
    "Registry",
    "Whole",
    "closest",
    "initialisers",
    "layers",
    "losses",
    "metrics",
    "name_of",
    "ops",
    "optimizers",
    "readers",
    "schedules",
    "transforms",
]


@dataclass(frozen=True)
class Range:
    """The values a number may take: `Annotated[float, Range(low=0, low_open=True)]`.

    Checked when a registered component is constructed and, with a position, when a config is read;
    so are the values of a `Literal`.
    """

    low: float = -math.inf
    high: float = math.inf
    low_open: bool = False
    high_open: bool = False

    def holds(self, value: Any) -> bool:
        """Whether value lies in the range; NaN and booleans lie in none."""
        if isinstance(value, bool):
            return False
        above = value > self.low if self.low_open else value >= self.low
        below = value < self.high if self.high_open else value <= self.high
        return bool(above and below)

    def __str__(self) -> str:
        parts = []
        if self.low != -math.inf:
            parts.append(f"{'>' if self.low_open else '>='} {self.low:g}")
        if self.high != math.inf:
            parts.append(f"{'<' if self.high_open else '<='} {self.high:g}")
        return " and ".join(parts) or "a number"


@dataclass(frozen=True)
class LayerList:
    """`Annotated[Any, LayerList()]`: a list of layers, written as under `model.layers`.

    The parameter gets the one module that the list makes; see `dgrad.nn.composition`.
    """

    may_be_empty: bool = False


Positive = Annotated[float, Range(low=0, low_open=True, high_open=True)]
Epsilon = Annotated[float, Range(low=0, high=1, low_open=True)]  # not a size put in its place
NonNegative = Annotated[float, Range(low=0, high_open=True)]
Fraction = Annotated[float, Range(low=0, high=1, high_open=True)]
Count = Annotated[int, Range(low=1)]
Whole = Annotated[int, Range(low=0)]


def closest(name: str, known: typing.Iterable[str]) -> list[str]:
    """The known names that `name` may have been meant to be, best first, at most three."""
    return difflib.get_close_matches(name, list(known), n=3, cutoff=0.6)


@dataclass(frozen=True)
class _Rule:
    """What an annotation says of an argument's values: their Range, their Literals, or both."""

    hint: Any
    range: Range | None
    choices: tuple[Any, ...]

    def check(self, component: str, parameter: str, value: Any) -> None:
        """Raise ParameterError unless the value is in the Range or among the choices."""
        if self.choices and not _allows(self.hint, value):
            raise ParameterError(component, parameter, _listed(self.choices, self.hint), value)
        for number in value if isinstance(value, list | tuple) else (value,):
            if self.range and isinstance(number, Real) and not self.range.holds(number):
                raise ParameterError(component, parameter, str(self.range), value)


def _rules(function: Callable[..., Any]) -> dict[str, _Rule]:
    """The rule of every parameter of `function` whose annotation has a Range or a Literal."""
    found = {}
    for name, hint in typing.get_type_hints(function, include_extras=True).items():
        ranges = [extra for extra in _metadata(hint) if isinstance(extra, Range)]
        rule = _Rule(hint, ranges[-1] if ranges else None, tuple(_choices(hint)))
        if name != "return" and (ranges or rule.choices):
            found[name] = rule
    return found


def _metadata(hint: Any) -> tuple[Any, ...]:
    """The extras of an Annotated hint, also inside `Annotated[...] | None`."""
    found: tuple[Any, ...] = tuple(getattr(hint, "__metadata__", ()))
    for part in typing.get_args(hint):
        found += _metadata(part)
    return found


_UNIONS = (typing.Union, types.UnionType)
_LISTS = (list, tuple, abc.Sequence)


def _choices(hint: Any) -> Iterator[Any]:
    """The values of every Literal in a hint, also inside unions and lists."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        yield from parts
    elif origin is Annotated or origin in _UNIONS or origin in _LISTS:
        for part in parts[:1] if origin is Annotated else parts:
            yield from _choices(part)


def _allows(hint: Any, value: Any) -> bool:
    """Whether a hint allows a value; types are only asked about text, lists and None."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return _allows(parts[0], value)
    if origin in _UNIONS:
        return any(_allows(part, value) for part in parts)
    if origin is typing.Literal:
        # True == 1, but whoever writes True does not mean the number
        return isinstance(value, str | Real | None) and (isinstance(value, bool), value) in (
            (isinstance(choice, bool), choice) for choice in parts
        )
    if origin in _LISTS:
        items = [part for part in parts if part is not Ellipsis]
        return isinstance(value, list | tuple) and all(
            any(_allows(item, each) for item in items) for each in value
        )
    if isinstance(value, str | list | tuple | None) and isinstance(hint, type) and hint is not Any:
        return isinstance(value, hint)
    return True


def _listed(choices: tuple[Any, ...], hint: Any) -> str:
    """The choices in words: 'mean', 'sum' or 'none'; where numbers may stand too, "if text"."""
    members = typing.get_args(hint) if typing.get_origin(hint) in _UNIONS else ()
    words = [repr(choice) for choice in choices]
    words += ["None"] * (type(None) in members)
    closed = all(each is type(None) or tuple(_choices(each)) for each in members)
    several = " or ".join(part for part in (", ".join(words[:-1]), words[-1]) if part)
    return several if closed else f"{several} if text"


def _checked(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """`function`, raising ParameterError when an argument is not what its annotation allows."""
    rules = _rules(function)
    if not rules:
        return function
    signature = inspect.signature(function)

    @functools.wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        for key, value in signature.bind(*args, **kwargs).arguments.items():
            if key in rules:
                rules[key].check(name, key, value)
        return function(*args, **kwargs)

    return checked


def name_of(component: type) -> str:
    """What messages call a class: the name it is registered under, else its own."""
    name: str = vars(component).get("registered_name", component.__name__)
    return name


class Registry(Generic[T]):
    """Names of one kind of component. The component's signature is its schema in a config.

    checks: whether calls enforce the annotated ranges, and a class keeps its name as its
    `registered_name`, the first if it has several; without, components are kept untouched.
    """

    def __init__(self, kind: str, *, checks: bool = True) -> None:
        self.kind = kind
        self.checks = checks
        self._entries: dict[str, T] = {}

    @property
    def one(self) -> str:
        """Its kind with an article: "an optimizer"."""
        return f"{'an' if self.kind[0] in 'aeiou' else 'a'} {self.kind}"

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator: enter a class or function under `name`. Raises DgradError if it is taken."""

        def enter(component: T) -> T:
            if name in self._entries and not self._is_again(name, component):
                raise DgradError(self._taken(name))
            if self.checks and isinstance(component, type):
                if "registered_name" not in vars(component):  # else checked already
                    component.registered_name = name  # type: ignore[attr-defined]
                    initialise = component.__init__  # type: ignore[misc]
                    component.__init__ = _checked(initialise, name)  # type: ignore[misc]
            elif self.checks and inspect.isfunction(component):
                component = typing.cast(T, _checked(component, name))
            self._entries[name] = component
            return component

        return enter

    def _is_again(self, name: str, component: Any) -> bool:
        """Whether it is the same definition of an interactive program, run again."""
        there: Any = self._entries[name]
        places = {(each.__module__, each.__qualname__) for each in (there, component)}
        return len(places) == 1 and component.__module__ == "__main__"

    def _taken(self, name: str) -> str:
        there = typing.cast(Any, self._entries[name])
        where = f"{there.__module__}.{there.__qualname__}"
        return f"{self.one} called {name!r} is registered already ({where})"

    def __getitem__(self, name: str) -> T:
        try:
            return self._entries[name]
        except KeyError:
            close = closest(name, self._entries)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            known = self.names()
            listed = f" (known: {', '.join(known)})" if len(known) <= 60 else ""
            raise UnknownNameError(
                f"no {self.kind} is called {name!r}{hint}{listed}", close
            ) from None

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __len__(self) -> int:
        return len(self._entries)

    def names(self) -> list[str]:
        """Every registered name, sorted."""
        return sorted(self._entries)


initialisers: Registry[Any] = Registry("initialiser")  # functions of the tensor that they fill
layers: Registry[Any] = Registry("layer")
losses: Registry[Any] = Registry("loss")
metrics: Registry[Any] = Registry("metric")
ops: Registry[Any] = Registry("op", checks=False)  # users call the very function it holds
optimizers: Registry[Any] = Registry("optimizer")
readers: Registry[Any] = Registry("reader")
schedules: Registry[Any] = Registry("schedule")
transforms: Registry[Any] = Registry("transform")
