"""The walk: gradients from outputs to inputs, newest node first, once per node.

One loop serves both modes. Raw: gradients are arrays and rules run on arrays. Recorded
(create_graph): gradients are Tensors, saved values come back as Tensors on the graph, and so
the rules themselves are recorded. No recursion; the heap holds the nodes that have a gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush
from sys import getrefcount
from typing import Any

import numpy as np

from dgrad.core.modes import enable_grad, set_grad_enabled
from dgrad.core.node import FREED, Hooks, Leaf, Output
from dgrad.core.tensor import Tensor, from_parts, to_array
from dgrad.errors import GraphError, ShapeError

__all__ = ["backward", "grad"]

Edge = Any  # Node | Output | Leaf
ndarray = np.ndarray


def backward(
    outputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Add d(outputs)/d(leaf) to `.grad` of every leaf, or of `inputs` alone.

    outputs: Tensor or sequence of them; grad_outputs: their seeds, 1 for a single element.
    Raises GraphError (no graph, non-scalar root without a seed, walked twice), ShapeError.
    """
    roots = _roots(outputs, grad_outputs, create_graph)
    retain = create_graph if retain_graph is None else retain_graph
    if inputs is None:
        arrived = _walk(roots, None, None, create_graph, retain)
    else:
        targets = _listed(inputs, "inputs")
        if not targets:
            raise ValueError("backward: inputs is empty")
        wanted = {t.node for t in targets if t.node is not None}
        if len(wanted) < len({id(t) for t in targets}):
            raise GraphError("backward: an entry of inputs does not require grad")
        arrived = _walk(roots, wanted, _needed(roots, wanted), create_graph, retain)
        by_node = {t.node: t for t in targets}
        arrived = [(by_node[node], g, own) for node, g, own in arrived]
    for target, g, own in arrived:
        tensor = target.tensor() if isinstance(target, Leaf) else target
        if tensor is not None:  # else the leaf was dropped, nobody can read its grad
            _accumulate(tensor, g, own)


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    *,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Tensor | None, ...]:
    """d(outputs)/d(inputs), a tuple of one Tensor per input; no `.grad` is touched.

    create_graph: the results can be differentiated again, to any order.
    allow_unused: None, instead of an error, for an input that outputs do not depend on.
    """
    targets = _listed(inputs, "inputs")
    if not targets:
        raise ValueError("grad: inputs is empty")
    roots = _roots(outputs, grad_outputs, create_graph)
    for i, t in enumerate(targets):
        if t.node is None:
            raise GraphError(f"grad: inputs[{i}] does not require grad")
    wanted = {t.node for t in targets}
    retain = create_graph if retain_graph is None else retain_graph
    arrived = _walk(roots, wanted, _needed(roots, wanted), create_graph, retain)
    found = {
        node: g if create_graph else from_parts(_own(g, own), None) for node, g, own in arrived
    }
    for i, t in enumerate(targets):
        if t.node not in found and not allow_unused:
            raise GraphError(
                f"grad: outputs do not depend on inputs[{i}]; allow_unused=True gives None for it"
            )
    return tuple(found.get(t.node) for t in targets)


def _listed(value: Any, name: str) -> list[Tensor]:
    items = [value] if isinstance(value, Tensor) else list(value)
    for item in items:
        if not isinstance(item, Tensor):
            raise TypeError(f"{name}: expected Tensors, got {type(item).__name__}")
    return items


def _roots(outputs: Any, seeds: Any, record: bool) -> list[tuple[Edge, Any]]:
    """(node, seed) of every output; nothing has been changed when this raises."""
    if seeds is None and not record and isinstance(outputs, Tensor) and not outputs.data.ndim:
        if outputs.node is not None:  # the loss of every training step
            return [(outputs.node, np.array(1, outputs.data.dtype))]
    tensors = _listed(outputs, "outputs")
    given = [seeds] if seeds is None or not isinstance(seeds, list | tuple) else list(seeds)
    if seeds is None:
        given = [None] * len(tensors)
    if len(given) != len(tensors):
        raise GraphError(f"backward: {len(tensors)} outputs but {len(given)} grad_outputs")
    roots = []
    for t, seed in zip(tensors, given, strict=True):
        if t.node is None:
            raise GraphError("backward: this Tensor does not require grad and has no graph")
        if seed is None:
            if t.data.size != 1:
                raise GraphError(
                    f"backward: the result of {t.node.name} has shape {t.shape}; "
                    f"only a single element can start without a gradient"
                )
            array = np.ones_like(t.data)
        else:
            array = to_array(seed)
            if array.shape != t.shape:
                raise ShapeError(
                    f"backward: the gradient for {t.node.name} has shape {array.shape}, "
                    f"its output {t.shape}"
                )
            array = array.astype(t.dtype, copy=False)
        keep = record and isinstance(seed, Tensor) and array is seed.data
        roots.append((t.node, (seed if keep else from_parts(array, None)) if record else array))
    return roots


def _needed(roots: Sequence[tuple[Edge, Any]], wanted: set[Any]) -> set[Any]:
    """The nodes on a path from the roots to a wanted node."""
    seen: set[Any] = set()
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


def _walk(
    roots: Sequence[tuple[Edge, Any]],
    wanted: set[Any] | None,
    needed: set[Any] | None,
    record: bool,
    retain: bool,
) -> list[tuple[Any, Any, bool]]:
    """Deliver gradients; returns (node, gradient, is ours alone) of the leaves, or of `wanted`.

    needed: nodes to deliver to; None means all.
    """
    if not record:
        return _walk_nodes(roots, wanted, needed, record, retain)
    with enable_grad():
        return _walk_nodes(roots, wanted, needed, record, retain)


def _walk_nodes(
    roots: Sequence[tuple[Edge, Any]],
    wanted: set[Any] | None,
    needed: set[Any] | None,
    record: bool,
    retain: bool,
) -> list[tuple[Any, Any, bool]]:
    """The loop of _walk: one function, its steps written out, for it runs in every training step."""
    grads: dict[Edge, Any] = {}  # the sum so far for each node in the heap
    owned: set[Edge] = set()  # nodes whose sum lies in a buffer that nothing else can reach
    heap: list[tuple[int, Edge]] = []
    arrived: list[tuple[Any, Any, bool]] = []
    for node, g in roots:
        if needed is None or node in needed:
            _add(node, g, grads, owned, heap, record)
    while heap:
        _, node = heappop(heap)
        g = grads.pop(node)
        if node.hooks is not None:
            g = _run_hooks(node, node.hooks, g, owned, record)
        if wanted is None:
            if type(node) is Leaf:
                arrived.append((node, g, node in owned))
                continue
        elif node in wanted:
            arrived.append((node, g, node in owned))
            if not any(edge in needed for edge in node.edges):  # type: ignore[operator]
                continue
        if type(node) is Output:
            _gather(node, g, grads, heap)
            continue
        edges, saved, op = node.edges, node.saved, node.op
        if saved is FREED:
            raise GraphError(
                f"backward: the saved values of {op.name} were freed by an earlier walk; "
                f"pass retain_graph=True to that walk to keep them"
            )
        if needed is not None:
            edges = [edge if edge in needed else None for edge in edges]
        rules = op.raw_rules
        results = None
        if record or rules is None:
            results = op.pull(node, g, edges, record)
        for i, edge in enumerate(edges):
            if edge is None:
                continue
            if results is None:
                gx = rules[i](g, saved, node.params)
            else:
                gx = results[i]
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
                gx = gx.astype(edge.dtype)
            if edge in grads:
                _add(edge, gx, grads, owned, heap, record)
                continue
            if (
                type(edge) is Leaf  # nothing else can write into the array: no need to copy it
                and not record
                and gx.base is None
                and getrefcount(gx) <= (_ALONE if results is None else _ALONE + 1)
            ):
                owned.add(edge)
            grads[edge] = gx
            heappush(heap, (-edge.seq, edge))
        if not retain and saved:
            node.saved = FREED
    return arrived


def _add(
    node: Edge, g: Any, grads: dict[Edge, Any], owned: set[Edge], heap: list[Any], record: bool
) -> None:
    """Deliver g to node: the first by reference, the second into a buffer of our own."""
    before = grads.get(node)
    if before is None:
        grads[node] = g
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
        slots = grads[parent] = [None] * parent.params["outputs"]
        heappush(heap, (-parent.seq, parent))
    before = slots[node.index]
    slots[node.index] = g if before is None else before + g


def _count_references() -> int:
    gx = np.empty(1)
    return getrefcount(gx)


_ALONE = _count_references()  # for an array held by one local variable alone


def _unbroadcast(g: Any, edge: Edge, op: Any) -> Any:
    """g summed back to the shape its input had before broadcasting."""
    shape = edge.shape
    lead = g.ndim - len(shape)
    stretched = tuple(
        axis for axis, n in enumerate(shape, start=lead) if n == 1 and g.shape[axis] != 1
    ) if lead >= 0 else ()  # fmt: skip
    if op.broadcasts and lead >= 0:
        summed = np.sum(g, axis=(*range(lead), *stretched), keepdims=True)
        summed = summed.reshape(summed.shape[lead:])
        if summed.shape == shape:
            return summed
    raise ShapeError(
        f"the rule of {op.name} returned a gradient of shape {g.shape} "
        f"for an input of shape {shape}"
    )


def _run_hooks(node: Edge, hooks: Hooks, g: Any, owned: set[Edge], record: bool) -> Any:
    """g after the node's hooks, each of which sees a Tensor of its own; then `retain_grad`."""
    for function in list(hooks.functions.values()):
        with set_grad_enabled(record):
            result = function(g if record else from_parts(g.copy(), None))
        if result is None:
            continue
        result = result if isinstance(result, Tensor) else Tensor(result)
        if result.shape != node.shape:
            label = getattr(function, "__name__", type(function).__name__)
            raise ShapeError(
                f"hook {label} on {node.name} returned a gradient of shape {result.shape}, "
                f"expected {node.shape}"
            )
        if result.dtype != node.dtype:
            result = result.astype(node.dtype)
        g = result if record else result.data
        owned.discard(node)
    retained = hooks.retained() if hooks.retained is not None else None
    if retained is not None:
        _accumulate(retained, g, False)
    return g


def _own(g: np.ndarray, own: bool) -> np.ndarray:
    """g if its buffer belongs to this walk alone, else a copy."""
    return g if own else g.copy()


def _accumulate(tensor: Tensor, g: Any, own: bool) -> None:
    """Add g to tensor.grad; into the same array unless the gradient itself is recorded."""
    before = tensor.grad
    if isinstance(g, Tensor):
        tensor.grad = g if before is None else before + g
    elif before is None:
        tensor._grad = from_parts(g if own else g.copy(), None)
    elif before.node is None:
        np.add(before.data, g, out=before.data)
    else:
        tensor._grad = before + g
