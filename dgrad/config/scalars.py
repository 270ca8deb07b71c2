"""One value of a config against int, float, bool, str, Path or Literal."""

from __future__ import annotations

import math
import os
import re
import typing
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dgrad.config.marks import Mark, Problems, quote, suggest
from dgrad.config.signature import describe
from dgrad.config.tree import Mapping, Node, Scalar, Sequence, scalar
from dgrad.registry import Range

if typing.TYPE_CHECKING:
    from dgrad.config.blocks import Blocks

__all__ = ["FAILED", "SCALARS", "Spot", "convert_literal"]

FAILED: Any = type("Failed", (), {"__repr__": lambda self: "FAILED"})()
"""What a conversion gives after it noted a problem."""


@dataclass(frozen=True)
class Spot:
    """Where a value goes: its dotted name, who notes problems, the ranges it must keep.

    `references` tells whether `$a.b` may stand there, to be known later. `blocks` are those of the
    model by name, `expanding` the ones that the value stands in.
    """

    problems: Problems
    where: str
    ranges: tuple[Range, ...] = ()
    references: bool = True
    blocks: Blocks | None = None
    expanding: tuple[str, ...] = ()

    def inside(self, part: str) -> Spot:
        """The spot of a key (`name`) or an item (`[0]`)."""
        dot = "." if self.where and not part.startswith("[") else ""
        return replace(self, where=self.where + dot + part)

    def fail(self, fault: str, mark: Mark, message: str, hint: str = "") -> Any:
        """Note a problem with this value, and give FAILED."""
        lead = f"{self.where}: " if self.where else ""
        self.problems.add(fault, mark, lead + message, hint)
        return FAILED

    def expected(self, fault: str, node: Node, wanted: str, hint: str = "") -> Any:
        """Note that something else was found than what was wanted, and give FAILED."""
        ranges = "".join(f" {each}" for each in self.ranges)
        return self.fail(fault, node.mark, f"expected {wanted}{ranges}, got {_found(node)}", hint)


def _found(node: Node) -> str:
    """A node in words."""
    if isinstance(node, Mapping):
        return "a mapping"
    if isinstance(node, Sequence):
        return "a list"
    if node.value is None:
        return "nothing" if not node.text else "null"
    return quote(node.value) if isinstance(node.value, str) else _cut(node.text)


def _cut(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


_YAML_1_1_BOOLEANS = {
    **dict.fromkeys(("y", "yes", "on", "true"), "true"),
    **dict.fromkeys(("n", "no", "off", "false"), "false"),
}


def _bool(node: Node, at: Spot) -> Any:
    if isinstance(node, Scalar) and isinstance(node.value, bool):
        return node.value
    if isinstance(node, Scalar) and isinstance(node.value, str):
        meant = _YAML_1_1_BOOLEANS.get(node.value.lower())
        return at.expected("C05", node, "true or false", f"write {meant}" if meant else "")
    return at.expected("C09", node, "true or false")


def _int(node: Node, at: Spot) -> Any:
    value = node.value if isinstance(node, Scalar) else None
    if isinstance(value, int) and not isinstance(value, bool):
        return _ranged(value, node, at)
    if isinstance(value, float):
        whole = math.isfinite(value) and value.is_integer() and abs(value) < 2**63
        return at.expected("C09", node, "a whole number", f"write {int(value)}" if whole else "")
    return _no_number(node, at, "a whole number")


def _float(node: Node, at: Spot) -> Any:
    value = node.value if isinstance(node, Scalar) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _no_number(node, at, "a number")
    if not math.isfinite(value) and not (at.ranges and _in_ranges(value, at)):
        assert isinstance(node, Scalar)
        hint = "it is too large for a float" if node.text[-1].isdigit() else ""
        return at.expected("C07", node, "a finite number", hint)
    return _ranged(float(value), node, at)


def _in_ranges(value: float, at: Spot) -> bool:
    return all(rule.holds(value) for rule in at.ranges)


def _ranged(value: float, node: Node, at: Spot) -> Any:
    wanted = "a whole number" if isinstance(value, int) else "a number"
    return value if _in_ranges(value, at) else at.expected("C08", node, wanted)


def _no_number(node: Node, at: Spot, wanted: str) -> Any:
    """The problem with a value that is no number, told by what it looks like."""
    if not isinstance(node, Scalar) or node.value is None:
        return at.expected("C03", node, wanted)
    if not isinstance(node.value, str):
        return at.expected("C09", node, wanted)
    text = node.value
    if text.startswith("$"):
        return at.expected("C03", node, wanted, "a reference is written $data.NAME or $vars.NAME")
    if isinstance(_read(text), int | float):
        return at.expected("C03", node, wanted, "remove the quotes")
    if not _OLD_NUMERAL.fullmatch(text):
        return at.expected("C03", node, wanted)
    digits = text.replace("_", "").lstrip("+0") or "0"
    return at.expected("C06", node, wanted, f"write {_cut(digits)}" if digits.isdigit() else "")


# What YAML 1.1 takes for octal, base 60, digits in groups, or a date.
_OLD_NUMERAL = re.compile(r"[-+]?[0-9][0-9_:-]*", re.ASCII)


def _read(text: str) -> object:
    try:
        return scalar(text)
    except OverflowError:
        return None


def _str(node: Node, at: Spot) -> Any:
    if isinstance(node, Scalar) and isinstance(node.value, str):
        return node.value
    if isinstance(node, Scalar) and node.text:
        return at.expected("C03", node, "text", f'put it in quotes: "{_cut(node.text)}"')
    return at.expected("C03", node, "text")


def _path(node: Node, at: Spot) -> Any:
    """An absolute path; a relative one starts where the text that names it stands."""
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        return at.expected("C03", node, "a path")
    if not node.value or "\0" in node.value:
        return at.expected("C20", node, "a path")
    return Path(os.path.realpath(node.mark.source.base / node.value))


def _null(node: Node, at: Spot) -> Any:
    if isinstance(node, Scalar) and node.value is None:
        return None
    return at.expected("C03", node, "null")


SCALARS: dict[type, Callable[[Node, Spot], Any]] = {
    int: _int,
    float: _float,
    bool: _bool,
    str: _str,
    Path: _path,
    type(None): _null,
}
"""The conversion of each plain type."""


def convert_literal(node: Node, hint: Any, at: Spot) -> Any:
    """The one of a Literal's values that a node holds."""
    allowed = typing.get_args(hint)
    if isinstance(node, Scalar):
        for value in allowed:
            if type(value) is type(node.value) and value == node.value:
                return value
        close = suggest(str(node.value), map(str, allowed))
        return at.expected("C08", node, describe(hint), close)
    return at.expected("C03", node, describe(hint))
