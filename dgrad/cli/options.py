"""Options that several commands take: --traceback, and --json as far as errors heed it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["Plugins", "Traceback", "json_option", "wanted"]

_given: set[str] = set()


def _note(parameter: typer.CallbackParam, value: bool) -> bool:
    if value:
        _given.update(parameter.opts)
    return value


Traceback = Annotated[
    bool,
    typer.Option(
        "--traceback",
        callback=_note,
        is_eager=True,  # so that it holds for errors in other arguments
        help="Show Python's traceback of errors.",
    ),
]
"""Annotates a parameter that the command itself need not look at."""


Plugins = Annotated[
    list[Path] | None,
    typer.Option("--plugin", metavar="FILE", help="Also what this file registers; repeatable."),
]


def json_option(help: str) -> Any:
    """The option --json, for Annotated."""
    return typer.Option("--json", callback=_note, is_eager=True, help=help)


def wanted() -> set[str]:
    """Which of --traceback and --json the command line holds; asking forgets it."""
    given = set(_given)
    _given.clear()
    return given
