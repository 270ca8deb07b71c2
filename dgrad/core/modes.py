"""Gradient mode: whether operations record a graph. Thread-local; contexts that are decorators."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ContextDecorator
from typing import Any, TypeVar, overload

__all__ = ["enable_grad", "is_grad_enabled", "no_grad", "set_grad_enabled"]

F = TypeVar("F", bound=Callable[..., Any])


paused: set[int] = set()  # threads that do not record now; empty nearly always, so cheap to ask


def is_grad_enabled() -> bool:
    """Whether an operation called now, in this thread, would record."""
    return not paused or threading.get_ident() not in paused


def _set(recording: bool) -> None:
    if recording:
        paused.discard(threading.get_ident())
    else:
        paused.add(threading.get_ident())


class _GradMode(ContextDecorator):
    """Sets the gradient mode on entry and restores what was there on exit, also when nested."""

    recording: bool

    def __init__(self) -> None:
        self._before: list[bool] = []

    def _recreate_cm(self) -> _GradMode:
        return self  # the stack of earlier modes makes one object safe to enter again

    def __enter__(self) -> None:
        self._before.append(is_grad_enabled())
        _set(self.recording)

    def __exit__(self, *_: object) -> None:
        _set(self._before.pop())


class no_grad(_GradMode):
    """Operations inside record no graph: `with no_grad(): ...`, `@no_grad()` or `@no_grad`."""

    recording = False

    @overload
    def __new__(cls) -> no_grad: ...
    @overload
    def __new__(cls, function: F) -> F: ...  # type: ignore[misc]
    def __new__(cls, function: Any = None) -> Any:  # a function when called on one
        return super().__new__(cls) if function is None else cls()(function)


class enable_grad(_GradMode):
    """Operations inside record a graph again, within an outer `no_grad`."""

    recording = True

    @overload
    def __new__(cls) -> enable_grad: ...
    @overload
    def __new__(cls, function: F) -> F: ...  # type: ignore[misc]
    def __new__(cls, function: Any = None) -> Any:  # a function when called on one
        return super().__new__(cls) if function is None else cls()(function)


class set_grad_enabled(_GradMode):
    """Recording on or off by a flag: `with set_grad_enabled(training): ...`."""

    def __init__(self, recording: bool) -> None:
        super().__init__()
        self.recording = recording
