"""The line search of L-BFGS: a step that satisfies the strong Wolfe conditions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

__all__ = ["Point", "strong_wolfe"]

DECREASE, CURVATURE = 1e-4, 0.9  # c1, c2 of the conditions


class Point(NamedTuple):
    """A point at x + t d. loss and gradient there; slope: gradient . d."""

    t: float
    loss: float
    gradient: np.ndarray
    slope: float


def strong_wolfe(
    evaluate: Callable[[float], Point],
    start: Point,
    t: float,
    *,
    longest: float,
    tolerance: float,
    most: int,
) -> tuple[Point, int]:
    """A t with loss <= start + c1 t slope and |slope| <= c2 |start's|; and how often it evaluated.

    Nocedal & Wright 2006, algorithms 3.5 and 3.6, with PyTorch's cubic interpolation and limits.
    longest: the largest element of |d|: a bracket shorter than tolerance / longest is not narrowed.
    most: evaluations after the first one.
    """
    before, now, count = start, evaluate(t), 1
    bracket: list[Point] | None = None
    while count <= most:
        if _is_too_high(now, start) or (count > 2 and now.loss >= before.loss):
            bracket = [before, now]
        elif abs(now.slope) <= -CURVATURE * start.slope:
            return now, count
        elif now.slope >= 0:
            bracket = [before, now]
        if bracket:
            break
        bounds = now.t + 0.01 * (now.t - before.t), now.t * 10
        before, now = now, evaluate(_cubic_minimum(before, now, bounds))
        count += 1
    if bracket is None:
        return min(start, now, key=lambda point: point.loss), count
    return _zoom(evaluate, start, bracket, count, longest=longest, tolerance=tolerance, most=most)


def _is_too_high(point: Point, start: Point) -> bool:
    """Whether the loss did not fall enough."""
    return point.loss > start.loss + DECREASE * point.t * start.slope


def _zoom(
    evaluate: Callable[[float], Point],
    start: Point,
    bracket: list[Point],
    count: int,
    *,
    longest: float,
    tolerance: float,
    most: int,
) -> tuple[Point, int]:
    """Narrow a bracket that holds such a t."""
    low = 0 if bracket[0].loss <= bracket[1].loss else 1
    was_near_end = False
    while count <= most and abs(bracket[1].t - bracket[0].t) * longest >= tolerance:
        t, was_near_end = _inside(bracket, was_near_end)
        now = evaluate(t)
        count += 1
        if _is_too_high(now, start) or now.loss >= bracket[low].loss:
            bracket[1 - low] = now
            low = 0 if bracket[0].loss <= bracket[1].loss else 1
            continue
        if abs(now.slope) <= -CURVATURE * start.slope:
            return now, count
        if now.slope * (bracket[1 - low].t - bracket[low].t) >= 0:
            bracket[1 - low] = bracket[low]
        bracket[low] = now
    return bracket[low], count


def _inside(bracket: list[Point], was_near_end: bool) -> tuple[float, bool]:
    """The t to try next, and whether it is near an end: not twice in a row, and never at one."""
    low, high = sorted(point.t for point in bracket)
    t = _cubic_minimum(bracket[0], bracket[1], (low, high))
    margin = 0.1 * (high - low)
    if min(high - t, t - low) >= margin:
        return t, False
    if was_near_end or t >= high or t <= low:
        return (high - margin if high - t < t - low else low + margin), False
    return t, True


def _cubic_minimum(a: Point, b: Point, bounds: tuple[float, float]) -> float:
    """Where the cubic through both losses and slopes is least, within bounds; else their middle.

    Nocedal & Wright 2006, equation 3.59.
    """
    low, high = bounds
    if a.t == b.t:
        return a.t
    if a.t > b.t:
        a, b = b, a
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if not square >= 0:
        return (low + high) / 2
    d2 = math.sqrt(square)
    width = b.slope - a.slope + 2 * d2
    if width == 0:
        return (low + high) / 2
    return min(max(b.t - (b.t - a.t) * ((b.slope + d2 - d1) / width), low), high)
