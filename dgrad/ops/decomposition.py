"""Factorisations of real matrices: cholesky, qr, eigh, eigvalsh, svd, svdvals."""

from __future__ import annotations

from typing import Any

import numpy as np

from dgrad.core.op import op
from dgrad.errors import ParameterError
from dgrad.ops._matrices import (
    check_matrix,
    check_real,
    check_square,
    diagonal_matrices,
    quotient,
    solved,
    transposed,
)
from dgrad.ops.linear_systems import solve

__all__ = ["cholesky", "eigh", "eigvalsh", "qr", "svd", "svdvals"]


def _positive(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Two symmetric matrices with eigenvalues apart and above 1."""
    x = rng.normal(size=(2, 3, 3))
    return (np.matmul(x, transposed(x)) + np.diag([1.0, 3.0, 6.0]),), {}


def _tall(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (rng.normal(size=(2, 4, 3)) + np.eye(4, 3) * [2.0, 4.0, 6.0],), {}


def _halves(x: Any, triangle: str | None) -> Any:
    """What each element counts in w + w^T, w = halves * x: the matrix that is decomposed."""
    n = x.shape[-1]
    dtype = np.result_type(x.dtype, np.float32)
    if triangle is None:
        return np.full((n, n), 0.5, dtype=dtype)
    part = np.tri(n, n, -1, dtype=dtype)
    return (part if triangle == "L" else part.T) + np.eye(n, dtype=dtype) * dtype.type(0.5)


def _symmetric(name: str, x: Any, triangle: str | None = None) -> Any:
    """The symmetric part of every matrix, or what one triangle says of it."""
    x = np.asarray(x)
    check_square(name, x)
    check_real(name, x)
    if triangle not in (None, "L", "U"):
        raise ParameterError(name, "UPLO", "'L', 'U' or None", triangle)
    halves = _halves(x, triangle)
    part = np.where(halves == 0, 0, x) * halves  # where: the other triangle may hold NaN
    return part + transposed(part)


def _spread(g: Any, triangle: str | None = None) -> Any:
    """The gradient of the symmetric matrix, as one of the matrix given."""
    return (g + transposed(g)) * _halves(g, triangle)


@op(numpy=np.linalg.cholesky, example=_positive)
def cholesky(x: Any, *, upper: bool = False) -> Any:
    """The lower triangular L with L L^T = x, or with `upper` L^T. x: (..., n, n) -> same.

    x stands for its symmetric part (x + x^T) / 2, so its gradient is symmetric. Raises ShapeError,
    DtypeError for complex x, ParameterError unless x is positive definite. Murray 2016, eq. 10.
    """
    lower = solved(
        "cholesky", "x", "positive definite", np.linalg.cholesky, _symmetric("cholesky", x)
    )
    return np.array(transposed(lower)) if upper else lower


def _cholesky_rule(g: Any, out: Any, upper: bool) -> Any:
    if upper:
        g, out = transposed(g), transposed(out)
    inner = np.matmul(transposed(out), g) * _halves(out, "L")
    return _spread(solve(transposed(out), transposed(solve(transposed(out), transposed(inner)))))


cholesky.vjp(x=_cholesky_rule)


@op(outputs=("Q", "R"), numpy=np.linalg.qr, example=_tall)
def qr(x: Any, *, mode: str = "reduced") -> Any:
    """Q with orthonormal columns and upper triangular R with Q R = x.

    x: (..., m, n), real, k = min(m, n) -> (..., m, k), (..., k, n). Only mode "reduced": the other
    columns of a full Q have no gradient. The first k columns of x must be independent, or its
    gradient raises ParameterError. Walter and Lehmann 2018, equation 3.3.
    """
    check_matrix("qr", x)
    check_real("qr", x)
    if mode != "reduced":
        raise ParameterError("qr", "mode", "'reduced': no other has a gradient", mode)
    return np.linalg.qr(x)


def _qr_columns(gq: Any, gr: Any, q: Any, r: Any) -> Any:
    """The gradient of x where it has no more columns than rows: R is square."""
    inner = np.matmul(r, transposed(gr)) - np.matmul(transposed(gq), q)
    part = inner * _halves(r, "L")  # the lower triangle, mirrored
    total = gq + np.matmul(q, part + transposed(part))
    return transposed(solve(r, transposed(total)))


def _qr_rule(g: tuple[Any, Any], x: Any, out: tuple[Any, Any]) -> list[Any]:
    (gq, gr), (q, r) = g, out
    k = q.shape[-1]
    if k == r.shape[-1]:
        return [_qr_columns(gq, gr, q, r)]
    # the columns beyond the k-th only meet Q: they are Q times those of R
    gq = gq + np.matmul(x[..., k:], transposed(gr[..., k:]))
    first = _qr_columns(gq, gr[..., :k], q, r[..., :k])
    return [np.concatenate([first, np.matmul(q, gr[..., k:])], axis=-1)]


qr.vjp(_qr_rule)


def _twist(x: Any) -> Any:
    """x - x^T: how a gradient of vectors turns them among themselves."""
    return x - transposed(x)


@op(outputs=("eigenvalues", "eigenvectors"), numpy=np.linalg.eigh, example=_positive)
def eigh(x: Any, *, UPLO: str | None = None) -> Any:
    """Eigenvalues, ascending, and eigenvectors, as columns: x V = V diag(w).

    x: (..., n, n), real -> w (..., n), V (..., n, n). x stands for its symmetric part
    (x + x^T) / 2, so its gradient is symmetric; with UPLO "L" or "U" one triangle is read, and has
    the gradient, alone. Equal eigenvalues have a gradient, their vectors have none: inf or NaN
    there, and 0 if the incoming one is.
    Raises ShapeError, DtypeError for complex x. Giles 2008, section 3.1.
    """
    return solved("eigh", "x", "finite", np.linalg.eigh, _symmetric("eigh", x, UPLO))


def _eigh_rule(g: tuple[Any, Any], out: tuple[Any, Any], UPLO: str | None) -> list[Any]:
    (gw, gv), (w, v) = g, out
    gap = np.expand_dims(w, -2) - np.expand_dims(w, -1)  # w_j - w_i
    turn = quotient(_twist(np.matmul(transposed(v), gv)) * 0.5, gap)
    return [_spread(np.matmul(np.matmul(v, diagonal_matrices(gw) + turn), transposed(v)), UPLO)]


eigh.vjp(_eigh_rule)


@op(numpy=np.linalg.eigvalsh, example=_positive)
def eigvalsh(x: Any, *, UPLO: str | None = None) -> Any:
    """Eigenvalues of real symmetric matrices, ascending: as eigh's. x: (..., n, n) -> (..., n)."""
    return solved("eigvalsh", "x", "finite", np.linalg.eigvalsh, _symmetric("eigvalsh", x, UPLO))


def _eigvalsh_rule(g: Any, x: Any, UPLO: str | None) -> Any:
    v = eigh(x, UPLO=UPLO)[1]
    return _spread(np.matmul(v * np.expand_dims(g, -2), transposed(v)), UPLO)


eigvalsh.vjp(x=_eigvalsh_rule)


@op(
    outputs=("U", "S", "Vh"),
    numpy=np.linalg.svd,
    example=lambda rng: (_tall(rng)[0], {"full_matrices": False}),
)
def svd(x: Any, *, full_matrices: bool = True) -> Any:
    """U, S, Vh with U S Vh = x; singular values S descending.

    x: (..., m, n), real, k = min(m, n) -> (..., m, k), (..., k), (..., k, n). Singular values have
    a gradient also where they are equal or 0; the vectors of equal ones have none, nor, unless x is
    square, those of 0: inf or NaN there, and 0 if the incoming gradient is. Raises ParameterError
    for full_matrices, NumPy's default, unless x is square: the further vectors have no gradient.
    Townsend 2016.
    """
    check_matrix("svd", x)
    check_real("svd", x)
    if full_matrices and np.shape(x)[-1] != np.shape(x)[-2]:
        raise ParameterError(
            "svd",
            "full_matrices",
            f"False for matrices {np.shape(x)[-2:]}: the further vectors have no gradient",
            full_matrices,
        )
    return solved("svd", "x", "finite", np.linalg.svd, x, False)


def _svd_rule(g: tuple[Any, Any, Any], out: tuple[Any, Any, Any]) -> list[Any]:
    (gu, gs, gvh), (u, s, vh) = g, out
    column, row = np.expand_dims(s, -1), np.expand_dims(s, -2)
    gap = (row - column) * (row + column)  # s_j^2 - s_i^2
    turn_u = quotient(_twist(np.matmul(transposed(u), gu)), gap) * row
    turn_v = quotient(_twist(np.matmul(vh, transposed(gvh))), gap) * column
    total = np.matmul(np.matmul(u, turn_u + diagonal_matrices(gs) + turn_v), vh)
    m, k, n = u.shape[-2], s.shape[-1], vh.shape[-1]
    if m > k:  # gradients that leave the span of U
        beyond = gu - np.matmul(u, np.matmul(transposed(u), gu))
        total = total + np.matmul(quotient(beyond, row), vh)
    if n > k:
        beyond = gvh - np.matmul(np.matmul(gvh, transposed(vh)), vh)
        total = total + np.matmul(u, quotient(beyond, column))
    return [total]


svd.vjp(_svd_rule)


@op(numpy=np.linalg.svdvals, example=_tall)
def svdvals(x: Any) -> Any:
    """Singular values of real matrices, descending: as svd's. x: (..., m, n) -> (..., k)."""
    check_matrix("svdvals", x)
    check_real("svdvals", x)
    return solved("svdvals", "x", "finite", np.linalg.svdvals, x)


def _svdvals_rule(g: Any, x: Any) -> Any:
    u, _, vh = svd(x, full_matrices=False)
    return np.matmul(u * np.expand_dims(g, -2), vh)


svdvals.vjp(x=_svdvals_rule)
