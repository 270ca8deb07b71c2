"""explain_grad(t): why `t.grad` is None, or all zeros."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from dgrad.core.anomaly import source_of
from dgrad.core.node import Leaf, Output, behind
from dgrad.core.saved import FREED
from dgrad.core.tensor import Tensor
from dgrad.core.versions import owner
from dgrad.core.walk import walk
from dgrad.errors import DtypeError, GraphError
from dgrad.functional.dataflow import followed

__all__ = ["Explanation", "explain_grad"]

SHOWN = 3  # operations that a message names


@dataclass(frozen=True)
class Explanation:
    """`reason` in a few fixed words, `text` in full sentences with what to do; str() is the text.

    reason: "has a gradient", "no gradient for this dtype", "does not require grad", "not retained",
    "the loss has no graph", "detached", "no_grad", "not differentiable", "not reached",
    "never used", "backward not called", "cleared", "stopped by an op", "zero".
    """

    reason: str
    text: str

    def __str__(self) -> str:
        return self.text


def explain_grad(t: Tensor, loss: Tensor | Callable[[], Tensor] | None = None) -> Explanation:
    """Why `t.grad` is None, or zero everywhere; without `loss` only what t itself tells.

    With the loss, the graph between them is looked through; where it has not been freed
    (retain_graph=True) it is walked once more, without its hooks, to find where a gradient ends.
    Operations recorded under `detect_anomaly` are named with their line. With a function that
    computes the loss, that is run once more and watched: then the line is told at which t, or what
    was made of it, is cut off. Raises GraphError for a loss that is not a single element,
    DtypeError for a t that is no Tensor, or a loss that is neither that nor a function.
    """
    _check(t, loss)
    if t.dtype.kind not in "fc":
        return Explanation(
            "no gradient for this dtype",
            f"a Tensor of {t.dtype} has no gradient: only floats have one; use astype before "
            f"requires_grad_()",
        )
    if t.node is None:
        return _not_required(t, loss)
    zero = t.grad is not None and not np.any(t.grad.data)
    if t.grad is not None and not zero:
        return Explanation("has a gradient", f"grad is there, and not zero: {_range(t.grad.data)}")
    if loss is None:
        return _alone(t, zero)
    flow = None
    if not isinstance(loss, Tensor):
        loss, flow = followed(t, loss)
    if loss.size != 1:
        raise GraphError(f"explain_grad: the loss has shape {loss.shape}, not a single element")
    between = _between(loss.node, t.node) if loss.node is not None else []
    if not between:
        if flow is not None:
            return Explanation(*flow.cut(loss, _behind(loss)))
        return _no_graph() if loss.node is None else _unreached(t, loss.node)
    if not zero and not _keeps(t):
        return _not_retained(t)
    if any(node.saved is FREED for node in between if _is_operation(node)):
        return _after_backward(zero)
    return _walked(t, loss, between, zero)


def _check(t: Any, loss: Any) -> None:
    """Raise DtypeError for what `explain_grad` does not take."""
    if not isinstance(t, Tensor):
        raise DtypeError(f"explain_grad: takes a Tensor, got {type(t).__name__}")
    if loss is not None and not isinstance(loss, Tensor) and not callable(loss):
        raise DtypeError(
            f"explain_grad: the loss must be a Tensor, or a function that computes it, "
            f"got {type(loss).__name__}"
        )


def _not_required(t: Tensor, loss: Tensor | Callable[[], Tensor] | None) -> Explanation:
    text = (
        "it does not require grad: it is plain data, or it was computed under no_grad, by "
        "detach(), or from nothing that requires grad; call requires_grad_() on it before use, "
        "or drop what cut it off"
    )
    users = []
    if isinstance(loss, Tensor) and loss.node is not None:
        users = list(_users(t, loss.node))
    if users:
        text += f"; the loss uses its values as a constant in {_listed(users)}"
    return Explanation("does not require grad", text)


def _alone(t: Tensor, zero: bool) -> Explanation:
    """What can be said without a loss."""
    if zero:
        return Explanation(
            "zero",
            "grad is zero everywhere; explain_grad(t, loss) tells where, with the graph kept",
        )
    if not _keeps(t):
        return _not_retained(t)
    return Explanation(
        "backward not called",
        "it requires grad and nothing has been added to its grad: no backward has reached it; "
        "explain_grad(t, loss) tells whether that loss can",
    )


def _keeps(t: Tensor) -> bool:
    """Whether backward would fill its grad."""
    hooks = None if t.node is None else t.node.hooks
    return t.is_leaf or (hooks is not None and hooks.retained is not None)


def _not_retained(t: Tensor) -> Explanation:
    return Explanation(
        "not retained",
        f"it is not a leaf but the result of {_called(t.node)}: backward fills the grad of leaves "
        f"only; call retain_grad() on it before backward",
    )


def _no_graph() -> Explanation:
    return Explanation(
        "the loss has no graph",
        "the loss does not require grad: it was computed under no_grad, from detached values, or "
        "outside dgrad's operations; explain_grad(t, function) with a function that computes the "
        "loss finds the line",
    )


def _unreached(t: Tensor, end: Any) -> Explanation:
    """The loss does not depend on t, as far as the graph knows."""
    users = list(_users(t, end))
    if users:
        return Explanation(
            "detached",
            f"the loss uses its values, but cut off from it, by detach(), no_grad, .data or a "
            f"copy of the Tensor, in {_listed(users)}",
        )
    return Explanation(
        "not reached",
        "it is not on a path from the loss: no operation that the loss depends on used it, or "
        "what it led to was cut off by detach(), no_grad or .data; explain_grad(t, function) with "
        "a function that computes the loss finds the line",
    )


def _after_backward(zero: bool) -> Explanation:
    if zero:
        return Explanation(
            "zero",
            "grad is zero everywhere; to see where, call backward with retain_graph=True and then "
            "explain_grad(t, loss)",
        )
    return Explanation(
        "cleared",
        "a backward from the loss has run, and its grad was cleared since (zero_grad, grad = "
        "None), or that backward was given other inputs=, or it was grad(), which fills none",
    )


def _walked(t: Tensor, loss: Tensor, between: list[Any], zero: bool) -> Explanation:
    """Walk from the loss once more, and look at the gradients on the way to t."""
    twins = _without_hooks(between)
    nodes = {twin: node for node, twin in twins.items() if getattr(node, "outputs", None) is None}
    found = walk([(twins[loss.node], np.ones_like(loss.data))], nodes, False, True)
    grads = {nodes[twin]: g for twin, g, _ in found}
    hooked = ["it" if node is t.node else _called(node) for node in between if _hooked(node)]
    hooks = f"; this is without the hooks on {_shortened(hooked)}" if hooked else ""
    g = grads.get(t.node)
    if g is None:
        return Explanation(
            "stopped by an op",
            f"it is on a path from the loss, but no gradient comes from "
            f"{_listed(_ends(between, set(grads)))}, whose backward returns None there",
        )
    if np.any(g):
        there = f"backward from the loss gives {_range(g)}{hooks}"
        if zero:
            made = "it was set to zero since, or by a hook" if hooks else "it was set to zero since"
            return Explanation("cleared", f"grad is zero: {made}: {there}")
        return Explanation("backward not called", f"backward has not been called: {there}")
    ends = _ends(between, {node for node, each in grads.items() if np.any(each)})
    return Explanation(
        "zero",
        f"its gradient is zero everywhere: it becomes zero in {_listed(ends)}, whose derivative "
        f"is zero at these values, or whose parts cancel{hooks}",
    )


def _without_hooks(between: list[Any]) -> dict[Any, Any]:
    """A copy of each node, linked to each other and to no other node: a walk changes none."""
    twins: dict[Any, Any] = {}
    for node in reversed(between):  # edges come first
        twin = twins[node] = copy.copy(node)
        twin.hooks = None
        if node.edges:
            twin.edges = tuple(twins.get(edge) for edge in node.edges)
    return twins


def _hooked(node: Any) -> bool:
    """Whether hooks may change the gradient at a node."""
    hooks = node.hooks
    return hooks is not None and bool(hooks.functions or hooks.before or hooks.after)


def _between(end: Any, start: Any) -> list[Any]:
    """The nodes on paths from `end` down to `start`, newest first; empty if there is none."""
    reached = {start}
    for node in reversed(behind([end])):
        if any(edge in reached for edge in node.edges):
            reached.add(node)
    newest_first = sorted(reached, key=lambda node: -node.seq)
    return newest_first if end in reached else []


def _behind(loss: Tensor) -> list[Any]:
    return [] if loss.node is None else behind([loss.node])


def _is_operation(node: Any) -> bool:
    return type(node) not in (Leaf, Output)


def _ends(between: list[Any], there: set[Any]) -> Iterator[Any]:
    """The operations at which a gradient arrives, and from which none goes on towards t.

    there: the nodes with a gradient; one that has several outputs counts by those.
    """
    inside = set(between)
    there = there | {node.edges[0] for node in there if type(node) is Output}
    for node in between:
        onward = [edge for edge in node.edges if edge in inside]
        if node in there and onward and not any(edge in there for edge in onward):
            yield node


def _users(t: Tensor, end: Any) -> Iterator[Any]:
    """The operations behind `end` that saved values of t's memory, or their own leaf of it."""
    memory = owner(t.data)
    for node in reversed(behind([end])):
        if type(node) is Leaf:
            other = node.tensor()
            if other is not None and node is not t.node and owner(other.data) is memory:
                yield node
        elif _is_operation(node) and any(owner(a) is memory for a in _arrays(node)):
            yield node


def _arrays(node: Any) -> Iterator[np.ndarray]:
    """The arrays that a node has saved."""
    stack: list[Any] = [] if node.saved is FREED else [node.saved]
    while stack:
        value = stack.pop()
        if isinstance(value, tuple):
            stack.extend(value)
        elif isinstance(value, np.ndarray):
            yield value


def _listed(nodes: Iterable[Any]) -> str:
    """`multiply (output (2,), called at file:3); exp (output (2,)) and 2 more`."""
    return _shortened(list(map(_called, nodes)))


def _shortened(called: list[str]) -> str:
    shown = "; ".join(called[:SHOWN])
    return shown if len(called) <= SHOWN else f"{shown} and {len(called) - SHOWN} more"


def _called(node: Any) -> str:
    if type(node) is Leaf:
        return f"another leaf of shape {node.shape} that shares its memory"
    node = node.edges[0] if type(node) is Output else node
    source = source_of(node)
    return f"{node.name} (output {node.shape}{f', called at {source}' if source else ''})"


def _range(g: np.ndarray) -> str:
    """Shape and largest absolute value."""
    return f"shape {g.shape}, at most {np.abs(g).max():.3g} in absolute value"
