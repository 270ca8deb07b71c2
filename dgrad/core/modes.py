"""Gradient mode: whether operations record a graph. Thread-local; contexts that are decorators."""

from __future__ import annotations

import functools
import inspect
import threading
import types
from collections.abc import Callable, Generator
from typing import Any, TypeVar, cast, overload

__all__ = ["enable_grad", "is_grad_enabled", "no_grad", "set_grad_enabled"]

F = TypeVar("F", bound=Callable[..., Any])


class _Mode(threading.local):
    """The truth, per thread."""

    recording = True


_mode = _Mode()
# One entry for every thread that does not record: while it is empty, and it nearly always is, the
# hot path need not ask _mode. A thread that dies paused leaves its entry: correct, only slower.
paused: list[None] = []


def is_grad_enabled() -> bool:
    """Whether an operation called now, in this thread, would record."""
    return _mode.recording


def _set(recording: bool) -> None:
    if recording and not _mode.recording:
        _mode.recording = True
        paused.pop()
    elif not recording and _mode.recording:
        paused.append(None)  # first: an entry too many does no harm, one too few would
        _mode.recording = False


class _GradMode:
    """Sets the gradient mode on entry and restores what was there on exit, also when nested."""

    def __init__(self, recording: bool) -> None:
        self.recording = recording
        self._before: list[bool] = []

    def __enter__(self) -> None:
        self._before.append(is_grad_enabled())
        _set(self.recording)

    def __exit__(self, *_: object) -> None:
        _set(self._before.pop())

    def __call__(self, function: F) -> F:
        """Decorator: the function, or every step of a generator or coroutine, runs in the mode."""
        mode = functools.partial(_GradMode, self.recording)  # fresh: calls may overlap in threads
        wrapped: Any
        if inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function):

            def wrapped(*args: Any, **kwargs: Any) -> Any:
                return _in_steps(mode, function(*args, **kwargs))

        else:

            def wrapped(*args: Any, **kwargs: Any) -> Any:
                with mode():
                    return function(*args, **kwargs)

        return cast(F, functools.wraps(function)(wrapped))


@types.coroutine  # so that the result can be awaited as well as iterated
def _in_steps(mode: Callable[[], _GradMode], steps: Any) -> Generator[Any, Any, Any]:
    """Run a generator or coroutine with the mode set while it runs, and not while it waits."""
    resume, value = steps.send, None
    try:
        while True:
            with mode():
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
        with mode():
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
