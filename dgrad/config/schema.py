"""Configs against Python signatures: what a key takes is what the component's parameter takes."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Annotated, Any

from dgrad.config import tree
from dgrad.config.marks import Mark, Problems, Source, quote, suggest
from dgrad.config.scalars import FAILED, SCALARS, Spot, convert_literal
from dgrad.config.signature import (
    LISTS,
    MAPPINGS,
    Choice,
    Example,
    Parameter,
    Partial,
    describe,
    parameters,
    writable,
)
from dgrad.config.tree import Broken, Mapping, Node, Scalar, Sequence
from dgrad.config.values import REFERENCE, Component, Reference
from dgrad.registry import Range, Registry

__all__ = ["bind", "component", "convert", "read_component", "reads", "resolve_references"]

_NOWHERE = Mark(Source("", (), Path()), 0, 0)

_READERS: dict[type, Callable[[Node, Any, Spot], Any]] = {}  # by what annotates a hint

# ------------------------------------------------------------------------------ values by hints


def reads(marker: type) -> Callable[[Callable[[Node, Any, Spot], Any]], Any]:
    """Decorator: `Annotated[T, marker(...)]` is read by the function, as `read(node, marker, at)`.

    It returns the value, or FAILED after it noted a problem.
    """

    def enter(function: Callable[[Node, Any, Spot], Any]) -> Any:
        _READERS[marker] = function
        return function

    return enter


def convert(node: Node, hint: Any, problems: Problems, where: str) -> Any:
    """The value of `node` for a parameter annotated `hint`; problems are noted under `where`.

    Takes int, float, bool, str, Path, Literal, lists, tuples, dict[str, T], unions, Annotated
    ranges, dataclasses, `Annotated[Any, registry]` (a component), Any, and classes that offer
    `from_config(value) -> Self` (raising ValueError; `str` or `plain()` must give it back).
    `$a.b` gives a Reference. What is returned after a problem is not to be used.
    """
    return _convert(node, hint, Spot(problems, where))


def _convert(node: Node, hint: Any, at: Spot) -> Any:
    if isinstance(node, Broken):
        at.problems.extend([node.problem])
        return FAILED
    if isinstance(node, Scalar) and isinstance(node.value, str) and REFERENCE.fullmatch(node.value):
        return _reference(node, node.value, hint, at)
    origin = typing.get_origin(hint)
    if hint in SCALARS:
        return SCALARS[hint](node, at)
    if origin is Annotated:
        return _convert_annotated(node, hint, at)
    if origin in (typing.Union, types.UnionType):
        return _convert_union(node, typing.get_args(hint), at)
    if origin is typing.Literal:
        return convert_literal(node, hint, at)
    if (origin or hint) in LISTS:
        return _convert_list(node, hint, at)
    if (origin or hint) in MAPPINGS:
        return _convert_mapping(node, hint, at)
    if hasattr(hint, "from_node"):
        return hint.from_node(node, at.problems, at.where)
    if hasattr(hint, "from_config"):
        return _convert_offered(node, hint, at)
    if dataclasses.is_dataclass(hint):
        return _convert_dataclass(node, hint, at)
    if hint in (Any, object):
        return tree.plain(node)
    return at.fail("C03", node.mark, f"a config cannot set this ({describe(hint)})", "leave it out")


def _reference(node: Scalar, text: str, hint: Any, at: Spot) -> Any:
    if text.startswith("$params."):
        hint = "write it among the layers of a block that has such a parameter"
        return at.fail("C01", node.mark, f"{text} is not known outside of a block", hint)
    if not at.references:
        only = "only the arguments of components may refer to the data"
        return at.fail("C03", node.mark, f"the reference {text} cannot stand here", only)
    hint = Annotated[hint, *at.ranges] if at.ranges else hint
    return Reference(tuple(text[1:].split(".")), at.where, hint, node.mark)


def _convert_annotated(node: Node, hint: Any, at: Spot) -> Any:
    inner, *extras = typing.get_args(hint)
    for extra in extras:
        if isinstance(extra, Registry | Choice):
            choice = extra if isinstance(extra, Choice) else Choice(extra)
            made = read_component(choice.registry, node, at, choice.supplied)
            return FAILED if made is None else made
        if type(extra) in _READERS:
            return _READERS[type(extra)](node, extra, at)
    ranges = (*at.ranges, *(extra for extra in extras if isinstance(extra, Range)))
    return _convert(node, inner, dataclasses.replace(at, ranges=ranges))


def _convert_union(node: Node, members: tuple[Any, ...], at: Spot) -> Any:
    """The first member that fits, the one of exactly the value's type before the others."""
    kind = type(node.value) if isinstance(node, Scalar) else None
    near: list[Problems] = []
    for member in sorted(members, key=lambda member: member is not kind):
        attempt = Problems()
        value = _convert(node, member, dataclasses.replace(at, problems=attempt))
        if not len(attempt):
            return value
        # A member that took the value's shape and disliked something in it was meant.
        if member is not type(None) and not _is_mismatch(attempt, node):
            near.insert(0, attempt)
        elif member is not type(None) and len(members) == 2 and type(None) in members:
            near.append(attempt)
    if near:
        at.problems.extend(near[0].sorted())
        return FAILED
    wanted = " or ".join(map(describe, members))
    return at.expected("C03", node, wanted)


def _is_mismatch(attempt: Problems, node: Node) -> bool:
    """Whether all that is wrong is that the node is of another type."""
    return all(
        found.fault in ("C03", "C05", "C06", "C09")
        and (found.line, found.column) == (node.mark.line, node.mark.column)
        for found in attempt.sorted()
    )


def _convert_list(node: Node, hint: Any, at: Spot) -> Any:
    is_tuple = (typing.get_origin(hint) or hint) is tuple
    hints = typing.get_args(hint) or (Any, ...)
    if not isinstance(node, Sequence):
        return at.expected("C03", node, describe(hint))
    if is_tuple and hints[-1] is not Ellipsis:
        if len(hints) != len(node.items):
            found = f"expected {describe(hint)}, got {len(node.items)}"
            return at.fail("C03", node.mark, found)
    else:
        hints = (hints[0],) * len(node.items)
    values = [
        _convert(item, each, at.inside(f"[{i}]"))
        for i, (item, each) in enumerate(zip(node.items, hints, strict=True))
    ]
    if any(value is FAILED for value in values):
        return FAILED
    return tuple(values) if is_tuple else values


def _convert_mapping(node: Node, hint: Any, at: Spot) -> Any:
    if not isinstance(node, Mapping):
        return at.expected("C03", node, "a mapping")
    item = (typing.get_args(hint) or (str, Any))[1]
    values = {
        key: _convert(entry.value, item, at.inside(key if key.isidentifier() else quote(key)))
        for key, entry in node.entries.items()
    }
    return FAILED if any(value is FAILED for value in values.values()) else values


def _convert_offered(node: Node, hint: Any, at: Spot) -> Any:
    """The value that a class makes itself; its `fault` names the kind of problem."""
    try:
        return hint.from_config(tree.plain(node))
    except ValueError as error:
        return at.fail(getattr(hint, "fault", "C08"), node.mark, str(error))


def _convert_dataclass(node: Node, hint: Any, at: Spot) -> Any:
    if not isinstance(node, Mapping):
        return at.expected("C03", node, "a mapping", f"it takes: {', '.join(parameters(hint))}")
    attempt = Problems()
    arguments = bind(hint, node, attempt, at.where)
    if len(attempt):
        at.problems.extend(attempt.sorted())
        return FAILED
    try:
        return hint(**arguments)
    except ValueError as error:
        return at.fail("C22", node.mark, str(error))


# ------------------------------------------------------------------------- arguments by signature


def bind(
    target: Callable[..., Any],
    node: Node | None,
    problems: Problems,
    where: str,
    *,
    supplied: Collection[str] = (),
) -> dict[str, Any]:
    """The arguments of `target` by name, every default filled in, without the supplied ones.

    `node` is None (all defaults), a scalar or list (the first parameter that is not supplied), or
    a mapping. What has a problem is left out. A dataclass's own fields take no references, as it
    is made (and checks itself) before they are known.
    """
    at = Spot(problems, where, references=not dataclasses.is_dataclass(target))
    return _bind(target, node, at, supplied)[0]


def _bind(
    target: Callable[..., Any], node: Node | None, at: Spot, supplied: Iterable[str] | None
) -> tuple[dict[str, Any], dict[str, Mark]]:
    """The arguments, and the places of those that the config writes."""
    free = writable(target, supplied)
    given = _given(node, free, at)
    for name, entry in given.items():
        if name not in free:
            _unknown(name, entry.key_mark, at, free, name in parameters(target))
    arguments = {}
    for name, parameter in free.items():
        if name in given:
            value = _convert(given[name].value, parameter.hint, at.inside(name))
            if value is not FAILED:
                arguments[name] = value
        elif parameter.data:
            mark, path = node.mark if node else _NOWHERE, ("data", parameter.data)
            arguments[name] = Reference(path, at.inside(name).where, parameter.hint, mark)
        elif parameter.default is not None:
            arguments[name] = parameter.default()
        else:
            _missing(parameter, node.mark if node else _NOWHERE, at)
    return arguments, {name: entry.value.mark for name, entry in given.items()}


def _given(node: Node | None, free: dict[str, Parameter], at: Spot) -> dict[str, tree.Entry]:
    """The entries that a node writes; a scalar or list is the first parameter's."""
    if isinstance(node, Mapping):
        return node.entries
    if node is None or (isinstance(node, Scalar) and node.value is None):
        return {}
    if free:
        return {next(iter(free)): tree.Entry(node.mark, node)}
    at.fail("C02", node.mark, "it takes no arguments", "write its name alone")
    return {}


def _unknown(name: str, mark: Mark, at: Spot, free: Collection[str], is_supplied: bool) -> None:
    inside = f" in {at.where}" if at.where else ""
    shown = quote(name, name=True)
    if is_supplied:
        message = f"{shown}{inside} is filled in by dgrad"
        at.problems.add("C02", mark, message, "leave it out")
        return
    close = suggest(name, free)
    owner = at.where.rpartition(".")[2] or "a config"
    takes = f"{owner} takes: {', '.join(free)}" if free else f"{owner} takes no arguments"
    hint = f"{close}   {takes}" if close else takes
    at.problems.add("C01" if close else "C02", mark, f"unknown key {shown}{inside}", hint)


def _missing(parameter: Parameter, mark: Mark, at: Spot) -> None:
    example = f"{parameter.name}: {describe(parameter.hint)}"
    for extra in getattr(parameter.hint, "__metadata__", ()):
        if isinstance(extra, Example):
            example = f"for example   {extra.text}"
    at.fail("C03", mark, f"{quote(parameter.name)} is missing", example)


@reads(Partial)
def _read_partial(node: Node, marker: Partial, at: Spot) -> Any:
    """What a mapping writes of a dataclass's keys, as a dict."""
    if not isinstance(node, Mapping):
        hint = f"it takes: {', '.join(parameters(marker.keys))}"
        return at.expected("C03", node, "a mapping", hint)
    before = len(at.problems)
    values = bind(marker.keys, node, at.problems, at.where)
    return FAILED if len(at.problems) > before else {name: values[name] for name in node.entries}


# ---------------------------------------------------------------------------- components by name


def component(
    registry: Registry[Any],
    node: Node,
    problems: Problems,
    where: str,
    supplied: Iterable[str] | Callable[[Any], Iterable[str]] | None = None,
) -> Component | None:
    """The component that `name`, `{name: value}` or `{name: {key: value}}` names, or None.

    `supplied` holds the parameters that the program fills in, or is a function from the target to
    them; by default they are what the target's attributes `inferred` and `supplied` name.
    """
    return read_component(registry, node, Spot(problems, where), supplied)


def read_component(
    registry: Registry[Any],
    node: Node,
    at: Spot,
    supplied: Iterable[str] | Callable[[Any], Iterable[str]] | None = None,
) -> Component | None:
    """As `component`, at a spot that knows more than its name."""
    named = _named(registry, node, at)
    if named is None:
        return None
    name, mark, value = named
    if name not in registry:
        close = suggest(name, registry)
        message = f"no {registry.kind} is called {quote(name, name=True)}"
        known = f"there are: {', '.join(registry)}" if len(registry) else "there are none"
        at.fail("C01", mark, message, f"{close}   {known}" if close else known)
        return None
    target = registry[name]
    filled = tuple(supplied(target)) if callable(supplied) else supplied
    attempt = Problems()
    inner = dataclasses.replace(at, problems=attempt, ranges=(), references=True).inside(name)
    arguments, places = _bind(target, value, inner, filled)
    at.problems.extend(attempt.sorted())
    return None if len(attempt) else Component(name, target, arguments, mark, inner.where, places)


def _named(registry: Registry[Any], node: Node, at: Spot) -> tuple[str, Mark, Node] | None:
    """A component's name, its place, and the node that holds its arguments."""
    if isinstance(node, Mapping) and len(node.entries) == 1:
        ((name, entry),) = node.entries.items()
        return name, entry.key_mark, entry.value
    if isinstance(node, Scalar) and isinstance(node.value, str):
        # An empty scalar after the name, so that required arguments are missed at the name.
        return node.value, node.mark, Scalar(None, "", False, node.mark)
    if isinstance(node, Mapping) and node.entries:
        keys = ", ".join(quote(key, name=True) for key in node.entries)
        second = list(node.entries.values())[1]
        hint = "put arguments inside: {name: {key: value}}"
        message = f"expected the name of one {registry.kind}, got the keys {keys}"
        at.fail("C03", second.key_mark, message, hint)
    else:
        at.expected("C03", node, f"the name of {registry.one}")
    return None


# ------------------------------------------------------------------------------------ references


def resolve_references(value: Any, scope: typing.Mapping[str, Any], problems: Problems) -> Any:
    """`value` with every Reference in it replaced from `scope` and checked against its hint.

    Looks into components, lists, tuples, dicts and dataclasses: `{"data": {"classes": 10}}` gives
    `$data.classes`. An unknown name is a C01 problem that lists what there is.
    """
    if isinstance(value, Reference):
        return _resolved(value, scope, problems)
    if isinstance(value, Component):
        arguments = resolve_references(value.arguments, scope, problems)
        return dataclasses.replace(value, arguments=arguments)
    if hasattr(value, "with_values"):
        return value.with_values(lambda each: resolve_references(each, scope, problems))
    if isinstance(value, dict):
        return {key: resolve_references(each, scope, problems) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)([resolve_references(each, scope, problems) for each in value])
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.init}
        return dataclasses.replace(value, **resolve_references(fields, scope, problems))
    return value


def _resolved(reference: Reference, scope: typing.Mapping[str, Any], problems: Problems) -> Any:
    at = Spot(problems, reference.where)
    found: Any = scope
    for i, name in enumerate(reference.path):
        if not isinstance(found, typing.Mapping) or name not in found:
            known = list(found) if isinstance(found, typing.Mapping) else []
            lead = "".join(f"{part}." for part in reference.path[:i])
            there = ", ".join(f"${lead}{each}" for each in known) or "nothing"
            close = suggest(name, known)
            hint = f"{close}   there is: {there}" if close else f"there is: {there}"
            return at.fail("C01", reference.mark, f"{reference} is not known here", hint)
        found = found[name]
    return _convert(tree.graft(found, reference.mark), reference.hint, at)
