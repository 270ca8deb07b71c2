"""Analytic against numeric gradients of one subject, a Check for each of its leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dgrad.core import stream
from dgrad.core.modes import enable_grad, no_grad
from dgrad.core.tensor import Tensor
from dgrad.errors import ShapeError
from dgrad.functional.differences import Tolerance, judge
from dgrad.functional.lines import lines
from dgrad.functional.report import Check
from dgrad.functional.subject import Subject, draw_seeds, float_outputs, gradients
from dgrad.functional.tally import Tally

__all__ = ["Settings", "check_orders", "generator_for", "suits", "undisturbed"]

FULL_JACOBIAN = 2000  # up to so many entries every output is checked by itself
PROJECTIONS = 2  # random sums of all outputs, checked always: a wrong rule may not be linear in g
REPEATABLE = 1e-10  # two equal calls may differ by this part: threads may reorder sums


@dataclass(frozen=True)
class Settings:
    """How to check. eps: the first step, relative to an entry's size.

    A leaf of more than `limit` entries is probed along `directions` random lines through all of
    them, and at `limit` single entries.
    """

    seed: int = 0
    eps: float = 2e-4
    tolerance: Tolerance = field(default_factory=Tolerance)
    limit: int = 1000
    directions: int = 2


def generator_for(seed: int, name: str) -> np.random.Generator:
    """A generator of its own for each name: the others' number and order do not matter."""
    return np.random.default_rng([seed, *name.encode()])


def check_orders(subject: Subject, order: int, settings: Settings) -> list[Check]:
    """One Check per leaf, of each order up to `order`; none beyond the first that fails.

    What the function or its rules raise passes through, but for a gradient of a wrong shape.
    """
    checks: list[Check] = []
    with undisturbed():
        for _ in range(order):
            rng = generator_for(settings.seed, f"{subject.kind} {subject.name} {subject.order}")
            found = _Comparison(subject, settings, rng).run()
            checks += found
            if not all(check.passed for check in found):
                break
            subject = subject.gradient(rng)
    return checks


@contextmanager
def undisturbed() -> Iterator[None]:
    """Probing may leave an op's domain, which is no fault; this thread's stream is left alone."""
    with np.errstate(all="ignore"), stream.at(0):
        yield


def suits(call: Callable[[], Sequence[Any]]) -> bool:
    """Whether the call gives finite results; it may raise anything."""
    try:
        with undisturbed():
            return all(bool(np.isfinite(t.data).all()) for t in call())
    except Exception:  # of an op at arrays that nobody chose for it
        return False


class _Comparison:
    """The outputs of one subject as scalar rows: random sums of all, then each alone if few."""

    def __init__(self, subject: Subject, settings: Settings, rng: np.random.Generator) -> None:
        self.subject, self.settings, self.rng = subject, settings, rng
        with no_grad():
            self.outputs = self._call()
            self.base = _flat(self.outputs)
            self.again = _flat(self._call())
        precision = [np.full(t.size, np.finfo(t.dtype).eps) for t in self.outputs]
        weights = [_flat(draw_seeds(self.outputs, rng)) for _ in range(PROJECTIONS)]
        few = self.base.size * sum(t.size for t in subject.leaves.values()) <= FULL_JACOBIAN
        self.rows = np.concatenate([weights, np.eye(self.base.size if few else 0, self.base.size)])
        self.rounding = np.abs(self.rows) @ (np.abs(self.base) * _flat(precision))

    def _call(self) -> list[Tensor]:
        with stream.at(self.settings.seed):  # dropout draws the same mask at every call
            return float_outputs(self.subject.call())

    def _label(self, row: int) -> str:
        """What a row is, in words."""
        place = row - PROJECTIONS
        for i, t in enumerate(self.outputs):
            if 0 <= place < t.size:
                number = f"output[{i}]" if len(self.outputs) > 1 else "output"
                name = self.subject.labels[i] if self.subject.labels else number
                return f"{name} {tuple(int(k) for k in np.unravel_index(place, t.shape))}"
            place -= t.size
        return "random projection"

    def run(self) -> list[Check]:
        """The Check of every leaf."""
        leaves = self.subject.leaves
        refusal = self._refusal()
        if refusal is not None:
            return [self.subject.check(name, refusal[0], note=refusal[1]) for name in leaves]
        before = [t.data.copy() for t in leaves.values()]
        try:
            analytic, changed = self._analytic()
        except ShapeError as error:
            return [self.subject.check(name, "wrong shape", note=str(error)) for name in leaves]
        for (name, leaf), old in zip(leaves.items(), before, strict=True):
            if not np.array_equal(leaf.data, old):
                changed = name
        if changed:
            note = f"a forward or a rule wrote into {changed}"
            return [self.subject.check(name, "mutates", note=note) for name in leaves]
        return [
            self._check(name, leaf, column)
            for (name, leaf), column in zip(leaves.items(), analytic, strict=True)
        ]

    def _refusal(self) -> tuple[str, str] | None:
        """Verdict and note when nothing can be compared."""
        if not self.base.size:
            return "skipped: no gradient", "there is no output of floats"
        if not np.isfinite(self.base).all():
            return "not finite", "the output itself holds NaN or infinity"
        if not np.allclose(self.base, self.again, rtol=REPEATABLE, atol=0):
            return "non-deterministic", "two equal calls gave two results"
        return None

    def _analytic(self) -> tuple[list[list[np.ndarray | None]], str]:
        """For each leaf its flat gradient, or None, of each row; and what a rule has changed."""
        with enable_grad():
            outputs = self._call()
        ends = np.cumsum([t.size for t in outputs])[:-1]
        found: list[list[np.ndarray | None]] = [[] for _ in self.subject.leaves]
        changed = ""
        for row in self.rows:
            seeds = [
                part.reshape(t.shape).astype(t.dtype)
                for part, t in zip(np.split(row, ends), outputs, strict=True)
            ]
            kept = [seed.copy() for seed in seeds]
            grads = gradients(outputs, list(self.subject.leaves.values()), seeds)
            if not all(map(np.array_equal, seeds, kept)):
                changed = "the gradient of its output"
            for column, g in zip(found, grads, strict=True):
                column.append(None if g is None else g.data.ravel())
        return found, changed

    def _check(self, name: str, leaf: Tensor, column: list[np.ndarray | None]) -> Check:
        """The Check of one leaf, line by line."""
        if not leaf.size:
            return self.subject.check(name, "skipped: empty", note=f"its shape is {leaf.shape}")
        rows = [np.zeros(leaf.size) if g is None else g for g in column]
        for row, g in enumerate(rows):
            if not np.isfinite(g).all():
                return self._not_finite(name, leaf, row, g)
        scale = np.array([np.abs(g).max() for g in rows])
        tally = Tally(self._label)
        s = self.settings
        for line in lines(leaf, rows[0], s.limit, s.directions, s.eps, self.rng):

            def values(t: float, move: Callable[[float], None] = line.move) -> np.ndarray:
                move(t)
                return np.asarray(self.rows @ _flat(self._call()))

            along = np.array([line.along(g) for g in rows])
            with no_grad():
                try:
                    judgement = judge(
                        values,
                        self.rows @ self.base,
                        self.rounding,
                        along,
                        scale,
                        line.steps,
                        s.tolerance,
                    )
                finally:
                    line.move(0.0)
            tally.add(line.place, along, judgement, scale)
        missing = all(g is None for g in column)
        return self.subject.check(name, **tally.conclude(missing, self.subject.order))

    def _not_finite(self, name: str, leaf: Tensor, row: int, g: np.ndarray) -> Check:
        place = int(np.flatnonzero(~np.isfinite(g))[0])
        index = tuple(int(i) for i in np.unravel_index(place, leaf.shape))
        note = f"the gradient of {self._label(row)} is {g[place]} at index {index}"
        return self.subject.check(name, "not finite", note=note)


def _flat(parts: Sequence[Tensor] | Sequence[np.ndarray]) -> np.ndarray:
    """All entries as one float64 vector of its own."""
    arrays = [part.data if isinstance(part, Tensor) else part for part in parts]
    return np.concatenate([np.zeros(0), *(a.ravel() for a in arrays)])
