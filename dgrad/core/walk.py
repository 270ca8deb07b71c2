"""The walk: gradients from outputs to inputs, newest node first, once per node.

One loop serves both modes. Raw: gradients are arrays and rules run on arrays. Recorded
(create_graph): gradients are Tensors, saved values come back as Tensors on the graph, and so
the rules themselves are recorded. No recursion; the heap holds the nodes that have a gradient.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Sequence
from heapq import heappop, heappush
from typing import Any, cast

import numpy as np

from dgrad.core.accumulate import cast_gradient
from dgrad.core.anomaly import check_backward, source_of
from dgrad.core.hook_calls import retained, run_hooks, run_posthooks, run_prehooks
from dgrad.core.modes import mode
from dgrad.core.node import Leaf, Output
from dgrad.core.saved import FREED
from dgrad.core.tensor import Tensor, from_parts
from dgrad.core.versions import check_saved, writes
from dgrad.errors import DgradError, GraphError, ShapeError

__all__ = ["Edge", "walk"]

Edge = Any  # Node | Output | Leaf
ndarray = np.ndarray


def _reference_counts() -> Callable[[Any], int] | None:
    """sys.getrefcount where it can be relied on: in CPython, with its lock."""
    locked = getattr(sys, "_is_gil_enabled", lambda: True)()
    return sys.getrefcount if sys.implementation.name == "cpython" and locked else None


def calibrated(count: Callable[[Any], int] | None) -> int:
    """What `count` says of an array that one local variable alone holds; 0 if it cannot be told.

    Tried on what the walk meets: a rule's fresh result, one in a list, one its caller holds too.
    """
    if count is None:
        return 0
    rules: Any = (lambda g: g * 1, lambda g: g)
    g = np.ones(1)
    gx = rules[0](g)
    alone = count(gx)
    results = [rules[0](g)]
    gx = results[0]
    listed = count(gx)
    gx = rules[1](g)
    shared = count(gx)
    return alone if alone > 0 and listed == shared == alone + 1 else 0


getrefcount: Any = _reference_counts()
COUNTS_ALONE = calibrated(getrefcount)  # 0: the walk copies what it could have kept


def walk(
    roots: Sequence[tuple[Edge, Any]], wanted: Collection[Edge] | None, record: bool, retain: bool
) -> list[tuple[Any, Any, bool]]:
    """Deliver gradients; returns (node, gradient, is ours alone) of the leaves, or of `wanted`.

    With `record`, the caller has recording on. A Tensor that retains its gradient is returned in
    place of its node. Its steps are written out: it runs once per node of every training step.
    """
    needed = None if wanted is None else _needed(roots, wanted)  # None: deliver to all
    alone = 0 if record else COUNTS_ALONE
    careful = record or mode.anomaly is not None  # not the short way through the rules
    latest = writes.latest
    grads: dict[Edge, Any] = {}  # the sum so far for each node in the heap, and each leaf
    owned: set[Edge] = set()  # nodes whose sum lies in a buffer that nothing else can reach
    heap: list[tuple[int, Edge]] = []
    arrived: list[tuple[Any, Any, bool]] = []
    for node, g in roots:
        if needed is None or node in needed:
            _add(node, g, grads, owned, heap, record)
    try:
        while heap:
            _, node = heappop(heap)
            g, edges, hooks = grads.pop(node), node.edges, node.hooks
            if hooks is not None:
                g = run_hooks(node, hooks, g, owned, record)
            if needed is not None:
                edges = [edge if edge in needed else None for edge in edges]
                if node in wanted:  # type: ignore[operator]
                    arrived.append((node, g, node in owned))
                if not any(edges):
                    continue
            if hooks is not None:
                g = run_prehooks(node, hooks, g, record)
                latest = writes.latest
                if wanted is None:
                    arrived += retained(hooks, g)
            if type(node) is Output:
                _gather(node, g, grads, heap)
                continue
            op, saved = node.op, node.saved
            if saved is FREED:
                raise _walked_before(node)
            if node.seq < latest:
                check_saved(node)
            rules, results = op.raw_rules, None
            if careful or rules is None or hooks is not None:
                results = _pull(node, g, edges, record)
                latest = writes.latest
            for i, edge in enumerate(edges):
                if edge is None:
                    continue
                gx = rules[i](g, saved, node.params) if results is None else results[i]
                if gx is None:
                    continue
                if record:
                    if not isinstance(gx, Tensor):
                        gx = from_parts(np.asarray(gx), None)
                elif type(gx) is not ndarray:
                    gx = np.asarray(gx)
                if gx.shape != edge.shape:
                    gx = _unbroadcast(gx, edge, op)
                if gx.dtype is not edge.dtype:
                    gx = cast_gradient(gx, edge.dtype)
                if edge in grads:
                    _add(edge, gx, grads, owned, heap, record)
                elif type(edge) is not Leaf:
                    grads[edge] = gx
                    heappush(heap, (-edge.seq, edge))
                else:
                    if (  # nothing else can write into the array: no need to copy it
                        alone
                        and gx.base is None
                        and getrefcount(gx) <= (alone if results is None else alone + 1)
                        and gx.flags.writeable
                    ):
                        owned.add(edge)
                    grads[edge] = gx
            if not retain and saved:
                node.saved = FREED
        for node, g in grads.items():  # the leaves: their sums are complete only now
            if node.hooks is not None:
                g = run_hooks(node, node.hooks, g, owned, record)
            arrived.append((node, g, node in owned))
    except Exception as error:
        _locate(error, node)
        raise
    return arrived


def _pull(node: Edge, g: Any, edges: Sequence[Any], record: bool) -> Sequence[Any]:
    """The gradients of a node's inputs, with what anomaly mode and post-hooks add."""
    op, watched = node.op, mode.anomaly
    if watched is None:
        results = op.pull(node, g, edges, record)
    else:
        before, mode.running = mode.running, node
        try:
            results = op.pull(node, g, edges, record)
        finally:
            mode.running = before
        if watched.check_nan:
            check_backward(node, g, results)
    if node.hooks is not None and node.hooks.after:
        results = run_posthooks(node, node.hooks, results, g, record)
    return cast(Sequence[Any], results)


def _needed(roots: Sequence[tuple[Edge, Any]], wanted: Collection[Edge]) -> set[Edge]:
    """The nodes on a path from the roots to a wanted node."""
    seen: set[Edge] = set()
    stack = [node for node, _ in roots]
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            stack.extend(edge for edge in node.edges if edge is not None)
    needed = set(wanted)
    for node in sorted(seen, key=lambda n: n.seq):  # oldest first: edges are decided before
        if any(edge in needed for edge in node.edges):
            needed.add(node)
    return needed


# -- sums -----------------------------------------------------------------------------------------


def _add(
    node: Edge, g: Any, grads: dict[Edge, Any], owned: set[Edge], heap: list[Any], record: bool
) -> None:
    """Deliver g to node: the first by reference, the second into a buffer of our own."""
    before = grads.get(node)
    if before is None:
        grads[node] = g
        if type(node) is not Leaf:
            heappush(heap, (-node.seq, node))
    elif record:
        grads[node] = before + g
    elif node in owned:
        np.add(before, g, out=before)
    else:
        grads[node] = np.asarray(before + g)
        owned.add(node)


def _gather(node: Output, g: Any, grads: dict[Edge, Any], heap: list[Any]) -> None:
    """Put the gradient of one output into its slot of the node that has several."""
    parent = node.edges[0]
    slots = grads.get(parent)
    if slots is None:
        slots = grads[parent] = [None] * len(parent.outputs or ())
        heappush(heap, (-parent.seq, parent))
    before = slots[node.index]
    slots[node.index] = g if before is None else before + g


def _unbroadcast(g: Any, edge: Edge, op: Any) -> Any:
    """g summed back to the shape its input had before broadcasting."""
    shape = edge.shape
    lead = g.ndim - len(shape)
    if op.broadcasts and lead >= 0:
        axes = (
            *range(lead),
            *(axis for axis, n in enumerate(shape, start=lead) if n == 1 != g.shape[axis]),
        )
        keep = not shape or len(axes) > lead  # not shape: a sum without axes would be no array
        summed = np.add.reduce(g, axis=axes, keepdims=keep)
        if keep:
            summed = summed.reshape(summed.shape[lead:])
        if summed.shape == shape:
            return summed
    raise ShapeError(
        f"the rule of {op.name} returned a gradient of shape {g.shape} "
        f"for an input of shape {shape}"
    )


# -- errors ---------------------------------------------------------------------------------------


def _walked_before(node: Edge) -> GraphError:
    source = source_of(node)
    called = "" if source is None else f", called at {source},"
    return GraphError(
        f"backward: the saved values of {node.name}{called} were freed by an earlier walk; "
        f"pass retain_graph=True to that walk to keep them"
    )


def _locate(error: Exception, node: Edge) -> None:
    """Note on `error` in whose backward it was raised, unless it or an inner walk has said so."""
    start = "in the backward of "
    noted = any(note.startswith(start) for note in getattr(error, "__notes__", ()))
    if not noted and not (isinstance(error, DgradError) and node.name in str(error)):
        source = source_of(node)
        called = "" if source is None else f", called at {source}"
        error.add_note(f"{start}{node.name}, output of shape {node.shape}{called}")
