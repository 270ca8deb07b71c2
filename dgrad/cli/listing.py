"""`dgrad list`: the names of everything that a config can hold, with a line about each."""

from __future__ import annotations

import enum
import sys
from typing import Annotated

import typer

from dgrad.cli.options import Plugins, Traceback, json_option

__all__ = ["listing"]


class Kind(enum.StrEnum):
    """What there is."""

    layers = "layers"
    losses = "losses"
    metrics = "metrics"
    optimizers = "optimizers"
    schedules = "schedules"
    readers = "readers"
    transforms = "transforms"
    initialisers = "initialisers"
    ops = "ops"


def listing(
    kind: Annotated[
        Kind | None, typer.Argument(metavar="[KIND]", help=f"One of {', '.join(Kind)}; or all.")
    ] = None,
    plugin: Plugins = None,
    as_json: Annotated[bool, json_option("One JSON object, with parameters and all text.")] = False,
    traceback: Traceback = False,
) -> None:
    """List the components that a config can name: layers, losses, optimizers, ...

    `dgrad show NAME` tells more of one.
    """
    from dgrad.cli.messages import printable
    from dgrad.config.catalog import KINDS, catalog
    from dgrad.config.plugins import load_plugins
    from dgrad.train.run_directory import strict_json

    load_plugins(plugin or ())
    chosen = [kind.value] if kind else list(KINDS)
    if as_json:
        found = {name: [entry.to_dict() for entry in catalog([name])] for name in chosen}
        print(strict_json(found))
        return
    lines = []
    for name in chosen:
        entries = catalog([name])
        width = max((len(entry.name) for entry in entries), default=0)
        lines += ["", f"{name} ({len(entries)})"] if kind is None else []
        lines += [f"  {entry.name:<{width}}  {_short(entry.summary)}" for entry in entries]
    sys.stdout.write("".join(f"{printable(line)}\n" for line in lines[kind is None :]))


def _short(text: str, limit: int = 90) -> str:
    return text if len(text) <= limit else text[: limit - 3].rstrip() + "..."
