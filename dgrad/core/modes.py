"""Modes: whether and how operations record a graph. Thread-local; contexts that are decorators."""

from __future__ import annotations

import functools
import inspect
import threading
import types
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any, Self, TypeVar, cast, overload

__all__ = [
    "detect_anomaly",
    "enable_grad",
    "inference_mode",
    "is_grad_enabled",
    "mode",
    "no_grad",
    "saved_tensors_hooks",
    "set_grad_enabled",
    "special",
]

F = TypeVar("F", bound=Callable[..., Any])


class _Mode(threading.local):
    """The truth, per thread.

    anomaly: the innermost `detect_anomaly`; packing: the innermost `saved_tensors_hooks`;
    running: under anomaly, the node whose backward runs, the parent of what that records.
    recomputing: how many recomputations of checkpoints we are in.
    """

    recording = True
    inference = False
    anomaly: detect_anomaly | None = None
    packing: saved_tensors_hooks | None = None
    running: Any = None
    recomputing = 0


mode = _Mode()
# One entry for each mode of a thread in which calls are not simply recorded: while it is empty,
# and it nearly always is, the hot path need not ask `mode`. A thread that dies within a mode
# leaves its entry: correct, only slower.
special: list[None] = []


def is_grad_enabled() -> bool:
    """Whether an operation called now, in this thread, would record."""
    return mode.recording


def _set(recording: bool) -> None:
    if recording and not mode.recording:
        mode.recording = True
        special.pop()
    elif not recording and mode.recording:
        special.append(None)  # first: an entry too many does no harm, one too few would
        mode.recording = False


class _Context:
    """A context that is also a decorator of functions, generators and coroutines."""

    def _fresh(self) -> Callable[[], Any]:
        """What makes a context like this one."""
        return lambda: self

    def __call__(self, function: F) -> F:
        """Decorator: the function, or every step of a generator or coroutine, runs in the mode."""
        fresh = self._fresh()  # one for each call: calls may overlap in threads
        wrapped: Any
        if inspect.isasyncgenfunction(function):

            def wrapped(*args: Any, **kwargs: Any) -> Any:
                return _in_async_steps(fresh, function(*args, **kwargs))

        elif inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function):

            def wrapped(*args: Any, **kwargs: Any) -> Any:
                return _in_steps(fresh, function(*args, **kwargs))

        else:

            def wrapped(*args: Any, **kwargs: Any) -> Any:
                with fresh():
                    return function(*args, **kwargs)

        return cast(F, functools.wraps(function)(wrapped))


async def _in_async_steps(
    fresh: Callable[[], Any], steps: AsyncGenerator[Any, Any]
) -> AsyncGenerator[Any, Any]:
    """Run an async generator with the mode set while it runs, and not while it waits."""
    advance: Any = steps.asend(None)
    try:
        while True:
            try:
                given = await _in_steps(fresh, advance)
            except StopAsyncIteration:
                return
            try:
                advance = steps.asend((yield given))
            except GeneratorExit:
                raise
            except BaseException as error:  # thrown in by the caller: the function may catch it
                advance = steps.athrow(error)
    finally:
        await _in_steps(fresh, steps.aclose())


class _GradMode(_Context):
    """Sets the gradient mode on entry and restores what was there on exit, also when nested."""

    def __init__(self, recording: bool) -> None:
        self.recording = recording
        self._before: list[bool] = []

    def _fresh(self) -> Callable[[], Any]:
        return functools.partial(_GradMode, self.recording)

    def __enter__(self) -> None:
        self._before.append(is_grad_enabled())
        _set(self.recording)

    def __exit__(self, *_: object) -> None:
        _set(self._before.pop())


@types.coroutine  # so that the result can be awaited as well as iterated
def _in_steps(fresh: Callable[[], Any], steps: Any) -> Generator[Any, Any, Any]:
    """Run a generator or coroutine with the mode set while it runs, and not while it waits."""
    resume, value = steps.send, None
    try:
        while True:
            with fresh():
                try:
                    given = resume(value)
                except StopIteration as end:
                    return end.value
            try:
                resume, value = steps.send, (yield given)
            except GeneratorExit:
                raise
            except BaseException as error:  # thrown in by the caller: the function may catch it
                resume, value = steps.throw, error
    finally:
        with fresh():
            steps.close()


class no_grad(_GradMode):
    """Operations inside record no graph: `with no_grad(): ...`, `@no_grad()` or `@no_grad`."""

    @overload
    def __new__(cls) -> no_grad: ...
    @overload
    def __new__(cls, function: F) -> F: ...  # type: ignore[misc]
    def __new__(cls, function: Any = None) -> Any:  # a function when called on one
        return super().__new__(cls) if function is None else cls()(function)

    def __init__(self) -> None:
        super().__init__(False)


class enable_grad(_GradMode):
    """Operations inside record a graph again, within an outer `no_grad`."""

    @overload
    def __new__(cls) -> enable_grad: ...
    @overload
    def __new__(cls, function: F) -> F: ...  # type: ignore[misc]
    def __new__(cls, function: Any = None) -> Any:  # a function when called on one
        return super().__new__(cls) if function is None else cls()(function)

    def __init__(self) -> None:
        super().__init__(True)


class set_grad_enabled(_GradMode):
    """Recording on or off by a flag, from the call on: `set_grad_enabled(False)`.

    As `with set_grad_enabled(training): ...` it restores, on exit, what was there before the call;
    as a decorator it sets the mode only while the function runs.
    """

    def __init__(self, recording: bool) -> None:
        super().__init__(bool(recording))
        super().__enter__()
        self._entered = True  # by the call itself: the first `with` has nothing more to note

    def __enter__(self) -> None:
        if self._entered:
            self._entered = False
            _set(self.recording)
        else:
            super().__enter__()

    def __call__(self, function: F) -> F:
        if self._entered:
            self._entered = False
            self.__exit__()
        return super().__call__(function)


class _Layer(_Context):
    """A mode that may be nested in itself: the innermost counts, and is `mode.<slot>`."""

    slot = ""

    def __init__(self) -> None:
        self._outer: list[Any] = []  # what it hides, each time it is entered

    def __enter__(self) -> Self:
        self._outer.append(getattr(mode, self.slot))
        special.append(None)
        setattr(mode, self.slot, self)
        return self

    def __exit__(self, *_: object) -> None:
        setattr(mode, self.slot, self._outer.pop())
        special.pop()


class detect_anomaly(_Layer):
    """Find NaN and infinity where they arise, and remember the line that called each operation.

    Forward: a recorded result with NaN, or with infinity from finite inputs, raises AnomalyError
    with the op, its inputs' ranges and the first bad index. Backward: likewise for each gradient,
    unless `check_nan` is False; errors in backward name the line of the forward. Slower: use it to
    look for a fault. Forwards outside have no line; their backwards are checked all the same.
    """

    slot = "anomaly"

    def __init__(self, check_nan: bool = True) -> None:
        super().__init__()
        self.check_nan = check_nan

    def _fresh(self) -> Callable[[], Any]:
        return functools.partial(detect_anomaly, self.check_nan)


class saved_tensors_hooks(_Layer):
    """What operations inside keep for backward passes through `pack`, and back through `unpack`.

    pack(tensor) -> anything, when an array is saved; unpack(that) -> the Tensor, when backward
    needs it: the same shape and dtype. The Tensor that pack gets cannot be written to. Of nested
    pairs the innermost counts; saved tensors of `Function`s pass through too.
    """

    slot = "packing"
    fresh = False  # whether what comes back is known not to be overwritten since it was saved

    def __init__(self, pack: Callable[[Any], Any], unpack: Callable[[Any], Any]) -> None:
        super().__init__()
        self.pack, self.unpack = pack, unpack

    def _fresh(self) -> Callable[[], Any]:
        return functools.partial(saved_tensors_hooks, self.pack, self.unpack)


class inference_mode(_Context):
    """As no_grad, and what is made inside is never kept for a backward: an error says to clone it.

    `with inference_mode(): ...`, `@inference_mode()`; inference_mode(False) undoes an outer one.
    """

    def __init__(self, enabled: bool = True) -> None:
        self.enabled = enabled
        self._before: list[tuple[bool, bool]] = []

    def _fresh(self) -> Callable[[], Any]:
        return functools.partial(inference_mode, self.enabled)

    def __enter__(self) -> None:
        self._before.append((mode.inference, mode.recording))
        mode.inference = self.enabled
        if self.enabled or self._before[-1][0]:
            _set(not self.enabled)

    def __exit__(self, *_: object) -> None:
        mode.inference, recording = self._before.pop()
        _set(recording)
