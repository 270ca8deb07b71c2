"""Polynomials of arrays, by Horner's rule."""

from __future__ import annotations

from typing import Any

__all__ = ["polynomial"]


def polynomial(t: Any, coefficients: tuple[float, ...]) -> Any:
    """Sum of c_k t^k over two coefficients or more, constant first, of an array; in place."""
    out = t * coefficients[-1]
    for c in coefficients[-2:0:-1]:
        out += c
        out *= t
    out += coefficients[0]
    return out
