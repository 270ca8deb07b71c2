"""Hooks: functions that see gradients as backward passes, and the handles that remove them.

In order, for one node: hooks of the Tensor, with the summed gradient; pre-hooks of the node; the
gradient is stored if it is retained; the node runs; post-hooks of the node. For a leaf the node's
deed is to add to `.grad`; post-accumulate hooks follow it, before the post-hooks.
"""

from __future__ import annotations

import itertools
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from dgrad.errors import GraphError

if TYPE_CHECKING:
    from dgrad.core.tensor import Tensor

__all__ = [
    "HookHandle",
    "Hookable",
    "Hooks",
    "hooks_of",
    "pending",
    "register_multi_grad_hook",
    "standing",
]

Functions = dict[int, Callable[..., Any]]
_number = itertools.count(1).__next__


class Hooks:
    """The hooks of one node, each kind in order of registration, and `retain_grad`.

    functions: of the Tensor; before, after: of the node; accumulated: post-accumulate, of a leaf.
    """

    __slots__ = ("accumulated", "after", "before", "functions", "retained")

    def __init__(self) -> None:
        self.functions: Functions = {}
        self.before: Functions = {}
        self.after: Functions = {}
        self.accumulated: Functions = {}
        self.retained: weakref.ref[Tensor] | None = None


class HookHandle:
    """Removes the hook it was returned for: `handle.remove()`, or at the end of a `with` block."""

    def __init__(self, functions: Functions, function: Callable[..., Any]):
        self._functions = functions
        self._key = _number()
        functions[self._key] = function

    def remove(self) -> None:
        """Take the hook away; a second call does nothing."""
        self._functions.pop(self._key, None)

    def __enter__(self) -> HookHandle:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def hooks_of(node: Any) -> Hooks:
    """The node's hooks, made when first asked for."""
    if node.hooks is None:
        node.hooks = Hooks()
    return node.hooks  # type: ignore[no-any-return]


def standing(functions: Functions) -> Iterator[Callable[..., Any]]:
    """The functions in order of registration, without those that an earlier one has removed."""
    for key, function in list(functions.items()):
        if key in functions:
            yield function


class Hookable:
    """What every kind of node can be told: hooks of its own, besides those of its Tensor."""

    __slots__ = ()

    def register_prehook(self, hook: Callable[[tuple[Any, ...]], Any]) -> HookHandle:
        """Call hook(grad_outputs) before the node runs; a tuple returned replaces them."""
        return HookHandle(hooks_of(self).before, hook)

    def register_hook(self, hook: Callable[[tuple[Any, ...], tuple[Any, ...]], Any]) -> HookHandle:
        """Call hook(grad_inputs, grad_outputs) after it; a tuple returned replaces grad_inputs."""
        return HookHandle(hooks_of(self).after, hook)


class _Pending(threading.local):
    """The walks of this thread: how many are in progress, one within another, and what
    multi-gradient hooks have seen in the innermost; None outside walks.

    By the hook's key: (hook to call at the end, or None; the gradient of each of its Tensors).
    """

    depth = 0
    gathered: dict[int, tuple[Callable[[Any], Any] | None, list[Any]]] | None = None


pending = _Pending()


class _Handles:
    """Removes several hooks as one."""

    def __init__(self, handles: list[HookHandle]) -> None:
        self._handles = handles

    def remove(self) -> None:
        """Take the hook away from all its Tensors."""
        for handle in self._handles:
            handle.remove()

    def __enter__(self) -> _Handles:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def register_multi_grad_hook(
    tensors: Sequence[Tensor], hook: Callable[[Any], Any], *, mode: Literal["all", "any"] = "all"
) -> _Handles:
    """Call hook once in each backward that reaches any of `tensors`; what it returns is ignored.

    "all": hook(gradients), after the last of them, before any `.grad` changes; None for a Tensor
    not reached. "any": hook(gradient), with the first that arrives.
    Raises GraphError for Tensors that do not require grad, ValueError for another mode.
    """
    if mode not in ("all", "any"):
        raise ValueError(f"register_multi_grad_hook: mode must be 'all' or 'any', got {mode!r}")
    count, key = len(tensors), _number()  # the hook must not hold the Tensors that hold it

    def see(index: int, g: Any) -> None:
        gathered = {} if pending.gathered is None else pending.gathered
        if key not in gathered:
            gathered[key] = (hook if mode == "all" else None, [None] * count)
            if mode == "any":
                hook(g)
        if mode == "all":
            gathered[key][1][index] = g

    for i, tensor in enumerate(tensors):
        if not tensor.requires_grad:
            raise GraphError(f"register_multi_grad_hook: tensors[{i}] does not require grad")
    return _Handles(
        [
            tensor.register_hook(lambda g, index=i: see(index, g))  # type: ignore[misc]
            for i, tensor in enumerate(tensors)
        ]
    )
