"""A curve drawn with block characters, or with # where the stream has none."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Sequence
from typing import TextIO

__all__ = ["plot"]

BLOCKS = " ▁▂▃▄▅▆▇█"
LABEL = 9  # columns for the numbers beside the plot
HEIGHT = 10


def plot(
    values: Sequence[float],
    ends: tuple[str, str],
    stream: TextIO,
    *,
    low: float = 0.0,
    high: float | None = None,
) -> list[str]:
    """The lines of a plot as wide as the terminal (80 columns where there is none).

    values: the area below them is filled, from low to high (their largest if None); each column
    shows the mean of its share. ends: what stands below the left and the right end.
    """
    width = max(shutil.get_terminal_size((80, 24)).columns - LABEL - 3, 8)
    top = max(values) if high is None else high
    span = top - low or 1.0
    columns = [min(max((each - low) / span, 0.0), 1.0) for each in _columns(values, width)]
    pieces, edge, corner, line = _characters(stream)
    lines = []
    for row in reversed(range(HEIGHT)):
        filled = (min(max(each * HEIGHT - row, 0.0), 1.0) for each in columns)
        text = "".join(pieces[round(part * (len(pieces) - 1))] for part in filled)
        label = f"{top:.3g}" if row == HEIGHT - 1 else ""
        lines.append(f"{label:>{LABEL}} {edge}{text}".rstrip())
    lines.append(f"{f'{low:.3g}':>{LABEL}} {corner}{line * width}")
    left, right = ends
    lines.append(" " * (LABEL + 2) + left + right.rjust(width - len(left)))
    return lines


def _columns(values: Sequence[float], width: int) -> list[float]:
    """`width` values: means of neighbours, or each several times where they are few."""
    edges = [i * len(values) / width for i in range(width + 1)]
    shares = (
        values[int(start) : max(int(end), int(start) + 1)]
        for start, end in itertools.pairwise(edges)
    )
    return [sum(share) / len(share) for share in shares]


def _characters(stream: TextIO) -> tuple[str, str, str, str]:
    """What fills a cell from nothing to all; the axes."""
    try:
        f"{BLOCKS}┤┼─".encode(getattr(stream, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return " #", "|", "+", "-"
    return BLOCKS, "┤", "┼", "─"
