"""Signals while training: the first one finishes the step and saves, the second leaves at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Protocol

__all__ = ["Interrupts", "Leave", "graceful"]

CODES = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129}


class Stoppable(Protocol):
    """What can be asked to stop: a Trainer."""

    stop_requested: bool


class Leave(SystemExit):
    """A second signal: the process is to end at once with exit_code."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code


class Interrupts:
    """exit_code: that of the last signal that came, or None."""

    def __init__(self) -> None:
        self.exit_code: int | None = None


@contextmanager
def graceful(target: Stoppable, stopping: Callable[[], None]) -> Iterator[Interrupts]:
    """Within: a first signal sets target.stop_requested, a second raises Leave at once.

    stopping: called once, in a thread, when the first signal has come.

    A signal that was ignored when the process started stays ignored (nohup).
    """
    seen = Interrupts()
    before: dict[int, Any] = {}  # handlers to put back
    # A thread, as the signal may have come in the middle of a write to the same stream.
    teller = threading.Thread(target=stopping)
    if threading.current_thread() is not threading.main_thread():
        yield seen
        return

    def handle(number: int, frame: FrameType | None) -> None:
        again = seen.exit_code is not None
        seen.exit_code = CODES[signal.Signals(number).name]
        if again:
            for each in before:  # it is leaving: a third one must not change the exit code
                signal.signal(each, signal.SIG_IGN)
            before.clear()
            raise Leave(seen.exit_code)
        target.stop_requested = True
        teller.start()

    for name in CODES:
        number = getattr(signal, name, None)  # SIGHUP is missing on Windows
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, handle)
    try:
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if teller.ident is not None:
            teller.join()
