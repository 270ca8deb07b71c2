"""The OpenBLAS that NumPy's wheels bring along: how many threads it uses, and its kernels."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["blas_threads", "function", "packs_small_matrices", "routine"]

UNPACKED = (b"SkylakeX", b"Cooperlake", b"SapphireRapids")  # kernels for AVX-512


def function(name: str) -> Callable[..., Any] | None:
    """A function of the library's own, which NumPy has loaded; None for another BLAS."""
    return routine(f"openblas_{name}")


@functools.cache
def routine(name: str) -> Callable[..., Any] | None:
    """A function of BLAS's C interface, such as cblas_saxpby; None for another BLAS."""
    package = Path(np.__file__).parent
    for folder in (package.with_name("numpy.libs"), package / ".dylibs"):
        for path in sorted(folder.glob("*openblas*")):
            try:
                library = ctypes.CDLL(str(path))
                return getattr(library, f"scipy_{name}64_")  # type: ignore[no-any-return]
            except (OSError, AttributeError):
                continue
    return None


def blas_threads() -> int | None:
    """How many threads NumPy's OpenBLAS uses now; None for another BLAS."""
    ask = function("get_num_threads")
    return None if ask is None else int(ask())


@functools.cache
def packs_small_matrices() -> bool:
    """Whether products of less than 1e6 multiplications begin with copies of their operands.

    With AVX-512 OpenBLAS takes them as they lie, on one thread.
    """
    ask: Any = function("get_corename")
    if ask is None:
        return True
    ask.restype = ctypes.c_char_p
    return ask() not in UNPACKED
