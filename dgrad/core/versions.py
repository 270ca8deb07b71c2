"""What was overwritten, and when: how backward notices that a saved value is no longer the one.

Memory that was written in place is remembered by its owner, the array that NumPy allocated, so
that views, detached Tensors and a Tensor's own array all answer for each other. A node that is
older than the last write anywhere looks its saved arrays up; no other node asks.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from dgrad.core.lines import caller_line
from dgrad.core.node import Node, next_seq
from dgrad.errors import GraphError

__all__ = [
    "Mark",
    "arrays_in",
    "check_saved",
    "mark_written",
    "marker",
    "owner",
    "version",
    "writer_since",
    "writes",
]

Region = tuple[int, tuple[int, ...], tuple[int, ...], str]  # address, shape, strides, typestr
MANY = 256  # regions remembered of one owner; beyond that, all of it counts as written
ENOUGH_WORK = 10_000  # for deciding exactly whether two strided regions overlap


class _Memory:
    """The writes into one owner's memory: by region, (creation number, what wrote)."""

    __slots__ = ("count", "reference", "regions")

    def __init__(self, array: np.ndarray) -> None:
        key = id(array)
        self.reference = weakref.ref(array, lambda _: writes.memory.pop(key, None))
        self.count = 0
        self.regions: dict[Region, tuple[int, str]] = {}

    def note(self, region: Region, writer: str) -> None:
        """A write into the region, now."""
        writes.latest = next_seq()
        self.count += 1
        self.regions[region] = writes.latest, writer


class _Writes:
    """All that is known of writes. latest: the creation number at the last one."""

    def __init__(self) -> None:
        self.latest = 0
        self.memory: dict[int, _Memory] = {}


writes = _Writes()


def owner(array: np.ndarray) -> np.ndarray:
    """The array whose memory `array` shows; NumPy has mostly found it already."""
    base = array.base
    while base is not None:
        if isinstance(base, np.ndarray):
            array = base
        elif type(base).__name__ != "DummyArray":  # as_strided puts one of these in between
            break
        base = base.base
    return array


def version(array: np.ndarray) -> int:
    """How many writes into the memory of `array` were marked; views and their base agree."""
    found = writes.memory.get(id(owner(array)))
    return 0 if found is None else found.count


def mark_written(array: np.ndarray, name: str) -> None:
    """Remember that `name`, called at the user's current line, overwrites `array`."""
    whole = owner(array)
    memory = _memory(whole)
    if len(memory.regions) >= MANY:
        memory.regions.clear()
        array = whole
    place = caller_line()
    memory.note(_region(array), name if place is None else f"{name} at {place}")


def marker(array: np.ndarray, name: str) -> Callable[[], None]:
    """A function that marks `array` as overwritten by `name`: quick, for what writes each step.

    It is good for as long as `array` exists.
    """
    return functools.partial(_memory(owner(array)).note, _region(array), name)


def _memory(whole: np.ndarray) -> _Memory:
    found = writes.memory.get(id(whole))
    if found is None:
        found = writes.memory[id(whole)] = _Memory(whole)
    return found


def check_saved(node: Node) -> None:
    """Raise GraphError if something that `node` saved was overwritten since."""
    for position, array in arrays_in(node.saved):
        writer = writer_since(array, node.seq)
        if writer is not None:
            raise GraphError(_overwritten(node, position, array, writer))


def writer_since(array: np.ndarray, seq: int, whole: np.ndarray | None = None) -> str | None:
    """What overwrote an element of `array` after creation number `seq`; None if nothing did.

    whole: its owner, where `array` itself does not know.
    """
    memory = writes.memory.get(id(owner(array) if whole is None else whole))
    for region, (written, writer) in () if memory is None else memory.regions.items():
        if written > seq and _overlap(array, region):
            return writer
    return None


class Mark:
    """Remembers an array without keeping it alive, to be asked later what has overwritten it."""

    __slots__ = ("_owner", "_region", "_seq")

    def __init__(self, array: np.ndarray) -> None:
        self._owner = weakref.ref(owner(array))
        self._region = _region(array)
        self._seq = next_seq()

    def writer(self) -> str | None:
        """What overwrote an element since, if the memory still exists; None if nothing did."""
        alive = self._owner()  # while it is, its memory is no other's
        return (
            None
            if alive is None
            else writer_since(np.asarray(_Shown(self._region)), self._seq, alive)
        )


def _overwritten(node: Node, position: int, array: np.ndarray, writer: str) -> str:
    layout = getattr(node.op, "layout", ())
    what = f"its {layout[position]!r}" if position < len(layout) else "a value"
    made = getattr(node, "source", None)
    return (
        f"backward: {node.name}{f', called at {made},' if made else ''} saved {what} of shape "
        f"{array.shape}, which was overwritten since by {writer}; write to a clone(), or "
        f"compute the new value out of place"
    )


def arrays_in(saved: Iterable[Any]) -> Iterable[tuple[int, np.ndarray]]:
    """(position, array) of everything saved; a tuple within stands at one position."""
    for position, value in enumerate(saved):
        for each in value if type(value) is tuple else (value,):
            if isinstance(each, np.ndarray):
                yield position, each


def _region(array: np.ndarray) -> Region:
    told = array.__array_interface__
    return told["data"][0], array.shape, array.strides, told["typestr"]


class _Shown:
    """A region as something that np.asarray shows as an array, without keeping its owner alive."""

    def __init__(self, region: Region) -> None:
        address, shape, strides, typestr = region
        self.__array_interface__ = {
            "data": (address, True),
            "shape": shape,
            "strides": strides,
            "typestr": typestr,
            "version": 3,
        }


def _overlap(array: np.ndarray, region: Region) -> bool:
    """Whether they share an element; the region's owner is alive, as `array` is part of it."""
    try:
        return np.shares_memory(array, np.asarray(_Shown(region)), max_work=ENOUGH_WORK)  # type: ignore[arg-type]
    except np.exceptions.TooHardError:
        return True
