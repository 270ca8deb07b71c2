"""The command table, and the boundary where every error becomes a message and an exit code."""

from __future__ import annotations

import functools
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import NoReturn

import typer

from dgrad.cli import (
    check,
    check_gradients,
    evaluate,
    find_rate,
    graph,
    listing,
    rates,
    schema,
    show,
    summary,
    train,
)
from dgrad.cli.interrupts import Leave
from dgrad.cli.messages import crash_report, error_text, user_error, wrapped
from dgrad.cli.options import Traceback, wanted
from dgrad.cli.streams import leave, steady_streams
from dgrad.errors import DgradError, WrongGradientError

__all__ = ["app", "run"]


class _Raised(Exception):
    """Carries what a command raised through typer, which has its own ways with some of it."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


def _kept(command: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(command)
    def kept(*args: object, **options: object) -> None:
        try:
            command(*args, **options)
        except typer.Exit:
            raise
        except BaseException as error:
            raise _Raised(error) from None

    return kept


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
    _kept(train.train)
)
app.command("eval", epilog="Example: dgrad eval runs/digits_mlp/001 --split val")(
    _kept(evaluate.evaluate)
)
app.command("gradcheck", epilog="Example: dgrad gradcheck configs/digits_mlp.yaml -o report.json")(
    _kept(check_gradients.gradcheck)
)
app.command("graph", epilog="Example: dgrad graph configs/digits_mlp.yaml --format dot -o net.dot")(
    _kept(graph.graph)
)
app.command("summary", epilog="Example: dgrad summary configs/digits_cnn.yaml --depth 0")(
    _kept(summary.summary)
)
app.command("check", epilog="Example: dgrad check configs/digits_mlp.yaml")(_kept(check.check))
app.command("list", epilog="Example: dgrad list layers")(_kept(listing.listing))
app.command("show", epilog="Example: dgrad show adamw")(_kept(show.show))
app.command("schema", epilog="Example: dgrad schema -o dgrad.schema.json")(_kept(schema.schema))
app.command("lr", epilog="Example: dgrad lr configs/digits_mlp.yaml schedule=one_cycle")(
    _kept(rates.lr)
)
app.command("lr-find", epilog="Example: dgrad lr-find configs/digits_mlp.yaml --start 1e-5")(
    _kept(find_rate.lr_find)
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
    traceback: Traceback = False,
) -> None:
    pass


def run(arguments: Sequence[str]) -> NoReturn:
    """Run the command line and exit the process with its code."""
    out, _ = steady_streams()
    leave(out, _exit_code(arguments))


def _exit_code(arguments: Sequence[str]) -> int:
    """Run the command line; every error becomes a message on stderr."""
    try:
        os.getcwd()
    except FileNotFoundError:
        print("error[T20] the current directory does not exist any more", file=sys.stderr)
        return 2
    wanted()  # of an earlier call
    try:
        app(args=list(arguments), prog_name="dgrad", standalone_mode=True)
    except SystemExit as end:  # how typer ends, always
        code = end.code if isinstance(end.code, int) else 0
        return code if arguments else 2  # help that nobody asked for: a command is missing
    except BaseException as error:
        return _report(error.error if isinstance(error, _Raised) else error)
    return 0


def _report(error: BaseException) -> int:
    """Tell the user about an error; returns the exit code."""
    options = wanted()
    if "--traceback" in options:
        traceback.print_exception(error)
    fault, text, code = _told(error, save="--traceback" not in options)
    if "--json" in options and fault and not isinstance(error, WrongGradientError):
        from dgrad.train.run_directory import strict_json

        message = text.removeprefix(f"error[{fault}] ")
        event = {"event": "error", "fault": fault, "message": message, "exit_code": code}
        print(strict_json(event))  # of a wrong gradient the report tells
    if text:
        print(wrapped(text, sys.stderr), file=sys.stderr)
    return code


def _told(error: BaseException, *, save: bool) -> tuple[str, str, int]:
    """Fault id, message and exit code of an error; save: whether a crash is to be written down."""
    if isinstance(error, DgradError):
        return error.fault, error_text(error), error.exit_code
    if isinstance(error, MemoryError):
        return "T31", f"error[T31] not enough memory: {error}", 8
    if isinstance(error, Leave):  # has been told
        return "", "", error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return "", "interrupted", 130
    in_plugin = user_error(error)
    if in_plugin is not None:
        return "T41", in_plugin, 1
    return "X00", crash_report(error, save=save), 1
