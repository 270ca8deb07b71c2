"""The adjoint test: the rule of a linear map A is A^T, so <g, A d> = <A^T g, d> to rounding.

No step is involved, hence no step error, and a direction through all entries sees every one of
them. Whether the outputs are linear in an input, up to a constant, is found out by trying.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from dgrad.functional.differences import ROUNDING, TINY, Judgement, Targets
from dgrad.functional.lines import Line, Probe

__all__ = ["Linear", "find_linear"]

SURE = 1e-7  # where rounding errors exceed this part of the terms, it is left to differences
LINEAR = 1e-9  # sums of values may be off by this part of their sizes, and still be linear
NEAR = 1 / 1024  # the part of a direction that is still near: a kink may be close, or a step
EXACT = 1e-13  # the part of the sizes of all terms that the two products may differ by
FIRM = 30.0  # and how many times the rounding errors that were seen

EPS = float(np.finfo(np.float64).eps)
Shaken = Callable[[], Sequence[np.ndarray]]
Look = Callable[[], tuple[np.ndarray, np.ndarray]]  # rows, and the sizes of their terms


@dataclass(frozen=True)
class Linear:
    """What was seen of outputs that are linear in an input: A d for two directions d.

    values: (2, rows). size: (2, rows), that of all terms of them. noise: by row, rounding errors.
    """

    directions: Sequence[np.ndarray]
    values: np.ndarray
    size: np.ndarray
    noise: np.ndarray

    def judge_products(
        self, gradients: Sequence[np.ndarray], exact: float, shaken: Shaken
    ) -> Judgement | None:
        """<g, A d> against <A^T g, d> for each flat gradient A^T g, one a row.

        exact: the part of a derivative that may differ; of all terms together a tenth of it.
        shaken: how much the gradients change when the inputs do by a rounding error; asked for
        where they seem to be wrong. None where rounding errors would hide a wrong rule.
        """
        analytic = np.array([[g @ d for g in gradients] for d in self.directions])
        sizes = np.array([[np.abs(g) @ np.abs(d) for g in gradients] for d in self.directions])
        count = max(d.size for d in self.directions)
        part = max(EXACT, 2 * EPS * count**0.5)  # as sums of so many terms may grow
        rounding = part * (sizes + self.size) + self.noise
        terms = sizes + np.abs(self.values)  # next to 0 where this input plays no part
        if ((rounding > SURE * terms) & (terms > TINY * terms.max(initial=0.0))).any():
            return None
        allowed = rounding + max(exact / 10 - EXACT, 0.0) * sizes
        found = _judgement(analytic, self.values, allowed)
        if found.agrees.all():
            return found
        changes = shaken()
        spread = np.array([[c @ np.abs(d) for c in changes] for d in self.directions])
        return _judgement(analytic, self.values, allowed + FIRM * spread)

    def judge_lines(
        self, probe: Probe, targets: Targets, lines: Sequence[Line], exact: float
    ) -> Judgement:
        """The derivative along each line: any step shows it, the longest with the least noise."""
        sizes = np.array([[line.size] for line in lines])
        up, down = (
            np.array([probe.along(line, sign * line.size) for line in lines]) for sign in (1, -1)
        )
        numeric = (up - down) / (2 * sizes)
        scale = np.maximum(targets.scale, np.maximum(np.abs(targets.analytic), np.abs(numeric)))
        noise = (ROUNDING * targets.rounding + self.noise) / sizes
        return _judgement(targets.analytic, numeric, exact * scale + noise)


def _judgement(analytic: np.ndarray, numeric: np.ndarray, allowed: np.ndarray) -> Judgement:
    agrees = np.abs(analytic - numeric) <= allowed
    kink = np.zeros(agrees.shape, bool)
    return Judgement(agrees, ~agrees, kink, numeric, numeric, numeric, ~kink)


def find_linear(
    probe: Probe, look: Look, base: np.ndarray, size: float, rng: np.random.Generator
) -> Linear | None:
    """What the adjoint test needs, where the outputs are linear in the probed leaf, else None.

    base: the rows as the leaf stands. size: how large the leaf's entries are. An exception, or a
    value that is not finite, says that they are not.
    """
    first, second = (rng.normal(size=probe.start.size) for _ in range(2))
    first *= size
    second *= size
    try:
        zero, sizes = probe.at(0.0, look)
        up, up_size = probe.at(first, look)
        down, _ = probe.at(-first, look)
        seen = _Deviation(sizes + up_size)
        seen.add(up + down - 2 * zero)
        if not seen.small:
            return None
        along, along_size = probe.at(second, look)
        both, _ = probe.at(first + second, look)
        seen.add(both - up - along + zero, along_size)
        moves = ((first, up, 1.0), (first, up, -1.0), (first, up, NEAR), (second, along, NEAR))
        for direction, end, part in moves:  # as around 0, so where the leaf stands
            there, there_size = probe.at(probe.start + direction * part, look)
            seen.add(there - base - (end - zero) * part, there_size)
    except Exception:  # of a function at arrays that nobody chose for it
        return None
    if not seen.small:
        return None
    return Linear(
        (first, second),
        np.stack([up - zero, along - zero]),
        np.stack([up_size, along_size]) + sizes,
        FIRM * seen.most + ROUNDING * EPS * sizes,
    )


class _Deviation:
    """How far the outputs are from a linear map's, by row, beside the sizes of their terms."""

    def __init__(self, sizes: np.ndarray) -> None:
        self.sizes, self.most = sizes, np.zeros(sizes.shape)

    def add(self, deviation: np.ndarray, sizes: np.ndarray | float = 0.0) -> None:
        """One more that was seen."""
        self.most = np.maximum(self.most, np.abs(deviation))
        self.sizes = np.maximum(self.sizes, sizes)

    @property
    def small(self) -> bool:
        """Whether it can be due to rounding alone; not so when a value is not finite."""
        return bool((self.most <= LINEAR * self.sizes).all())
