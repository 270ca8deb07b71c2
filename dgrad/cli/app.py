"""The command table, and the boundary where every error becomes a message and an exit code."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

import typer

from dgrad.cli import check_gradients, evaluate, train
from dgrad.cli.messages import crash_report, error_text
from dgrad.cli.streams import steady_streams
from dgrad.errors import DgradError

__all__ = ["app", "run"]

app = typer.Typer(
    name="dgrad",
    help="Train models from one YAML file, on an autodiff core you can read and check.",
    epilog="Example: dgrad train configs/digits_mlp.yaml train.epochs=5",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich is imported by the commands that draw with it
)
app.command("train", epilog="Example: dgrad train configs/digits_mlp.yaml optimizer.adamw.lr=3e-3")(
    train.train
)
app.command("eval", epilog="Example: dgrad eval runs/digits_mlp/001 --split val")(evaluate.evaluate)
app.command("gradcheck", epilog="Example: dgrad gradcheck configs/digits_mlp.yaml -o report.json")(
    check_gradients.gradcheck
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from dgrad import __version__

        typer.echo(f"dgrad {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
    ),
) -> None:
    pass


def run(arguments: Sequence[str]) -> NoReturn:
    """Run the command line and exit the process with its code."""
    out, _ = steady_streams()
    code = _exit_code(arguments)
    out.flush()
    if out.failure and not isinstance(out.failure, BrokenPipeError):  # `| head` is no failure
        print(f"error[T10] stdout cannot be written: {out.failure.strerror}", file=sys.stderr)
        code = code or 8
    sys.exit(code)


def _exit_code(arguments: Sequence[str]) -> int:
    """Run the command line; every error becomes a message on stderr."""
    try:
        app(args=list(arguments), prog_name="dgrad", standalone_mode=True)
    except SystemExit as end:  # how typer ends, always
        return end.code if isinstance(end.code, int) else 0
    except BaseException as error:
        asked = "--traceback" in arguments
        if asked:
            traceback.print_exc()
        message, code = _told(error, save=not asked)
        print(message, file=sys.stderr)
        return code
    return 0


def _told(error: BaseException, *, save: bool) -> tuple[str, int]:
    """The message and the exit code of an error; save: whether a crash is to be written down."""
    if isinstance(error, DgradError):
        return error_text(error), error.exit_code
    if isinstance(error, MemoryError):
        return f"error[T31] not enough memory: {error}", 8
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", 130
    return crash_report(error, save=save), 1
