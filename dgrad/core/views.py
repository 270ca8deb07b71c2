"""Views: Tensors that show memory of another one, and how a write through either reaches both.

A view knows its base and the operations that lead from it; a base knows its living views. When
one of them is written in place (dgrad/ops/inplace.py), the base gets a node of its new value and
every view is led from there again: reading a Tensor costs nothing more, only such writes do.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from dgrad.core.hooks import hooks_of
from dgrad.core.modes import enable_grad, mode, special
from dgrad.core.tensor import Tensor, from_parts
from dgrad.core.versions import owner
from dgrad.errors import GraphError

if TYPE_CHECKING:
    from dgrad.core.op import Op

__all__ = ["View", "base_of", "lead_again", "move", "note_view", "places"]


class View:
    """How a Tensor came from its base. base: None when it was made outside the graph of one."""

    __slots__ = ("base", "steps")

    def __init__(self, base: Tensor | None, steps: tuple[tuple[Op, dict[str, Any]], ...]) -> None:
        self.base = base
        self.steps = steps

    def of(self, value: Any) -> Any:
        """The same part of another array, or Tensor, of the base's shape."""
        for op, params in self.steps:
            value = op.call(value, **params)
        return value


def note_view(made: Tensor, source: Any, op: Op, params: dict[str, Any]) -> None:
    """Remember that `made`, the result of op(source), shows memory of `source` if it does."""
    if not isinstance(source, Tensor) or owner(made.data) is not owner(source.data):
        return
    if special and mode.inference:
        return
    before = _view(source)
    base = source if before is None else before.base
    if base is None or (made.node is None and base.node is not None):
        # Made under no_grad: to hold the base would hold its graph, which nobody asked for.
        made._view = View(None, ())
        return
    steps = ((op, params),) if before is None else (*before.steps, (op, params))
    made._view = View(base, steps)
    try:
        views = base._views
    except AttributeError:
        views = base._views = []
    views.append(weakref.ref(made))
    if len(views) & (len(views) - 1) == 0:  # at every power of two: forget those that are gone
        views[:] = [view for view in views if view() is not None]


def _view(tensor: Tensor) -> View | None:
    try:
        return tensor._view
    except AttributeError:
        return None


def base_of(tensor: Tensor) -> tuple[Tensor, View | None]:
    """The base that a write to `tensor` changes, and how to find the part; itself if no view.

    Raises GraphError for a view made under no_grad, whose base is not known.
    """
    view = _view(tensor)
    if view is None:
        return tensor, None
    if view.base is None:
        raise GraphError(
            "this Tensor is a view made under no_grad of one that requires grad: a recorded write "
            "through it cannot reach its base; write under no_grad, or to a clone()"
        )
    return view.base, view


def places(base: Tensor, view: View) -> np.ndarray:
    """For each element of the view, where it lies in the flattened base."""
    numbers = np.empty_like(base.data, dtype=np.intp)  # as base lies in memory
    numbers[...] = np.arange(base.size).reshape(base.shape)
    return np.asarray(view.of(numbers))


def move(tensor: Tensor, node: Any) -> None:
    """A new node, to which a retained gradient goes over; hooks stay with the old value."""
    before, tensor.node = tensor.node, node
    if before is not None and node is not None and before.hooks is not None:
        retained = before.hooks.retained
        if retained is not None and retained() is tensor:
            before.hooks.retained = None
            hooks_of(node).retained = retained


def lead_again(base: Tensor) -> None:
    """Give every living view of `base` its node from the base's present one."""
    with enable_grad():
        for reference in list(getattr(base, "_views", ())):
            view = reference()
            if view is not None:
                source = from_parts(base.data, base.node)
                move(view, view._view.of(source).node)
