"""watching(...): see every op that runs and every node that backward runs, with the time it took.

While anybody watches, what each op's call and walk refer to is exchanged for something that
measures; otherwise nothing is different, and nothing is slower.
"""

from __future__ import annotations

import copy
import functools
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from dgrad import registry
from dgrad.core.call import exchange
from dgrad.core.op import Op

__all__ = ["watching"]

OnForward = Callable[[Op, Sequence[Any], Mapping[str, Any], Any, float], None]
OnBackward = Callable[[Any, float], None]


class _Watcher:
    """Who is told of what runs in the thread that made it; of calls within calls, the outermost."""

    def __init__(self, on_forward: OnForward, on_backward: OnBackward | None) -> None:
        self.thread = threading.get_ident()
        self.busy = False
        self.on_forward = on_forward
        self.on_backward = on_backward


class _Watchers:
    """All that watch now, of every thread: the first exchanges what ops run, the last restores it.

    The rules are exchanged for the first that watches backward. `now` is replaced, never changed: a
    thread that reads it needs no lock.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.now: tuple[_Watcher, ...] = ()
        self.has_rules = False
        self.undo = ExitStack()

    def add(self, watcher: _Watcher) -> None:
        wants_rules = watcher.on_backward is not None
        with self.lock, ExitStack() as undo:
            calls = [registry.ops[name] for name in list(registry.ops)]
            for call in calls if not self.now else ():
                _exchange_forward(call, undo)
            for call in calls if wants_rules and not self.has_rules else ():
                _exchange_rules(call.op, undo)
            self.undo.push(undo.pop_all())
            self.has_rules |= wants_rules
            self.now = (*self.now, watcher)

    def remove(self, watcher: _Watcher) -> None:
        with self.lock:
            self.now = tuple(each for each in self.now if each is not watcher)
            if not self.now:
                self.has_rules = False
                self.undo.close()

    def free(self) -> list[_Watcher]:
        """Those of this thread that are not within a call."""
        thread = threading.get_ident()
        return [each for each in self.now if each.thread == thread and not each.busy]


_watchers = _Watchers()


@contextmanager
def watching(on_forward: OnForward, on_backward: OnBackward | None = None) -> Iterator[None]:
    """Within, in this thread: on_forward(op, inputs, params, result, seconds) after an op has run.

    inputs, result: the raw arrays; params: the static ones that were given. on_backward(node,
    seconds): after the rules of a node have run. What an op calls in its turn is part of it, and
    not told; nor, with on_backward, what a rule calls. Any number of threads may watch at a time,
    each itself.
    """
    watcher = _Watcher(on_forward, on_backward)
    _watchers.add(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)


def _measured(run: Callable[[], Any], told: list[_Watcher]) -> tuple[Any, float]:
    """What `run` returns, and its seconds; those who will be told of it are busy meanwhile."""
    for each in told:
        each.busy = True
    begun = time.perf_counter()
    try:
        result = run()
    finally:
        seconds = time.perf_counter() - begun
        for each in told:
            each.busy = False
    return result, seconds


def _exchange_forward(call: Any, undo: ExitStack) -> None:
    """Let the function that users call run a measured forward."""
    op, forward = call.op, call.op.forward

    @functools.wraps(forward)
    def measured(*args: Any, **params: Any) -> Any:
        told = _watchers.free()
        if not told:
            return forward(*args, **params)
        result, seconds = _measured(functools.partial(forward, *args, **params), told)
        if isinstance(result, np.generic):
            result = np.asarray(result)  # the array that a Tensor will hold
        for each in told:
            each.on_forward(op, args, params, result, seconds)
        return result

    undo.callback(exchange, call, exchange(call, measured))


def _exchange_rules(op: Op, undo: ExitStack) -> None:
    """Let the walk run the op's rules all at once, measured.

    Other threads walk meanwhile: at no time are there neither rules nor a measured pull.
    """
    pull, rules = copy.copy(op).pull, op.raw_rules  # the copy has its rules still

    def measured(node: Any, g: Any, edges: Sequence[Any], record: bool) -> Any:
        told = [each for each in _watchers.free() if each.on_backward is not None]
        if not told:
            return pull(node, g, edges, record)
        results, seconds = _measured(functools.partial(pull, node, g, edges, record), told)
        for each in told:
            each.on_backward(node, seconds)  # type: ignore[misc]
        return results

    undo.callback(delattr, op, "pull")
    undo.callback(setattr, op, "raw_rules", rules)  # runs before the one above
    op.pull = measured  # type: ignore[method-assign]
    op.raw_rules = None  # so that the walk calls pull
