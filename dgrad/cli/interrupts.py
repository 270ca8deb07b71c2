"""Signals while training: the first one finishes the step and saves, the second leaves at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

__all__ = ["Interrupts", "graceful"]

CODES = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129}


class Stoppable(Protocol):
    """What can be asked to stop: a Trainer."""

    stop_requested: bool


class Interrupts:
    """exit_code: that of the last signal that came, or None."""

    def __init__(self) -> None:
        self.exit_code: int | None = None


@contextmanager
def graceful(target: Stoppable) -> Iterator[Interrupts]:
    """Within: a first signal sets target.stop_requested, a second exits with its code at once.

    A signal that was ignored when the process started stays ignored (nohup).
    """
    seen = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield seen
        return

    def handle(number: int, frame: FrameType | None) -> None:
        again = seen.exit_code is not None
        seen.exit_code = CODES[signal.Signals(number).name]
        if again:
            raise SystemExit(seen.exit_code)
        target.stop_requested = True

    before = {}
    for name in CODES:
        number = getattr(signal, name, None)  # SIGHUP is missing on Windows
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, handle)
    try:
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
