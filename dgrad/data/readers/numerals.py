"""Strict decimal numbers in text: many cells at once, and why a single cell is refused.

Python's float() also takes `1_0`, Arabic digits, `nan` and any Unicode blank. A cell is a number
here when, without blanks and tabs around it, it matches NUMBER, is finite as float32, and, if
written without point and exponent, is at most 2^53 in size.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["BLANKS", "NUMBER", "WHOLE", "fault", "is_not_finite", "parse"]

# No two parts can share a run of digits, or a long cell would take quadratic time to refuse.
NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
WHOLE = re.compile(r"[+-]?[0-9]+")
BLANKS = " \t"
_ALPHABET = b"0123456789+-.eE \t"
_EXACT = 2**53


def parse(cells: Sequence[str]) -> NDArray[np.float32] | None:
    """The numbers in `cells`, (n,) float32; None when `fault` refuses one of them."""
    # Text in this alphabet that float() takes is exactly what NUMBER matches between blanks.
    if "".join(cells).encode().translate(None, _ALPHABET):
        return None
    try:
        exact = np.fromiter(map(float, cells), np.float64, len(cells))
    except ValueError:
        return None
    with np.errstate(over="ignore"):
        values = exact.astype(np.float32)
    # Whatever overflows float32, or is an inexact integer, is at least 2^53.
    if np.abs(exact).max(initial=0) >= _EXACT and any(map(fault, cells)):
        return None
    return values


def fault(cell: str) -> tuple[str, str] | None:
    """Why `cell` is not a usable number, as (fault id, reason); None when it is one."""
    text = cell.strip(BLANKS)
    if NUMBER.fullmatch(text):
        return _range_fault(text)
    if not text:
        return "D03", "expected a number, the cell is empty"
    if is_not_finite(text):
        return "D05", "expected a finite number"
    try:
        float(text)
    except ValueError:
        return "D03", "expected a number"
    return "D07", "expected a number in the characters 0-9 + - . e E only"


def is_not_finite(text: str) -> bool:
    """Whether `text` spells NaN or an infinity, in any case, with or without a sign."""
    return text.lstrip("+-").lower() in {"nan", "inf", "infinity"}


def _range_fault(text: str) -> tuple[str, str] | None:
    if WHOLE.fullmatch(text):
        digits = text.lstrip("+-0") or "0"
        if len(digits) > 16 or int(digits) > _EXACT:
            return "D07", "expected an integer up to 2^53 (larger ones are not exact)"
    with np.errstate(over="ignore"):
        finite = np.isfinite(np.float32(float(text)))
    return None if finite else ("D27", "expected a float32, at most 3.4e38 in size")
