"""How an op is called: Tensors unwrapped, the forward run, the result wrapped and recorded.

The same steps stand here three times, for one, two and any number of inputs: this is the hot path
of every program, and unrolling it halves its cost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from dgrad.core.modes import special
from dgrad.core.node import Node, Output
from dgrad.core.recording import record, unrecorded
from dgrad.core.statics import PLAIN, owned
from dgrad.core.tensor import Tensor, from_parts
from dgrad.core.views import note_view
from dgrad.errors import DgradError, OpDefinitionError

if TYPE_CHECKING:
    from dgrad.core.op import Op

__all__ = ["caller", "exchange"]

NO_PARAMS: dict[str, Any] = {}
FORWARD_ERRORS = (ValueError, TypeError, IndexError)
ndarray, asarray, new = np.ndarray, np.asarray, Tensor.__new__


def caller(op: Op) -> Callable[..., Any]:
    """The function that users call."""
    extra = (op.variadic, op.keeps, op.statics, op.optional, op.outputs, op.view)
    plain = op.differentiable and not any(extra)
    if plain and len(op.inputs) == 1:
        return _unary(op)
    if plain and len(op.inputs) == 2:
        return _binary(op)
    return _general(op)


def exchange(call: Callable[..., Any], forward: Callable[..., Any]) -> Callable[..., Any]:
    """Let what `caller` made run another forward from now on; returns the one it ran so far.

    For tools that watch ops: nothing is slower while they do not. Any `call` here binds `forward`.
    """
    cells: Any = call.__closure__
    cell = cells[call.__code__.co_freevars.index("forward")]
    before: Callable[..., Any] = cell.cell_contents
    cell.cell_contents = forward
    return before


def _unary(op: Op) -> Callable[..., Any]:
    forward, plans = op.forward, op.plans

    def call(x: Any, /) -> Any:
        if not isinstance(x, Tensor):
            return forward(x)
        edge, x = x.node, x.data
        try:
            out = forward(x)
        except DgradError:
            raise
        except FORWARD_ERRORS as cause:
            raise op.error(cause, (x,)) from cause
        if type(out) is not ndarray:
            out = asarray(out)
        made = new(Tensor)
        made.data = out
        if edge is None:
            made.node = None
            if special:
                unrecorded(op, out)
            return made
        if special:
            made.node = record(op, (edge,), (x,), out, NO_PARAMS)
            return made
        (keep_x, keep_out), _, shapes, size = plan = plans[1]
        if shapes:
            saved = plan.keep((x, out))
        elif size:
            saved = (x if keep_x else None, out if keep_out else None)
        else:
            saved = ()
        made.node = Node(op, (edge,), saved, NO_PARAMS, out)
        return made

    return call


def _binary(op: Op) -> Callable[..., Any]:
    forward, plans = op.forward, op.plans

    def call(x: Any, y: Any, /) -> Any:
        edge_x = edge_y = None
        if isinstance(x, Tensor):
            edge_x, x = x.node, x.data
            if isinstance(y, Tensor):
                edge_y, y = y.node, y.data
        elif isinstance(y, Tensor):
            edge_y, y = y.node, y.data
        else:
            return forward(x, y)
        try:
            out = forward(x, y)
        except DgradError:
            raise
        except FORWARD_ERRORS as cause:
            raise op.error(cause, (x, y)) from cause
        if type(out) is not ndarray:
            out = asarray(out)
        made = new(Tensor)
        made.data = out
        mask = (edge_x is not None) + 2 * (edge_y is not None)
        if not mask:
            made.node = None
            if special:
                unrecorded(op, out)
            return made
        if special:
            made.node = record(op, (edge_x, edge_y), (x, y), out, NO_PARAMS)
            return made
        (keep_x, keep_y, keep_out), _, shapes, size = plan = plans[mask]
        if shapes:
            saved = plan.keep((x, y, out))
        elif size:
            saved = (x if keep_x else None, y if keep_y else None, out if keep_out else None)
        else:
            saved = ()
        made.node = Node(op, (edge_x, edge_y), saved, NO_PARAMS, out)
        return made

    return call


def _general(op: Op) -> Callable[..., Any]:
    forward, arity, names, plans = op.forward, len(op.inputs), frozenset(op.inputs), op.plans
    variadic, keeps, differentiable = op.variadic, bool(op.keeps), op.differentiable
    results, view = op.results, op.view

    def call(*args: Any, **params: Any) -> Any:
        if variadic or len(args) != arity or (params and not names.isdisjoint(params)):
            args, params = op.bind(args, params)
        for name, value in params.items():
            if type(value) not in PLAIN:
                params[name] = owned(op.name, name, value)
        arrays: list[Any] = []
        edges: list[Any] = []
        found = False
        mask = 0
        bit = 1
        for x in args:
            if isinstance(x, Tensor):
                found = True
                edge = x.node
                if edge is not None:
                    mask |= bit
                edges.append(edge)
                arrays.append(x.data)
            else:
                edges.append(None)
                arrays.append(x)
            bit += bit
        try:
            out = forward(*arrays, **params)
        except DgradError:
            raise
        except FORWARD_ERRORS as cause:
            raise op.error(cause, arrays, params) from cause
        kept: Sequence[Any] = ()
        if keeps:
            if not isinstance(out, tuple) or len(out) != 1 + len(op.keeps):
                raise OpDefinitionError(f"{op.name}: its forward must return (out, *{op.keeps})")
            out, *kept = out
        if results is not None:
            return _several(op, edges, arrays, out, params, mask if found else None, kept)
        if not found:
            return out
        if type(out) is not ndarray:
            out = asarray(out)
        made = new(Tensor)
        made.data = out
        if not mask or not differentiable:
            made.node = None
            if special:
                unrecorded(op, out)
        elif special:
            made.node = record(op, tuple(edges), arrays, out, params, kept)
        else:
            inputs: Sequence[Any] = arrays
            if variadic:
                mask, inputs = 1, [tuple(arrays)]
            saved = plans[mask].keep((*inputs, out, *kept))
            made.node = Node(op, tuple(edges), saved, params, out)
        if view and out.base is not None:
            note_view(made, args[0], op, params)
        return made

    return call


def _several(
    op: Op,
    edges: list[Any],
    arrays: list[Any],
    out: Any,
    params: dict[str, Any],
    mask: int | None,
    kept: Sequence[Any],
) -> Any:
    """The results of an op that has several, as its named tuple; with a node each when recorded.

    mask: the inputs that want gradients; None when no Tensor went in.
    """
    results = cast(Any, op.results)
    if not isinstance(out, tuple) or len(out) != len(op.outputs):
        raise OpDefinitionError(f"{op.name}: its forward must return the tuple {op.outputs}")
    if mask is None:
        return results(*out)
    out = tuple(map(asarray, out))
    recorded = mask and op.differentiable
    if special and not recorded:
        unrecorded(op, out)
    node = record(op, tuple(edges), arrays, out, params, kept) if recorded else None
    return results(
        *(
            from_parts(a, None if node is None or a.dtype.kind not in "fc" else Output(node, i, a))
            for i, a in enumerate(out)
        )
    )
