"""Nodes of the recorded graph. An edge is a node: every Tensor that has a gradient has one node.

Edges point from an operation to the nodes of its inputs, which are always older: the creation
number `seq` of an edge's target is smaller, so newest-first is an order in which backward may run.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from dgrad.core.hooks import Hookable, Hooks
from dgrad.errors import DtypeError

if TYPE_CHECKING:
    from dgrad.core.tensor import Tensor

__all__ = ["FLOAT32", "Leaf", "Node", "Output", "behind", "next_seq"]

FLOAT32 = np.dtype(np.float32)

next_seq = itertools.count(1).__next__


class Node(Hookable):
    """One recorded operation: what it needs for its gradient, and where its inputs came from.

    `saved` follows the op's layout (see core/saved.py); `()` when its rules need nothing.
    `outputs` is None for one output; for several, (shape, dtype) of each, None for those that are
    no arrays. `shape` and `dtype` are those of the first array.
    """

    __slots__ = (
        "dtype",
        "edges",
        "hooks",
        "op",
        "outputs",
        "params",
        "saved",
        "seq",
        "shape",
        "source",  # set only under detect_anomaly: who called
    )

    source: str | None

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
        self.dtype = dtype = out.dtype
        self.hooks: Hooks | None = None
        self.outputs: tuple[Any, ...] | None = None
        if (
            dtype is not FLOAT32
            and dtype.kind not in "fbiu"
            and not op.complex * (dtype.kind == "c")
        ):
            kind = "complex numbers" if dtype.kind == "c" else f"results of dtype {dtype}"
            raise DtypeError(f"{op.name} has no gradient for {kind}")

    @property
    def name(self) -> str:
        """The op's name, as errors show it."""
        return str(self.op.name)

    def __repr__(self) -> str:
        return f"<{self.name} node {self.seq}>"


class Output(Hookable):
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


class Leaf(Hookable):
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


def behind(ends: Iterable[Any]) -> list[Any]:
    """`ends` and every node that they depend on, newest first; found without recursion."""
    stack = list(ends)
    seen = set(stack)
    while stack:
        fresh = [edge for edge in stack.pop().edges if edge is not None and edge not in seen]
        seen.update(fresh)
        stack.extend(fresh)
    return sorted(seen, key=lambda node: -node.seq)
