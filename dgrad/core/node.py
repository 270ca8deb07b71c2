"""Nodes of the recorded graph. An edge is a node: every Tensor that has a gradient has one node.

Edges point from an operation to the nodes of its inputs, which are always older: the creation
number `seq` of an edge's target is smaller, so newest-first is an order in which backward may run.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from dgrad.core.tensor import Tensor

__all__ = ["Hooks", "Leaf", "Node", "Output"]

next_seq = itertools.count(1).__next__


class Node:
    """One recorded operation: what it needs for its gradient, and where its inputs came from.

    `saved` follows the op's layout (see core/saved.py); `()` when its rules need nothing.
    `outputs` is None for one output; for several, (shape, dtype) of each, None for those that are
    no arrays. `shape` and `dtype` are those of the first array.
    """

    __slots__ = ("dtype", "edges", "hooks", "op", "outputs", "params", "saved", "seq", "shape")

    def __init__(
        self,
        op: Any,
        edges: tuple[Any, ...],
        saved: tuple[Any, ...],
        params: dict[str, Any],
        out: np.ndarray,
    ) -> None:
        self.seq = next_seq()
        self.op = op
        self.edges = edges
        self.saved = saved
        self.params = params
        self.shape = out.shape
        self.dtype = out.dtype
        self.hooks: Hooks | None = None
        self.outputs: tuple[Any, ...] | None = None

    @property
    def name(self) -> str:
        """The op's name, as errors show it."""
        return str(self.op.name)

    def __repr__(self) -> str:
        return f"<{self.name} node {self.seq}>"


class Output:
    """One output of a node that has several: hands its gradient to slot `index` of that node."""

    __slots__ = ("dtype", "edges", "hooks", "index", "seq", "shape")

    def __init__(self, node: Node, index: int, out: np.ndarray) -> None:
        self.seq = next_seq()
        self.edges = (node,)
        self.index = index
        self.shape = out.shape
        self.dtype = out.dtype
        self.hooks: Hooks | None = None

    @property
    def name(self) -> str:
        """The op's name and the output's number."""
        return f"{self.edges[0].name}[{self.index}]"


class Leaf:
    """Where gradients of a leaf arrive. Holds its Tensor weakly, so a dropped leaf is freed."""

    __slots__ = ("dtype", "hooks", "seq", "shape", "tensor")

    edges: tuple[()] = ()
    name = "leaf"

    def __init__(self, tensor: Tensor) -> None:
        self.seq = next_seq()
        self.tensor: weakref.ref[Tensor] = weakref.ref(tensor)
        self.shape = tensor.data.shape
        self.dtype = tensor.data.dtype
        self.hooks: Hooks | None = None


class Hooks:
    """Functions that see a node's summed gradient, in order of registration, and `retain_grad`."""

    __slots__ = ("functions", "retained")

    def __init__(self) -> None:
        self.functions: dict[int, Callable[[Tensor], Any]] = {}
        self.retained: weakref.ref[Tensor] | None = None


class HookHandle:
    """Removes the hook it was returned for: `handle.remove()`, or at the end of a `with` block."""

    def __init__(self, functions: dict[int, Callable[..., Any]], function: Callable[..., Any]):
        self._functions = functions
        self._key = next_seq()
        functions[self._key] = function

    def remove(self) -> None:
        """Take the hook away; a second call does nothing."""
        self._functions.pop(self._key, None)

    def __enter__(self) -> HookHandle:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()
