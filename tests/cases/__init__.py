"""The op table: for every op, inputs to try it at, and what it must be equal to.

One file a family, as in dgrad/ops. A row of its CASES tests an op in every way that
tests/ops/test_ops.py knows; REFERENCES says what it must compute, where NumPy has no function of
its name; TORCH names PyTorch's function, or is a function of the torch module that returns one.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from tests.cases.case import Case, rng

__all__ = ["CASES", "TORCH", "Case", "reference", "torch_function"]


def _family(name: str) -> ModuleType:
    """The file of a family, whose draws do not depend on what other families draw."""
    rng.bit_generator.state = np.random.default_rng([*name.encode()]).bit_generator.state
    return import_module(f"tests.cases.{name}")


FAMILIES: list[Any] = [
    _family(file.stem)
    for file in sorted(Path(__file__).parent.glob("*.py"))
    if file.stem not in ("__init__", "case")
]
CASES: dict[str, list[Case]] = {}
REFERENCES: dict[str, Callable[..., Any]] = {}
TORCH: dict[str, Any] = {}
for family in FAMILIES:
    assert CASES.keys().isdisjoint(family.CASES)
    CASES |= family.CASES
    REFERENCES |= family.REFERENCES
    TORCH |= family.TORCH
assert REFERENCES.keys() <= CASES.keys()
assert TORCH.keys() <= CASES.keys()


def reference(name: str) -> Callable[..., Any]:
    """The function that op `name` must agree with."""
    return REFERENCES[name] if name in REFERENCES else getattr(np, name)


def torch_function(name: str, torch: ModuleType) -> Callable[..., Any]:
    """PyTorch's function for op `name`."""
    found = TORCH[name]
    if not isinstance(found, str):
        return found(torch)
    function: Any = torch
    for part in found.split("."):
        function = getattr(function, part)
    return function
