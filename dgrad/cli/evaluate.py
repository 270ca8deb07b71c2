"""`dgrad eval`: loss and metrics of a checkpoint on a split of the data it was trained on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["evaluate"]


def evaluate(
    path: Annotated[
        Path,
        typer.Argument(metavar="CHECKPOINT_OR_RUN", help="A checkpoint file or a run directory."),
    ],
    split: Annotated[str, typer.Option(help="train, val or test.")] = "test",
    plugin: Annotated[
        list[Path] | None,
        typer.Option(help="A plugin the config uses; checkpoints never load code by themselves."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    traceback: Annotated[
        bool, typer.Option("--traceback", help="Show Python's traceback of errors.")
    ] = False,
) -> None:
    """Measure a trained model again. Of a run directory, its best checkpoint is taken.

    Prints what `dgrad train` printed at its end, to the last digit.
    """
    from dgrad.cli.messages import printable
    from dgrad.cli.results import print_results
    from dgrad.config.experiment import Experiment
    from dgrad.errors import DataError, ParameterError
    from dgrad.train.run_directory import strict_json

    if split not in ("train", "val", "test"):
        raise ParameterError("eval", "--split", "train, val or test", split)
    experiment = Experiment.restore(path, plugins=plugin or ())
    if split not in experiment.splits:
        rows = ", ".join(experiment.splits)
        raise DataError(f"the {split} split has no rows; there are: {rows}", fault="D10")
    results = experiment.trainer.evaluate(split)
    if as_json:
        print(strict_json({f"{split}/{name}": value for name, value in results.items()}))
    else:
        print(printable(f"checkpoint: {experiment.checkpoint}"), file=sys.stderr)
        print_results(split, results)
