"""Where the config writes what an error that is found in building is about."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from dgrad.config.document import Config
from dgrad.config.marks import Mark
from dgrad.errors import DataError

__all__ = ["place", "placed"]


@contextmanager
def placed(mark: Callable[[str], Mark | None], where: str) -> Iterator[None]:
    """A DataError raised within begins with its place in the config; mark: of a fault id."""
    try:
        yield
    except DataError as error:
        found = mark(error.fault)
        place = f"{found.file}:{found.line}:{found.column} " if found and found.line else ""
        raise DataError(f"{place}{where}: {error}", fault=error.fault) from error


def place(config: Config, *keys: str) -> Mark:
    """Where the config writes the value at `keys`, or what would hold it."""
    node: Any = config.tree
    for key in keys:
        if key not in getattr(node, "entries", {}):
            break
        node = node.entries[key].value
    mark: Mark = node.mark
    return mark
