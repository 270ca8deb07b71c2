"""Where a value of a config stands, and the problems that were found there."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from dgrad.errors import ConfigError, Problem
from dgrad.registry import closest

__all__ = [
    "COMMAND_LINE",
    "Mark",
    "Problems",
    "Source",
    "problem",
    "quote",
    "refuse",
    "suggest",
]

COMMAND_LINE = "command line"
"""The file name that marks of `key=value` arguments carry; their line is the argument's number."""

_QUOTED = 60  # characters of a found value that a message repeats
_EXCERPT = 400  # a line longer than this is shown in part, or not at all


@dataclass(frozen=True, eq=False)
class Source:
    """A text that configs are read from; relative paths written in it start at `base`."""

    name: str
    lines: tuple[str, ...]
    base: Path


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a source: line and column count from 1, `width` characters are meant."""

    source: Source
    line: int
    column: int
    width: int = 1

    @property
    def file(self) -> str:
        """The name of the source, as the user gave it."""
        return self.source.name


def problem(fault: str, mark: Mark, message: str, hint: str = "") -> Problem:
    """A Problem at `mark`, with the line it stands on as its excerpt."""
    lines = mark.source.lines
    excerpt = lines[mark.line - 1] if 0 < mark.line <= len(lines) else ""
    # One column per character, whatever it is, so that a caret under the excerpt stays in place.
    excerpt = "".join(
        c if c.isprintable() else " " if c == "\t" else "\N{REPLACEMENT CHARACTER}"
        for c in (excerpt[:_EXCERPT] if mark.column <= _EXCERPT else "")
    )
    width = max(1, min(mark.width, len(excerpt) - mark.column + 1))
    return Problem(fault, message, mark.file, mark.line, mark.column, excerpt, width, hint)


def refuse(fault: str, mark: Mark, message: str, hint: str = "") -> NoReturn:
    """Raise ConfigError with this one problem."""
    raise ConfigError([problem(fault, mark, message, hint)])


class Problems:
    """Collects what is wrong with a config, so that one run reports all of it."""

    def __init__(self) -> None:
        self._found: dict[Problem, None] = {}

    def __len__(self) -> int:
        return len(self._found)

    def add(self, fault: str, mark: Mark, message: str, hint: str = "") -> None:
        """Note a problem at `mark`; the same problem twice counts once."""
        self.extend([problem(fault, mark, message, hint)])

    def extend(self, found: Iterable[Problem]) -> None:
        """Note problems that were made elsewhere."""
        self._found.update(dict.fromkeys(found))

    def sorted(self) -> list[Problem]:
        """Everything found, in the order of the file, the command line last."""
        return sorted(self._found, key=lambda p: (p.file == COMMAND_LINE, p.line, p.column))

    def raise_if_any(self) -> None:
        """Raise ConfigError holding everything that was found, if anything was."""
        if self._found:
            raise ConfigError(self.sorted())


def quote(text: str, *, name: bool = False) -> str:
    """`text` in double quotes for a message, cut to 60 characters, unprintable ones escaped.

    In a name everything outside ASCII is escaped too, so that a look-alike letter shows.
    """
    cut = text if len(text) <= _QUOTED else text[: _QUOTED - 3] + "..."
    plain = (lambda c: c.isprintable() and c.isascii()) if name else str.isprintable
    return '"' + "".join(c if plain(c) else ascii(c)[1:-1] for c in cut) + '"'


def suggest(name: str, known: Iterable[str]) -> str:
    """`did you mean "momentum"?`, or nothing when no known name is near."""
    known = list(known)
    close = closest(name, known)
    if not close and len(name) <= 3:  # one wrong letter of two or three is a small likeness
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {quote(close[0])}?" if close else ""
