"""Determinants: det, the cofactors that are its gradient, and slogdet."""

from __future__ import annotations

from typing import Any

import numpy as np

from dgrad.core.op import op
from dgrad.errors import ShapeError
from dgrad.ops._exclusive_products import after, before
from dgrad.ops._matrices import check_real, check_square, diagonal_matrices, solved, transposed
from dgrad.ops.linear_systems import inv

__all__ = ["cofactor", "det", "slogdet"]


def _invertible(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (rng.normal(size=(2, 3, 3)) + 2 * np.eye(3),), {}


@op(complex=True, example=_invertible)
def cofactor(x: Any, along: Any = None) -> Any:
    """Every element's cofactor: the derivative of det(x) by that element. (..., n, n) -> same.

    along: (..., n, n), a direction: how the cofactors change with x there. By singular values, so
    that a singular matrix needs no inverse; only the gradient of the change by x takes one, and
    raises ParameterError. Raises ShapeError. Granville, Shepp and Shoemaker 2009.
    """
    check_square("cofactor", x)
    u, values, vh = solved("cofactor", "x", "finite", np.linalg.svd, x)
    phase = (np.linalg.det(u) * np.linalg.det(vh))[..., None, None]
    left, right = np.conjugate(u), np.conjugate(vh)
    if along is None:
        return phase * np.matmul(left * _without_one(values)[..., None, :], right)
    if np.shape(along) != np.shape(x):
        raise ShapeError(f"cofactor: along {np.shape(along)} needs the shape {np.shape(x)} of x")
    # In the basis of its singular vectors x is diagonal.
    along = phase * np.matmul(np.matmul(transposed(left), along), transposed(right))
    rest = _without_two(values)
    own = np.matmul(rest, np.diagonal(along, axis1=-2, axis2=-1)[..., None])[..., 0]
    return np.matmul(np.matmul(left, diagonal_matrices(own) - rest * transposed(along)), right)


def _without_one(values: Any) -> Any:
    """The product of all values but the i-th, without dividing. (..., n) -> (..., n)."""
    return before(values) * after(values)


def _without_two(values: Any) -> Any:
    """The product of all values but the i-th and the j-th, 0 for i = j. -> (..., n, n)."""
    later = np.triu(np.ones((values.shape[-1],) * 2, bool), 1)  # later[i, j]: j comes after i
    between = before(np.where(later, values[..., None, :], 1))  # of i < k < j
    first = before(values)[..., :, None] * later  # elsewhere the products may overflow
    upper = first * between * after(values)[..., None, :]
    return upper + np.swapaxes(upper, -1, -2)


def _cofactor_x(g: Any, x: Any, along: Any, out: Any) -> Any:
    """The second derivative of det is symmetric: its own adjoint. The third, by z = x^-T:

    <g, z> out + (w_g w_a + w_a w_g - <a, z> w_g - <w_g z, a>) cofactor(x), with w_a = z a^T.
    """
    if along is None:
        return cofactor(x, g)
    z = transposed(inv(x))
    by_g, by_along = np.matmul(z, transposed(g)), np.matmul(z, transposed(along))
    twice = np.matmul(by_g, by_along) + np.matmul(by_along, by_g) - _product(along, z) * by_g
    crossed = _product(np.matmul(by_g, z), along)
    first = cofactor(x)
    return _product(g, z) * out + np.matmul(twice, first) - crossed * first


def _product(x: Any, y: Any) -> Any:
    """The sum of the products of all elements of two matrices, (..., 1, 1)."""
    return np.sum(x * y, axis=(-2, -1), keepdims=True)


cofactor.vjp(x=_cofactor_x, along=lambda g, x: cofactor(x, g))


@op(complex=True, numpy=np.linalg.det, example=_invertible)
def det(x: Any) -> Any:
    """Determinant of every matrix. x: (..., n, n) -> (...).

    Its gradient is the matrix of cofactors, finite and right for singular matrices too, as is the
    second one. From the third on they need an inverse. Raises ShapeError, and those then
    ParameterError for a singular matrix.
    """
    check_square("det", x)
    return np.linalg.det(x)


det.vjp(x=lambda g, x: np.expand_dims(g, (-2, -1)) * cofactor(x))


@op(outputs=("sign", "logabsdet"), numpy=np.linalg.slogdet, example=_invertible)
def slogdet(x: Any) -> Any:
    """Sign and logarithm of |determinant| of every matrix. x: (..., n, n), real -> (...), (...).

    The sign has no gradient. That of the logarithm of a singular matrix is NaN, and 0 where the
    incoming one is. Raises ShapeError, DtypeError for complex x.
    """
    check_square("slogdet", x)
    check_real("slogdet", x)
    return np.linalg.slogdet(x)


def _slogdet_rule(g: tuple[Any, Any], x: Any, out: tuple[Any, Any]) -> list[Any]:
    singular = np.equal(out[0], 0)
    weight = np.where(singular & np.not_equal(g[1], 0), np.nan, g[1])
    eye = np.eye(x.shape[-1], dtype=x.dtype)
    regular = np.where(np.expand_dims(singular, (-2, -1)), eye, x)
    return [np.expand_dims(weight, (-2, -1)) * transposed(inv(regular))]


slogdet.vjp(_slogdet_rule)
