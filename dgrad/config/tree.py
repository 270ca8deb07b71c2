"""The tree that a config is read into, each node with its place, and its way back to text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from dgrad.config.marks import Mark
from dgrad.errors import Problem

__all__ = [
    "Broken",
    "Entry",
    "Mapping",
    "Node",
    "Scalar",
    "Sequence",
    "dump",
    "graft",
    "plain",
    "scalar",
]


@dataclass(frozen=True)
class Scalar:
    """One value: None, bool, int, float or str, with the text it was written as."""

    value: bool | int | float | str | None
    text: str = field(compare=False)
    quoted: bool = field(compare=False)
    mark: Mark = field(compare=False, repr=False)


@dataclass(frozen=True)
class Broken(Scalar):
    """A value that has a problem already; whoever converts it notes that one and no other."""

    problem: Problem = field(compare=False)


@dataclass(frozen=True)
class Sequence:
    """A list of nodes."""

    items: list[Node]
    mark: Mark = field(compare=False, repr=False)


@dataclass(frozen=True)
class Entry:
    """A mapping's value and the place of its key."""

    key_mark: Mark = field(compare=False, repr=False)
    value: Node


@dataclass(frozen=True)
class Mapping:
    """Entries by key, in the order of the file; keys are always text."""

    entries: dict[str, Entry]
    mark: Mark = field(compare=False, repr=False)


Node = Scalar | Sequence | Mapping

_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(
    r"[-+]?(?:(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)"
)
_INFINITE = re.compile(r"([-+]?)\.(?:inf|Inf|INF)")
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}


def scalar(text: str) -> bool | int | float | str | None:
    """The value of unquoted text by YAML 1.2, except that 010 is text, as other readers differ.

    Raises OverflowError for integers that do not fit into 64 bits.
    """
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        # The length comes first: Python refuses to read very long integers with a ValueError.
        if len(text) > 40 or not -(2**63) <= int(text, 0) < 2**64:
            raise OverflowError(text)
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    if infinite := _INFINITE.fullmatch(text):
        return float(infinite[1] + "inf")
    return float("nan") if text in (".nan", ".NaN", ".NAN") else text


def plain(node: Node) -> Any:
    """The Python data that a tree stands for: dict, list, str, int, float, bool, None."""
    if isinstance(node, Mapping):
        return {key: plain(entry.value) for key, entry in node.entries.items()}
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return node.value


def graft(data: object, mark: Mark) -> Node:
    """The tree of Python data, all of it placed at `mark`: the opposite of `plain`."""
    if isinstance(data, dict):
        return Mapping({str(k): Entry(mark, graft(v, mark)) for k, v in data.items()}, mark)
    if isinstance(data, list | tuple):
        return Sequence([graft(item, mark) for item in data], mark)
    assert data is None or isinstance(data, bool | int | float | str)
    return Scalar(data, _written(data), False, mark)


def dump(data: object) -> str:
    """YAML text in block style that reads back as exactly `data`; key order is kept.

    Floats are written by `repr`, so every bit survives. Text is quoted where this reader or a
    YAML 1.1 reader would take it for something else.
    """
    return "\n".join(_block(data, "")) + "\n"


def _block(data: object, indent: str) -> Iterator[str]:
    """The lines of `data`, each but the first starting with `indent`."""
    if isinstance(data, dict) and data:
        parts = [(_written(str(key)) + ":", value) for key, value in data.items()]
    elif isinstance(data, list | tuple) and data:
        parts = [("-", value) for value in data]
    else:
        yield indent + ("{}" if isinstance(data, dict) else _written(data))
        return
    for lead, value in parts:
        nested = isinstance(value, dict | list | tuple) and value
        if not nested:
            yield f"{indent}{lead} {next(_block(value, ''))}"
        elif lead == "-":
            # A list's item starts on the line of its dash.
            lines = list(_block(value, indent + "  "))
            yield f"{indent}- {lines[0].lstrip(' ')}"
            yield from lines[1:]
        else:
            yield indent + lead
            yield from _block(value, indent + "  ")


_PLAIN = re.compile(r"[A-Za-z_$/][\w./$%+-]*(?: [\w./$%+-]+)*", re.ASCII)
_YAML_1_1_WORDS = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false", "null"])
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def _written(data: object) -> str:
    """One scalar, or an empty list, as YAML text."""
    if data is None:
        return "null"
    if isinstance(data, bool):
        return "true" if data else "false"
    if isinstance(data, float):
        text = repr(data)
        return text if text[-1].isdigit() else text.replace("inf", ".inf").replace("nan", ".nan")
    if isinstance(data, int):
        return str(data)
    if isinstance(data, list | tuple):
        return "[]"
    assert isinstance(data, str), f"{type(data).__name__} cannot be written as YAML"
    if _PLAIN.fullmatch(data) and data.lower() not in _YAML_1_1_WORDS:
        return data
    return '"' + "".join(_ESCAPES.get(c) or _escaped(c) for c in data) + '"'


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    return (
        f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"
    )
