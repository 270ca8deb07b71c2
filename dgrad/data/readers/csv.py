"""The CSV reader: a header, numeric feature columns, a target of classes or numbers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dgrad.data.dataset import Dataset
from dgrad.data.files import MAX_CONTENT, read_source
from dgrad.data.readers import numerals
from dgrad.data.readers.table import BadCell, Table, checked_text
from dgrad.data.readers.targets import read_targets, target_columns
from dgrad.errors import ParameterError
from dgrad.registry import readers

__all__ = ["read_csv"]

_ENOUGH_FAULTS = 5


@readers.register("csv")
def read_csv(
    path: Path,
    *,
    target: str | list[str],
    task: Literal["auto", "classes", "number"] = "auto",
    features: list[str] | None = None,
    delimiter: str = ",",
) -> Dataset:
    """A CSV file (.csv, .csv.gz) with a header line: numeric features and one target column.

    inputs: (rows, features) float32; targets: (rows,) int64 class indices or float32 numbers.
    target: a column; a list of k columns gives (rows, k) float32 numbers.
    features: names of the columns to use, in this order; all but `target` if not given. Blanks
    around cells and names are dropped, lines at the end that are empty are ignored, nothing is
    taken as a comment, and every feature must be a finite decimal number.
    task: "number" reads float32 targets, "classes" makes a class of each distinct target, and
    "auto" reads numbers if some target has a fractional part (2.5), classes otherwise.
    Classes that are all whole numbers are named by value (1, 01 and 1.0 are one) and sorted by
    it; otherwise they are named by their text and sorted as text.
    Raises DataError with file, line (the header is line 1) and column: D01-D08, D10, D14-D16,
    D27; ParameterError for a bad `delimiter`, `target` or `features`.
    """
    if len(delimiter) != 1 or delimiter in '"\r\n\0':
        raise ParameterError("csv", "delimiter", "one character, no quote or line end", delimiter)
    content, source = read_source(path, limit=MAX_CONTENT)
    table = Table(source.path, checked_text(content, source.path), delimiter)
    names = table.header()
    columns = target_columns(target, task)
    labels = [table.position(names, name) for name in columns]
    wanted = _feature_positions(table, names, columns, features)
    inputs, cells = _columns(table, names, wanted, labels)
    targets, class_names = read_targets(table, target, cells, task)
    return Dataset(inputs, targets, class_names, tuple(names[i] for i in wanted), (source,))


def _feature_positions(
    table: Table, names: Sequence[str], targets: Sequence[str], features: list[str] | None
) -> list[int]:
    chosen = [name for name in names if name not in targets] if features is None else features
    shown = ", ".join(map(repr, targets))
    if len(set(chosen)) != len(chosen) or set(chosen) & set(targets):
        rule = f"different columns other than the target {shown}"
        raise ParameterError("csv", "features", rule, chosen)
    if not chosen:
        raise table.error("D06", f"no feature column besides the target {shown}")
    if features is None:
        return [i for i, name in enumerate(names) if name not in targets]
    return [table.position(names, name) for name in features]


def _columns(
    table: Table, names: Sequence[str], wanted: Sequence[int], targets: Sequence[int]
) -> tuple[NDArray[np.float32], list[list[str]]]:
    """The feature columns, (rows, features), and the texts of each target column."""
    parts: list[NDArray[np.float32]] = []
    labels: list[list[str]] = [[] for _ in targets]
    bad: list[BadCell] = []
    for block in table.blocks(len(names)):
        columns = list(zip(*block, strict=True))
        values = numerals.parse(list(chain.from_iterable(columns[i] for i in wanted)))
        if values is None:
            bad += _bad_cells(block, names, wanted, first_row=len(labels[0]))
            if len(bad) >= _ENOUGH_FAULTS:
                break
        else:
            # (features x rows,) -> (rows, features)
            parts.append(np.ascontiguousarray(values.reshape(len(wanted), len(block)).T))
        for texts, i in zip(labels, targets, strict=True):
            texts.extend(columns[i])
    if bad:
        raise table.cells_error(bad)
    if not parts:
        raise table.error("D10", "there are no rows below the header; nothing to learn from")
    return np.concatenate(parts), labels


def _bad_cells(
    block: Sequence[Sequence[str]], names: Sequence[str], wanted: Sequence[int], *, first_row: int
) -> list[BadCell]:
    cells = ((row, i) for row in range(len(block)) for i in wanted)
    found = ((row, i, numerals.fault(block[row][i])) for row, i in cells)
    return [BadCell(first_row + row, names[i], block[row][i], *why) for row, i, why in found if why]
