"""The layer table: ways to write every registered layer in a config, and what it must equal.

One file a family, as in dgrad/nn. Each has CASES, layer -> list[Case]: a case is built from its
YAML, and tests/nn/test_layers.py compares it with PyTorch. A family may also have
SHAPES, (yaml, shapes of the inputs, words of the ShapeError), and
RANGES, (yaml, the parameter that is refused, C08).
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from tests.nn.cases.case import Case

__all__ = ["CASES", "RANGES", "SHAPES", "Case"]

FAMILIES: list[Any] = [
    import_module(f"tests.nn.cases.{file.stem}")
    for file in sorted(Path(__file__).parent.glob("*.py"))
    if file.stem not in ("__init__", "case")
]
CASES: dict[str, list[Case]] = {}
SHAPES: list[tuple[str, tuple[tuple[int, ...], ...], str]] = []
RANGES: list[tuple[str, str]] = []
for family in FAMILIES:
    assert CASES.keys().isdisjoint(family.CASES)
    CASES |= family.CASES
    SHAPES += getattr(family, "SHAPES", [])
    RANGES += getattr(family, "RANGES", [])
