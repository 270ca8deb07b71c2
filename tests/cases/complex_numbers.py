"""Cases of dgrad/ops/complex_numbers.py; more, with complex arguments, in its test file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *

__all__ = ["CASES", "REFERENCES", "TORCH"]

CASES: dict[str, list[Case]] = {
    "angle": unary(distinct, -800.0, 0.0, 800.0),
    "conj": unary(normal, -800.0, 0.0, 800.0),
    "imag": unary(normal, -800.0, 0.0, 800.0),
    "make_complex": binary(normal),
    "real": unary(normal, -800.0, 0.0, 800.0),
}
for _name in ("angle", "conj", "imag", "real"):
    CASES[_name].append(Case(np.array([[0.5 - 1.0j, -2.0 + 0.3j], [1.5j, -0.7 - 0.2j]])))

REFERENCES: dict[str, Callable[..., Any]] = {
    "make_complex": lambda re, im: np.add(re, np.multiply(im, 1j)),
}

TORCH: dict[str, Any] = {
    "make_complex": "complex",
    "real": "real",
    "angle": "angle",
    "conj": "conj_physical",
}
