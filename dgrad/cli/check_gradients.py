"""`dgrad gradcheck`: numeric against analytic gradients, of what is shipped or of a config."""

from __future__ import annotations

import enum
import sys
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dgrad.cli.options import Traceback, json_option

if TYPE_CHECKING:
    from dgrad.functional.report import Check, Report

__all__ = ["gradcheck"]

LAST_SEED = 2**64 - 1
UNCHECKED = "skipped: no example"
NOTHING = ("skipped: no gradient", "skipped: empty")  # verdicts where there is nothing to check
PAGE = (".html", ".htm")  # suffixes of a report that is a page
PIPE_WIDTH = 120  # columns of the table where there is no terminal to ask


class Order(enum.StrEnum):
    """Orders of derivatives that can be checked."""

    first = "1"
    second = "2"
    third = "3"


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
        typer.Argument(metavar="KEY=VALUE", help="Values of CONFIG to change or to add."),
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
    order: Annotated[
        Order | None,
        typer.Option(
            metavar="1|2|3",
            help="Order of the derivatives. Left out: 2 of ops, 1 of layers and models.",
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(
            min=0, max=LAST_SEED, metavar="N", help="Seed of the example inputs and directions."
        ),
    ] = 0,
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write the report: as a web page if FILE ends in .html, else as JSON; repeatable.",
        ),
    ] = None,
    as_json: Annotated[bool, json_option("Print the report as JSON on stdout.")] = False,
    traceback: Traceback = False,
) -> None:
    """Check gradients numerically. Exits 6 when one is wrong.

    Without CONFIG: every op and layer that is shipped.
    """
    import json

    from dgrad.cli.messages import printable
    from dgrad.config.document import load
    from dgrad.config.gradients import gradient_checks
    from dgrad.errors import WrongGradientError

    for path in output or ():
        from dgrad.train.files import check_replaceable

        check_replaceable(path)
    document = None if config is None else load(config, overrides or ())
    report = gradient_checks(
        None if op or layer else document,  # what is named may be a plugin's of the config
        ops=op or (),
        layers=layer or (),
        everything=everything,
        order=None if order is None else int(order),
        seed=seed,
    )
    text = json.dumps(report.to_dict(), indent=1, allow_nan=False) + "\n"
    for path in output or ():
        _write(path, report.to_html() if path.suffix.lower() in PAGE else text, quiet=as_json)
    if as_json:
        sys.stdout.write(text)
    else:
        _print_table(report)
    unchecked = [check.subject for check in report.checks if check.verdict == UNCHECKED]
    if unchecked:
        names = ", ".join(dict.fromkeys(unchecked))
        print(printable(f"warning: not checked, for want of an example: {names}"), file=sys.stderr)
    if not report.passed:
        count = len(report.wrong)
        told = textwrap.indent("\n".join(map(str, report.wrong)), "  ")
        raise WrongGradientError(f"{count} check{'s' if count > 1 else ''} failed:\n{told}")


def _write(path: Path, text: str, quiet: bool) -> None:
    """Write the report, and say where unless `quiet`."""
    from dgrad.cli.messages import printable
    from dgrad.train.files import write_atomic

    write_atomic(path, [text.encode()])
    if not quiet:
        print(printable(f"report: {path}"), file=sys.stderr)


def _print_table(report: Report) -> None:
    """One row per op and layer, one per parameter of a model; then the counts."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from dgrad.cli.messages import printable

    table = Table(box=None, pad_edge=False)
    for heading in ("kind", "name", "with respect to", "verdict"):
        table.add_column(heading, overflow="fold")
    for heading in ("derivatives", "largest error"):
        table.add_column(heading, justify="right", overflow="fold")
    for kind, name, checks in _rows(report.checks):
        verdict = _verdict(checks)
        compared = sum(check.compared for check in checks)
        worst = max(check.max_error for check in checks)
        inputs = ", ".join(dict.fromkeys(check.input for check in checks if check.compared))
        good = all(check.passed for check in checks)
        table.add_row(
            kind,
            Text(printable(name)),
            Text(printable(inputs)),
            Text(
                printable(verdict),
                style="red" if not good else "green" if verdict == "ok" else "yellow",
            ),
            f"{compared:,}" if compared else "",
            f"{worst:.1e}" if compared else "",
        )
    width = None if sys.stdout.isatty() else PIPE_WIDTH
    Console(highlight=False, markup=False, emoji=False, width=width).print(table)
    for check in report.checks:
        if check.passed and check.note and not check.verdict.startswith(("ok", *NOTHING)):
            print(printable(str(check)))
    counts = ", ".join(f"{count} {verdict}" for verdict, count in report.counts().items())
    print(f"{len(report.checks)} checks: {counts}")


def _verdict(checks: Sequence[Check]) -> str:
    """The verdict of a row; where they differ, that of each input."""
    judged = [check for check in checks if not check.verdict.startswith(NOTHING)] or checks
    inputs: dict[str, list[str]] = {}
    for check in judged:
        label = check.input if check.order == 1 else f"{check.input} (order {check.order})"
        inputs.setdefault(check.verdict.removeprefix("skipped: "), []).append(label)
    if len(inputs) == 1:
        return next(iter(inputs))
    return "; ".join(f"{verdict}: {', '.join(labels)}" for verdict, labels in inputs.items())


def _rows(checks: Iterable[Check]) -> Iterable[tuple[str, str, list[Check]]]:
    """(kind, name, checks) of every op and layer, and of the loss by each parameter, in order."""
    rows: dict[tuple[str, str, str], list[Check]] = {}
    for check in checks:
        is_loss = check.kind == "parameter"
        kind, name = ("model", "loss") if is_loss else (check.kind, check.subject)
        rows.setdefault((kind, name, check.input if is_loss else ""), []).append(check)
    return [(kind, name, each) for (kind, name, _), each in rows.items()]
