"""Backward inside backward, to any depth: deep ones go on in a thread with a fresh stack."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from dgrad.core import stream
from dgrad.core.hooks import pending
from dgrad.core.modes import mode

__all__ = ["DEPTH", "elsewhere"]

R = TypeVar("R")
DEPTH = 20  # walks in one stack: each takes some ten frames, Python allows a thousand


CARRIED: tuple[threading.local, ...] = (mode, pending, stream.thread)


def elsewhere(function: Callable[..., R], *args: Any) -> R:
    """function(*args) in a new thread that stands in for this one: its modes, stream, errstate."""
    states = [dict(vars(local)) for local in CARRIED]
    results: list[R] = []
    errors: list[BaseException] = []

    def run() -> None:
        for local, state in zip(CARRIED, states, strict=True):
            vars(local).update(state)
        pending.depth = 1  # this stack holds no other
        try:
            results.append(function(*args))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=contextvars.copy_context().run, args=(run,), daemon=True)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]
