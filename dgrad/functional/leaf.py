"""One input of a subject: which method may judge its derivatives, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from dgrad.core.modes import no_grad
from dgrad.functional.adjoint import find_linear
from dgrad.functional.complex_step import complex_derivatives, glance, refine
from dgrad.functional.differences import Judgement, Targets, Tolerance, judge
from dgrad.functional.lines import Line, Probe, lines, typical_size
from dgrad.functional.outputs import Outputs
from dgrad.functional.report import FAILURES, Check
from dgrad.functional.subject import Subject
from dgrad.functional.tally import Tally

__all__ = ["LeafCheck", "Methods", "largest"]

PLANE = 10**6  # entries up to which a leaf gets a complex copy


@dataclass(frozen=True)
class Methods:
    """Single entries that are probed at most, directions beyond that; step; what is allowed."""

    limit: int
    directions: int
    eps: float
    tolerance: Tolerance


class LeafCheck:
    """The gradient by one leaf: `column`, flat, None where there is none, for every row."""

    def __init__(
        self,
        subject: Subject,
        name: str,
        start: np.ndarray,
        outputs: Outputs,
        column: Sequence[np.ndarray | None],
        methods: Methods,
        rng: np.random.Generator,
    ) -> None:
        self.subject, self.name, self.outputs = subject, name, outputs
        self.methods, self.rng = methods, rng
        self.leaf = subject.leaves[name]
        self.missing = all(g is None for g in column)
        self.rows = [np.zeros(self.leaf.size) if g is None else g for g in column]
        self.probe = Probe(self.leaf, start, outputs.row_values)
        wanted = methods.tolerance.exact < np.inf and subject.order == 1
        self.plane = wanted and self.leaf.size <= PLANE  # whether the complex step is tried
        self.scale = np.array([largest(g) for g in self.rows])  # by row
        self.tally = Tally(self.leaf.shape, outputs.rows)

    def check(self, weight: float, shaken: Callable[[], list[np.ndarray]]) -> Check:
        """The Check.

        weight: the largest derivative by any leaf, times the size of its entry. shaken: how much
        each row's gradient changes when the leaves do by a rounding error.
        """
        if not self.leaf.size:
            note = f"its shape is {self.leaf.shape}"
            return self.subject.check(self.name, "skipped: empty", note=note)
        for row, g in enumerate(self.rows):
            if not np.isfinite(g).all():
                return self._not_finite(row, g)
        with no_grad():
            self._compare(weight, shaken)
        found = self.tally.conclude(self.missing, self.subject.order)
        if self.outputs.unsteady and found["verdict"] not in FAILURES:
            found |= {"verdict": "unsteady", "note": self.outputs.unsteady}
        return self.subject.check(self.name, **found)

    def _not_finite(self, row: int, g: np.ndarray) -> Check:
        place = int(np.flatnonzero(~np.isfinite(g))[0])
        index = tuple(int(i) for i in np.unravel_index(place, self.leaf.shape))
        label = self.outputs.rows.label(row)
        note = f"the gradient of {label} is {g[place]} at index {index}"
        return self.subject.check(self.name, "not finite", note=note)

    def _compare(self, weight: float, shaken: Callable[[], list[np.ndarray]]) -> None:
        """Fill the tally: by the adjoint test alone where it is enough, else line by line."""
        tolerance, out = self.methods.tolerance, self.outputs
        exact = min(tolerance.exact, tolerance.rtol)
        size = typical_size(self.leaf)
        linear = find_linear(self.probe, out.values_and_sizes, out.base, size, self.rng)
        out.unsteady = ""  # of other outputs so far away nobody is told
        products = None
        if linear is not None:
            products = linear.judge_products(self.rows, exact, shaken)
        if linear is not None and products is not None:
            self.tally.used("adjoint")
            if products.agrees.all():
                self._add([Line(direction=d) for d in linear.directions], products)
                return
        limit, directions = self.methods.limit, self.methods.directions
        for group in lines(self.leaf, self.rows[0], limit, directions, self.rng):
            others = weight / np.array([line.own or line.size for line in group])
            sizes = np.array([line.size for line in group])
            targets = Targets(self._along(group), out.base, out.rounding, self.scale, others, sizes)
            if linear is not None and products is not None:
                found = linear.judge_lines(self.probe, targets, group, exact)
            else:
                found = self._differences(group, targets, shaken)
            self._add(group, found)
        if linear is not None and products is not None and not self.tally.wrong:
            self._add([Line(direction=d) for d in linear.directions], products)

    def _along(self, group: Sequence[Line]) -> np.ndarray:
        return np.array([[line.along(g) for g in self.rows] for line in group])

    def _add(self, group: Sequence[Line], found: Judgement) -> None:
        self.tally.add(group, self._along(group), found, self.scale)

    def _differences(
        self, group: Sequence[Line], targets: Targets, shaken: Callable[[], list[np.ndarray]]
    ) -> Judgement:
        """Central differences, and the complex step where the forward allows it."""
        steps = np.array([line.steps(self.methods.eps) for line in group]).T

        def values(at: np.ndarray, t: np.ndarray) -> np.ndarray:
            before = self.outputs.unsteady
            pairs = zip(at, t, strict=True)
            found = np.array([self.probe.along(group[k], float(far)) for k, far in pairs])
            if (np.abs(t) > steps[0][at]).any():
                self.outputs.unsteady = before  # of other outputs so far away nobody is told
            return found

        exact, found, derivatives = self.methods.tolerance.exact, None, None
        if self.plane:
            derivatives = complex_derivatives(self.probe, group, targets.base)
            self.plane = derivatives is not None
        if derivatives is not None:
            found = glance(values, derivatives, targets, steps[0], exact)
        if found is None:
            found = judge(values, targets, steps, self.methods.tolerance)
            if derivatives is not None:
                self.plane = refine(found, derivatives, self.probe, group, targets, exact, shaken)
        if not found.exact.all():
            self.tally.used("central differences")
        if found.exact.any():
            self.tally.used("complex step")
        return found


def largest(g: np.ndarray) -> float:
    """The largest size of an entry, 0 of none."""
    return float(max(g.max(initial=0.0), -g.min(initial=0.0)))
