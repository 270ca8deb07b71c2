"""`dgrad eval`: loss and metrics of a checkpoint on a split of the data it was trained on."""

from __future__ import annotations

import enum
import sys
from pathlib import Path
from typing import Annotated

import typer

from dgrad.cli.options import Traceback, json_option

__all__ = ["evaluate"]


class SplitName(enum.StrEnum):
    """The parts that the data are split into."""

    train = "train"
    val = "val"
    test = "test"


def evaluate(
    path: Annotated[
        Path,
        typer.Argument(metavar="CHECKPOINT_OR_RUN", help="A checkpoint file or a run directory."),
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE",
            help="Where the data are now, if they were moved: data.csv.path=FILE.",
        ),
    ] = None,
    split: Annotated[
        SplitName | None,
        typer.Option(help="The rows to measure on; by default test, else the last there are."),
    ] = None,
    plugin: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="A plugin the config uses; checkpoints never load code by themselves.",
        ),
    ] = None,
    as_json: Annotated[bool, json_option("One JSON object on stdout.")] = False,
    traceback: Traceback = False,
) -> None:
    """Measure a trained model again. Of a run directory, its best checkpoint is taken.

    Prints what `dgrad train` printed at its end, to the last digit, and the tables of the metrics.
    """
    from dgrad.cli.messages import printable
    from dgrad.cli.results import print_results, print_table
    from dgrad.config.experiment import Experiment
    from dgrad.errors import CheckpointError, ConfigError, DataError, Problem
    from dgrad.train.run_directory import strict_json

    if path.suffix in (".yaml", ".yml"):
        text = f"{path} is a config, not a checkpoint; train it with: dgrad train {path}"
        raise CheckpointError(text, fault="K21")
    missing = [file for file in plugin or () if not file.is_file()]
    if missing:
        raise ConfigError([Problem("C26", f"--plugin: there is no file {f}") for f in missing])
    experiment = Experiment.restore(path, plugins=plugin or (), overrides=overrides or ())
    name = split or ("test" if "test" in experiment.splits else experiment.splits[-1])
    if name not in experiment.splits:
        rows = ", ".join(experiment.splits)
        raise DataError(f"the {name} split has no rows; there are: {rows}", fault="D10")
    results = experiment.evaluate(name)
    tables = experiment.trainer.tables()
    if as_json:
        shown = {**results, **{key: table.plain() for key, table in tables.items()}}
        measured = {f"{name}/{key}": value for key, value in shown.items()}
        about = {"checkpoint": str(experiment.checkpoint), "split": str(name)}
        print(strict_json({**about, **measured}))
    else:
        print(printable(f"checkpoint: {experiment.checkpoint}"), file=sys.stderr)
        print_results(name, results)
        for key, table in tables.items():
            print_table(f"{name}/{key}", table)
