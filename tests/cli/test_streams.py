"""Streams that a run survives."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from dgrad.cli.streams import Steady, steady_streams


def test_L06_letters_that_an_encoding_lacks_become_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, "ascii"))
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    out, _ = steady_streams()
    print("K\u00fcche", end="", flush=True)
    assert raw.getvalue() == b"K\\xfcche"
    assert (out.failure, sys.stdout.encoding) == (None, "ascii")


def test_L05_a_missing_stream_swallows_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    out, _ = steady_streams()
    print("nobody reads this", flush=True)
    assert out.failure is None
    sys.stdout.close()


def test_T10_the_first_failure_is_kept_and_the_rest_goes_nowhere(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        steady = Steady(stream)
        steady.write("lost")
        steady.flush()
        steady.write("more")
        steady.flush()
    assert isinstance(steady.failure, BrokenPipeError)
