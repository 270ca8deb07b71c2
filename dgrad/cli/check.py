"""`dgrad check`: everything that can be found out about a config without training."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from dgrad.cli.options import Traceback, json_option

__all__ = ["check"]


def check(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="The YAML file.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="Values of CONFIG to change or to add."),
    ] = None,
    origin: Annotated[
        bool, typer.Option("--origin", help="Show every value, and where it comes from.")
    ] = False,
    as_json: Annotated[bool, json_option("One JSON object on stdout.")] = False,
    traceback: Traceback = False,
) -> None:
    """Check CONFIG: every key and value, its data, the model, one batch forward and backward.

    Nothing is written and no weight is changed. Prints what training would use.
    """
    from dataclasses import asdict

    from dgrad.cli.messages import printable, wrapped
    from dgrad.config import yaml
    from dgrad.config.checks import check_config
    from dgrad.config.document import load
    from dgrad.config.origins import origins
    from dgrad.functional.tables import aligned
    from dgrad.train.run_directory import strict_json

    document = load(config, overrides or ())
    found = check_config(document)
    listed = origins(document) if origin else []
    if as_json:
        values = {"values": [asdict(each) for each in listed]} if origin else {}
        print(strict_json({**found.to_dict(), **values}))
        return
    rows = [(each.path, yaml.dump(each.value).strip(), each.place) for each in listed]
    flat = [(path, " ".join(text.split()), place) for path, text, place in rows]
    for line in aligned(flat, right=()) if flat else ():
        print(printable(line))
    for warning in found.warnings:
        print(wrapped(printable(f"warning: {warning}"), sys.stderr), file=sys.stderr)
    sys.stdout.write("".join(f"{printable(line)}\n" for line in found.lines()))
