"""`dgrad lr-find`: the learning-rate range test, with a suggestion."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dgrad.cli.options import Traceback, json_option

if TYPE_CHECKING:
    from dgrad.train.range_test import RangeTest

__all__ = ["lr_find"]


def lr_find(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="The YAML file.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="Values of CONFIG to change or to add."),
    ] = None,
    start: Annotated[float, typer.Option(metavar="LR", help="The first rate.")] = 1e-7,
    end: Annotated[float, typer.Option(metavar="LR", help="The last rate.")] = 10.0,
    steps: Annotated[int, typer.Option(metavar="N", help="How many steps to make.")] = 100,
    smooth: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of each new loss in the running mean.")
    ] = 0.05,
    as_json: Annotated[bool, json_option("One JSON object on stdout.")] = False,
    traceback: Traceback = False,
) -> None:
    """Train CONFIG for a few steps with a rate that grows, and suggest one. Nothing is written.

    Stops where the loss diverges. Smith 2017, "Cyclical learning rates", section 3.3.
    """
    from dgrad.config.document import load
    from dgrad.config.experiment import Experiment
    from dgrad.config.tree import plain

    checked = load(config, overrides or ())
    experiment = Experiment.build(checked)
    found = experiment.find_rate(start=start, end=end, steps=steps, smooth=smooth)
    if as_json:
        from dgrad.train.run_directory import strict_json

        print(strict_json(_as_json(found)))
        return
    again = shlex.join(["dgrad", "train", str(config), *(overrides or ())])
    written = plain(checked.tree).get("optimizer")
    name = f"optimizer.{checked.optimizer.name}"
    is_short = isinstance(written, dict) and not isinstance(written[checked.optimizer.name], dict)
    _draw(found, steps, f"{again} {name}{'' if is_short else '.lr'}=")


def _draw(found: RangeTest, steps: int, command: str) -> None:
    from dgrad.cli.messages import printable
    from dgrad.cli.plot import plot

    if len(found.rates) > 1:
        ends = (f"lr {found.rates[0]:.3g}", f"{found.rates[-1]:.3g}")
        curve, first = found.smoothed, found.smoothed[0]
        low = min(curve)
        high = max(first + (first - low) / 2, low)  # what comes after the lowest point may be huge
        print("loss, smoothed")
        for line in plot(curve, ends, sys.stdout, low=low, high=high):
            print(line)
    made = len(found.rates)
    if found.diverged:
        print(f"stopped after {made} of {steps} steps: the loss diverged", file=sys.stderr)
    if found.steepest is None or found.minimum_tenth is None:
        print("no rate of these lets the loss fall; try others with --start, --end, --steps")
        return
    print(f"steepest        {found.steepest:.3g}")
    print(f"minimum / 10    {found.minimum_tenth:.3g}")
    careful = min(found.steepest, found.minimum_tenth)
    print(printable(f"try: {command}{careful:.2g}"), file=sys.stderr)


def _as_json(found: RangeTest) -> dict[str, Any]:
    return {
        "steepest": found.steepest,
        "minimum_tenth": found.minimum_tenth,
        "diverged": found.diverged,
        "rates": found.rates,
        "losses": found.losses,
        "smoothed": found.smoothed,
    }
