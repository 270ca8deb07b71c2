"""Determinants: det, the cofactors that are its gradient, and slogdet."""

from __future__ import annotations

from typing import Any

import numpy as np

from dgrad.core.op import op
from dgrad.ops.inverse import inv
from dgrad.ops.matrices import diagonal, real, solved, square, turned

__all__ = ["cofactor", "det", "slogdet"]


def _invertible(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (rng.normal(size=(2, 3, 3)) + 2 * np.eye(3),), {}


@op(complex=True, keeps=("left", "values", "right", "phase"), example=_invertible)
def cofactor(x: Any) -> Any:
    """Every element's cofactor: the derivative of det(x) by that element. (..., n, n) -> same.

    By singular values, so that a singular matrix needs no inverse. Its own gradient is finite at
    such a matrix, unless recorded. Raises ShapeError. Granville, Shepp and Shoemaker 2009.
    """
    square("cofactor", x)
    u, values, vh = solved("cofactor", "x", "finite", np.linalg.svd, x)
    phase = np.linalg.det(u) * np.linalg.det(vh)
    left, right, phase = np.conjugate(u), np.conjugate(vh), phase[..., None, None]
    out = phase * np.matmul(left * _without_one(values)[..., None, :], right)
    return out, left, values, right, phase


def _before(values: Any) -> Any:
    """The product of the values in front of each one."""
    ones = np.ones_like(values[..., :1])
    return np.cumprod(np.concatenate([ones, values[..., :-1]], axis=-1), axis=-1)


def _after(values: Any) -> Any:
    return _before(values[..., ::-1])[..., ::-1]


def _without_one(values: Any) -> Any:
    """The product of all values but the i-th, without dividing. (..., n) -> (..., n)."""
    return _before(values) * _after(values)


def _without_two(values: Any) -> Any:
    """The product of all values but the i-th and the j-th, 0 for i = j. -> (..., n, n)."""
    later = np.triu(np.ones((values.shape[-1],) * 2, bool), 1)  # later[i, j]: j comes after i
    between = _before(np.where(later, values[..., None, :], 1))  # of i < k < j
    before = _before(values)[..., :, None] * later  # first: elsewhere the products may overflow
    upper = before * between * _after(values)[..., None, :]
    return upper + np.swapaxes(upper, -1, -2)


def _cofactor_rule(g: Any, x: Any, out: Any) -> Any:
    """out = det(x) x^-T, differentiated: <g, x^-T> out - x^-T g^T out."""
    inverse = turned(inv(x))
    along = np.sum(g * inverse, axis=(-2, -1), keepdims=True)
    return along * out - np.matmul(np.matmul(inverse, turned(g)), out)


def _cofactor_raw(g: Any, left: Any, values: Any, right: Any, phase: Any) -> Any:
    """The same where x may be singular: in the basis of its singular vectors x is diagonal."""
    g = phase * np.matmul(np.matmul(turned(left), g), turned(right))
    rest = _without_two(values)
    own = np.matmul(rest, np.diagonal(g, axis1=-2, axis2=-1)[..., None])[..., 0]
    return np.matmul(np.matmul(left, diagonal(own) - rest * turned(g)), right)


cofactor.vjp(x=_cofactor_rule)
cofactor.fast_vjp(x=_cofactor_raw)  # not for speed: this one needs no inverse


@op(complex=True, numpy=np.linalg.det, example=_invertible)
def det(x: Any) -> Any:
    """Determinant of every matrix. x: (..., n, n) -> (...).

    Its gradient is the matrix of cofactors, finite and right for singular matrices too; the
    second one also, unless it is recorded (create_graph), which as all higher ones needs an
    inverse and raises ParameterError for a singular matrix. Raises ShapeError.
    """
    square("det", x)
    return np.linalg.det(x)


det.vjp(x=lambda g, x: np.expand_dims(g, (-2, -1)) * cofactor(x))


@op(outputs=("sign", "logabsdet"), numpy=np.linalg.slogdet, example=_invertible)
def slogdet(x: Any) -> Any:
    """Sign and logarithm of |determinant| of every matrix. x: (..., n, n), real -> (...), (...).

    The sign has no gradient. That of the logarithm of a singular matrix is NaN, and 0 where the
    incoming one is. Raises ShapeError, DtypeError for complex x.
    """
    square("slogdet", x)
    real("slogdet", x)
    return np.linalg.slogdet(x)


def _slogdet_rule(g: tuple[Any, Any], x: Any, out: tuple[Any, Any]) -> list[Any]:
    singular = np.equal(out[0], 0)
    weight = np.where(singular & np.not_equal(g[1], 0), np.nan, g[1])
    eye = np.eye(x.shape[-1], dtype=x.dtype)
    regular = np.where(np.expand_dims(singular, (-2, -1)), eye, x)
    return [np.expand_dims(weight, (-2, -1)) * turned(inv(regular))]


slogdet.vjp(_slogdet_rule)
