"""watching(...): see every op that runs and every node that backward runs, with the time it took.

Within the context, what each op's call and walk refer to is exchanged for something that measures;
outside of it nothing is different, and nothing is slower.
"""

from __future__ import annotations

import copy
import functools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from dgrad import registry
from dgrad.core.op import Op

__all__ = ["watching"]

OnForward = Callable[[Op, Sequence[Any], Any, float], None]
OnBackward = Callable[[Any, float], None]


class _Clock:
    """Measures what runs in the thread that made it; of calls within calls, the outermost."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.busy = False

    def measured(self, run: Callable[..., Any], tell: Callable[..., None]) -> Callable[..., Any]:
        """`run`, and tell(arguments, result, seconds) after it."""

        @functools.wraps(run)
        def timed(*args: Any, **kwargs: Any) -> Any:
            if self.busy or threading.get_ident() != self.thread:
                return run(*args, **kwargs)
            self.busy = True
            begun = time.perf_counter()
            try:
                result = run(*args, **kwargs)
            finally:
                seconds = time.perf_counter() - begun
                self.busy = False
            if isinstance(result, np.generic):
                result = np.asarray(result)  # the array that a Tensor will hold
            tell(args, result, seconds)
            return result

        return timed


@contextmanager
def watching(on_forward: OnForward, on_backward: OnBackward | None = None) -> Iterator[None]:
    """Within, in this thread: on_forward(op, inputs, result, seconds) after every op has run.

    inputs, result: the raw arrays. on_backward(node, seconds): after the rules of a node have run.
    What an op or a rule calls in its turn is part of it, and not told.
    """
    clock = _Clock()
    with ExitStack() as undo:
        for name in registry.ops:
            _exchange_forward(registry.ops[name], clock, on_forward, undo)
            if on_backward is not None:
                _exchange_rules(registry.ops[name].op, clock, on_backward, undo)
        yield


def _exchange_forward(call: Any, clock: _Clock, tell: OnForward, undo: ExitStack) -> None:
    """Let the function that users call run a measured forward."""
    names = call.__code__.co_freevars
    cell = call.__closure__[names.index("forward")]
    forward = cell.cell_contents
    cell.cell_contents = clock.measured(forward, functools.partial(tell, call.op))
    undo.callback(setattr, cell, "cell_contents", forward)


def _exchange_rules(op: Op, clock: _Clock, tell: OnBackward, undo: ExitStack) -> None:
    """Let the walk run the op's rules all at once, measured."""
    before = dict(vars(op))
    whole = copy.copy(op)  # has its rules still
    op.pull = clock.measured(whole.pull, lambda args, result, seconds: tell(args[0], seconds))  # type: ignore[method-assign]
    op.raw_rules = None  # so that the walk calls pull

    def put_back() -> None:
        del op.pull
        vars(op).update({name: before[name] for name in ("pull", "raw_rules") if name in before})

    undo.callback(put_back)
