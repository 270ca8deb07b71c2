"""Analytic against numeric gradients of one subject: seeds, probes, and a Check per input."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dgrad.core.backward import grad
from dgrad.core.modes import enable_grad, is_grad_enabled, no_grad
from dgrad.core.stream import default_stream
from dgrad.core.tensor import Tensor
from dgrad.errors import ShapeError
from dgrad.functional.differences import Tolerance, judge
from dgrad.functional.report import Check
from dgrad.functional.tally import Tally

__all__ = [
    "Settings",
    "Subject",
    "check_orders",
    "draw_seeds",
    "float_outputs",
    "generator_for",
    "gradients",
]

FULL_JACOBIAN = 2000  # up to so many entries every output is checked by itself
PROJECTIONS = 2  # random sums of all outputs, checked always: rules need not be linear in g
DIRECTIONS = 2  # random directions through an input too large to check entry by entry
REPEATABLE = 1e-10  # two equal calls may differ by this part: threads may reorder sums


@dataclass(frozen=True)
class Settings:
    """How to check. eps: the first step, relative to an entry's size; limit: entries per input."""

    seed: int = 0
    eps: float = 2e-4
    tolerance: Tolerance = field(default_factory=Tolerance)
    limit: int = 1000


@dataclass
class Subject:
    """What is checked: `call()` computes outputs from `leaves`, private float64 Tensors.

    outputs: a label for each. order: 1, or n when the outputs are gradients of order n - 1.
    """

    kind: str
    name: str
    call: Callable[[], Sequence[Tensor]]
    leaves: dict[str, Tensor]
    outputs: Sequence[str] = ("output",)
    order: int = 1

    def check(self, name: str, verdict: str, **found: Any) -> Check:
        """A Check of the input `name`."""
        return Check(self.kind, self.name, name, verdict, self.order, **found)

    def gradient(self, rng: np.random.Generator) -> Subject:
        """The gradients as a function of the same leaves and of the outputs' seeds."""
        with no_grad():
            outputs = _exact(self.call())
        seeds = [Tensor(s, requires_grad=True) for s in draw_seeds(outputs, rng)]
        leaves = list(self.leaves.values())

        def call() -> list[Tensor]:
            record = is_grad_enabled()
            with enable_grad():
                grads = gradients(_exact(self.call()), leaves, seeds, record)
            return [
                Tensor(np.zeros(leaf.shape)) if g is None else g
                for g, leaf in zip(grads, leaves, strict=True)
            ]

        count = len(seeds)
        names = [f"grad_output[{i}]" if count > 1 else "grad_output" for i in range(count)]
        names = [f"{name} (order {self.order})" if self.order > 1 else name for name in names]
        return Subject(
            self.kind,
            self.name,
            call,
            {**self.leaves, **dict(zip(names, seeds, strict=True))},
            [f"d/d{name}" for name in self.leaves],
            self.order + 1,
        )


def generator_for(seed: int, name: str) -> np.random.Generator:
    """A generator of its own for each name: the others' number and order do not matter."""
    return np.random.default_rng([seed, *name.encode()])


def draw_seeds(outputs: Sequence[Tensor], rng: np.random.Generator) -> list[np.ndarray]:
    """Random gradients for the outputs; every entry weighs about the same, none is near 0."""
    return [
        (rng.uniform(0.5, 1.5, t.shape) * rng.choice([-1.0, 1.0], t.shape)).astype(t.dtype)
        for t in outputs
    ]


def float_outputs(outputs: Sequence[Any]) -> list[Tensor]:
    """The outputs that can have a gradient."""
    for t in outputs:
        if not isinstance(t, Tensor):
            raise TypeError(f"gradcheck: the function must return Tensors, got {type(t).__name__}")
    return [t for t in outputs if t.dtype.kind == "f"]


def _exact(outputs: Sequence[Any]) -> list[Tensor]:
    """The float64 outputs: at other precisions a seed cannot be stepped finely enough."""
    return [t for t in float_outputs(outputs) if t.dtype == np.float64]


@contextmanager
def _quiet() -> Iterator[None]:
    """Probing may leave an op's domain, which is no fault; dropout's stream is left as found."""
    before = vars(default_stream).copy()
    try:
        with np.errstate(all="ignore"):
            yield
    finally:
        vars(default_stream).update(before)


def gradients(
    outputs: Sequence[Tensor], leaves: Sequence[Tensor], seeds: Sequence[Any], record: bool = False
) -> Sequence[Tensor | None]:
    """d(outputs)/d(leaves) for these seeds, None where there is none; the graph is kept."""
    live = [(t, s) for t, s in zip(outputs, seeds, strict=True) if t.requires_grad]
    if not live:
        return [None] * len(leaves)
    roots, given = zip(*live, strict=True)
    return grad(roots, leaves, given, retain_graph=True, create_graph=record, allow_unused=True)


def check_orders(subject: Subject, order: int, settings: Settings) -> list[Check]:
    """One Check per leaf, of each order up to `order`; not beyond the first that fails.

    What the function or its rules raise passes through, but for a gradient of a wrong shape.
    """
    checks: list[Check] = []
    with _quiet():
        for _ in range(order):
            rng = generator_for(settings.seed, f"{subject.kind} {subject.name} {subject.order}")
            found = _Comparison(subject, settings, rng).run()
            checks += found
            if not all(check.passed for check in found):
                break
            subject = subject.gradient(rng)
    return checks


class _Comparison:
    """One subject's outputs, as many scalar lines: random sums, and single entries if few."""

    def __init__(self, subject: Subject, settings: Settings, rng: np.random.Generator) -> None:
        self.subject, self.settings, self.rng = subject, settings, rng
        self.call = subject.call
        with no_grad():
            self.outputs = float_outputs(self._replay())
            self.again = self._flat()
        self.base = self._flat(self.outputs)
        self.rows = self._draw_rows()

    def _replay(self) -> Sequence[Tensor]:
        default_stream.move(self.settings.seed)  # dropout draws the same mask at every call
        return self.call()

    def _flat(self, outputs: Sequence[Tensor] | None = None) -> np.ndarray:
        """All float outputs as one float64 vector of its own."""
        if outputs is None:
            outputs = float_outputs(self._replay())
        return np.concatenate([np.zeros(0), *(t.data.ravel() for t in outputs)])

    def _draw_rows(self) -> np.ndarray:
        """The lines' weights, (lines, outputs): random sums first, then the single outputs."""
        sums = [
            np.concatenate([np.zeros(0), *(s.ravel() for s in draw_seeds(self.outputs, self.rng))])
            for _ in range(PROJECTIONS)
        ]
        few = self.base.size * sum(t.size for t in self.subject.leaves.values()) <= FULL_JACOBIAN
        return np.concatenate([sums, np.eye(self.base.size if few else 0, self.base.size)])

    def _label(self, row: int) -> str:
        """What a line is, in words."""
        if row < PROJECTIONS:
            return "random projection"
        place = row - PROJECTIONS
        for name, t in zip(self.subject.outputs or (), self.outputs, strict=False):
            if place < t.size:
                return f"{name} {tuple(int(i) for i in np.unravel_index(place, t.shape))}"
            place -= t.size
        return f"output {row - PROJECTIONS}"

    def run(self) -> list[Check]:
        leaves = self.subject.leaves
        problem = self._refusal()
        if problem is not None:
            return [self.subject.check(name, **problem) for name in leaves]
        before = [t.data.copy() for t in leaves.values()]
        try:
            analytic = self._analytic()
        except ShapeError as error:
            return [self.subject.check(name, "wrong shape", note=str(error)) for name in leaves]
        changed = [
            name for (name, t), old in zip(leaves.items(), before, strict=True)
            if not np.array_equal(t.data, old)
        ]  # fmt: skip
        if changed or analytic is None:
            note = f"it wrote into {', '.join(changed) or 'the gradient of its output'}"
            return [self.subject.check(name, "mutates", note=note) for name in leaves]
        weights = np.concatenate([np.full(t.size, np.finfo(t.dtype).eps) for t in self.outputs])
        self.rounding = np.abs(self.rows) @ (np.abs(self.base) * weights)
        return [self._check(name, leaves[name], rows) for name, rows in analytic.items()]

    def _refusal(self) -> dict[str, str] | None:
        """Why nothing can be compared, if so."""
        if not self.base.size:
            return {"verdict": "skipped: no gradient", "note": "there is no output of floats"}
        if not np.isfinite(self.base).all():
            return {"verdict": "not finite", "note": "the output itself holds NaN or infinity"}
        if not np.allclose(self.base, self.again, rtol=REPEATABLE, atol=0):
            return {"verdict": "non-deterministic", "note": "two equal calls gave two results"}
        return None

    def _analytic(self) -> dict[str, list[np.ndarray | None]] | None:
        """Gradients per leaf, one for each line, None if none; None instead if a seed changed."""
        with enable_grad():
            outputs = float_outputs(self._replay())
        ends = np.cumsum([t.size for t in outputs])[:-1]
        found: dict[str, list[np.ndarray | None]] = {name: [] for name in self.subject.leaves}
        for row in self.rows:
            parts = np.split(row, ends)
            seeds = [p.reshape(t.shape).astype(t.dtype) for p, t in zip(parts, outputs, strict=True)]
            kept = [s.copy() for s in seeds]
            grads = gradients(outputs, list(self.subject.leaves.values()), seeds)
            if not all(map(np.array_equal, seeds, kept)):
                return None
            for name, g in zip(found, grads, strict=True):
                found[name].append(None if g is None else g.data.ravel())
        return found

    def _check(self, name: str, leaf: Tensor, found: list[np.ndarray | None]) -> Check:
        """The Check of one leaf, probe by probe."""
        if not leaf.size:
            return self.subject.check(name, "skipped: empty", note=f"its shape is {leaf.shape}")
        rows = [np.zeros(leaf.size) if g is None else g for g in found]
        if not all(np.isfinite(g).all() for g in rows):
            return self._not_finite(name, leaf, rows)
        scale = np.array([np.abs(g).max() for g in rows])
        tally = Tally()
        for index, direction, steps in self._probes(leaf, rows[0]):
            along = np.array([g[index] if direction is None else g @ direction for g in rows])
            with no_grad(), _moved(leaf, index, direction) as move:

                def values(t: float, move: Callable[[float], None] = move) -> np.ndarray:
                    move(t)
                    return self.rows @ self._flat()

                verdicts = judge(
                    values,
                    self.rows @ self.base,
                    self.rounding,
                    along,
                    scale,
                    steps,
                    self.settings.tolerance,
                )
            place = None if direction is not None else np.unravel_index(index, leaf.shape)
            tally.add(place, along, verdicts, scale, self._label)
        missing = all(g is None for g in found)
        return self.subject.check(name, **tally.conclude(missing, self.subject.order))

    def _not_finite(self, name: str, leaf: Tensor, rows: list[np.ndarray]) -> Check:
        row = next(i for i, g in enumerate(rows) if not np.isfinite(g).all())
        place = int(np.flatnonzero(~np.isfinite(rows[row]))[0])
        index = tuple(int(i) for i in np.unravel_index(place, leaf.shape))
        note = f"the gradient of {self._label(row)} is {rows[row][place]} at index {index}"
        return self.subject.check(name, "not finite", note=note)

    def _probes(
        self, leaf: Tensor, gradient: np.ndarray
    ) -> Iterator[tuple[int, np.ndarray | None, list[float]]]:
        """(entry, None, steps) for the entries to check, (0, direction, steps) for directions."""
        size, limit = leaf.size, self.settings.limit
        chosen = np.arange(size)
        typical = float(np.sqrt(np.mean(np.square(leaf.data)))) or 1.0
        if size > limit:
            largest = np.argpartition(np.abs(gradient), size - limit // 4)[size - limit // 4 :]
            others = self.rng.choice(size, limit - limit // 4, replace=False, shuffle=False)
            chosen = np.union1d(largest, others)
            for _ in range(DIRECTIONS):
                yield 0, self.rng.normal(size=size) * typical, self._steps(1.0, 1.0)
        for index in chosen:
            yield int(index), None, self._steps(abs(float(leaf.data.flat[index])), typical)

    def _steps(self, own: float, typical: float) -> list[float]:
        """Step sizes: three that shrink; two for an odd small entry; two that grow, against noise.

        The small ones get away from kinks and poles, the large ones from rounding.
        """
        eps, size = self.settings.eps, max(own, typical)
        odd = [eps * own, eps * own / 30] if 0 < own < 1e-2 * size else []
        return [eps * size, eps * size / 30, eps * size / 900, *odd, 30 * eps * size, 900 * eps * size]


@contextmanager
def _moved(
    leaf: Tensor, index: int, direction: np.ndarray | None
) -> Iterator[Callable[[float], None]]:
    """A function that puts the leaf t away from where it is, along a line; put back at the end."""
    data = leaf.data
    if direction is None:
        flat = data.reshape(-1)  # a view: leaves are contiguous
        start = float(flat[index])

        def move(t: float) -> None:
            flat[index] = start + t

        yield move
        flat[index] = start
    else:
        origin = data.copy()
        line = direction.reshape(data.shape)

        def move(t: float) -> None:
            np.add(origin, line * t, out=data)

        yield move
        data[...] = origin
