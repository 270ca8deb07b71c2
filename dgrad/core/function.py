"""Function: a custom operation with its own forward and backward, as PyTorch spells it.

class Cube(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x * x
    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * 3 * x * x
y = Cube.apply(t)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dgrad.core.modes import is_grad_enabled, no_grad, set_grad_enabled
from dgrad.core.node import Node, Output
from dgrad.core.tensor import Tensor, from_parts
from dgrad.errors import OpDefinitionError, ShapeError

__all__ = ["Context", "Function"]


class Context:
    """What forward hands to backward. Other attributes may be set for plain values.

    `needs_input_grad`: for each argument of apply, whether it wants a gradient.
    """

    def __init__(self, needs_input_grad: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs_input_grad
        self._to_save: tuple[Tensor | None, ...] = ()
        self._saved: tuple[Tensor | None, ...] = ()

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep these inputs, outputs or intermediates until backward has run."""
        self._to_save = tensors

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """What was saved, linked to the graph when the backward itself is recorded."""
        return self._saved


class Function:
    """Base of custom operations: define static `forward(ctx, ...)` and `backward(ctx, *grads)`.

    forward gets Tensors (not recording) and any other arguments as they are, and returns a Tensor
    or a tuple. backward gets one gradient per output and returns one per argument of forward,
    None for those without. To be differentiable twice, backward uses Tensor operations.
    """

    @staticmethod
    def forward(ctx: Context, *args: Any) -> Any:
        """Compute the result."""
        raise OpDefinitionError("a Function must define forward(ctx, ...)")

    @staticmethod
    def backward(ctx: Context, *grads: Any) -> Any:
        """Compute the gradients of forward's arguments from those of its results."""
        raise OpDefinitionError("this Function has no backward(ctx, ...): define one")

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Run forward; record it when an argument requires grad."""
        edges = tuple(a.node if isinstance(a, Tensor) else None for a in args)
        ctx = Context(tuple(edge is not None for edge in edges))
        with no_grad():
            result = cls.forward(
                ctx, *(from_parts(a.data, None) if isinstance(a, Tensor) else a for a in args)
            )
        single = not isinstance(result, tuple)
        results = tuple(_as_result(cls, r) for r in ((result,) if single else result))
        if not is_grad_enabled() or not any(ctx.needs_input_grad):
            return results[0] if single else results
        made = _record(_CustomOp(cls, ctx), edges, args, results, single)
        return made[0] if single else made


class _CustomOp:
    """Stands where an Op stands in a node: how the walk calls a Function's backward."""

    raw_rules = None
    broadcasts = False

    def __init__(self, function: type[Function], ctx: Context) -> None:
        self.name = function.__name__
        self.function = function
        self.ctx = ctx

    def pull(self, node: Node, g: Any, edges: Sequence[Any], record: bool) -> Sequence[Any]:
        """Gradients for every edge, from the gradient, or the list of them, of the results."""
        grads = [
            from_parts(np.zeros(shape, dtype), None)
            if one is None
            else (one if isinstance(one, Tensor) else from_parts(one, None))
            for one, (shape, dtype) in zip(
                g if isinstance(g, list) else [g], node.params["results"], strict=True
            )
        ]
        ctx = self.ctx
        ctx._saved = tuple(_unpack(entry, node, record) for entry in node.saved)
        try:
            with set_grad_enabled(record):
                results = self.function.backward(ctx, *grads)
        finally:
            ctx._saved = ()
        results = results if isinstance(results, tuple) else (results,)
        extra = results[len(edges) :]
        if len(results) < len(edges) or any(r is not None for r in extra):
            raise ShapeError(
                f"{self.name}.backward returned {len(results)} gradients for {len(edges)} arguments"
            )
        return [
            r.data if isinstance(r, Tensor) and not record else r for r in results[: len(edges)]
        ]


def _record(
    op: _CustomOp,
    edges: tuple[Any, ...],
    args: tuple[Any, ...],
    results: Sequence[Tensor],
    single: bool,
) -> tuple[Tensor, ...]:
    """Tensors of the results, on one node (and an Output node each when there are several)."""
    arrays = [r.data for r in results]
    params = {
        "outputs": 0 if single else len(arrays),
        "results": [(a.shape, a.dtype) for a in arrays],
    }
    node = Node(op, edges, (), params, arrays[0])
    nodes: list[Node | Output] = (
        [node] if single else [Output(node, i, a) for i, a in enumerate(arrays)]
    )
    inputs = {id(a.data): a.node for a in args if isinstance(a, Tensor)}
    own = {id(a): i for i, a in enumerate(arrays)}
    to_save = op.ctx._to_save
    op.ctx._to_save = ()
    node.saved = tuple(
        None if t is None else (t.data, inputs.get(id(t.data)), own.get(id(t.data)))
        for t in to_save
    )
    return tuple(
        from_parts(a, n if a.dtype.kind == "f" else None)
        for a, n in zip(arrays, nodes, strict=True)
    )


def _as_result(function: type[Function], value: Any) -> Tensor:
    if isinstance(value, np.ndarray | np.generic):
        value = from_parts(np.asarray(value), None)
    if not isinstance(value, Tensor):
        raise OpDefinitionError(
            f"{function.__name__}.forward must return Tensors or arrays, got {type(value).__name__}"
        )
    return value


def _unpack(entry: Any, node: Node, record: bool) -> Tensor | None:
    """A saved value as a Tensor, on the graph when the backward is recorded.

    An own result is linked through `node`, which it does not hold itself: no cycle.
    """
    if entry is None:
        return None
    array, edge, own = entry
    if record and edge is None and own is not None:
        edge = node if node.params["outputs"] == 0 else Output(node, own, array)
    return from_parts(array, edge if record else None)
