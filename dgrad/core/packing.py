"""Saved values that pass through a pair of hooks: `saved_tensors_hooks` (see core/modes.py)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dgrad.core.modes import saved_tensors_hooks
from dgrad.core.node import Node
from dgrad.core.tensor import Tensor, from_parts
from dgrad.core.versions import check_saved
from dgrad.errors import GraphError

__all__ = ["packed"]


class _Handle:
    """What `pack` made of one array, and what must come back for it."""

    __slots__ = ("dtype", "name", "packed", "shape", "unpack")

    def __init__(self, name: str, array: np.ndarray, hooks: saved_tensors_hooks) -> None:
        self.name, self.shape, self.dtype = name, array.shape, array.dtype
        self.unpack = hooks.unpack
        shown = array.view()
        shown.flags.writeable = False  # what is saved must stay as it is
        self.packed = hooks.pack(from_parts(shown, None))

    def array(self) -> np.ndarray:
        """The array again."""
        given = self.unpack(self.packed)
        array = given.data if isinstance(given, Tensor) else np.asarray(given)
        if array.shape != self.shape or array.dtype != self.dtype:
            raise GraphError(
                f"{self.name}: the unpack hook returned {array.dtype}{list(array.shape)} for a "
                f"saved {self.dtype}{list(self.shape)}"
            )
        return array


class _Packed:
    """Stands where an Op stands in a node whose saved values are handles; else it is that Op."""

    raw_rules = None  # so that the walk calls pull

    def __init__(self, op: Any, fresh: bool) -> None:
        self.op = op
        self.fresh = fresh

    def __getattr__(self, name: str) -> Any:
        return getattr(self.op, name)

    def pull(self, node: Node, g: Any, edges: Sequence[Any], record: bool) -> Sequence[Any]:
        """As Op.pull, with the saved values back for as long as it takes."""
        handles = node.saved
        node.saved = tuple(_mapped(value, _Handle, _Handle.array) for value in handles)
        try:
            if not self.fresh:
                check_saved(node)
            return self.op.pull(node, g, edges, record)  # type: ignore[no-any-return]
        finally:
            node.saved = handles


def packed(node: Node, hooks: saved_tensors_hooks) -> None:
    """Replace the arrays that `node` saved by what `hooks` make of them."""
    name = node.name

    def pack(array: np.ndarray) -> _Handle:
        return _Handle(name, array, hooks)

    node.saved = tuple(_mapped(value, np.ndarray, pack) for value in node.saved)
    node.op = _Packed(node.op, hooks.fresh)


def _mapped(value: Any, kind: type, function: Callable[[Any], Any]) -> Any:
    """`value`, or the parts of a tuple, with `function` applied to those of that kind."""
    if type(value) is tuple:
        return tuple(_mapped(each, kind, function) for each in value)
    return function(value) if isinstance(value, kind) else value
