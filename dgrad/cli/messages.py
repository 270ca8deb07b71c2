"""How errors read: `error[C01] file:line:column  message`, the source line, a caret, a hint."""

from __future__ import annotations

import sys
import time
import traceback
from pathlib import Path

from dgrad.errors import ConfigError, DgradError, Problem

__all__ = ["crash_report", "error_text", "printable"]


def printable(text: str, *, lines: bool = False) -> str:
    """text with control characters as escapes, so that no input can drive the terminal.

    lines: newlines are meant, and stay.
    """
    encoding = getattr(sys.stderr, "encoding", None) or "ascii"
    kept = "\n" if lines else ""
    shown = "".join(c if c.isprintable() or c == kept else ascii(c)[1:-1] for c in text)
    return shown.encode(encoding, "backslashreplace").decode(encoding)


def error_text(error: DgradError) -> str:
    """The message of an error, as the user sees it."""
    if not isinstance(error, ConfigError):
        return printable(f"error[{error.fault}] {error}", lines=True)
    count = len(error.problems)
    parts = [_problem_text(problem) for problem in error.problems]
    parts.append(f"{count} error{'s' if count > 1 else ''}, nothing was run")
    return printable("\n".join(parts), lines=True)


def _problem_text(problem: Problem) -> str:
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
    return "\n".join(lines)


def crash_report(error: BaseException, *, save: bool) -> str:
    """The message of an unexpected error; save: write its traceback to crash-TIME.txt."""
    notes = "".join(f", {note}" for note in getattr(error, "__notes__", ()))  # "in layer 2_relu"
    text = f"error[X00] a bug in dgrad or a plugin: {error!r}{notes}"
    if save:
        path = Path(time.strftime("crash-%Y%m%d-%H%M%S.txt"))
        trace = "".join(traceback.format_exception(error))
        try:
            path.write_text(trace, encoding="utf-8", errors="backslashreplace")
            text += f"; details are in {path.absolute()}"
        except OSError:
            text += "; run again with --traceback for details"
    return printable(text)
