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

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from dgrad.core.inplace import become, check_writable
from dgrad.core.modes import is_grad_enabled, no_grad, set_grad_enabled
from dgrad.core.node import Leaf, Node, Output
from dgrad.core.recording import observe
from dgrad.core.tensor import Tensor, from_parts, raw_gradients
from dgrad.core.versions import mark_written, owner
from dgrad.errors import GraphError, OpDefinitionError, ShapeError

__all__ = ["Context", "Function", "once_differentiable"]


class Context:
    """What forward hands to backward. Other attributes may be set for plain values.

    `needs_input_grad`: for each argument of apply, whether it wants a gradient.
    """

    def __init__(self, needs_input_grad: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs_input_grad
        self._to_save: tuple[Tensor | None, ...] = ()
        self._dirty: tuple[Tensor, ...] = ()
        self._constant: tuple[Tensor, ...] = ()
        self._materialize = True
        self._saved: tuple[Tensor | None, ...] | None = None  # set while backward runs

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep these inputs, outputs or intermediates until backward has run."""
        for t in tensors:
            if t is not None and not isinstance(t, Tensor):
                raise OpDefinitionError(
                    f"save_for_backward takes Tensors and None, got {type(t).__name__}; "
                    f"keep other values as attributes of ctx"
                )
        self._to_save = tensors

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Say that forward wrote into these inputs; each must be among the results."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Say that these results have no gradient: backward gets zeros for them."""
        self._constant = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether backward gets zeros, or None, for a result that no gradient arrived at."""
        self._materialize = value

    if TYPE_CHECKING:  # users keep values of their own on it

        def __getattr__(self, name: str) -> Any: ...
        def __setattr__(self, name: str, value: Any) -> None: ...

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """What was saved, linked to the graph when the backward itself is recorded.

        Raises GraphError outside backward, the only place where it can be relied on.
        """
        if self._saved is None:
            raise GraphError("saved_tensors can be read only while backward(ctx, ...) runs")
        return self._saved


class Function:
    """Base of custom operations: define static `forward(ctx, ...)` and `backward(ctx, *grads)`.

    forward gets Tensors (not recording) and any other arguments as they are, and returns a Tensor,
    or a tuple in which other values may stand. backward gets one gradient per output (None for
    those other values) and returns one per argument of forward, None for those without. To be
    differentiable twice, backward uses Tensor operations and saves only inputs and outputs.
    """

    @staticmethod
    def forward(ctx: Context, *args: Any) -> Any:
        """Compute the result."""

    @staticmethod
    def backward(ctx: Context, *grads: Any) -> Any:
        """Compute the gradients of forward's arguments from those of its results."""

    @staticmethod
    def vjp(ctx: Context, *grads: Any) -> Any:
        """Another name of backward; a class defines one of the two."""

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Run forward; record it when an argument requires grad."""
        pull = _defined(cls)
        edges = tuple(a.node if isinstance(a, Tensor) else None for a in args)
        ctx = Context(tuple(edge is not None for edge in edges))
        inputs = [_shown(a) if isinstance(a, Tensor) else a for a in args]
        with no_grad():
            result = cls.forward(ctx, *inputs)
        single = not isinstance(result, tuple)
        results = tuple(map(_as_result, (result,) if single else result))
        if single and not isinstance(results[0], Tensor):
            raise OpDefinitionError(
                f"{cls.__name__}.forward must return a Tensor, an array or a tuple, "
                f"got {type(result).__name__}"
            )
        dirty = _dirty(cls.__name__, ctx, args, inputs, results)
        if is_grad_enabled() and any(ctx.needs_input_grad):
            results = _record(_CustomOp(cls.__name__, pull, ctx), edges, inputs, results, single)
        results = tuple(_rewritten(dirty[i], r) if i in dirty else r for i, r in enumerate(results))
        return results[0] if single else results


def _shown(tensor: Tensor) -> Tensor:
    """What forward gets for an argument: its memory, which cannot be written if it is a leaf's."""
    array = tensor.data
    if type(tensor.node) is Leaf and is_grad_enabled():
        array = array.view()
        array.flags.writeable = False
    return from_parts(array, None)


def _defined(cls: type[Function]) -> Callable[..., Any]:
    """The class's backward. Raises OpDefinitionError unless it has a forward and one backward."""
    own = {n for n in ("forward", "backward", "vjp") if getattr(cls, n) is not getattr(Function, n)}
    if "forward" not in own:
        raise OpDefinitionError(f"{cls.__name__} must define forward(ctx, ...)")
    if not own & {"backward", "vjp"}:
        raise OpDefinitionError(f"{cls.__name__} must define backward(ctx, ...)")
    if own >= {"backward", "vjp"}:
        raise OpDefinitionError(f"{cls.__name__} defines backward and vjp: they are one, keep one")
    return cls.backward if "backward" in own else cls.vjp


def _dirty(
    name: str, ctx: Context, args: Sequence[Any], inputs: Sequence[Any], results: Sequence[Any]
) -> dict[int, Tensor]:
    """By number of the result, the Tensor of the caller that forward wrote into."""
    found: dict[int, Tensor] = {}
    for written in ctx._dirty:
        places = [i for i, r in enumerate(results) if r is written]
        sources = [a for a, t in zip(args, inputs, strict=True) if t is written]
        if not places or not sources:
            raise OpDefinitionError(
                f"{name}.forward: what is marked dirty must be input and result"
            )
        check_writable(sources[0], name)
        mark_written(written.data, name)
        found[places[0]] = sources[0]
    return found


def _rewritten(tensor: Tensor, result: Tensor) -> Tensor:
    """The Tensor that forward wrote into, whose value is now `result`."""
    if is_grad_enabled():
        become(tensor, result.node)
    return tensor


class _Final(Function):
    """Passes a gradient on, linked to what it came from, and refuses to be differentiated."""

    @staticmethod
    def forward(ctx: Context, name: str, result: Tensor, *sources: Any) -> Tensor:
        ctx.name = name
        return result

    @staticmethod
    def backward(ctx: Context, *grads: Any) -> Any:
        raise GraphError(f"{ctx.name} is once_differentiable: it has no second derivative")


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator of a Function's backward that computes outside the graph, on arrays say.

    It runs without recording; differentiating its results raises GraphError.
    """

    @functools.wraps(backward)
    def once(ctx: Context, *grads: Any) -> Any:
        with no_grad():
            results = backward(ctx, *grads)
        if not is_grad_enabled():
            return results
        name, sources = backward.__qualname__, (*grads, *ctx.saved_tensors)
        return tuple(
            None if r is None else _Final.apply(name, Tensor(r), *sources)
            for r in (results if isinstance(results, tuple) else (results,))
        )

    return once


class _CustomOp:
    """Stands where an Op stands in a node: how the walk calls a Function's backward."""

    raw_rules = None
    broadcasts = False

    complex = True  # what its gradients mean there is its author's business

    def __init__(self, name: str, backward: Callable[..., Any], ctx: Context) -> None:
        self.name = name
        self.backward = backward
        self.ctx = ctx

    def pull(self, node: Node, g: Any, edges: Sequence[Any], record: bool) -> Sequence[Any]:
        """Gradients for every edge, from the gradient, or the list of them, of the results."""
        if node.outputs is None:
            g, outputs = (g,), ((node.shape, node.dtype),)
        else:
            outputs = node.outputs
        ctx = self.ctx
        grads = [
            _cotangent(each, out, ctx._materialize) for each, out in zip(g, outputs, strict=True)
        ]
        before = ctx._saved  # of the walk that we are in, if this is a backward inside a backward
        ctx._saved = tuple(_unpack(entry, node, record) for entry in node.saved)
        try:
            with set_grad_enabled(record):
                results = self.backward(ctx, *grads)
        finally:
            ctx._saved = before
        results = results if isinstance(results, tuple) else (results,)
        extra = results[len(edges) :]
        if len(results) < len(edges) or any(r is not None for r in extra):
            raise ShapeError(
                f"{self.name}.backward returned {len(results)} gradients for {len(edges)} arguments"
            )
        gradients = results[: len(edges)]
        return list(gradients) if record else raw_gradients(gradients)


def _cotangent(g: Any, result: tuple[Any, Any] | None, materialize: bool) -> Tensor | None:
    """What backward gets for a result of that shape and dtype: zeros when nothing arrived.

    An array of its own, or read-only: what backward does to it reaches no other node.
    """
    if result is None or isinstance(g, Tensor) or (g is None and not materialize):
        return cast(Tensor | None, g)
    if g is None:
        return from_parts(np.zeros(*result), None)
    shown = g.view()
    shown.flags.writeable = False
    return from_parts(shown, None)


def _record(
    op: _CustomOp,
    edges: tuple[Any, ...],
    inputs: Sequence[Any],
    results: tuple[Any, ...],
    single: bool,
) -> tuple[Any, ...]:
    """The results on one node, and on an Output node each when there are several."""
    arrays = [r.data if isinstance(r, Tensor) else None for r in results]
    first = next((a for a in arrays if a is not None), np.empty(0))
    node = Node(op, edges, (), {}, first)
    if not single:
        node.outputs = tuple(None if a is None else (a.shape, a.dtype) for a in arrays)
    dirty = set(map(id, op.ctx._dirty))
    links = {
        id(t): edge
        for t, edge in zip(inputs, edges, strict=True)
        if isinstance(t, Tensor) and id(t) not in dirty
    }
    own = {id(a): i for i, a in enumerate(arrays)}
    node.saved = tuple(
        None
        if t is None
        else (t.data, links.get(id(t)), None if id(t) in links else own.get(id(t.data)))
        for t in op.ctx._to_save
    )
    constant = set(map(id, op.ctx._constant))
    op.ctx._to_save = op.ctx._dirty = op.ctx._constant = ()
    observe(node)
    owners = {id(owner(t.data)) for t in inputs if isinstance(t, Tensor) and id(t) not in dirty}
    recorded = list(results)
    for i, (r, a) in enumerate(zip(results, arrays, strict=True)):
        if a is not None and a.dtype.kind in "fc" and id(r) not in constant:
            if id(owner(a)) in owners:  # the graph would not know what a write to one does to both
                a = a.copy()
            recorded[i] = from_parts(a, node if single else Output(node, i, a))
    return tuple(recorded)


def _as_result(value: Any) -> Any:
    """Arrays as Tensors, anything else as it is."""
    return Tensor(value) if isinstance(value, np.ndarray | np.generic) else value


def _unpack(entry: Any, node: Node, record: bool) -> Tensor | None:
    """A saved value as a Tensor, on the graph when the backward is recorded.

    An own result is linked through `node`, which it does not hold itself: no cycle.
    """
    if entry is None:
        return None
    array, edge, own = entry
    if record and edge is None and own is not None:
        edge = node if node.outputs is None else Output(node, own, array)
    return from_parts(array, edge if record else None)
