"""Numeric derivatives along lines, how far they can be trusted, and the verdict they allow.

For values v(t) along a line, with steps h and h/2 on both sides of 0:
    central   (4 D(h/2) - D(h)) / 3,  D(h) = (v(h) - v(-h)) / 2h    Richardson 1911: error O(h^4)
    doubt     3 |D(h/2) - D(h)| + |2 B(h/2) - B(h)|,  B(h) = (v(h) + v(-h) - 2 v(0)) / h
    noise     the rounding error of v, divided by h
B is the difference of the one-sided slopes. Where v is smooth both terms of doubt shrink as h^2;
a kink or a jump within h keeps them as large as the error it makes in `central`, wherever in
(-h, h) it lies. So an error far above doubt and noise can only come from a wrong gradient, or from
several kinks at one point whose bends cancel: hence FIRM, and at two step sizes. A function that
turns within every step, as sin does at 1e6, can look like either: hence FINE.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = [
    "CALM",
    "FIRM",
    "ROUNDING",
    "SHARP",
    "TINY",
    "Judgement",
    "Targets",
    "Tolerance",
    "Values",
    "judge",
]

EPS = float(np.finfo(np.float64).eps)
ROUNDING = 8.0  # how many roundings of its result a forward is granted
SHARP = 1e-5  # agreement counts where noise is below this part of the gradient's scale
QUIET = 0.1  # noise below this part of what is allowed is not what keeps them from agreeing
CALM = 0.1  # nor does it count where doubt is above this part: between the slopes of a kink
UNREST = 10.0  # doubt that rounding alone can make, in units of noise
FIRM = 30.0  # an error contradicts the analytic gradient when so many times the doubt
FINE = 1e-3  # what seems a kink or wrong is tried once more, with the shortest step times this
NEEDED = 2  # step sizes that must contradict it before it is called wrong
TINY = 1e-12  # of what weighs most: outputs can share rounding errors, as those of an FFT do

# (lines by number, how far along each) -> the rows there: (lines, rows)
Values = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Tolerance:
    """Allowed: rtol * |derivative| + atol * the largest derivative of the same output.

    exact: the part of the largest derivative that is allowed where the method has no step error.
    """

    rtol: float = 1e-6
    atol: float = 1e-9
    exact: float = 1e-12


@dataclass(frozen=True)
class Targets:
    """What is to be confirmed. analytic: (lines, rows), the derivatives by the rules.

    By row: base, the values at 0; rounding, the error of one rounding of these; scale, the largest
    derivative by this input. others: by line, how large a derivative would have to be to weigh as
    much, for its entry's size, as the one that weighs most in any row, by any input. sizes: by
    line, of what moves.
    """

    analytic: np.ndarray
    base: np.ndarray
    rounding: np.ndarray
    scale: np.ndarray
    others: np.ndarray
    sizes: np.ndarray


@dataclass
class Judgement:
    """What the steps have shown, a number per line and row: it agrees, is wrong, or neither.

    kink: it neither agrees nor is wrong, since the one-sided slopes differ at every step size.
    exact: decided by a method without step error.
    """

    agrees: np.ndarray
    wrong: np.ndarray
    kink: np.ndarray
    numeric: np.ndarray
    left: np.ndarray
    right: np.ndarray
    exact: np.ndarray


@dataclass
class _Slopes:
    central: np.ndarray
    doubt: np.ndarray
    noise: np.ndarray
    left: np.ndarray
    right: np.ndarray


def _slopes(values: Values, targets: Targets, lines: np.ndarray, h: np.ndarray) -> _Slopes:
    up, down, half_up, half_down = (values(lines, h * part) for part in (1.0, -1.0, 0.5, -0.5))
    h, base = h[:, None], targets.base
    wide, narrow = (up - down) / (2 * h), (half_up - half_down) / h
    left, right = (base - half_down) / (h / 2), (half_up - base) / (h / 2)
    bend = (up + down - 2 * base) / h
    # No change at all: it may have been lost on the way, beside a number of the input's size.
    stuck = (up == base) & (down == base) & (half_up == base) & (half_down == base)
    lost = np.where(stuck, EPS * targets.sizes[lines, None], 0.0)
    return _Slopes(
        central=(4 * narrow - wide) / 3,
        doubt=3 * np.abs(narrow - wide) + np.abs(2 * (right - left) - bend),
        noise=ROUNDING * np.maximum(targets.rounding, lost) / h,
        left=left,
        right=right,
    )


def judge(values: Values, targets: Targets, steps: np.ndarray, tolerance: Tolerance) -> Judgement:
    """Compare the analytic derivatives with those of `values` at 0.

    steps: (tries, lines), tried in turn on the lines where not all agrees yet, NaN for none; those
    above the first one serve against rounding errors only.
    """
    shape = targets.analytic.shape
    agrees, kink, quiet = (np.zeros(shape, bool) for _ in range(3))
    contradictions = np.zeros(shape, int)
    numeric, left, right = (np.full(shape, np.nan) for _ in range(3))
    trust, noise = np.full(shape, np.inf), np.full(shape, np.inf)
    for h in steps:
        grows = h > steps[0]
        idle = (agrees | (quiet & grows[:, None])).all(axis=1) | np.isnan(h)
        at = np.flatnonzero(~idle)
        if not at.size:
            continue
        s = _slopes(values, targets, at, h[at])
        analytic = targets.analytic[at]
        size = np.maximum(np.abs(analytic), np.abs(s.central))
        scale = np.maximum(targets.scale, size)
        error = np.abs(analytic - s.central)
        slack = tolerance.rtol * size + tolerance.atol * scale
        allowed = slack + s.noise
        calm = s.doubt <= CALM * scale + UNREST * s.noise
        now = (((error <= allowed) & (s.noise <= SHARP * scale)) | (error == 0)) & calm
        quiet[at] |= s.noise <= QUIET * slack
        contradictions[at] += error > allowed + FIRM * s.doubt
        better = ~agrees[at] & (now | (s.doubt + s.noise < trust[at]))
        for best, found in (
            (numeric, s.central),
            (left, s.left),
            (right, s.right),
            (trust, s.doubt + s.noise),
            (noise, np.broadcast_to(s.noise, better.shape)),
            (kink, s.doubt > UNREST * s.noise),
        ):
            best[at] = np.where(better, found, best[at])
        agrees[at] |= now
    # 0 beside the others, as far as can be seen
    others, size = targets.others[:, None], np.maximum(np.abs(targets.analytic), np.abs(numeric))
    zero = np.abs(targets.analytic) <= SHARP * targets.scale
    bend = np.abs(right - left)
    lost = (((size <= noise) & zero & ~kink) | (np.maximum(size, bend) <= TINY * others)) & ~agrees
    numeric[lost] = targets.analytic[lost]
    agrees |= lost
    wrong = ~agrees & (contradictions >= NEEDED)
    kink &= ~agrees & ~wrong
    found = Judgement(agrees, wrong, kink, numeric, left, right, np.zeros(shape, bool))
    _once_more(found, values, targets, np.fmin.reduce(steps) * FINE, trust)
    return found


def _once_more(
    found: Judgement, values: Values, targets: Targets, h: np.ndarray, trust: np.ndarray
) -> None:
    """Take back what the longer steps were misled to call wrong, or a kink."""
    at = np.flatnonzero((found.wrong | found.kink).any(axis=1))
    if not at.size:
        return
    s = _slopes(values, targets, at, h[at])
    least = SHARP * np.maximum(targets.scale, np.abs(s.central))
    reach = s.noise + FIRM * s.doubt + least
    other = np.abs(s.central - found.numeric[at]) > reach
    found.wrong[at] &= ~(other & (np.abs(s.central - targets.analytic[at]) <= reach))
    found.kink[at] &= s.doubt > np.maximum(CALM * trust[at], least)
