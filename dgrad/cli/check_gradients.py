"""`dgrad gradcheck`: numeric against analytic gradients, of what is shipped or of a config."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from dgrad.functional.report import Check, Report

__all__ = ["gradcheck"]

PIPE_WIDTH = 120  # columns of the table where there is no terminal to ask


def gradcheck(
    config: Annotated[
        Path | None,
        typer.Argument(
            metavar="CONFIG",
            help="Check this config's plugins, and its model per parameter on a batch of its data.",
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="Values of CONFIG to change."),
    ] = None,
    op: Annotated[
        list[str] | None,
        typer.Option("--op", metavar="NAME", help="Check this op only; repeatable."),
    ] = None,
    layer: Annotated[
        list[str] | None,
        typer.Option("--layer", metavar="NAME", help="Check this layer only; repeatable."),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="With CONFIG: check everything shipped as well.")
    ] = False,
    order: Annotated[int, typer.Option(min=1, max=2, help="Order of the derivatives of ops.")] = 2,
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the example inputs and directions.")
    ] = 0,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write the report as JSON."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the report as JSON on stdout.")
    ] = False,
    traceback: Annotated[
        bool, typer.Option("--traceback", help="Show Python's traceback of errors.")
    ] = False,
) -> None:
    """Check gradients numerically. Exits 6 when one is wrong.

    Without CONFIG: every op and layer that is shipped.
    """
    import json

    from dgrad.cli.messages import printable
    from dgrad.errors import WrongGradientError
    from dgrad.functional.report import Report
    from dgrad.train.threads import fit_threads

    fit_threads(0, 0)  # what is checked is small
    checks = list(_checks(config, overrides or [], op or [], layer or [], everything, order, seed))
    report = Report(checks, seed)
    text = json.dumps(report.to_dict(), indent=1, allow_nan=False) + "\n"
    if output is not None:
        from dgrad.train.files import write_atomic

        write_atomic(output, [text.encode()])
    if as_json:
        sys.stdout.write(text)
    else:
        _print_table(report)
        if output is not None:
            print(printable(f"report: {output}"), file=sys.stderr)
    if not report.passed:
        raise WrongGradientError("\n".join(map(str, report.wrong)))


def _checks(
    config: Path | None,
    overrides: list[str],
    ops: list[str],
    layers: list[str],
    everything: bool,
    order: int,
    seed: int,
) -> Iterable[Check]:
    """The checks that were asked for, as they are made."""
    import dgrad.nn
    import dgrad.ops  # noqa: F401 - both fill the registries
    from dgrad import registry
    from dgrad.functional.components import check_layer, check_model, check_op

    shipped = {*registry.ops, *registry.layers}
    experiment = None
    if config is not None:
        from dgrad.config.document import load
        from dgrad.config.experiment import Experiment

        experiment = Experiment.build(load(config, overrides))
    if not (ops or layers):
        wanted_all = config is None or everything
        ops = [name for name in registry.ops if wanted_all or name not in shipped]
        layers = [name for name in registry.layers if wanted_all or name not in shipped]
    for known, names in ((registry.ops, ops), (registry.layers, layers)):
        for name in names:
            known[name]  # an unknown name is an error before anything runs
    for name in ops:
        yield from check_op(name, order=order, seed=seed)
    for name in layers:
        yield from check_layer(name, seed=seed)
    if experiment is not None:
        trainer = experiment.trainer
        inputs, targets = next(iter(trainer.batches.epoch(0)))
        yield from check_model(trainer.model, trainer.loss, inputs, targets, seed=seed)


def _print_table(report: Report) -> None:
    """One row per op and layer, one per parameter of a model; then the counts."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from dgrad.cli.messages import printable

    table = Table(box=None, pad_edge=False)
    for heading in ("kind", "name", "with respect to", "verdict"):
        table.add_column(heading)
    for heading in ("derivatives", "largest error"):
        table.add_column(heading, justify="right")
    for kind, name, checks in _rows(report.checks):
        verdicts = sorted({check.verdict for check in checks if "skipped" not in check.verdict})
        compared = sum(check.compared for check in checks)
        worst = max(check.max_error for check in checks)
        inputs = ", ".join(dict.fromkeys(check.input for check in checks if check.compared))
        good = all(check.passed for check in checks)
        table.add_row(
            kind,
            Text(printable(name)),
            Text(printable(inputs)),
            Text(
                ", ".join(verdicts) or "no gradient",
                style="red" if not good else "green" if verdicts == ["ok"] else "yellow",
            ),
            f"{compared:,}" if compared else "",
            f"{worst:.1e}" if compared else "",
        )
    width = None if sys.stdout.isatty() else PIPE_WIDTH
    Console(highlight=False, markup=False, emoji=False, width=width).print(table)
    counts = ", ".join(f"{count} {verdict}" for verdict, count in report.counts().items())
    print(f"{len(report.checks)} checks: {counts}")


def _rows(checks: Iterable[Check]) -> Iterable[tuple[str, str, list[Check]]]:
    """(kind, name, checks) of every op, layer and parameter, in order."""
    rows: dict[tuple[str, str], list[Check]] = {}
    for check in checks:
        name = check.input if check.kind == "parameter" else check.subject
        rows.setdefault((check.kind, name), []).append(check)
    return [(kind, name, each) for (kind, name), each in rows.items()]
