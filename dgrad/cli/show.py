"""`dgrad show`: one component's documentation, parameters and defaults."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from dgrad.cli.listing import Kind
from dgrad.cli.options import Plugins, Traceback, json_option

if TYPE_CHECKING:
    from dgrad.config.catalog import Entry

__all__ = ["show"]


def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name in a config.")],
    kind: Annotated[
        Kind | None,
        typer.Option(metavar="KIND", help="Where several kinds have the name: layers, ops, ..."),
    ] = None,
    plugin: Plugins = None,
    as_json: Annotated[bool, json_option("One JSON object: all that has the name.")] = False,
    traceback: Traceback = False,
) -> None:
    """Show what a component does, its parameters and their defaults.

    An op shows the arguments of its function, for use from Python.
    """
    from dgrad.cli.messages import printable
    from dgrad.config.catalog import KINDS, find
    from dgrad.config.plugins import load_plugins
    from dgrad.train.run_directory import strict_json

    load_plugins(plugin or ())
    found = find(name, [kind.value] if kind else KINDS)
    if as_json:
        print(strict_json({"found": [entry.to_dict() for entry in found]}))
        return
    lines = [line for entry in found for line in ("", *_lines(entry))][1:]
    sys.stdout.write("".join(f"{printable(line)}\n" for line in lines))


def _lines(entry: Entry) -> Iterator[str]:
    """What is shown of one component."""
    from dgrad.functional.tables import aligned

    yield f"{entry.name} ({entry.kind})"
    yield from textwrap.indent(entry.text, "  ").split("\n")
    if not entry.parameters:
        yield "  takes no parameters"
        return
    rows = [
        (f"  {p.name}", p.takes, "required" if p.required else f"default: {_written(p.default)}")
        for p in entry.parameters
    ]
    yield ""
    yield from aligned(rows, right=())


def _written(value: object) -> str:
    """A default as a config writes it."""
    from dgrad.config.yaml import dump

    if isinstance(value, list | dict) and value:
        import json

        return json.dumps(value)
    return dump(value).rstrip("\n")
