"""The complex step: f'(x) = Im f(x + ih) / h, without cancellation, where f is analytic.

Squire & Trapp 1998. h is so small that the derivative is right to the last digits; but a function
that takes an absolute value, say, computes something else of complex numbers. So before it may
decide anything, the same forward is looked at on a circle of radius r around x. There f(x + z) has
Fourier coefficients c_k, c_1 / r = f'(x); of analytic functions those of negative k vanish (up to
r^(POINTS - 2)), while a part b conj(z), which misleads the complex step by 2b, gives c_-1 = b r.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from dgrad.functional.differences import (
    CALM,
    FIRM,
    ROUNDING,
    SHARP,
    Judgement,
    Targets,
    Values,
)
from dgrad.functional.lines import Line, Probe

__all__ = ["complex_derivatives", "glance", "refine"]

STEP = 2.0**-70  # of what moves
SAME = 1e-10  # the real part may differ from the plain result by this part of it
POINTS = 16  # on a circle; the lower half mirrors the upper
MISLED = 3  # lines on which it is misled, which a kink may do as well, until it is given up
RADII = tuple(0.05 * 30.0**-k for k in range(8))  # of what moves


def complex_derivatives(probe: Probe, lines: Sequence[Line], base: np.ndarray) -> np.ndarray | None:
    """The derivatives of the rows along the lines, (lines, rows); None where it is not possible.

    base: the rows as the leaf stands. Any exception says that the forward is for real numbers.
    """
    found = []
    with _strictly():
        for line in lines:
            h = STEP * line.size
            values = _values(probe, line, complex(0, h))
            if values is None or not _same_real(values, base):
                return None
            found.append(values.imag / h)
    return np.array(found)


def glance(
    values: Values, derivatives: np.ndarray, targets: Targets, h: np.ndarray, exact: float
) -> Judgement | None:
    """A Judgement by two steps on each line, if they confirm the complex step all over, else None.

    h: (lines,), the steps.
    """
    at = np.arange(len(h))
    up, down, h = values(at, h), values(at, -h), h[:, None]
    scale = np.maximum(targets.scale, np.abs(derivatives))
    noise = ROUNDING * targets.rounding / h
    left, right = (targets.base - down) / h, (up - targets.base) / h
    agrees = (
        (np.abs(targets.analytic - derivatives) <= exact * scale)
        & (np.abs((left + right) / 2 - derivatives) <= SHARP * scale + noise)
        & (np.abs(right - left) <= CALM * scale + noise)
        & (noise <= CALM * scale)
    )
    if not agrees.all():
        return None
    return Judgement(agrees, ~agrees, ~agrees, derivatives, left, right, agrees)


@contextmanager
def _strictly() -> Iterator[None]:
    """A forward that drops imaginary parts fails."""
    with warnings.catch_warnings(action="error", category=np.exceptions.ComplexWarning):
        yield


def _values(probe: Probe, line: Line, t: complex) -> np.ndarray | None:
    try:
        values = probe.along(line, t)
    except Exception:  # of ops that know no complex numbers
        return None
    return values if values.dtype.kind == "c" and np.isfinite(values).all() else None


def _same_real(values: np.ndarray, base: np.ndarray) -> bool:
    scale = np.abs(base).max(initial=0.0)
    return bool((np.abs(values.real - base) <= SAME * np.maximum(np.abs(base), scale)).all())


def refine(
    found: Judgement,
    derivatives: np.ndarray,
    probe: Probe,
    lines: Sequence[Line],
    targets: Targets,
    exact: float,
    shaken: Callable[[], Sequence[np.ndarray]],
) -> bool:
    """Let the complex step decide, in `found`, what it can; False if it is not to be trusted.

    exact: the part of the largest derivative that may differ. shaken: for each row, how much its
    flat gradient changes when the inputs do by a rounding error; asked for only where all else
    says that it is wrong.
    """
    scale = np.maximum(targets.scale, np.abs(derivatives))
    error = np.abs(targets.analytic - derivatives)
    close = error <= exact * scale
    alike = np.abs(derivatives - found.numeric) <= SHARP * scale
    settled = (close & found.agrees) | (~close & found.wrong & alike)
    trusted, misled, decided = True, 0, np.zeros(close.shape, bool)
    for k in map(int, np.flatnonzero(~settled.all(axis=1))):
        doubt, noise = _doubt(probe, lines[k], derivatives[k], targets)
        allowed = exact * scale[k] + noise
        sure = doubt <= SHARP * scale[k]
        misled += bool((~sure & (error[k] > allowed)).any())
        if misled == MISLED:
            trusted = False
            break
        right = sure & (error[k] <= allowed)
        far = sure & (error[k] > allowed + FIRM * doubt)
        if far.any():
            change = np.array([abs(lines[k].along(g)) for g in shaken()])
            far &= error[k] > allowed + FIRM * (doubt + change)
        decided[k] = (right & ~found.agrees[k]) | far
        settled[k] |= right
        found.wrong[k] = (found.wrong[k] | far) & ~right
        found.agrees[k] = (found.agrees[k] | right) & ~far
        found.kink[k] &= ~right & ~far
    if trusted:
        decided |= settled
    found.exact |= decided
    np.copyto(found.numeric, derivatives, where=decided)
    return trusted


def _doubt(
    probe: Probe, line: Line, derivatives: np.ndarray, targets: Targets
) -> tuple[np.ndarray, np.ndarray]:
    """How wrong the complex step may be by what circles show, and their rounding errors, by row."""
    best, noise = (np.full(derivatives.shape, np.inf) for _ in range(2))
    angles = np.exp(2j * np.pi * np.arange(POINTS) / POINTS)
    for radius in RADII:
        r = radius * line.size
        upper = _half_circle(probe, line, r, angles)
        if upper is None:
            continue
        values = np.concatenate([upper, upper[-2:0:-1].conj()])
        slope = (values * angles.conj()[:, None]).mean(axis=0) / r
        misled = np.abs((values * angles[:, None]).mean(axis=0)) / r
        doubt = np.maximum(misled, np.abs(slope - derivatives))
        rounding = ROUNDING * targets.rounding / r
        better = doubt + rounding < (best + noise) / 2
        best, noise = np.where(better, doubt, best), np.where(better, rounding, noise)
        if not better.any():
            break
    return best, noise


def _half_circle(probe: Probe, line: Line, r: float, angles: np.ndarray) -> np.ndarray | None:
    """The rows at r, ..., -r along the upper half, its ends by the plain forward."""
    with _strictly():
        half = [_values(probe, line, complex(r * z)) for z in angles[1 : POINTS // 2]]
    if any(values is None for values in half):
        return None
    return np.array([probe.along(line, r), *half, probe.along(line, -r)])
