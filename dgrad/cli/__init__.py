"""The command line: one file per command. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Entry point of the `dgrad` script."""
    try:
        if sys.argv[1:] == ["--version"]:  # answered before typer is imported
            from dgrad import __version__
            from dgrad.cli.streams import leave, steady_streams

            out, _ = steady_streams()
            print(f"dgrad {__version__}")
            leave(out, 0)
        from dgrad.cli.app import run

        run(sys.argv[1:])
    except KeyboardInterrupt:  # while importing: a command handles its own
        print("interrupted", file=sys.stderr)
        sys.exit(130)
