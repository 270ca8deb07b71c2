"""`key.sub=value` and `~key` arguments: changes to a config's tree, before anything is checked."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from dgrad.config.marks import COMMAND_LINE, Mark, Problems, Source, quote, refuse, suggest
from dgrad.config.training import later_alone
from dgrad.config.tree import Entry, Mapping, Node, Scalar, Sequence
from dgrad.config.yaml import check_characters, parse_value
from dgrad.errors import ConfigError

__all__ = ["apply_overrides"]


def apply_overrides(tree: Mapping, arguments: Iterable[str], problems: Problems) -> Mapping:
    """A tree with each argument applied in turn; those that cannot be applied are C25 problems.

    `a.b=value` sets, `~a.b` removes, a number picks an item of a list, also as `a[0]`. A key that
    the file does not hold is put in, so that the schema accepts its defaults and refuses its
    unknown keys. What excludes a key of the file, as train.steps does train.epochs, replaces it.
    """
    arguments = tuple(arguments)
    source = Source(COMMAND_LINE, arguments, Path.cwd())
    for line, argument in enumerate(arguments, 1):
        try:
            tree = _applied(tree, argument, source, line)
        except ConfigError as error:
            problems.extend(error.problems)
    return later_alone(tree, lambda entry: entry.key_mark.file == COMMAND_LINE)


_Step = tuple[str, Mark]  # one name of a dotted path, and where it stands
_INDEX = re.compile(r"\[([0-9]+)\]")
_ITEM = re.compile(rf"([^\[\]]+)(?:{_INDEX.pattern})+")  # layers[2]: as messages call layers.2


def _applied(tree: Mapping, argument: str, source: Source, line: int) -> Mapping:
    check_characters(argument, source, line)
    whole = Mark(source, line, 1, len(argument))
    if len(argument.splitlines()) > 1:
        refuse("C25", whole, "an override is one line")
    removes = argument.startswith("~")
    path, equals, _ = argument.partition("=")
    if removes == bool(equals):
        hint = "write key=value, or ~key to remove a key"
        refuse("C25", whole, f"{quote(argument)} is not an override", hint)
    steps = _steps(path, source, line, 1 if removes else 0)
    value = None if removes else parse_value(argument, len(path) + 1, source, line)
    changed = _changed(tree, steps, value, "")
    assert isinstance(changed, Mapping)
    return changed


def _steps(path: str, source: Source, line: int, start: int) -> list[_Step]:
    """The names of a dotted path, from character `start` of it on."""
    steps = []
    for name in path[start:].split("."):
        mark = Mark(source, line, start + 1, max(1, len(name)))
        if not name or name != name.strip():
            refuse("C25", mark, f"a name is missing in {quote(path)}", "write it as train.epochs=5")
        item = _ITEM.fullmatch(name)
        if item is None:
            steps.append((name, mark))
        else:
            steps.append((item[1], Mark(source, line, start + 1, len(item[1]))))
            indices = _INDEX.finditer(name)
            places = ((each[1], start + 1 + each.start(1)) for each in indices)
            steps += [(each, Mark(source, line, at, len(each))) for each, at in places]
        start += len(name) + 1
    return steps


def _changed(node: Node, steps: list[_Step], value: Node | None, where: str) -> Node:
    """`node` with `value` at the end of `steps`, or without what is there when it is None.

    Nodes are shared by aliases and with the tree before, so those on the way are made anew.
    """
    (name, mark), *rest = steps
    if isinstance(node, Sequence):
        return _changed_item(node, steps, value, where)
    if isinstance(node, Scalar) and value is not None:
        node = _opened(node, name, mark, where)
    entry = node.entries.get(name) if isinstance(node, Mapping) else None
    if not isinstance(node, Mapping) or (value is None and entry is None):
        close = suggest(name, node.entries) if isinstance(node, Mapping) else ""
        refuse("C25", mark, f"there is no {_join(where, name)} to remove", close)
    entries = dict(node.entries)
    if rest:
        before = entry.value if entry else Scalar(None, "", False, mark)
        child = _changed(before, rest, value, _join(where, name))
        entries[name] = Entry(entry.key_mark if entry else mark, child)
    elif value is not None:
        entries[name] = Entry(entry.key_mark if entry else mark, value)
    else:
        del entries[name]
    return replace(node, entries=entries)


def _changed_item(node: Sequence, steps: list[_Step], value: Node | None, where: str) -> Node:
    (name, mark), *rest = steps
    count = len(node.items)
    # The length comes first: Python refuses to read very long integers.
    if not (name.isascii() and name.isdigit() and len(name) < 6 and int(name) < count):
        hint = f"its items are {where}.0 to {where}.{count - 1}" if count else "it is empty"
        refuse("C25", mark, f"{where} is a list of {count}, it has no item {quote(name)}", hint)
    items, index = list(node.items), int(name)
    if rest:
        items[index] = _changed(items[index], rest, value, _join(where, name))
    elif value is not None:
        items[index] = value
    else:
        del items[index]
    return replace(node, items=items)


def _opened(node: Scalar, name: str, mark: Mark, where: str) -> Mapping:
    """A mapping in place of nothing, or of a component's bare name: `adam` becomes `{adam: }`."""
    if node.value is None:
        return Mapping({}, mark)
    if node.value == name:
        return Mapping({name: Entry(node.mark, Scalar(None, "", False, node.mark))}, node.mark)
    hint = f"set all of it: {where}={{...}}"
    held = quote(node.value) if isinstance(node.value, str) else node.text
    refuse("C25", mark, f"{where} is {held}, it has no key {quote(name)}", hint)


def _join(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name
