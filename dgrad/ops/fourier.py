"""Discrete Fourier transforms. Each one's rule is a transform again: they come in adjoint pairs.

Rules are plain transposes, without conjugation. The matrix of fft is its own transpose. rfft and
hfft belong together, and irfft and ihfft: a half spectrum stands for a whole one, in which all
terms but the first and, in even lengths, the last occur twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from dgrad.core.op import op
from dgrad.errors import ParameterError
from dgrad.ops._axes import laid_along, normalized_axis
from dgrad.ops._examples import complex_normal, normal

__all__ = [
    "fft",
    "fft2",
    "fftn",
    "fftshift",
    "hfft",
    "ifft",
    "ifft2",
    "ifftn",
    "ifftshift",
    "ihfft",
    "irfft",
    "irfft2",
    "irfftn",
    "rfft",
    "rfft2",
    "rfftn",
]

Lengths = Sequence[int] | None
Norm = Literal["backward", "ortho", "forward"] | None


def _cut(x: Any, shape: tuple[int, ...]) -> Any:
    """x with the end of every axis cut off, or filled with zeros, up to `shape`.

    A transform of n terms does the one or the other to its input; so its transpose does the other.
    """
    if x.shape == tuple(shape):
        return x
    x = x[tuple(slice(n) for n in shape)]
    missing = [(0, n - have) for n, have in zip(shape, x.shape, strict=True)]
    return np.pad(x, missing) if any(after for _, after in missing) else x


def _times(n: int, like: Any, axis: int) -> Any:
    """How often a whole spectrum of n terms has each term of its half, along axis of `like`."""
    counts = np.full(n // 2 + 1, 2, dtype=np.finfo(like.dtype).dtype)
    counts[0] = 1
    if n % 2 == 0:
        counts[-1] = 1
    return laid_along(counts, like.ndim, axis)


# -- one axis -------------------------------------------------------------------------------------


@op(complex=True, numpy=np.fft.fft, example=normal((2, 5)))
def fft(x: Any, *, n: int | None = None, axis: int = -1, norm: Norm = None) -> Any:
    """Discrete Fourier transform along axis: sum of x_j e^(-2 pi i j k / n).

    x: real or complex, cut or filled with zeros to n terms -> complex. norm: where the factor 1/n
    goes, "backward" (the default: to ifft), "ortho" (its root to both) or "forward".
    """
    return np.fft.fft(x, n, axis, norm)


fft.vjp(x=lambda g, x_shape, axis, norm: _cut(np.fft.fft(g, axis=axis, norm=norm), x_shape))


@op(complex=True, numpy=np.fft.ifft, example=normal((2, 5)))
def ifft(x: Any, *, n: int | None = None, axis: int = -1, norm: Norm = None) -> Any:
    """The inverse of fft, with the same parameters. x: real or complex -> complex."""
    return np.fft.ifft(x, n, axis, norm)


ifft.vjp(x=lambda g, x_shape, axis, norm: _cut(np.fft.ifft(g, axis=axis, norm=norm), x_shape))


@op(complex=True, numpy=np.fft.rfft, example=normal((2, 5)))
def rfft(x: Any, *, n: int | None = None, axis: int = -1, norm: Norm = None) -> Any:
    """The first n // 2 + 1 terms of fft, which for real x imply the others. x: real -> complex."""
    return np.fft.rfft(x, n, axis, norm)


def _rfft_rule(g: Any, x_shape: tuple[int, ...], n: int | None, axis: int, norm: Any) -> Any:
    n = x_shape[axis] if n is None else n
    out = np.fft.hfft(g / _times(n, g, axis), n=n, axis=axis, norm=norm)
    return _cut(out, x_shape)


rfft.vjp(x=_rfft_rule)


@op(complex=True, numpy=np.fft.hfft, example=complex_normal((2, 4)))
def hfft(x: Any, *, n: int | None = None, axis: int = -1, norm: Norm = None) -> Any:
    """fft of n terms, of which x is the first half and its conjugates the other.

    n: 2 (m - 1) for m terms when None. x: real or complex -> real.
    """
    return np.fft.hfft(x, n, axis, norm)


def _hfft_rule(g: Any, x_shape: tuple[int, ...], axis: int, norm: Any) -> Any:
    out = np.fft.rfft(g, axis=axis, norm=norm)
    return _cut(out * _times(g.shape[axis], g, axis), x_shape)


hfft.vjp(x=_hfft_rule)


@op(complex=True, numpy=np.fft.irfft, example=complex_normal((2, 4)))
def irfft(x: Any, *, n: int | None = None, axis: int = -1, norm: Norm = None) -> Any:
    """The inverse of rfft: n real terms, 2 (m - 1) for m terms when None. x: complex -> real.

    The imaginary part of the first term, and of the last in even lengths, does not count.
    """
    return np.fft.irfft(x, n, axis, norm)


def _irfft_rule(g: Any, x_shape: tuple[int, ...], axis: int, norm: Any) -> Any:
    out = np.fft.ihfft(g, axis=axis, norm=norm)
    return _cut(out * _times(g.shape[axis], g, axis), x_shape)


irfft.vjp(x=_irfft_rule)


@op(complex=True, numpy=np.fft.ihfft, example=normal((2, 5)))
def ihfft(x: Any, *, n: int | None = None, axis: int = -1, norm: Norm = None) -> Any:
    """The inverse of hfft: the first n // 2 + 1 terms of ifft. x: real -> complex."""
    return np.fft.ihfft(x, n, axis, norm)


def _ihfft_rule(g: Any, x_shape: tuple[int, ...], n: int | None, axis: int, norm: Any) -> Any:
    n = x_shape[axis] if n is None else n
    out = np.fft.irfft(g / _times(n, g, axis), n=n, axis=axis, norm=norm)
    return _cut(out, x_shape)


ihfft.vjp(x=_ihfft_rule)


# -- several axes ---------------------------------------------------------------------------------


def _axes(name: str, ndim: int, s: Lengths, axes: Sequence[int] | None) -> tuple[int, ...]:
    """The axes to transform: those given, or the last len(s), or all."""
    if axes is None:
        axes = range(-(ndim if s is None else len(s)), 0)
    chosen = tuple(normalized_axis(name, a, ndim) for a in axes)
    if not chosen or len(set(chosen)) < len(chosen):
        raise ParameterError(name, "axes", "one axis or more, each once", tuple(axes))
    return chosen


def _complex_rule(transform: Any) -> Any:
    """The rule of fftn, and of ifftn: the same transform."""

    def rule(g: Any, x_shape: tuple[int, ...], s: Lengths, axes: Any, norm: Any) -> Any:
        chosen = _axes(transform.__name__, len(x_shape), s, axes)
        return _cut(transform(g, axes=chosen, norm=norm), x_shape)

    return rule


def _rfftn_rule(
    g: Any, x_shape: tuple[int, ...], s: Lengths, axes: Sequence[int] | None, norm: Any
) -> Any:
    *others, last = _axes("rfftn", len(x_shape), s, axes)
    n = x_shape[last] if s is None or s[-1] == -1 else s[-1]
    if others:
        g = np.fft.fftn(g, axes=tuple(others), norm=norm)
    return _cut(np.fft.hfft(g / _times(n, g, last), n=n, axis=last, norm=norm), x_shape)


def _irfftn_rule(
    g: Any, x_shape: tuple[int, ...], s: Lengths, axes: Sequence[int] | None, norm: Any
) -> Any:
    *others, last = _axes("irfftn", len(x_shape), s, axes)
    out = np.fft.ihfft(g, axis=last, norm=norm) * _times(g.shape[last], g, last)
    if others:
        out = np.fft.ifftn(out, axes=tuple(others), norm=norm)
    return _cut(out, x_shape)


@op(complex=True, numpy=np.fft.fftn, example=normal((2, 3, 4), axes=(0, 2)))
def fftn(
    x: Any,
    *,
    s: Lengths = None,
    axes: Sequence[int] | None = None,
    norm: Norm = None,
) -> Any:
    """fft along several axes: those given, the last len(s), or all. x: real or complex -> complex.

    s: the lengths to cut or fill those axes to, -1 for the length as it is; norm: see fft. Raises
    ParameterError for no axis, or one given twice.
    """
    return np.fft.fftn(x, s, _axes("fftn", np.ndim(x), s, axes), norm)


fftn.vjp(x=_complex_rule(np.fft.fftn))


@op(complex=True, numpy=np.fft.fft2, example=normal((2, 3, 4)))
def fft2(
    x: Any,
    *,
    s: Lengths = None,
    axes: Sequence[int] | None = (-2, -1),
    norm: Norm = None,
) -> Any:
    """fftn along two axes, the last ones if not given; with the same parameters."""
    return np.fft.fftn(x, s, _axes("fft2", np.ndim(x), s, axes), norm)


fft2.vjp(x=_complex_rule(np.fft.fftn))


@op(complex=True, numpy=np.fft.ifftn, example=normal((2, 3, 4), axes=(0, 2)))
def ifftn(
    x: Any,
    *,
    s: Lengths = None,
    axes: Sequence[int] | None = None,
    norm: Norm = None,
) -> Any:
    """The inverse of fftn, with the same parameters. x: real or complex -> complex."""
    return np.fft.ifftn(x, s, _axes("ifftn", np.ndim(x), s, axes), norm)


ifftn.vjp(x=_complex_rule(np.fft.ifftn))


@op(complex=True, numpy=np.fft.ifft2, example=normal((2, 3, 4)))
def ifft2(
    x: Any,
    *,
    s: Lengths = None,
    axes: Sequence[int] | None = (-2, -1),
    norm: Norm = None,
) -> Any:
    """ifftn along two axes, the last ones if not given; with the same parameters."""
    return np.fft.ifftn(x, s, _axes("ifft2", np.ndim(x), s, axes), norm)


ifft2.vjp(x=_complex_rule(np.fft.ifftn))


@op(complex=True, numpy=np.fft.rfftn, example=normal((2, 3, 4), axes=(0, 2)))
def rfftn(
    x: Any,
    *,
    s: Lengths = None,
    axes: Sequence[int] | None = None,
    norm: Norm = None,
) -> Any:
    """rfft along the last of several axes, fft along the others; see fftn. x: real -> complex."""
    return np.fft.rfftn(x, s, _axes("rfftn", np.ndim(x), s, axes), norm)


rfftn.vjp(x=_rfftn_rule)


@op(complex=True, numpy=np.fft.rfft2, example=normal((2, 3, 4)))
def rfft2(
    x: Any,
    *,
    s: Lengths = None,
    axes: Sequence[int] | None = (-2, -1),
    norm: Norm = None,
) -> Any:
    """rfftn along two axes, the last ones if not given; with the same parameters."""
    return np.fft.rfftn(x, s, _axes("rfft2", np.ndim(x), s, axes), norm)


rfft2.vjp(x=_rfftn_rule)


@op(complex=True, numpy=np.fft.irfftn, example=complex_normal((2, 3, 4), axes=(0, 2)))
def irfftn(
    x: Any,
    *,
    s: Lengths = None,
    axes: Sequence[int] | None = None,
    norm: Norm = None,
) -> Any:
    """The inverse of rfftn. x: complex -> real.

    The last axis becomes s[-1] terms long, 2 (m - 1) for m terms when s is None; see fftn.
    """
    return np.fft.irfftn(x, s, _axes("irfftn", np.ndim(x), s, axes), norm)


irfftn.vjp(x=_irfftn_rule)


@op(complex=True, numpy=np.fft.irfft2, example=complex_normal((2, 3, 4)))
def irfft2(
    x: Any,
    *,
    s: Lengths = None,
    axes: Sequence[int] | None = (-2, -1),
    norm: Norm = None,
) -> Any:
    """irfftn along two axes, the last ones if not given; with the same parameters."""
    return np.fft.irfftn(x, s, _axes("irfft2", np.ndim(x), s, axes), norm)


irfft2.vjp(x=_irfftn_rule)


# -- order of the terms ---------------------------------------------------------------------------


@op(complex=True, numpy=np.fft.fftshift, example=normal((2, 5)))
def fftshift(x: Any, *, axes: int | Sequence[int] | None = None) -> Any:
    """The term of frequency 0 moved to the middle of the given axes, of all when None."""
    return np.fft.fftshift(x, axes)


@op(complex=True, numpy=np.fft.ifftshift, example=normal((2, 5)))
def ifftshift(x: Any, *, axes: int | Sequence[int] | None = None) -> Any:
    """The inverse of fftshift, which differs from it in odd lengths."""
    return np.fft.ifftshift(x, axes)


fftshift.vjp(x=lambda g, axes: np.fft.ifftshift(g, axes))
ifftshift.vjp(x=lambda g, axes: np.fft.fftshift(g, axes))
