"""Shapes in words, as messages show them."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["with_batch"]


def with_batch(shape: Sequence[int | str]) -> str:
    """`shape`, of one row, in words: (8, 8) -> "(batch, 8, 8)"."""
    return f"({', '.join(['batch', *map(str, shape)])})"
