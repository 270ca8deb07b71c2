"""Inverses and linear systems: inv, pinv, solve, solve_triangular, matrix_power."""

from __future__ import annotations

from typing import Any

import numpy as np

from dgrad.core.op import op
from dgrad.errors import ShapeError
from dgrad.ops._matrices import check_matrix, check_real, check_square, solved, transposed

__all__ = ["inv", "matrix_power", "pinv", "solve", "solve_triangular"]

REGULAR = "of full rank (pinv takes every matrix)"


def _invertible(rng: np.random.Generator) -> np.ndarray:
    """Two matrices (3, 3) far from singular ones."""
    return rng.normal(size=(2, 3, 3)) + 3 * np.eye(3)


def _one(**params: Any) -> Any:
    return lambda rng: ((_invertible(rng),), params)


def _system(**params: Any) -> Any:
    return lambda rng: ((_invertible(rng), rng.normal(size=(3, 2))), params)


@op(complex=True, numpy=np.linalg.inv, example=_one())
def inv(x: Any) -> Any:
    """Inverse of every matrix. x: (..., n, n) -> (..., n, n).

    Raises ShapeError for others, ParameterError for a singular one.
    """
    check_square("inv", x)
    return solved("inv", "x", REGULAR, np.linalg.inv, x)


inv.vjp(x=lambda g, out: -np.matmul(np.matmul(transposed(out), g), transposed(out)))


@op(numpy=np.linalg.pinv, example=lambda rng: ((rng.normal(size=(2, 4, 3)),), {}))
def pinv(x: Any, *, rcond: Any = None) -> Any:
    """Moore-Penrose inverse of every matrix. x: (..., m, n), real -> (..., n, m).

    Singular values up to rcond times the largest count as 0. Its gradient is that of matrices of
    the same rank: where the rank changes, pinv jumps. Golub and Pereyra 1973, equation 4.12.
    """
    check_matrix("pinv", x)
    check_real("pinv", x)
    return solved("pinv", "x", "finite", np.linalg.pinv, x, rcond)


def _pinv_rule(g: Any, x: Any, out: Any) -> Any:
    g_t, out_t = transposed(g), transposed(out)
    gain = np.matmul(g_t, np.matmul(out, out_t))  # (..., m, n), as `part`
    gain_left = gain - np.matmul(np.matmul(x, out), gain)
    part = np.matmul(np.matmul(out_t, out), g_t)
    part_left = part - np.matmul(np.matmul(part, out), x)
    return gain_left + part_left - np.matmul(np.matmul(out_t, g), out_t)


pinv.vjp(x=_pinv_rule)


@op(broadcasts=True, complex=True, numpy=np.linalg.solve, example=_system())
def solve(a: Any, b: Any) -> Any:
    """The x with a x = b. a: (..., n, n), b: (n,) or (..., n, k) -> b's shape; leading axes
    broadcast.

    Only a b of one axis is a vector, as in NumPy 2. Raises ShapeError when they do not fit,
    ParameterError for a singular a.
    """
    check_square("solve", a)
    _fits("solve", a, b)
    return solved("solve", "a", REGULAR, np.linalg.solve, a, b)


def _fits(name: str, a: Any, b: Any) -> None:
    rows = np.shape(b)[-2:][:1]
    if rows != np.shape(a)[-1:]:
        n = np.shape(a)[-1]
        raise ShapeError(
            f"{name}: a {np.shape(a)} needs a b of shape ({n},) or (..., {n}, k), got {np.shape(b)}"
        )


def _column(x: Any, vector: bool) -> Any:
    return np.expand_dims(x, -1) if vector else x


def _solve_b(g: Any, a: Any, b_shape: tuple[int, ...]) -> Any:
    if len(b_shape) > 1:
        return solve(transposed(a), g)
    return np.squeeze(solve(transposed(a), np.expand_dims(g, -1)), -1)


def _solve_rule(
    g: Any, a: Any, b_shape: tuple[int, ...], out: Any, needs: tuple[bool, ...]
) -> list[Any]:
    gb, vector = _solve_b(g, a, b_shape), len(b_shape) == 1
    ga = -np.matmul(_column(gb, vector), transposed(_column(out, vector))) if needs[0] else None
    return [ga, gb]


solve.vjp(_solve_rule)


@op(broadcasts=True, complex=True, example=_system(lower=True))
def solve_triangular(a: Any, b: Any, *, lower: bool = False, unit_diagonal: bool = False) -> Any:
    """The x with a x = b, where of a only one triangle is read: the upper one, or the lower.

    a: (..., n, n), b: (n,) or (..., n, k) -> b's shape; leading axes broadcast. unit_diagonal:
    a's diagonal counts as ones. Raises ShapeError, and ParameterError for zeros on the diagonal.
    """
    check_square("solve_triangular", a)
    _fits("solve_triangular", a, b)
    triangle = np.tril(a, -unit_diagonal) if lower else np.triu(a, unit_diagonal)
    if unit_diagonal:
        triangle = triangle + np.eye(triangle.shape[-1], dtype=triangle.dtype)
    return solved(
        "solve_triangular", "a", "without zeros on its diagonal", np.linalg.solve, triangle, b
    )


def _solve_triangular_rule(
    g: Any,
    a: Any,
    b_shape: tuple[int, ...],
    out: Any,
    needs: tuple[bool, ...],
    lower: bool,
    unit_diagonal: bool,
) -> list[Any]:
    vector = len(b_shape) == 1
    upwards = {"lower": not lower, "unit_diagonal": unit_diagonal}
    gb = solve_triangular(transposed(a), _column(g, vector), **upwards)
    ga = None
    if needs[0]:
        ones = np.ones(np.shape(a)[-2:], dtype=g.dtype)
        read = np.tril(ones, -unit_diagonal) if lower else np.triu(ones, unit_diagonal)
        ga = -np.matmul(gb, transposed(_column(out, vector))) * read
    return [ga, np.squeeze(gb, -1) if vector else gb]


solve_triangular.vjp(_solve_triangular_rule)


@op(complex=True, numpy=np.linalg.matrix_power, example=_one(n=3))
def matrix_power(x: Any, *, n: int) -> Any:
    """x x ... x, n times; of the inverse when n is negative. x: (..., k, k) -> (..., k, k).

    Raises ShapeError for others, ParameterError for a negative power of a singular one.
    """
    check_square("matrix_power", x)
    return np.array(solved("matrix_power", "x", REGULAR, np.linalg.matrix_power, x, n))


def _matrix_power_rule(g: Any, x: Any, n: int) -> Any:
    """The upper right block of [[x^T, g], [0, x^T]] ** n (Higham 2008, theorem 3.6)."""
    k = x.shape[-1]
    upper = np.concatenate([transposed(x), g], axis=-1)
    lower = np.concatenate([np.zeros_like(g), transposed(x)], axis=-1)
    return matrix_power(np.concatenate([upper, lower], axis=-2), n=n)[..., :k, k:]


matrix_power.vjp(x=_matrix_power_rule)
