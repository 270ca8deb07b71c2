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
    as_json: Annotated[bool, json_option("One JSON object on stdout.")] = False,
    traceback: Traceback = False,
) -> None:
    """Check CONFIG: every key and value, its data, the model, one batch forward and backward.

    Nothing is written and no weight is changed. Prints what training would use.
    """
    from dgrad.cli.messages import printable, wrapped
    from dgrad.config.checks import check_config
    from dgrad.config.document import load
    from dgrad.train.run_directory import strict_json

    found = check_config(load(config, overrides or ()))
    if as_json:
        print(strict_json(found.to_dict()))
        return
    for warning in found.warnings:
        print(wrapped(printable(f"warning: {warning}"), sys.stderr), file=sys.stderr)
    sys.stdout.write("".join(f"{printable(line)}\n" for line in found.lines()))
