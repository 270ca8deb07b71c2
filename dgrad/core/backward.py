"""backward and grad: what to start from, where gradients are wanted, what becomes of them."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any, cast

import numpy as np

from dgrad.core.modes import enable_grad
from dgrad.core.node import Leaf
from dgrad.core.tensor import Tensor, from_parts, to_array
from dgrad.core.walk import Edge, accumulate, walk
from dgrad.errors import GraphError, ShapeError

__all__ = ["backward", "grad"]

_AS_IT_IS = nullcontext()  # the mode, for a walk that is not recorded


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
    with enable_grad() if create_graph else _AS_IT_IS:
        arrived = walk(roots, wanted, create_graph, retain)
    if wanted is not None:
        arrived = [(wanted[node], g, own) for node, g, own in arrived]
    for target, g, own in arrived:  # only now: a walk that fails leaves every grad as it was
        tensor = target.tensor() if isinstance(target, Leaf) else target
        if tensor is not None and tensor.node is not None:  # else dropped, or frozen since
            accumulate(tensor, g, own)


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
    retain = create_graph if retain_graph is None else retain_graph
    with enable_grad() if create_graph else _AS_IT_IS:
        arrived = walk(roots, {t.node for t in targets}, create_graph, retain)
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
