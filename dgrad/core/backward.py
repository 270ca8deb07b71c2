"""backward and grad: what to start from, where gradients are wanted, what becomes of them."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from functools import partial
from typing import Any, cast

import numpy as np

from dgrad.core.accumulate import accumulate, accumulate_with_hooks
from dgrad.core.hook_calls import outside, private
from dgrad.core.hooks import pending
from dgrad.core.modes import enable_grad
from dgrad.core.nesting import DEPTH, elsewhere
from dgrad.core.node import Leaf
from dgrad.core.tensor import Tensor, from_parts, to_array
from dgrad.core.walk import Edge, walk
from dgrad.errors import GraphError, ShapeError

__all__ = ["backward", "grad"]


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
    wanted = None if inputs is None else {t.node: t for t in _targets("backward", inputs)}
    arrived = _walk(roots, wanted, create_graph, retain)
    if wanted is not None:
        arrived = [
            (node if type(node) is Leaf else wanted[node], g, own) for node, g, own in arrived
        ]
    for target, g, own in arrived:  # only now: a walk that fails leaves every grad as it was
        if type(target) is Leaf:
            tensor = target.tensor()
            if tensor is None or type(tensor.node) is not Leaf:  # dropped, or frozen since
                continue
            if target.hooks is None:
                accumulate(tensor, g, own)
            else:
                accumulate_with_hooks(tensor, target, g, own, create_graph)
        else:
            accumulate(target, g, own)


def _walk(
    roots: list[tuple[Edge, Any]], wanted: Any, record: bool, retain: bool
) -> list[tuple[Any, Any, bool]]:
    """walk(...), in the right mode; then the hooks that waited for its end."""
    outer, depth = pending.gathered, pending.depth
    seen: Any = {}
    pending.gathered, pending.depth = seen, depth + 1
    try:
        if not record and depth < DEPTH:
            arrived = walk(roots, wanted, record, retain)
        else:
            with enable_grad() if record else nullcontext():
                run = walk if depth < DEPTH else partial(elsewhere, walk)
                arrived = run(roots, wanted, record, retain)
        for hook, grads in seen.values():
            if hook is not None:
                hook(grads)
    finally:
        pending.gathered, pending.depth = outer, depth
    return arrived


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    *,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    materialize_grads: bool = False,
    is_grads_batched: bool = False,
) -> tuple[Tensor | None, ...]:
    """d(outputs)/d(inputs), a tuple of one Tensor per input; no `.grad` is touched.

    create_graph: the results can be differentiated again, to any order.
    allow_unused: None, instead of an error, for an input that outputs do not depend on.
    materialize_grads: zeros, which can be differentiated again, instead of that None.
    is_grads_batched: every seed has one axis more, in front; so have the results, one per seed.
    Raises GraphError (no graph, unused input, non-scalar root without a seed), ShapeError,
    ValueError (no inputs; materialize_grads with allow_unused=False).
    """
    if materialize_grads and allow_unused is False:
        raise ValueError("grad: materialize_grads=True needs allow_unused, which is False")
    targets = _targets("grad", inputs)
    retain = create_graph if retain_graph is None else retain_graph
    if is_grads_batched:
        rows = _batches(outputs, grad_outputs)
        each = [
            _grad(outputs, targets, row, retain or i < len(rows) - 1, create_graph)
            for i, row in enumerate(rows)
        ]
        found = [_stacked(column) for column in zip(*each, strict=True)]
    else:
        found = _grad(outputs, targets, grad_outputs, retain, create_graph)
    for i, (t, g) in enumerate(zip(targets, found, strict=True)):
        if g is None and materialize_grads:
            shape = (len(rows), *t.shape) if is_grads_batched else t.shape
            found[i] = Tensor(np.zeros(shape, t.dtype), requires_grad=create_graph)
        elif g is None and not allow_unused:
            raise GraphError(
                f"grad: outputs do not depend on inputs[{i}]; allow_unused=True gives None for it"
            )
    return tuple(found)


def _grad(
    outputs: Any, targets: list[Tensor], seeds: Any, retain: bool, record: bool
) -> list[Tensor | None]:
    """The gradient of each target, None where there is none."""
    roots = _roots("grad", outputs, seeds, record)
    arrived = _walk(roots, {t.node for t in targets}, record, retain)
    found = {
        node: outside(private(g)) if record else from_parts(outside(g if own else g.copy()), None)
        for node, g, own in arrived
    }
    return [found.get(t.node) for t in targets]


def _batches(outputs: Any, seeds: Any) -> list[list[Any]]:
    """The seeds of each row of a batch, one for each output."""
    tensors = _listed(outputs, "outputs")
    given = list(seeds) if isinstance(seeds, list | tuple) else [seeds]
    if len(given) != len(tensors):
        raise GraphError(f"grad: {len(tensors)} outputs but {len(given)} grad_outputs")
    count: int | None = None
    for t, seed in zip(tensors, given, strict=True):
        shape = np.shape(to_array(seed)) if seed is not None else ()
        if len(shape) != t.ndim + 1 or shape[1:] != t.shape or count not in (None, shape[0]):
            wanted = ("rows" if count is None else count, *t.shape)
            raise ShapeError(
                f"grad: is_grads_batched wants a seed of shape ({', '.join(map(str, wanted))}) "
                f"for an output of shape {t.shape}, got {shape if seed is not None else None}"
            )
        count = shape[0]
    if not count:
        raise ShapeError("grad: is_grads_batched wants at least one row of seeds")
    tracked = [seed if isinstance(seed, Tensor) else to_array(seed) for seed in given]
    return [[seed[i] for seed in tracked] for i in range(count)]


def _stacked(column: Any) -> Tensor | None:
    """The gradients of one input for every row, along a new first axis."""
    known = next((g for g in column if g is not None), None)
    if known is None:
        return None
    return cast(Tensor, np.stack([np.zeros_like(known) if g is None else g for g in column]))


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
    if (
        seeds is None
        and not record
        and node is not None
        and not node.shape
        and node.dtype.kind == "f"
    ):
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
            if t.data.size == 1 and t.dtype.kind == "c":
                raise GraphError(
                    f"{caller}: the result of {t.node.name} is complex; pass its gradient, or "
                    f"start from a real number such as abs(z) ** 2"
                )
            if t.data.size != 1:
                raise GraphError(
                    f"{caller}: the result of {t.node.name} has shape {t.shape}; "
                    f"only a single element can start without a gradient: pass one of that "
                    f"shape, or reduce it, by .sum() say"
                )
            seed = np.ones_like(t.data)
        array = to_array(seed)
        if array.shape != t.shape:
            raise ShapeError(
                f"{caller}: the gradient for {t.node.name} has shape {array.shape}, "
                f"its output {t.shape}"
            )
        start = _linked(seed, array, t) if record else array.astype(t.dtype, copy=False)
        roots.append((t.node, outside(start)))
    return roots


def _linked(seed: Any, array: np.ndarray, root: Tensor) -> Tensor:
    """The seed as a Tensor of the root's dtype, still on its own graph if it has one."""
    start = seed if isinstance(seed, Tensor) else from_parts(array, None)
    if start.dtype == root.dtype:
        return start
    with enable_grad():
        return cast(Tensor, start.astype(root.dtype))
