"""What a step frees is kept for the next one: by glibc, unless the user chose otherwise."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from typing import Any

import pytest

from dgrad.train import allocation
from dgrad.train.allocation import keep_freed_memory


class Library:
    """A C library that notes how malloc is tuned."""

    def __init__(self) -> None:
        self.tuned: dict[int, int] = {}

    def mallopt(self, parameter: int, value: int) -> int:
        self.tuned[parameter] = value
        return 1


class Glibc(Library):
    def gnu_get_libc_version(self) -> bytes:
        return b"2.41"


def loaded(monkeypatch: pytest.MonkeyPatch, library: Library) -> Library:
    for name in allocation.CHOICES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    return library


def test_glibc_is_told_to_keep_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    library = loaded(monkeypatch, Glibc())
    assert keep_freed_memory()
    assert library.tuned == {-4: 0, -1: 2**31 - 1}  # no mmap; trim only what no int can say


@pytest.mark.parametrize("choice", allocation.CHOICES)
def test_the_choice_of_the_user_stands(choice: str, monkeypatch: pytest.MonkeyPatch) -> None:
    library = loaded(monkeypatch, Glibc())
    monkeypatch.setenv(choice, "1")
    assert not keep_freed_memory()
    assert not library.tuned


@pytest.mark.parametrize(("library", "platform"), [(Library(), "linux"), (Glibc(), "darwin")])
def test_another_library_is_left_alone(
    library: Any, platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded(monkeypatch, library)
    monkeypatch.setattr(sys, "platform", platform)
    assert not keep_freed_memory()
    assert not library.tuned


PROGRAM = """
import resource, numpy as np
from dgrad.train.allocation import keep_freed_memory
if {keep} and not keep_freed_memory():
    print(-1)
    raise SystemExit
def step():
    return sum(float(np.ones(n << 18, np.float32)[-1]) for n in (16, 1, 33, 5))
step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts the page faults of Linux")
def test_memory_is_not_faulted_in_again() -> None:
    def faults(keep: bool) -> int:
        variables = {k: v for k, v in os.environ.items() if k not in allocation.CHOICES}
        program = [sys.executable, "-c", PROGRAM.format(keep=keep)]
        done = subprocess.run(program, env=variables, capture_output=True, check=True, text=True)
        return int(done.stdout)

    kept = faults(True)
    if kept < 0:
        pytest.skip("not with this C library")
    assert kept < 50
    assert faults(False) > 1000
