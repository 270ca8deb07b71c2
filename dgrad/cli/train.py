"""`dgrad train`: train what a config describes into a new run directory."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["train"]


def train(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="The YAML file.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE",
            help="Values to change, such as train.epochs=5; ~KEY removes one.",
        ),
    ] = None,
    run_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the run here, not to runs/NAME/001.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object per event on stdout.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the result alone.")] = False,
    traceback: Annotated[
        bool, typer.Option("--traceback", help="Show Python's traceback of errors.")
    ] = False,
) -> None:
    """Train the model of CONFIG. Writes a run directory and prints the test result."""
    from dgrad.cli.display import JsonEvents, LiveDisplay, PlainLines, is_terminal
    from dgrad.cli.interrupts import graceful
    from dgrad.cli.messages import printable
    from dgrad.cli.results import print_results
    from dgrad.config.document import load
    from dgrad.config.experiment import Experiment
    from dgrad.train.run_directory import RunDirectory

    checked = load(config, overrides or ())
    experiment = Experiment.build(checked)
    keep = checked.train.checkpoint.keep
    with (
        RunDirectory.create_at(run_dir, keep=keep)
        if run_dir is not None
        else RunDirectory.create(Path("runs"), checked.name, keep=keep)
    ) as directory:
        events = JsonEvents(sys.stdout)
        display: JsonEvents | LiveDisplay | PlainLines = PlainLines(sys.stderr)
        if as_json:
            display = events
        elif is_terminal(sys.stderr):
            display = LiveDisplay(sys.stderr)

        def say(text: str) -> None:
            if not (quiet or as_json):
                print(printable(text), file=sys.stderr)

        for warning in experiment.data.warnings:
            if not quiet:
                print(printable(f"warning: {warning}"), file=sys.stderr)
        say(experiment.describe())
        say(f"run directory: {directory.path}")
        with graceful(experiment.trainer) as interrupts:
            outcome = experiment.run(directory, sys.argv, [] if quiet else [display])
    if outcome.how == "interrupted":
        if as_json:
            events.event("interrupted", checkpoint=str(outcome.checkpoint))
        else:
            step = experiment.trainer.progress.step
            print(
                printable(f"interrupted at step {step}; its state is saved in {directory.path}"),
                file=sys.stderr,
            )
        raise typer.Exit(interrupts.exit_code or 130)
    if as_json:
        results = {f"{outcome.split}/{k}": v for k, v in outcome.results.items()}
        events.event("result", **results, checkpoint=str(outcome.checkpoint))
    else:
        print_results(outcome.split, outcome.results)
        say(f"best weights: {outcome.checkpoint}")
        say(f"measure them again: dgrad eval {directory.path}")
