"""`dgrad lr`: the learning rate over the steps of a run, drawn without training."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dgrad.cli.options import Traceback, json_option

if TYPE_CHECKING:
    from dgrad.config.document import Config
    from dgrad.config.rate_curve import RateCurve

__all__ = ["lr"]

POINTS = 1000  # at the most, in JSON


def lr(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="The YAML file.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="Values of CONFIG to change or to add."),
    ] = None,
    as_json: Annotated[bool, json_option("One JSON object on stdout.")] = False,
    traceback: Traceback = False,
) -> None:
    """Draw the learning rate that CONFIG gives for every step of its run.

    Nothing is trained. The data are read only to learn how many steps an epoch has.
    """
    from dgrad.config.document import load
    from dgrad.config.rate_curve import rate_curve

    checked = load(config, overrides or ())
    curve = rate_curve(checked)
    if as_json:
        from dgrad.train.run_directory import strict_json

        print(strict_json(_as_json(checked, curve)))
        return
    _draw(checked, curve)


def _draw(config: Config, curve: RateCurve) -> None:
    from dgrad.cli.messages import printable
    from dgrad.cli.plot import plot

    steps = len(curve.factors)
    epochs = f" ({curve.steps_per_epoch:,} an epoch)" if curve.steps_per_epoch else ""
    warmup = f", warm-up until step {curve.warmup:,}" if curve.warmup else ""
    print(printable(f"{config.name}: {config.schedule.name}, {steps:,} steps{epochs}{warmup}"))
    (_, rate), *_ = curve.groups
    for line in plot(list(curve.factors * rate), ("1", f"{steps:,}"), sys.stdout):
        print(line)
    rows = [("lr of", "first", "max", "min", "last"), *map(_row, _groups(curve))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())
    if curve.note:
        print(printable(curve.note), file=sys.stderr)


def _groups(curve: RateCurve) -> list[dict[str, Any]]:
    """The rates that matter of every group; a step counts from 1."""
    low, high = int(curve.factors.argmin()), int(curve.factors.argmax())
    found = {"first": 0, "max": high, "min": low, "last": len(curve.factors) - 1}
    return [
        {
            "name": name,
            "lr": rate,
            **{key: float(curve.factors[i] * rate) for key, i in found.items()},
            "max_step": high + 1,
            "min_step": low + 1,
        }
        for name, rate in curve.groups
    ]


def _row(group: dict[str, Any]) -> tuple[str, ...]:
    return (
        group["name"],
        f"{group['first']:.4g}",
        f"{group['max']:.4g} (step {group['max_step']:,})",
        f"{group['min']:.4g} (step {group['min_step']:,})",
        f"{group['last']:.4g}",
    )


def _as_json(config: Config, curve: RateCurve) -> dict[str, Any]:
    steps = len(curve.factors)
    stride = -(-steps // POINTS)
    shown = sorted({*range(0, steps, stride), steps - 1})
    (_, rate), *_ = curve.groups
    return {
        "name": config.name,
        "schedule": config.schedule.name,
        "steps": steps,
        "steps_per_epoch": curve.steps_per_epoch,
        "warmup": curve.warmup,
        "groups": _groups(curve),
        "points": [[i + 1, float(curve.factors[i] * rate)] for i in shown],
        "note": curve.note or None,
    }
