"""`dgrad summary`: the layers of a config's model, with shapes, parameters, work and memory."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from dgrad.cli.options import Traceback, json_option

__all__ = ["summary"]


def summary(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="The YAML file.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="Values of CONFIG to change or to add."),
    ] = None,
    depth: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", help="Leave out layers inside more than N others."),
    ] = None,
    as_json: Annotated[bool, json_option("Print one JSON object.")] = False,
    traceback: Traceback = False,
) -> None:
    """Show the layers of CONFIG's model: output shape, parameters, FLOPs, bytes kept for backward.

    The model is built and run on the first batch of its data; nothing is trained. A multiplication
    and an addition count as one FLOP each.
    """
    from dgrad.cli.messages import printable
    from dgrad.config.document import load
    from dgrad.config.graphs import model_summary
    from dgrad.train.run_directory import strict_json

    found = model_summary(load(config, overrides or ()))
    if as_json:
        print(strict_json(found.to_dict()))
        return
    sys.stdout.write("".join(f"{printable(line)}\n" for line in found.text(depth).split("\n")))
