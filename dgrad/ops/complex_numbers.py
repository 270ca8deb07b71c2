"""Complex numbers and their parts. Rules are plain transposes: for z = x + iy the gradient is
dL/dx - i dL/dy, so that the rule of a holomorphic function reads as for real numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dgrad.core.op import op
from dgrad.core.tensor import Tensor
from dgrad.errors import DtypeError
from dgrad.ops._floats import as_floats

__all__ = ["angle", "conj", "imag", "make_complex", "real"]


@op(complex=True, numpy=np.real)
def real(x: Any) -> Any:
    """Real part, a copy; `Tensor.real`. x: any shape -> same shape, real."""
    return np.array(np.real(x))


real.vjp(x=lambda g: g)


@op(complex=True, numpy=np.imag)
def imag(x: Any) -> Any:
    """Imaginary part, a copy, 0 for real x; `Tensor.imag`. x: any shape -> same shape, real."""
    return np.array(np.imag(x))


imag.vjp(x=lambda g: g * -1j)


@op(complex=True, numpy=np.conjugate, methods=("conj", "conjugate"))
def conj(x: Any) -> Any:
    """Complex conjugate; a copy of real x. x: any shape -> same shape."""
    return np.conjugate(x)


conj.vjp(x=lambda g: np.conjugate(g))


@op(complex=True, numpy=np.angle, methods=("angle",))
def angle(x: Any) -> Any:
    """The argument of x in [-pi, pi], radians; 0 or pi for real x. x: any shape -> same, real.

    Its gradient at 0 is 0, as that of arctan2.
    """
    return np.angle(x)


def _angle_rule(g: Any, x: Any) -> Any:
    return g * -1j / np.where(np.equal(x, 0), np.inf, x)


angle.vjp(x=_angle_rule)


@op(broadcasts=True, complex=True)
def make_complex(re: Any, im: Any) -> Any:
    """re + i im. re, im: real, shapes that broadcast -> the broadcast shape, complex.

    float32 of both gives complex64. Raises DtypeError if a part is complex itself.
    """
    re, im = as_floats(re), as_floats(im)
    dtype = np.result_type(re, im, 1j)
    for part in (re, im):
        if np.iscomplexobj(part):
            raise DtypeError(f"make_complex: expected real numbers in both parts, got {part.dtype}")
    out = np.empty(np.broadcast_shapes(np.shape(re), np.shape(im)), dtype)
    out.real, out.imag = re, im
    return out


make_complex.vjp(re=lambda g: np.real(g), im=lambda g: -np.imag(g))

Tensor.real = property(real)  # type: ignore[attr-defined]
Tensor.imag = property(imag)  # type: ignore[attr-defined]
