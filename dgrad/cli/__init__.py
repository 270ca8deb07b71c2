"""The command line: one file per command. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Entry point of the `dgrad` script."""
    if sys.argv[1:] == ["--version"]:  # answered before typer is imported
        from dgrad import __version__

        print(f"dgrad {__version__}")
        return
    from dgrad.cli.app import run

    run(sys.argv[1:])
