"""Analytic against numeric gradients of one subject, a Check for each of its leaves."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, cast

import numpy as np

from dgrad.core import stream
from dgrad.core.tensor import Tensor
from dgrad.errors import ShapeError
from dgrad.functional.diagnosis import diagnose_shape
from dgrad.functional.differences import Tolerance
from dgrad.functional.leaf import LeafCheck, Methods, largest
from dgrad.functional.lines import typical_size
from dgrad.functional.outputs import Outputs
from dgrad.functional.report import Check
from dgrad.functional.subject import Subject, gradients

__all__ = ["Settings", "check_orders", "generator_for", "suits", "undisturbed"]

WORK = 10**8  # entries that are looked at for each further one that is checked, over all leaves


@dataclass(frozen=True)
class Settings:
    """How to check. eps: the first step, relative to an entry's size.

    A leaf of more than `limit` entries is probed along `directions` random lines through all of
    them, and at `limit` single entries. The larger the leaves, the fewer: beyond 10^8 entries in
    all, counted once for each leaf, none, and one line from ten times as many.
    """

    seed: int = 0
    eps: float = 2e-4
    tolerance: Tolerance = field(default_factory=Tolerance)
    limit: int = 1000
    directions: int = 2

    def told(self) -> dict[str, Any]:
        """What a report says of them."""
        return {"eps": self.eps, **asdict(self.tolerance)}


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
    """One subject, at its leaves as they stand."""

    def __init__(self, subject: Subject, settings: Settings, rng: np.random.Generator) -> None:
        self.subject, self.settings, self.rng = subject, settings, rng
        self.leaves = subject.leaves
        self.starts = [leaf.data.reshape(-1).copy() for leaf in self.leaves.values()]
        self.outputs = Outputs(subject, settings.seed, rng)

    def run(self) -> list[Check]:
        """The Check of every leaf."""
        refusal = self._refusal()
        if refusal is not None:
            return [self.subject.check(name, refusal[0], note=refusal[1]) for name in self.leaves]
        try:
            columns = self._gradients()
        except ShapeError as error:
            note = f"{error}{diagnose_shape(str(error))}"
            return [self.subject.check(name, "wrong shape", note=note) for name in self.leaves]
        if columns is None:
            note = "a forward or a rule wrote into the gradient of its output"
            return [self.subject.check(name, "mutates", note=note) for name in self.leaves]
        for (name, leaf), start in zip(self.leaves.items(), self.starts, strict=True):
            if not np.array_equal(leaf.data.reshape(-1), start, equal_nan=True):
                note = f"a forward or a rule wrote into {name}"
                return [self.subject.check(each, "mutates", note=note) for each in self.leaves]
        return self._checks(columns)

    def _refusal(self) -> tuple[str, str] | None:
        """Verdict and note when nothing can be compared."""
        if not self.outputs.rows.entries:
            return "skipped: no gradient", "there is no output of floats"
        if not self.outputs.finite:
            return "not finite", "the output itself holds NaN or infinity"
        if not self.outputs.repeats:
            return "non-deterministic", "two equal calls gave two results"
        return None

    def _gradients(self) -> list[list[np.ndarray | None]] | None:
        """For each leaf its flat gradient, or None, of each row; None if a seed was changed."""
        outputs = self.outputs.recorded()
        leaves = list(self.leaves.values())
        found: list[list[np.ndarray | None]] = [[] for _ in leaves]
        unchanged = True
        for seeds in self.outputs.rows.seeds():
            given = [seed.copy() for seed in seeds]
            grads = gradients(outputs, leaves, given)
            for column, g in zip(found, grads, strict=True):
                column.append(None if g is None else g.data.reshape(-1))
            unchanged &= all(map(np.array_equal, seeds, given))
        return found if unchanged else None

    def _checks(self, columns: list[list[np.ndarray | None]]) -> list[Check]:
        s, leaves = self.settings, list(self.leaves.values())
        work = len(leaves) * (sum(leaf.size for leaf in leaves) + self.outputs.rows.entries)
        methods = Methods(
            min(s.limit, WORK // max(work, 1)),
            s.directions if work <= 10 * WORK else 1,
            s.eps,
            s.tolerance,
        )
        weight = max(map(_weight, leaves, self.starts, columns))
        checks = []
        for i, (name, start) in enumerate(zip(self.leaves, self.starts, strict=True)):
            looked = LeafCheck(
                self.subject, name, start, self.outputs, columns[i], methods, self.rng
            )
            checks.append(looked.check(weight, functools.cache(functools.partial(self._shaken, i))))
        return checks

    def _shaken(self, i: int) -> list[np.ndarray]:
        """How much each row's gradient by leaf i changes when all leaves do by a rounding error."""
        arrays = [leaf.data.reshape(-1) for leaf in self.leaves.values()]
        signs = [self.rng.choice([-1.0, 1.0], start.size) for start in self.starts]
        found = []
        try:
            for sign in (1.0, -1.0):
                for array, start, way in zip(arrays, self.starts, signs, strict=True):
                    array[...] = start + np.spacing(start) * way * sign
                columns = cast(list[list[np.ndarray | None]], self._gradients())
                none = np.zeros(self.starts[i].size)
                found.append([none if g is None else g for g in columns[i]])
        finally:
            for array, start in zip(arrays, self.starts, strict=True):
                array[...] = start
        return [np.abs(up - down) for up, down in zip(*found, strict=True)]


def _weight(leaf: Tensor, start: np.ndarray, column: Sequence[np.ndarray | None]) -> float:
    """The largest derivative times the size of its entry, or the usual size where that is 0."""
    typical = typical_size(leaf)
    sizes = np.where(start == 0, typical, start)
    return max((largest(g * sizes) for g in column if g is not None), default=0.0)
