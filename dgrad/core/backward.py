"""The walk: gradients from outputs to inputs, newest node first, once per node.

One loop serves both modes. Raw: gradients are arrays and rules run on arrays. Recorded
(create_graph): gradients are Tensors, saved values come back as Tensors on the graph, and so
the rules themselves are recorded. No recursion; the heap holds the nodes that have a gradient.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from sys import getrefcount
from typing import Any, cast

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
    roots = _roots("backward", outputs, grad_outputs, create_graph)
    retain = create_graph if retain_graph is None else retain_graph
    if inputs is None:
        arrived = _walk(roots, None, None, create_graph, retain)
    else:
        by_node = {t.node: t for t in _targets("backward", inputs)}
        wanted = set(by_node)
        arrived = _walk(roots, wanted, _needed(roots, wanted), create_graph, retain)
        arrived = [(by_node[node], g, own) for node, g, own in arrived]
    for target, g, own in arrived:  # only now: a walk that fails leaves every grad as it was
        tensor = target.tensor() if isinstance(target, Leaf) else target
        if tensor is not None and tensor.node is not None:  # else dropped, or frozen since
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
    targets = _targets("grad", inputs)
    roots = _roots("grad", outputs, grad_outputs, create_graph)
    wanted = {t.node for t in targets}
    retain = create_graph if retain_graph is None else retain_graph
    arrived = _walk(roots, wanted, _needed(roots, wanted), create_graph, retain)
    found = {
        node: g if create_graph else from_parts(g if own else g.copy(), None)
        for node, g, own in arrived
    }
    for i, t in enumerate(targets):
        if t.node not in found and not allow_unused:
            raise GraphError(
                f"grad: outputs do not depend on inputs[{i}]; allow_unused=True gives None for it"
            )
    return tuple(found.get(t.node) for t in targets)


def _listed(value: Any, name: str) -> list[Tensor]:
    items = (
        list(value) if isinstance(value, Iterable) and not isinstance(value, Tensor) else [value]
    )
    for item in items:
        if not isinstance(item, Tensor):
            raise TypeError(f"{name}: expected Tensors, got {type(item).__name__}")
    return items


def _targets(caller: str, inputs: Any) -> list[Tensor]:
    """The Tensors whose gradients are asked for."""
    targets = _listed(inputs, "inputs")
    if not targets:
        raise ValueError(f"{caller}: inputs is empty")
    for i, t in enumerate(targets):
        if t.node is None:
            raise GraphError(f"{caller}: inputs[{i}] does not require grad")
    return targets


def _roots(caller: str, outputs: Any, seeds: Any, record: bool) -> list[tuple[Edge, Any]]:
    """(node, seed) of every output; nothing has been changed when this raises."""
    node = outputs.node if isinstance(outputs, Tensor) else None
    if seeds is None and not record and node is not None and not node.shape:
        return [(node, np.array(1, node.dtype))]  # the loss of every training step
    tensors = _listed(outputs, "outputs")
    given = [seeds] if seeds is None or not isinstance(seeds, list | tuple) else list(seeds)
    if seeds is None:
        given = [None] * len(tensors)
    if len(given) != len(tensors):
        raise GraphError(f"{caller}: {len(tensors)} outputs but {len(given)} grad_outputs")
    roots = []
    for t, seed in zip(tensors, given, strict=True):
        if t.node is None:
            raise GraphError(f"{caller}: this Tensor does not require grad and has no graph")
        if seed is None:
            if t.data.size != 1:
                raise GraphError(
                    f"{caller}: the result of {t.node.name} has shape {t.shape}; "
                    f"only a single element can start without a gradient"
                )
            seed = np.ones_like(t.data)
        array = to_array(seed)
        if array.shape != t.shape:
            raise ShapeError(
                f"{caller}: the gradient for {t.node.name} has shape {array.shape}, "
                f"its output {t.shape}"
            )
        roots.append(
            (t.node, _linked(seed, array, t) if record else array.astype(t.dtype, copy=False))
        )
    return roots


def _linked(seed: Any, array: np.ndarray, root: Tensor) -> Tensor:
    """The seed as a Tensor of the root's dtype, still on its own graph if it has one."""
    start = seed if isinstance(seed, Tensor) else from_parts(array, None)
    if start.dtype == root.dtype:
        return start
    with enable_grad():
        return cast(Tensor, start.astype(root.dtype))


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
    """The loop of _walk, its steps written out: it runs once per node of every training step."""
    grads: dict[Edge, Any] = {}  # the sum so far for each node in the heap, and each leaf
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
            retained = node.hooks.retained and node.hooks.retained()
            if retained is not None and wanted is None:
                arrived.append((retained, g, False))
        if wanted is not None and node in wanted:
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
                gx = gx.astype(edge.dtype)
            if edge in grads:
                _add(edge, gx, grads, owned, heap, record)
            elif type(edge) is not Leaf:
                grads[edge] = gx
                heappush(heap, (-edge.seq, edge))
            else:
                if (  # nothing else can write into the array: no need to copy it
                    not record
                    and gx.base is None
                    and getrefcount(gx) <= (_ALONE if results is None else _ALONE + 1)
                    and gx.flags.writeable
                ):
                    owned.add(edge)
                grads[edge] = gx
        if not retain and saved:
            node.saved = FREED
    for leaf, g in grads.items():  # all that is left: their sums are complete only now
        if leaf.hooks is not None:
            g = _run_hooks(leaf, leaf.hooks, g, owned, record)
        arrived.append((leaf, g, leaf in owned))
    return arrived


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
    """g after the node's hooks, each of which sees an array of its own."""
    for key, function in list(hooks.functions.items()):
        if key not in hooks.functions:  # an earlier hook removed it
            continue
        with set_grad_enabled(record):
            result = function(_private(g))
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
    return g


def _private(g: Any) -> Tensor:
    """A gradient as a Tensor with an array of its own, on the graph where g is."""
    return (
        from_parts(g.data.copy(), g.node) if isinstance(g, Tensor) else from_parts(g.copy(), None)
    )


def _accumulate(tensor: Tensor, g: Any, own: bool) -> None:
    """Add g to tensor.grad; into the same array unless the gradient itself is recorded."""
    before = tensor.grad
    if before is None:
        tensor._grad = from_parts(g, None) if own else _private(g)
    elif not isinstance(g, Tensor) and before.node is None and before.data.flags.writeable:
        np.add(before.data, g, out=before.data)
    else:
        with enable_grad():  # whatever the caller's mode: the sum belongs to both graphs
            tensor._grad = before + g
