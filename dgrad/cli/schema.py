"""`dgrad schema`: the JSON Schema of configs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from dgrad.cli.options import Traceback

__all__ = ["schema"]


def schema(
    config: Annotated[
        Path | None,
        typer.Argument(metavar="[CONFIG]", help="Also what its plugins and blocks are called."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it into FILE.")
    ] = None,
    traceback: Traceback = False,
) -> None:
    """Print the JSON Schema of configs, for editors that complete and check as you type.

    For an editor with a YAML language server, write it to a file and put this line on top of a
    config: # yaml-language-server: $schema=dgrad.schema.json
    """
    import json

    from dgrad.cli.messages import printable
    from dgrad.config.document import load
    from dgrad.config.json_schema import json_schema
    from dgrad.train.files import check_replaceable, write_atomic

    if output is not None:
        check_replaceable(output)
    found = json_schema(None if config is None else load(config))
    text = json.dumps(found, indent=1, allow_nan=False) + "\n"
    if output is None:
        sys.stdout.write(text)
    else:
        write_atomic(output, [text.encode()])
        print(printable(f"schema: {output}"), file=sys.stderr)
