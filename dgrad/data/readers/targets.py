"""The target columns of a table: class indices with names, or float32 numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dgrad.data.readers import numerals
from dgrad.data.readers.table import BadCell, Table
from dgrad.errors import DataError, ParameterError

__all__ = ["read_targets", "target_columns"]

Task = Literal["auto", "classes", "number"]

_EXACT = 2**53


def target_columns(target: str | list[str], task: Task) -> list[str]:
    """The names in `target`. Raises ParameterError for what cannot be read as `task`."""
    columns = [target] if isinstance(target, str) else target
    if not columns or len(set(columns)) != len(columns):
        raise ParameterError("csv", "target", "a column, or a list of different ones", target)
    if task == "classes" and not isinstance(target, str):
        raise ParameterError("csv", "target", "a single column, as it holds classes", target)
    return columns


def read_targets(
    table: Table, target: str | list[str], cells: Sequence[Sequence[str]], task: Task
) -> tuple[NDArray[Any], tuple[str, ...] | None]:
    """(targets, class names) from the texts of each target column; names None: numbers.

    targets: (n,), or (n, k) numbers for a list of k columns. task "auto" reads numbers when some
    cell has a fractional part, classes otherwise.
    Raises DataError: D03, D05, D07, D08 or D27, with the line of each bad cell.
    """
    if isinstance(target, str):
        return _read_column(table, target, cells[0], task)
    read = [
        _read_column(table, name, texts, "number")[0]
        for name, texts in zip(target, cells, strict=True)
    ]
    return np.stack(read, axis=1), None


def _read_column(
    table: Table, column: str, cells: Sequence[str], task: Task
) -> tuple[NDArray[Any], tuple[str, ...] | None]:
    distinct = {cell: cell.strip(numerals.BLANKS) for cell in set(cells)}
    if task == "number" or (task == "auto" and any(map(_has_fraction, distinct.values()))):
        numbers = numerals.parse(cells)
        if numbers is None:
            raise _error(table, column, cells, numerals.fault)
        return numbers, None
    whole = all(map(_is_whole, distinct.values()))
    if any(_label_fault(text, whole=whole) for text in distinct.values()):
        raise _error(table, column, cells, lambda cell: _label_fault(cell, whole=whole))
    keys = {cell: _value(text) if whole else text for cell, text in distinct.items()}
    order = {key: index for index, key in enumerate(sorted(set(keys.values())))}
    indices = {cell: order[key] for cell, key in keys.items()}
    targets = np.fromiter(map(indices.__getitem__, cells), np.int64, len(cells))
    return targets, tuple(map(str, order))


def _error(
    table: Table,
    column: str,
    cells: Sequence[str],
    fault: Callable[[str], tuple[str, str] | None],
) -> DataError:
    found = ((row, cell, fault(cell)) for row, cell in enumerate(cells))
    return table.cells_error([BadCell(row, column, cell, *why) for row, cell, why in found if why])


def _label_fault(cell: str, *, whole: bool) -> tuple[str, str] | None:
    """Why a cell cannot name a class; whole: all cells of the column are whole numbers."""
    text = cell.strip(numerals.BLANKS)
    if not text:
        return "D08", "expected a class, the cell is empty"
    if numerals.is_not_finite(text):
        return "D05", "expected a class or a finite number"
    if _has_fraction(text):
        return "D08", "expected a class: text or a whole number (task: number reads fractions)"
    if whole and abs(float(text)) >= _EXACT:
        return "D07", "expected a class, a whole number below 2^53"
    return None


def _has_fraction(text: str) -> bool:
    return numerals.NUMBER.fullmatch(text) is not None and not float(text).is_integer()


def _is_whole(text: str) -> bool:
    return numerals.NUMBER.fullmatch(text) is not None and float(text).is_integer()


def _value(text: str) -> int:
    return int(float(text))  # exact: below 2^53
