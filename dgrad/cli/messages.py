"""How errors read: `error[C01] file:line:column  message`, the source line, a caret, a hint."""

from __future__ import annotations

import os
import re
import sys
import sysconfig
import textwrap
import time
import traceback
from pathlib import Path
from typing import TextIO

from dgrad.errors import ConfigError, DgradError, Problem

__all__ = ["crash_report", "error_text", "printable", "user_error", "wrapped"]


def printable(text: str) -> str:
    """text as one line, control characters as escapes: no input can drive the terminal."""
    encoding = getattr(sys.stderr, "encoding", None) or "ascii"
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return shown.encode(encoding, "backslashreplace").decode(encoding)


def wrapped(text: str, stream: TextIO) -> str:
    """text with its lines broken at words where `stream` is a terminal; excerpts stay whole."""
    try:
        width = os.get_terminal_size(stream.fileno()).columns if stream.isatty() else 0
    except OSError:
        width = 0
    if width <= 0:
        return text
    return "\n".join(map(lambda line: _broken(line, width), text.split("\n")))


def _broken(line: str, width: int) -> str:
    if re.match(r" *\d* \| ", line):  # a caret stands below its place
        return line
    indent = " " * (len(line) - len(line.lstrip()))
    lines = textwrap.wrap(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(lines)


def error_text(error: DgradError) -> str:
    """The message of an error, as the user sees it."""
    if not isinstance(error, ConfigError):
        # The items of a list are indented; any other line break is one in a name.
        lines = f"error[{error.fault}] {error}{_notes(error)}".split("\n  ")
        return "\n  ".join(map(printable, lines))
    count = len(error.problems)
    lines = [line for problem in error.problems for line in _problem_lines(problem)]
    lines.append(f"{count} error{'s' if count > 1 else ''}, nothing was run")
    return "\n".join(map(printable, lines))


def _problem_lines(problem: Problem) -> list[str]:
    place = problem.file
    if problem.line:
        place += f":{problem.line}:{problem.column}"
    lines = [f"error[{problem.fault}] {place + '  ' if place else ''}{problem.message}"]
    if problem.excerpt.strip():
        number = f"{problem.line:>5}"
        marker = " " * (problem.column - 1) + "^" * max(problem.width, 1)
        lines.append(f"{number} | {problem.excerpt}")
        lines.append(f"{' ' * len(number)} | {marker} {problem.hint}".rstrip())
    elif problem.hint:
        lines.append(f"      {problem.hint}")
    return lines


def user_error(error: BaseException) -> str | None:
    """The message of an error that came up in the user's own code, with its place there, or None.

    That is the innermost line which is neither dgrad's nor that of an installed library.
    """
    paths = sysconfig.get_paths()
    library = (paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib"))
    ours = [str(Path(__file__).parents[1]), *library]
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(("<", *(f"{folder}{os.sep}" for folder in ours)))
    ]
    if not frames:
        return None
    place = f"{frames[-1].filename}:{frames[-1].lineno}"
    return printable(f"error[T41] {place}: {type(error).__name__}: {error}{_notes(error)}")


def _notes(error: BaseException) -> str:
    return "".join(f", {note}" for note in getattr(error, "__notes__", ()))  # "in layer relu_2"


def crash_report(error: BaseException, *, save: bool) -> str:
    """The message of an unexpected error; save: write its traceback to crash-TIME.txt."""
    text = f"error[X00] a bug in dgrad: please report {error!r}{_notes(error)}"
    if save:
        path = Path(time.strftime("crash-%Y%m%d-%H%M%S.txt"))
        trace = "".join(traceback.format_exception(error))
        try:
            path.write_text(trace, encoding="utf-8", errors="backslashreplace")
            text += f"; details are in {path.absolute()}"
        except OSError:
            text += "; run again with --traceback for details"
    return printable(text)
