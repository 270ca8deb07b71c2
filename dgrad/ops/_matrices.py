"""What linear algebra asks of its operands, and how its failures are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dgrad.errors import DtypeError, ParameterError, ShapeError
from dgrad.ops._guard import guarded

__all__ = [
    "check_matrix",
    "check_real",
    "check_square",
    "diagonal_matrices",
    "quotient",
    "solved",
    "transposed",
]


def check_matrix(name: str, x: Any) -> None:
    """Raise ShapeError unless x has the two axes of a matrix, with any number in front."""
    if np.ndim(x) < 2:
        raise ShapeError(f"{name}: expected a matrix (..., m, n), got shape {np.shape(x)}")


def check_square(name: str, x: Any) -> None:
    """Raise ShapeError unless the last two axes of x are a square matrix."""
    shape = np.shape(x)
    if len(shape) < 2 or shape[-1] != shape[-2]:
        raise ShapeError(f"{name}: expected a square matrix (..., n, n), got shape {shape}")


def check_real(name: str, x: Any) -> None:
    """Raise DtypeError if x is complex."""
    if np.iscomplexobj(x):
        raise DtypeError(
            f"{name}: expected real numbers, got {np.asarray(x).dtype}; "
            f"it has no rule for complex ones"
        )


def solved(
    name: str, parameter: str, expected: str, function: Callable[..., Any], x: Any, *args: Any
) -> Any:
    """function(x, *args); what LAPACK could not do as a ParameterError that says what x must be."""
    try:
        return function(x, *args)
    except np.linalg.LinAlgError as cause:
        raise ParameterError(name, parameter, expected, f"{cause}, shape {np.shape(x)}") from cause


def transposed(x: Any) -> Any:
    """Every matrix transposed. x: (..., m, n) -> (..., n, m)."""
    return np.swapaxes(x, -1, -2)


def diagonal_matrices(x: Any) -> Any:
    """Diagonal matrices. x: (..., n) -> (..., n, n)."""
    return np.expand_dims(x, -2) * np.eye(x.shape[-1], dtype=x.dtype)


def quotient(x: Any, y: Any) -> Any:
    """x / y, and 0 where both are 0: what does not reach the result has no pole."""
    return x / guarded(x, y)
