"""checkpoint: forget what a part of the forward saves, and compute it again in the backward.

Nothing of the graph changes: saved arrays are replaced by numbers (saved_tensors_hooks), and the
first number that backward asks for runs the part again. So gradients of any order, `grad`,
parameters that the function only refers to, and checkpoints within checkpoints all work.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from dgrad.core import stream
from dgrad.core.modes import enable_grad, mode, saved_tensors_hooks
from dgrad.core.tensor import Tensor, from_parts
from dgrad.core.versions import Mark
from dgrad.errors import GraphError

__all__ = ["checkpoint", "is_recomputing"]


def is_recomputing() -> bool:
    """Whether this is the second run of a checkpointed function: update no statistics then."""
    return mode.recomputing > 0


def checkpoint(
    function: Callable[..., Any], *args: Any, use_reentrant: bool = False, **kwargs: Any
) -> Any:
    """function(*args, **kwargs), which saves nothing but its arguments (Chen et al. 2016).

    The backward runs it a second time, with the same draws from `dgrad`'s stream (dropout);
    it must then do the same: GraphError if it saves other counts, shapes or dtypes. What it
    changes outside, it changes twice, unless it asks `is_recomputing()`.
    use_reentrant: taken for programs written for PyTorch; there is one way here, that of False.
    """
    part = _Part(function, args, kwargs)
    with _Numbered(part.pack, part.unpack):
        return function(*args, **kwargs)


class _Numbered(saved_tensors_hooks):
    """The hooks of a checkpoint, which looks itself whether its arrays were overwritten."""

    fresh = True


class _Part:
    """One call of a checkpointed function: how to repeat it, and what it saved in which order."""

    def __init__(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self.function = function
        self.name = getattr(function, "__name__", type(function).__name__)
        self.args = [_Argument(a) for a in args]
        self.kwargs = {name: _Argument(a) for name, a in kwargs.items()}
        self.stream = copy.copy(stream.current())
        self.saved: list[tuple[tuple[int, ...], Any]] = []  # shape and dtype of each array
        # What the run depends on or has saved, as far as it still exists when it is run again.
        given = [a for a in (*args, *kwargs.values()) if isinstance(a, Tensor)]
        self.marks = [Mark(tensor.data) for tensor in given]
        self.arrays: dict[int, tuple[np.ndarray, Mark]] = {}  # computed again, until each is taken

    def pack(self, tensor: Tensor) -> int:
        self.saved.append((tensor.shape, tensor.dtype))
        self.marks.append(Mark(tensor.data))
        return len(self.saved) - 1

    def unpack(self, number: int) -> Tensor:
        if number not in self.arrays:
            for mark in self.marks:
                self._refuse_overwritten(mark, "depends on")
            self.arrays = dict(enumerate(self._again()))
        array, mark = self.arrays.pop(number)
        self._refuse_overwritten(mark, "saved")
        return from_parts(array, None)

    def _refuse_overwritten(self, mark: Mark, what: str) -> None:
        writer = mark.writer()
        if writer is not None:
            raise GraphError(
                f"checkpoint: {self.name} {what} an array that was overwritten since by {writer}, "
                f"so it cannot be run again; write to a clone(), or out of place"
            )

    def _again(self) -> list[tuple[np.ndarray, Mark]]:
        """What a second run saves, in order."""
        found: list[tuple[np.ndarray, Mark]] = []

        def keep(tensor: Tensor) -> None:
            found.append((tensor.data, Mark(tensor.data)))

        args = [argument.get() for argument in self.args]
        kwargs = {name: argument.get() for name, argument in self.kwargs.items()}
        before, stream.thread.stream = stream.thread.stream, copy.copy(self.stream)
        mode.recomputing += 1
        try:
            with enable_grad(), saved_tensors_hooks(keep, _never):
                self.function(*args, **kwargs)
        finally:
            mode.recomputing -= 1
            stream.thread.stream = before
        self._compare(found)
        return found

    def _compare(self, found: list[tuple[np.ndarray, Mark]]) -> None:
        name = self.name
        if len(found) != len(self.saved):
            raise GraphError(
                f"checkpoint: {name} saved {len(self.saved)} arrays at first and {len(found)} "
                f"when it was run again; it must do the same both times"
            )
        for i, ((array, _), (shape, dtype)) in enumerate(zip(found, self.saved, strict=True)):
            if array.shape != shape or array.dtype != dtype:
                raise GraphError(
                    f"checkpoint: {name} saved {dtype}{list(shape)} as array {i} at first and "
                    f"{array.dtype}{list(array.shape)} when it was run again; "
                    f"it must do the same both times"
                )


class _Argument:
    """One argument, without its graph; packed by the hooks that were around the call."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self.unpack: Callable[[Any], Any] | None = None
        self.requires_grad = isinstance(value, Tensor) and value.requires_grad
        if self.requires_grad and mode.packing is not None:
            self.value, self.unpack = mode.packing.pack(value.detach()), mode.packing.unpack
        elif self.requires_grad and not value.is_leaf:
            self.value = value.detach()

    def get(self) -> Any:
        """The argument again; of a Tensor that was computed, one like it."""
        value = self.value if self.unpack is None else self.unpack(self.value)
        if self.requires_grad and not value.requires_grad:
            return from_parts(value.data, None).requires_grad_()
        return value


def _never(_: Any) -> Any:
    """What is computed again is only collected: nothing is asked back from its graph."""
    raise GraphError("checkpoint: a backward ran within the part that is computed again")
