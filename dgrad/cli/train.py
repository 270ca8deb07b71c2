"""`dgrad train`: train what a config describes into a new run directory."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dgrad.cli.options import Traceback, json_option

if TYPE_CHECKING:
    from dgrad.train.run_directory import RunDirectory

__all__ = ["train"]


def train(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="The YAML file.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE",
            help="Values to change, or to add: any key that a config can hold, such as "
            "train.epochs=5 or train.clip_norm=1, also one that CONFIG leaves out. "
            "~KEY removes one.",
        ),
    ] = None,
    run_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the run here, not to runs/NAME/001.")
    ] = None,
    as_json: Annotated[bool, json_option("One JSON object per event on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the result alone.")] = False,
    traceback: Traceback = False,
) -> None:
    """Train the model of CONFIG. Writes a run directory and prints the test result."""
    from dgrad.cli.display import JsonEvents, LiveDisplay, PlainLines, is_terminal
    from dgrad.cli.interrupts import Leave, graceful
    from dgrad.cli.messages import printable, wrapped
    from dgrad.cli.results import print_results
    from dgrad.config.document import load
    from dgrad.config.experiment import Experiment
    from dgrad.train.allocation import keep_freed_memory
    from dgrad.train.run_directory import RunDirectory

    keep_freed_memory()
    checked = load(config, overrides or ())
    experiment = Experiment.build(checked)
    keep = checked.train.checkpoint.keep
    with (
        RunDirectory.create_at(run_dir, keep=keep)
        if run_dir is not None
        else RunDirectory.create(Path("runs"), checked.name, keep=keep)
    ) as directory:
        events = JsonEvents(sys.stdout, run_directory=str(directory.path), name=checked.name)
        display: JsonEvents | LiveDisplay | PlainLines = PlainLines(sys.stderr)
        if as_json:
            display = events
        elif is_terminal(sys.stderr):
            display = LiveDisplay(sys.stderr)

        def say(text: str) -> None:
            if not (quiet or as_json):
                print(wrapped(printable(text), sys.stderr), file=sys.stderr)

        for warning in experiment.data.warnings:
            if not quiet:
                print(wrapped(printable(f"warning: {warning}"), sys.stderr), file=sys.stderr)
        say(experiment.describe())
        for note in experiment.data.notes:
            say(note)
        say(f"run directory: {directory.path}")
        try:
            with graceful(experiment.trainer, display.stopping) as interrupts:
                outcome = experiment.run(directory, sys.argv, [] if quiet else [display])
        except Leave:
            print(printable(f"interrupted; {_last_checkpoint(directory)}"), file=sys.stderr)
            raise
    again = f"dgrad eval {shlex.quote(str(directory.path))}"
    if outcome.split != "test":
        again += f" --split {outcome.split}"
    again += "".join(f" --plugin {shlex.quote(str(each))}" for each in checked.plugins)
    if outcome.how == "interrupted":
        if as_json:
            events.event("interrupted", checkpoint=str(outcome.checkpoint))
        else:
            step = experiment.trainer.progress.step
            told = f"interrupted at step {step}; saved in {directory.path}; measure it: {again}"
            print(printable(told), file=sys.stderr)
        raise typer.Exit(interrupts.exit_code or 130)
    if as_json:
        results = {f"{outcome.split}/{k}": v for k, v in outcome.results.items()}
        events.event("result", **results, checkpoint=str(outcome.checkpoint))
    else:
        print_results(outcome.split, outcome.results)
        say(f"best weights: {outcome.checkpoint}")
        if not quiet:  # whole, to be copied
            print(printable(f"measure them again: {again}"), file=sys.stderr)


def _last_checkpoint(directory: RunDirectory) -> str:
    if any(directory.checkpoints.glob("step-*.safetensors")):
        return f"the last checkpoint is in {directory.checkpoints}"
    return "nothing was saved yet"
