"""`dgrad eval`: loss and metrics of a checkpoint on a split of the data it was trained on."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

__all__ = ["evaluate"]


def evaluate(
    path: Path = typer.Argument(
        ..., metavar="CHECKPOINT_OR_RUN", help="A checkpoint file or a run directory."
    ),
    split: str = typer.Option("test", help="train, val or test."),
    plugin: list[Path] = typer.Option(
        [], help="A plugin the config uses; checkpoints never load code by themselves."
    ),
    as_json: bool = typer.Option(False, "--json", help="One JSON object on stdout."),
    traceback: bool = typer.Option(False, "--traceback", help="Show Python's traceback of errors."),
) -> None:
    """Measure a trained model again. Of a run directory, its best checkpoint is taken.

    Prints what `dgrad train` printed at its end, to the last digit.
    """
    from dgrad.cli.messages import printable
    from dgrad.cli.results import print_results
    from dgrad.config.experiment import Experiment
    from dgrad.errors import DataError
    from dgrad.train.run_directory import strict_json

    experiment = Experiment.restore(path, plugins=plugin)
    if split not in experiment.splits:
        raise DataError(
            f"there is no {split!r} split with rows; there is: {', '.join(experiment.splits)}"
        )
    results = experiment.trainer.evaluate(split)
    if as_json:
        print(strict_json({f"{split}/{name}": value for name, value in results.items()}))
    else:
        print(printable(f"checkpoint: {experiment.checkpoint}"), file=sys.stderr)
        print_results(split, results)
