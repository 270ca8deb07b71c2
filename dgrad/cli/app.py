"""The command table, and the boundary where every error becomes a message and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import typer

from dgrad.cli import check_gradients, evaluate, train
from dgrad.cli.messages import crash_report, error_text
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
app.command("eval", epilog="Example: dgrad eval runs/digits_mlp/001 --split val")(
    evaluate.evaluate
)
app.command(
    "gradcheck", epilog="Example: dgrad gradcheck configs/digits_mlp.yaml -o report.json"
)(check_gradients.gradcheck)


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


def run(arguments: Sequence[str]) -> None:
    """Run the command line and exit the process with its code."""
    try:
        app(args=list(arguments), standalone_mode=True)
    except DgradError as error:
        _flush_quietly()
        print(error_text(error), file=sys.stderr)
        _reraise_if_asked(arguments)
        sys.exit(error.exit_code)
    except MemoryError as error:
        print(f"error[T31] not enough memory: {error}", file=sys.stderr)
        _reraise_if_asked(arguments)
        sys.exit(8)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except Exception as error:
        _reraise_if_asked(arguments)
        print(crash_report(error), file=sys.stderr)
        sys.exit(1)


def _reraise_if_asked(arguments: Sequence[str]) -> None:
    if "--traceback" in arguments:
        raise  # noqa: PLE0704 - called from an except block


def _flush_quietly() -> None:
    try:
        sys.stdout.flush()
    except OSError:
        pass
