"""How an op is called: Tensors unwrapped, the forward run, the result wrapped and recorded.

The same steps stand here three times, for one, two and any number of inputs: this is the hot path
of every program, and unrolling it halves its cost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dgrad.core.modes import is_grad_enabled, paused
from dgrad.core.node import Node
from dgrad.core.tensor import Tensor
from dgrad.errors import DgradError, DtypeError, OpDefinitionError

if TYPE_CHECKING:
    from dgrad.core.op import Op

__all__ = ["caller"]

NO_PARAMS: dict[str, Any] = {}
FORWARD_ERRORS = (ValueError, TypeError, IndexError)
ndarray, asarray, new = np.ndarray, np.asarray, Tensor.__new__


def caller(op: Op) -> Callable[..., Any]:
    """The function that users call."""
    plain = op.differentiable and not (op.variadic or op.keeps or op.statics or op.optional)
    if plain and len(op.inputs) == 1:
        return _unary(op)
    if plain and len(op.inputs) == 2:
        return _binary(op)
    return _general(op)


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
        if edge is None or (paused and not is_grad_enabled()):
            made.node = None
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
        if not mask or (paused and not is_grad_enabled()):
            made.node = None
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

    def call(*args: Any, **params: Any) -> Any:
        if variadic or len(args) != arity or (params and not names.isdisjoint(params)):
            args, params = op.bind(args, params)
        for name, value in params.items():
            if isinstance(value, Tensor):
                raise DtypeError(
                    f"{op.name}: {name} is a static parameter, without gradient: "
                    f"pass a number or an array, not a Tensor"
                )
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
            raise op.error(cause, arrays) from cause
        kept: Sequence[Any] = ()
        if keeps:
            if not isinstance(out, tuple) or len(out) != 1 + len(op.keeps):
                raise OpDefinitionError(f"{op.name}: its forward must return (out, *{op.keeps})")
            out, *kept = out
        if not found:
            return out
        if type(out) is not ndarray:
            out = asarray(out)
        made = new(Tensor)
        made.data = out
        if not mask or not differentiable or (paused and not is_grad_enabled()):
            made.node = None
            return made
        inputs: Sequence[Any] = arrays
        if variadic:
            mask, inputs = 1, [tuple(arrays)]
        saved = plans[mask].keep((*inputs, out, *kept))
        made.node = Node(op, tuple(edges), saved, params, out)
        return made

    return call
