"""Cases of dgrad/ops/fourier.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *

__all__ = ["CASES", "REFERENCES", "TORCH"]

ONE_AXIS: list[dict[str, Any]] = [
    {},
    {"axis": 0},
    {"axis": 1, "norm": "ortho"},
    {"axis": -2, "norm": "forward"},
    {"n": 2},
    {"n": 4, "norm": "backward"},
    {"n": 5, "norm": "ortho"},
    {"n": 6, "axis": 0, "norm": "forward"},
    {"n": 1},
    {"n": 3, "axis": 0},
]
SEVERAL: list[dict[str, Any]] = [
    {"axes": (0, 2)},
    {"axes": (2, 0), "norm": "ortho"},
    {"axes": (-2, -1), "norm": "forward"},
    {"axes": (1,)},
    {"s": (2, 4), "axes": (0, 1)},
    {"s": (2, 3), "axes": (1, 2), "norm": "ortho"},
    {"s": (-1, 3), "axes": (2, 0)},
    {"s": (3, 2), "axes": (0, 1), "norm": "forward"},
]


def one_axis(draw: Callable[..., Any]) -> list[Case]:
    """Cases for a transform along one axis: even and odd lengths, cut and filled, each norm."""
    return [
        *(Case(draw(4, 3), **params) for params in ONE_AXIS),
        Case(draw(2)),
        Case(draw(3)),
        Case(draw(1), n=1),
        Case(draw(0, 3), torch=False),  # an error there
        Case(draw(2, 1, 4), axis=0, n=2),
        Case(draw(5, 2).T),
        Case(draw(6)[::-1]),
        Case(repeated(draw(4), 2)),
        Case(draw(3) * 1e150, order=0),
    ]


def several(draw: Callable[..., Any], planes: bool) -> list[Case]:
    """Cases for a transform along several axes; planes: along two if none are given."""
    return [
        *(Case(draw(2, 3, 2), **params) for params in SEVERAL),
        Case(draw(2, 3)),
        Case(draw(3, 4)),
        Case(draw(2, 2, 3)) if planes else Case(draw(4)),
        Case(draw(2, 3), s=(3, 2)) if planes else Case(draw(2, 3), s=(3, 2), axes=(0, 1)),
        Case(draw(0, 2, 3), axes=(1, 2), torch=False),  # an error there
        Case(draw(1, 2)),
        Case(draw(4, 2).T),
        Case(draw(2, 4)[::-1]),
        Case(repeated(draw(4), 2)),
    ]


def shifts(draw: Callable[..., Any]) -> list[Case]:
    """Cases for a shift of the middle."""
    return [
        Case(draw(5)),
        Case(draw(4)),
        Case(draw(2, 3)),
        Case(draw(2, 3), axes=1),
        Case(draw(2, 3, 4), axes=(0, 2)),
        Case(draw(2, 3), axes=-2),
        Case(draw(1)),
        Case(draw(0, 3)),
        Case(draw(3, 2).T),
        Case(draw(5)[::-1]),
        Case(repeated(draw(3), 2)),
    ]


CASES: dict[str, list[Case]] = {
    **{name: [*one_axis(normal), *one_axis(complex_normal)[:8]] for name in ("fft", "ifft")},
    **{name: [*one_axis(normal)] for name in ("rfft", "ihfft")},
    **{
        # of the length 1 along an axis nothing would remain
        name: [case for case in one_axis(complex_normal) if case.args[0].shape != (1,)]
        + [Case(complex_normal(1), n=1), Case(normal(4)), Case(normal(2, 3), n=5)]
        for name in ("hfft", "irfft")
    },
    **{
        name: [*several(normal, name[-1] == "2"), *several(complex_normal, name[-1] == "2")[2:6]]
        for name in ("fft2", "fftn", "ifft2", "ifftn")
    },
    **{name: several(normal, name[-1] == "2") for name in ("rfft2", "rfftn")},
    **{
        name: [*several(complex_normal, name[-1] == "2"), Case(normal(2, 3))]
        for name in ("irfft2", "irfftn")
    },
    **{name: [*shifts(normal), *shifts(complex_normal)[:3]] for name in ("fftshift", "ifftshift")},
}


def _matrix(n: int, sign: int) -> np.ndarray:
    """The matrix of the transform, in extended precision."""
    turns = np.outer(np.arange(n), np.arange(n)) % n
    angle = sign * 2 * np.arctan2(np.longdouble(0), np.longdouble(-1)) * turns / n
    return np.cos(angle) + 1j * np.sin(angle)


def _fitted(x: Any, n: int, axis: int) -> Any:
    x = np.moveaxis(x, axis, -1)
    return np.concatenate([x[..., :n], np.zeros((*x.shape[:-1], max(n - x.shape[-1], 0)))], -1)


def _transformed(x: Any, n: int, axis: int, norm: Any, sign: int) -> Any:
    """fft (sign -1) or ifft (+1) by definition."""
    factor = {"ortho": n**-0.5, "forward": 1 / n if sign < 0 else 1}.get(
        norm, 1 if sign < 0 else 1 / n
    )
    return np.moveaxis(_fitted(x, n, axis) @ _matrix(n, sign) * factor, -1, axis)


def _whole(sign: int) -> Callable[..., Any]:
    return lambda x, n=None, axis=-1, norm=None: np.complex128(
        _transformed(x, x.shape[axis] if n is None else n, axis, norm, sign)
    )


def _half(sign: int) -> Callable[..., Any]:
    """rfft (-1) or ihfft (+1)."""

    def reference(x: Any, n: int | None = None, axis: int = -1, norm: Any = None) -> Any:
        out = _whole(sign)(x, n, axis, norm)
        return np.take(out, range(out.shape[axis] // 2 + 1), axis)

    return reference


def _from_half(sign: int) -> Callable[..., Any]:
    """hfft (-1) or irfft (+1)."""

    def reference(x: Any, n: int | None = None, axis: int = -1, norm: Any = None) -> Any:
        n = 2 * (x.shape[axis] - 1) if n is None else n
        half = _fitted(x, n // 2 + 1, axis)
        mirrored = np.conj(half[..., 1 : (n + 1) // 2][..., ::-1])
        half = np.concatenate([half, mirrored], -1)
        half[..., 0] = half[..., 0].real
        if n % 2 == 0:
            half[..., n // 2] = half[..., n // 2].real
        out = _transformed(np.moveaxis(half, -1, axis), n, axis, norm, sign)
        return np.float64(out.real)

    return reference


def _over_axes(each: Any, last: Any, two: bool, ahead: bool) -> Callable[..., Any]:
    """A transform along several axes by those along one; ahead: that of the last axis is first."""

    def reference(x: Any, s: Any = None, axes: Any = (-2, -1) if two else None, norm: Any = None):
        axes = range(x.ndim) if axes is None else axes
        lengths = [None] * len(axes) if s is None else s
        steps = [
            (last if a == axes[-1] else each, (x.shape[a] if n == -1 else n), a)
            for n, a in zip(lengths, axes, strict=True)
        ]
        for transform, n, a in steps[::-1] if ahead else steps:
            x = transform(x, n, a, norm)
        return x

    return reference


REFERENCES: dict[str, Callable[..., Any]] = {
    "fft": _whole(-1),
    "ifft": _whole(1),
    "rfft": _half(-1),
    "ihfft": _half(1),
    "hfft": _from_half(-1),
    "irfft": _from_half(1),
    "fft2": _over_axes(_whole(-1), _whole(-1), two=True, ahead=True),
    "fftn": _over_axes(_whole(-1), _whole(-1), two=False, ahead=True),
    "ifft2": _over_axes(_whole(1), _whole(1), two=True, ahead=True),
    "ifftn": _over_axes(_whole(1), _whole(1), two=False, ahead=True),
    "rfft2": _over_axes(_whole(-1), _half(-1), two=True, ahead=True),
    "rfftn": _over_axes(_whole(-1), _half(-1), two=False, ahead=True),
    "irfft2": _over_axes(_whole(1), _from_half(1), two=True, ahead=False),
    "irfftn": _over_axes(_whole(1), _from_half(1), two=False, ahead=False),
    "fftshift": np.fft.fftshift,
    "ifftshift": np.fft.ifftshift,
}


def _torch_one(name: str) -> Callable[..., Any]:
    return lambda torch: (
        lambda x, n=None, axis=-1, norm=None: getattr(torch.fft, name)(
            x, n, axis, norm
        ).resolve_conj()
    )


def _torch_several(name: str) -> Callable[..., Any]:
    both = (-2, -1) if name[-1] == "2" else None
    return lambda torch: (
        lambda x, s=None, axes=both, norm=None: getattr(torch.fft, name)(
            x, s, axes, norm
        ).resolve_conj()
    )


def _torch_shift(name: str) -> Callable[..., Any]:
    return lambda torch: lambda x, axes=None: getattr(torch.fft, name)(x, axes)


TORCH: dict[str, Any] = {
    **{name: _torch_one(name) for name in ("fft", "hfft", "ifft", "ihfft", "irfft", "rfft")},
    **{
        name: _torch_several(name)
        for name in ("fft2", "fftn", "ifft2", "ifftn", "irfft2", "irfftn", "rfft2", "rfftn")
    },
    **{name: _torch_shift(name) for name in ("fftshift", "ifftshift")},
}
