"""How the walk calls hooks: each sees arrays of its own, and what it returns is checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dgrad.core.hooks import Hooks, standing
from dgrad.core.modes import set_grad_enabled
from dgrad.core.tensor import Tensor, from_parts
from dgrad.errors import ShapeError

__all__ = ["outside", "private", "retained", "run_hooks", "run_posthooks", "run_prehooks"]


def run_hooks(node: Any, hooks: Hooks, g: Any, owned: set[Any], record: bool) -> Any:
    """g after the node's hooks, each of which sees an array of its own."""
    for function in standing(hooks.functions):
        with set_grad_enabled(record):
            result = function(private(outside(g)))
        if result is None:
            continue
        result = result if isinstance(result, Tensor) else Tensor(result)
        if result.shape != node.shape:
            raise ShapeError(
                f"hook {_label(function)} on {node.name} returned a gradient of shape "
                f"{result.shape}, expected {node.shape}"
            )
        if result.dtype != node.dtype:
            result = result.astype(node.dtype)
        g = outside(result if record else result.data)
        owned.discard(node)
    return g


def run_prehooks(node: Any, hooks: Hooks, g: Any, record: bool) -> Any:
    """g, or the list of them for several outputs, after the node's pre-hooks."""
    for function in standing(hooks.before):
        several = isinstance(g, list)
        shown = tuple(each if each is None else private(each) for each in (g if several else [g]))
        with set_grad_enabled(record):
            changed = function(shown)
        if changed is not None:
            grads = _replaced(function, node, changed, shown, record)
            g = grads if several else grads[0]
    return g


def run_posthooks(
    node: Any, hooks: Hooks, results: Sequence[Any], g: Any, record: bool
) -> Sequence[Any]:
    """The gradients of the inputs after the node's post-hooks."""
    incoming = tuple(g) if isinstance(g, list | tuple) else (g,)
    outputs = tuple(each if each is None else private(each) for each in incoming)
    for function in standing(hooks.after):
        shown = tuple(
            r if r is None else private(r if isinstance(r, Tensor) else np.asarray(r))
            for r in results
        )
        with set_grad_enabled(record):
            changed = function(shown, outputs)
        if changed is not None:
            results = _replaced(function, node, changed, shown, record)
    return results


def _replaced(
    function: Any, node: Any, changed: Any, shown: tuple[Any, ...], record: bool
) -> list[Any]:
    """The gradients that a node's hook returned in place of those it was shown."""
    changed = changed if isinstance(changed, tuple) else (changed,)
    shapes = [None if g is None else g.shape for g in shown]
    given = [None if g is None else np.shape(g) for g in changed]
    if len(given) != len(shapes) or any(
        a is not None and b is not None and a != b for a, b in zip(given, shapes, strict=True)
    ):
        raise ShapeError(
            f"hook {_label(function)} on {node.name} returned gradients of shapes {given}, "
            f"expected {shapes}"
        )
    tensors = [g if g is None or isinstance(g, Tensor) else Tensor(g) for g in changed]
    return [g if g is None or record else g.data for g in tensors]


def _label(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))


def retained(hooks: Hooks, g: Any) -> list[tuple[Tensor, Any, bool]]:
    """What the walk returns for a Tensor that asked to retain its gradient and still exists."""
    tensor = None if hooks.retained is None else hooks.retained()
    return [] if tensor is None else [(tensor, g, False)]


def outside(g: Any) -> Any:
    """A gradient as users see it, and back: conjugated if it is complex, as PyTorch's are.

    Inside, rules are plain transposes, so that one text holds for real and complex numbers.
    """
    return np.conjugate(g) if g.dtype.kind == "c" else g


def private(g: Any) -> Tensor:
    """A gradient as a Tensor with an array of its own, on the graph where g is."""
    return (
        from_parts(g.data.copy(), g.node) if isinstance(g, Tensor) else from_parts(g.copy(), None)
    )
