"""Results on stdout: every digit, so that two commands can be compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dgrad.cli.messages import printable

if TYPE_CHECKING:
    from dgrad.train.metrics import Table

__all__ = ["print_results", "print_table"]


def print_results(split: str, results: Mapping[str, float]) -> None:
    """`test/accuracy 0.9814814814814815`, a line each, aligned; with why it is nan, if known."""
    width = max(len(name) for name in results) + len(split) + 1
    for name, value in results.items():
        reason = f" ({value.reason})" if hasattr(value, "reason") else ""
        print(printable(f"{f'{split}/{name}':<{width}}  {value!r}{reason}"))


def print_table(title: str, table: Table) -> None:
    """A line with the title, one with the columns' names, and one for each row; aligned."""
    lines = [[table.corner, *table.columns]]
    rows = zip(table.rows, table.values.tolist(), strict=True)
    lines += [[name, *map(str, values)] for name, values in rows]
    lines = [[printable(cell) for cell in line] for line in lines]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    print(printable(title))
    for first, *cells in lines:
        values = (f"{cell:>{width}}" for cell, width in zip(cells, widths[1:], strict=True))
        print("  ".join([f"  {first:<{widths[0]}}", *values]))
