"""Numeric derivatives along a line, how far they can be trusted, and the verdict they allow.

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

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Judgement", "Tolerance", "judge"]

ROUNDING = 8.0  # how many roundings of its result a forward is granted
SHARP = 1e-5  # agreement counts where noise is below this part of the gradient's scale
QUIET = 0.1  # noise below this part of what is allowed is not what keeps them from agreeing
CALM = 0.1  # nor does it count where doubt is above this part: between the slopes of a kink
UNREST = 10.0  # doubt that rounding alone can make, in units of noise
FIRM = 30.0  # an error contradicts the analytic gradient when so many times the doubt
FINE = 1e-3  # what seems a kink or wrong is tried once more, with the shortest step times this
NEEDED = 2  # step sizes that must contradict it before it is called wrong


@dataclass(frozen=True)
class Tolerance:
    """Allowed: rtol * |derivative| + atol * the largest derivative of the same output."""

    rtol: float = 1e-6
    atol: float = 1e-9


@dataclass
class Judgement:
    """What the steps have shown, one number per row: a derivative agrees, is wrong, or neither.

    kink: it neither agrees nor is wrong, since the one-sided slopes differ at every step size.
    """

    agrees: np.ndarray
    wrong: np.ndarray
    kink: np.ndarray
    numeric: np.ndarray
    left: np.ndarray
    right: np.ndarray


@dataclass
class _Slopes:
    central: np.ndarray
    doubt: np.ndarray
    noise: np.ndarray
    left: np.ndarray
    right: np.ndarray


def _slopes(
    values: Callable[[float], np.ndarray], base: np.ndarray, rounding: np.ndarray, h: float
) -> _Slopes:
    up, down, half_up, half_down = values(h), values(-h), values(h / 2), values(-h / 2)
    wide, narrow = (up - down) / (2 * h), (half_up - half_down) / h
    left, right = (base - half_down) / (h / 2), (half_up - base) / (h / 2)
    bend = (up + down - 2 * base) / h
    return _Slopes(
        central=(4 * narrow - wide) / 3,
        doubt=3 * np.abs(narrow - wide) + np.abs(2 * (right - left) - bend),
        noise=ROUNDING * rounding / h,
        left=left,
        right=right,
    )


def judge(
    values: Callable[[float], np.ndarray],
    base: np.ndarray,
    rounding: np.ndarray,
    analytic: np.ndarray,
    scale: np.ndarray,
    steps: Sequence[float],
    tolerance: Tolerance,
) -> Judgement:
    """Compare `analytic` with the derivative of `values` at 0; all arrays have one axis, rows.

    base: values(0). rounding: the error of one rounding of base. scale: the largest derivative
    of each row. steps: tried in turn until everything agrees; those above the first one serve
    against rounding errors only.
    """
    agrees = np.zeros(base.shape, bool)
    contradictions = np.zeros(base.shape, int)
    numeric, left, right = (np.full(base.shape, np.nan) for _ in range(3))
    trust, noise = np.full(base.shape, np.inf), np.full(base.shape, np.inf)
    kink, quiet = np.zeros(base.shape, bool), np.zeros(base.shape, bool)
    for h in steps:
        if h > steps[0] and (agrees | quiet).all():
            break
        s = _slopes(values, base, rounding, h)
        size = np.maximum(np.abs(analytic), np.abs(s.central))
        error = np.abs(analytic - s.central)
        slack = tolerance.rtol * size + tolerance.atol * np.maximum(scale, size)
        allowed = slack + s.noise
        sharp = s.noise <= SHARP * np.maximum(scale, size)
        quiet |= s.noise <= QUIET * slack
        calm = s.doubt <= CALM * np.maximum(scale, size) + UNREST * s.noise
        now = (((error <= allowed) & sharp) | (error == 0)) & calm
        contradictions += error > allowed + FIRM * s.doubt
        better = ~agrees & (now | (s.doubt + s.noise < trust))
        for best, found in ((numeric, s.central), (left, s.left), (right, s.right)):
            np.copyto(best, found, where=better)
        np.copyto(trust, s.doubt + s.noise, where=better)
        np.copyto(noise, s.noise, where=better)
        np.copyto(kink, s.doubt > UNREST * s.noise, where=better)
        agrees |= now
        if agrees.all():
            break
    # 0 beside the others, as far as can be seen
    below = np.maximum(np.abs(analytic), np.abs(numeric)) <= noise
    agrees |= below & (np.abs(analytic) <= SHARP * scale) & ~kink
    wrong = ~agrees & (contradictions >= NEEDED)
    kink &= ~agrees & ~wrong
    if (wrong | kink).any():
        s = _slopes(values, base, rounding, FINE * min(steps))
        least = SHARP * np.maximum(scale, np.abs(s.central))
        reach = s.noise + FIRM * s.doubt + least
        other = np.abs(s.central - numeric) > reach  # the longer steps were misled
        wrong &= ~(other & (np.abs(s.central - analytic) <= reach))
        kink &= s.doubt > np.maximum(CALM * trust, least)
    return Judgement(agrees, wrong, kink, numeric, left, right)
