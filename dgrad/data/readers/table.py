"""The records of one CSV file in memory, and errors that name a line and a column of it."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NoReturn

from dgrad.data.readers import numerals
from dgrad.errors import DataError
from dgrad.registry import closest

__all__ = ["BadCell", "Table", "checked_text"]

_BLOCK = 1024
_SHOWN_CELLS = 5
_SHOWN_NAMES = 20
_SHOWN_CHARACTERS = 40
_LOOKS_LIKE = {
    b"\x1f\x8b": "; it looks like gzip, whose name must end in .gz",
    b"\xff\xfe": "; it looks like UTF-16",
    b"\xfe\xff": "; it looks like UTF-16",
    b"PK": "; it looks like a zip archive or an Excel workbook",
}


@dataclass(frozen=True)
class BadCell:
    """A cell that cannot be used: data row (from 0), column name, text, fault id, reason."""

    row: int
    column: str
    text: str
    fault: str
    reason: str


@dataclass(frozen=True)
class Table:
    """A CSV text, read from its start each time: once when all is well, again to find a line."""

    where: str
    content: bytes
    delimiter: str

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """(line where it starts, cells) of every record, the header first. Raises D06."""
        line = 1
        # newline="": the csv module finds the line ends itself, as quoted cells may hold some.
        text = io.TextIOWrapper(io.BytesIO(self.content), "utf-8", newline="")
        reader = csv.reader(text, delimiter=self.delimiter, strict=True)
        try:
            for row in reader:
                yield line, row
                line = reader.line_num + 1
        except csv.Error as fault:
            reason = f"line {line}: not readable as CSV ({fault}); is a quote left open?"
            raise self.error("D06", reason) from None

    def header(self) -> list[str]:
        """The column names, one for each column, all different. Raises D06."""
        names = [name.strip(numerals.BLANKS) for name in next(self.rows())[1]]
        if all(map(numerals.NUMBER.fullmatch, names)):
            found = _listed(names) if names else "an empty line"
            raise self.error("D06", f"line 1: expected column names, found {found}; add a header")
        if "" in names:
            place = f"column {names.index('') + 1} of {len(names)}"
            raise self.error("D06", f"line 1: {place} has no name; give it one or remove it")
        twice = sorted(name for name, count in Counter(names).items() if count > 1)
        if twice:
            raise self.error("D06", f"line 1: each name must be used once: {_listed(twice)}")
        return names

    def position(self, names: Sequence[str], name: str) -> int:
        """The index of the column called `name`. Raises D06 with the names there are."""
        if name in names:
            return names.index(name)
        close = closest(name, names)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        other = next((mark for mark in ";\t|," if len(names) == 1 and mark in names[0]), None)
        if other:
            hint = f"; set delimiter: {other!r}, which is in the header, if it separates the names"
        raise self.error("D06", f"no column is called {name!r}{hint} (found: {_listed(names)})")

    def blocks(self, width: int) -> Iterator[list[list[str]]]:
        """The data records, up to 1,024 at a time, all of them `width` cells wide. Raises D02."""
        rows = (row for _, row in islice(self.rows(), 1, None))
        while block := list(islice(rows, _BLOCK)):
            if set(map(len, block)) != {width}:
                self._raise_ragged(width)
            yield block

    def error(self, fault: str, text: str) -> DataError:
        """A DataError whose message starts with the file."""
        return DataError(f"{self.where}: {text}", fault=fault)

    def cells_error(self, cells: Sequence[BadCell]) -> DataError:
        """One DataError that shows the first five of `cells`, with the fault id of the first."""
        some = f" (the first {_SHOWN_CELLS} are shown)" if len(cells) > _SHOWN_CELLS else ""
        cells = cells[:_SHOWN_CELLS]
        numbers = {cell.row: 0 for cell in cells}
        for row, (line, _) in enumerate(islice(self.rows(), 1, max(numbers) + 2)):
            if row in numbers:
                numbers[row] = line
        shown = "\n".join(
            f"  line {numbers[cell.row]}, column {cell.column!r}: "
            f"{cell.reason}, got {_shortened(cell.text)}"
            for cell in cells
        )
        return self.error(
            cells[0].fault,
            f"cells that cannot be used{some}:\n{shown}\n"
            f"  correct them, or choose other columns with `features` and `target`",
        )

    def _raise_ragged(self, width: int) -> NoReturn:
        ragged = [(line, len(row)) for line, row in self.rows() if len(row) != width]
        more = f" ({len(ragged)} such lines)" if len(ragged) > 1 else ""
        raise self.error(
            "D02",
            f"line {ragged[0][0]}: expected {width} columns, as the header has, "
            f"found {ragged[0][1]}{more}; quote cells that contain {self.delimiter!r}",
        )


def checked_text(content: bytes, where: str) -> bytes:
    """`content` without byte-order mark and final line ends. Raises D06 (not UTF-8, NUL), D10."""
    content = content.removeprefix(b"\xef\xbb\xbf").rstrip(b"\r\n")
    if not content:
        raise DataError(f"{where}: the file is empty, expected a header and rows", fault="D10")
    try:
        content.decode()
    except UnicodeDecodeError as fault:
        line = content.count(b"\n", 0, fault.start) + 1
        guess = next((text for mark, text in _LOOKS_LIKE.items() if content.startswith(mark)), "")
        raise DataError(
            f"{where}: line {line}: byte 0x{content[fault.start]:02x} is not UTF-8{guess}; "
            f"save the file as UTF-8",
            fault="D06",
        ) from None
    if b"\0" in content:
        line = content.count(b"\n", 0, content.index(b"\0")) + 1
        raise DataError(f"{where}: line {line}: a NUL byte, expected text", fault="D06")
    return content


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(map(_shortened, names[:_SHOWN_NAMES]))
    return shown if len(names) <= _SHOWN_NAMES else f"{shown}, ... ({len(names)} in all)"


def _shortened(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "...")
