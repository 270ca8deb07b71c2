"""`dgrad graph`: the graph that a config's model and loss record, forward and backward."""

from __future__ import annotations

import enum
import sys
from pathlib import Path
from typing import Annotated

import typer

from dgrad.cli.options import Traceback

__all__ = ["graph"]


class Format(enum.StrEnum):
    """How a graph can be written."""

    text = "text"
    dot = "dot"
    mermaid = "mermaid"
    json = "json"


SUFFIXES = {
    ".dot": Format.dot,
    ".gv": Format.dot,
    ".mmd": Format.mermaid,
    ".mermaid": Format.mermaid,
    ".json": Format.json,
}


def graph(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="The YAML file.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="Values of CONFIG to change or to add."),
    ] = None,
    form: Annotated[
        Format | None,
        typer.Option(
            "--format",
            help="A table, or input for Graphviz, Mermaid, programs. By FILE's suffix if left out.",
        ),
    ] = None,
    backward: Annotated[
        bool, typer.Option("--backward", help="Also the operations of the backward pass.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it into FILE.")
    ] = None,
    traceback: Traceback = False,
) -> None:
    """Show what one training step of CONFIG records: operations, shapes, bytes kept, parameters.

    The model is built and run on the first batch of its data; nothing is trained.
    """
    from dgrad.cli.messages import printable
    from dgrad.config.document import load
    from dgrad.config.graphs import recorded_graph
    from dgrad.train.files import check_replaceable, write_atomic

    if output is not None:
        check_replaceable(output)
    recorded = recorded_graph(load(config, overrides or ()), backward=backward)
    if form is None:
        form = SUFFIXES.get("" if output is None else output.suffix.lower(), Format.text)
    if form is Format.text:
        lines = recorded.text(None if output else 200).split("\n")
        text = "\n".join(map(printable, lines)) + "\n"
    else:
        text = getattr(recorded, form.value)()
    if output is None:
        sys.stdout.write(text)
    else:
        write_atomic(output, [text.encode()])
        print(printable(f"graph: {output}"), file=sys.stderr)
