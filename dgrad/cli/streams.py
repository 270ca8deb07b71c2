"""stdout and stderr that a run survives: closed, full, without a reader, without Unicode."""

from __future__ import annotations

import io
import os
import sys
from typing import Any, NoReturn, TextIO, cast

__all__ = ["Steady", "leave", "steady_streams"]


class Steady:
    """A text stream that never raises: what it cannot write, and all that follows, goes nowhere.

    failure: the first error, or None.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.failure: OSError | None = None

    def write(self, text: str) -> int:
        """Write text, as far as it can be written."""
        self._attempt(self._stream.write, text)
        return len(text)

    def flush(self) -> None:
        """Flush the stream."""
        self._attempt(self._stream.flush)

    def _attempt(self, function: Any, *args: str) -> None:
        if self.failure is not None:
            return
        try:
            function(*args)
        except OSError as error:
            self.failure = error
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self._stream.fileno())  # for what is buffered still
            os.close(null)

    def __getattr__(self, name: str) -> Any:  # isatty, encoding, fileno
        return getattr(self._stream, name)


def steady_streams() -> tuple[Steady, Steady]:
    """Put steady streams in place of sys.stdout and sys.stderr; returns the two.

    A letter that the encoding lacks becomes an escape; a stream that was closed swallows all.
    """
    streams = []
    for stream in (sys.stdout, sys.stderr):
        if stream is None:  # started with >&- or 2>&-
            stream = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
        streams.append(Steady(stream))
    out, err = streams
    sys.stdout, sys.stderr = cast(TextIO, out), cast(TextIO, err)
    return out, err


def leave(out: Steady, code: int) -> NoReturn:
    """Exit with `code`, or with 8 when `out`, a steady stdout, could not be written."""
    out.flush()
    if out.failure and not isinstance(out.failure, BrokenPipeError):  # `| head` is no failure
        print(f"error[T10] stdout cannot be written: {out.failure.strerror}", file=sys.stderr)
        code = code or 8
    sys.exit(code)
