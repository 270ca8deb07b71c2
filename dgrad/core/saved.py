"""What a node keeps for its backward, and how it comes back.

`Node.saved` is laid out as: inputs, out, kept values, `<input>_shape` of each input; entries that
no active rule asks for are None, and the tuple ends with the last one kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from dgrad.core.node import Node, Output
from dgrad.core.tensor import from_parts

__all__ = ["FREED", "Plan", "Plans", "as_tensors"]

FREED: Any = object()  # stands in Node.saved once backward has passed


class Plan(NamedTuple):
    """What a node keeps: entries of the layout, for one choice of inputs that want gradients.

    flags: for each input and out, whether it is kept; values: those kept as they are, by index;
    shapes: (index, input) of those kept as a shape; size: entries up to the last one kept.
    """

    flags: tuple[bool, ...]
    values: tuple[int, ...]
    shapes: tuple[tuple[int, int], ...]
    size: int

    @classmethod
    def of(cls, wanted: set[int], inputs: int, layout: int) -> Plan:
        """The plan that keeps the entries `wanted`, for an op of so many inputs and entries."""
        first_shape = layout - inputs
        return cls(
            flags=tuple(i in wanted for i in range(inputs + 1)),
            values=tuple(sorted(i for i in wanted if i < first_shape)),
            shapes=tuple((i, i - first_shape) for i in sorted(wanted) if i >= first_shape),
            size=max(wanted, default=-1) + 1,
        )

    def keep(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """The saved tuple. values: inputs, out, kept values."""
        if not self.size:
            return ()
        saved: list[Any] = [None] * self.size
        for i in self.values:
            saved[i] = values[i]
        for i, source in self.shapes:
            saved[i] = _shape(values[source])
        return tuple(saved)


class Plans(dict[int, Plan]):
    """The plan for each set of inputs that want gradients, a bit mask; made when first needed."""

    def __init__(self, make: Callable[[int], Plan]) -> None:
        super().__init__()
        self.make = make

    def __missing__(self, mask: int) -> Plan:
        plan = self[mask] = self.make(mask)
        return plan


def as_tensors(node: Node, inputs: int, variadic: bool) -> tuple[Any, ...]:
    """The saved values as Tensors on the graph, so that rules applied to them are recorded."""
    saved = node.saved
    if not saved:
        return saved
    linked = tuple(
        _link(saved[i], node.edges if variadic else node.edges[i])
        for i in range(min(inputs, len(saved)))
    )
    if len(saved) <= inputs:
        return linked
    out = saved[inputs]
    if node.outputs is not None and out is not None:
        out = tuple(from_parts(a, Output(node, i, a)) for i, a in enumerate(out))
    elif out is not None:
        out = from_parts(out, node)
    return (*linked, out, *saved[inputs + 1 :])


def _link(value: Any, edge: Any) -> Any:
    """A saved input as a Tensor on its edge; a variadic op's inputs as a tuple of such."""
    if isinstance(edge, tuple) and value is not None:
        return tuple(_link(v, e) for v, e in zip(value, edge, strict=True))
    return value if edge is None or value is None else from_parts(value, edge)


def _shape(value: Any) -> Any:
    return tuple(np.shape(v) for v in value) if isinstance(value, tuple) else np.shape(value)
