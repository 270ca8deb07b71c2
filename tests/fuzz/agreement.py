"""Ways to differentiate a program, and that they agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import dgrad
from dgrad import Tensor
from dgrad.autograd import backward
from tests.fuzz.participants import EXACT, STEP
from tests.fuzz.programs import Program

__all__ = ["Disagreement", "check"]

NUMERIC = 2e-6


class Disagreement(AssertionError):
    """Two ways to differentiate a program differ."""


def _compare(label: str, got: Sequence[Any], want: Sequence[Any], tolerance: float) -> None:
    """Raise Disagreement where arrays differ by more than a share of the largest."""
    scale = max([1.0, *(float(np.abs(w).max()) for w in want if np.size(w))])
    for i, (x, y) in enumerate(zip(got, want, strict=True)):
        if np.shape(x) != np.shape(y):
            raise Disagreement(f"{label} {i}: shape {np.shape(x)} for {np.shape(y)}")
        error = float(np.abs(np.subtract(x, y)).max(initial=0.0))
        if not error <= tolerance * scale:
            raise Disagreement(f"{label} {i}: off by {error:.3g} where values reach {scale:.3g}")


def _dot(xs: Sequence[Any], ys: Sequence[Any]) -> Any:
    return sum((x * y).sum() for x, y in zip(xs, ys, strict=True))


def _leaves(program: Program) -> list[Tensor]:
    return [Tensor(x, requires_grad=True) for x in program.leaves]


def _live(outs: list[Tensor], parts: Sequence[Any]) -> tuple[list[Tensor], list[Any]]:
    """The outputs that depend on a leaf, and what belongs to them."""
    pairs = [(y, p) for y, p in zip(outs, parts, strict=True) if y.requires_grad]
    return [y for y, _ in pairs], [p for _, p in pairs]


def _gradients(
    program: Program, leaves: list[Tensor], seeds: list[Any], **options: Any
) -> list[Any]:
    roots, parts = _live(program.run(leaves), seeds)
    found = dgrad.grad(roots, leaves, parts, allow_unused=True, **options)
    return [
        Tensor(np.zeros(x.shape)) if g is None else g for x, g in zip(leaves, found, strict=True)
    ]


def _moved(program: Program, directions: Sequence[Any], by: complex) -> list[Any]:
    return [x + by * d for x, d in zip(program.leaves, directions, strict=True)]


def _differences(
    function: Callable[[list[Any]], list[Any]], program: Program, directions: Sequence[Any]
) -> tuple[list[Any], float]:
    """The derivative along the directions, and how far two step sizes are apart."""
    estimates = []
    for h in (1e-3, 5e-4):
        near = [function(_moved(program, directions, k * h)) for k in (-2, -1, 1, 2)]
        estimates.append(
            [(a - 8.0 * b + 8.0 * c - d) / (12.0 * h) for a, b, c, d in zip(*near, strict=True)]
        )
    coarse, fine = estimates
    scale = max([1.0, *(float(np.abs(x).max()) for x in fine if np.size(x))])
    gap = max(float(np.abs(x - y).max(initial=0.0)) for x, y in zip(coarse, fine, strict=True))
    return fine, gap / scale


def check(program: Program) -> str:
    """Raise Disagreement unless all ways agree; returns what the values were compared with."""
    rng = np.random.default_rng(11)
    leaves = _leaves(program)
    outs = program.run(leaves)
    seeds = [rng.normal(size=y.shape) for y in outs]
    directions = [rng.normal(size=x.shape) for x in program.leaves]
    grads = [g.data for g in _gradients(program, leaves, seeds)]

    again = [g.data for g in _gradients(program, _leaves(program), seeds)]
    if any(x.tobytes() != y.tobytes() for x, y in zip(grads, again, strict=True)):
        raise Disagreement("two equal runs are not equal bit for bit")
    _compare("plain run, output", program.run([x.copy() for x in program.leaves]), _data(outs), 0.0)
    _check_accumulated(leaves, outs, seeds, grads)

    # Forward mode: the gradients are linear in the cotangents u; where-safe rules treat 0 apart.
    cotangents = [Tensor(s, requires_grad=True) for s in seeds]
    recorded = _gradients(program, leaves, cotangents, create_graph=True)
    _compare("recorded gradient", _data(recorded), grads, EXACT)
    total = _dot(recorded, directions)
    live, parts = _live(outs, cotangents)
    found = dgrad.grad(total, parts, retain_graph=True, allow_unused=True)
    jvp = [np.zeros(y.shape) if g is None else g.data for y, g in zip(live, found, strict=True)]
    _compare("<seed, jvp> against <vjp, direction>", [_dot(_data(parts), jvp)], [total.data], EXACT)
    oracle = _check_values(program, outs, directions, jvp)
    _check_second(program, leaves, seeds, directions, total)
    return oracle


def _data(tensors: Sequence[Tensor]) -> list[np.ndarray]:
    return [t.data for t in tensors]


def _check_accumulated(
    leaves: list[Tensor], outs: list[Tensor], seeds: list[Any], grads: list[Any]
) -> None:
    """backward fills .grad with the same, in memory that nothing shares."""
    roots, parts = _live(outs, seeds)
    before = [s.copy() for s in parts]
    backward(roots, parts, retain_graph=True)
    stored = [np.zeros(x.shape) if x.grad is None else x.grad.data for x in leaves]
    _compare(".grad", stored, grads, 0.0)
    others = [*_data(leaves), *_data(outs), *parts]
    for i, g in enumerate(stored):
        if any(np.shares_memory(g, other) for other in (*others, *stored[:i])):
            raise Disagreement(f".grad of leaf {i} shares its memory")
    if any((x != y).any() for x, y in zip(parts, before, strict=True)):
        raise Disagreement("a seed was changed")


def _check_values(program: Program, outs: list[Tensor], directions: Any, jvp: list[Any]) -> str:
    """The jvp against the complex step, or against differences."""
    alive = [y.requires_grad for y in outs]

    def outputs(leaves: list[Any]) -> list[Any]:
        return [y for y, ok in zip(program.run(leaves), alive, strict=True) if ok]

    if program.analytic:
        shifted = outputs(_moved(program, directions, 1j * STEP))
        _compare("jvp", jvp, [np.imag(y) / STEP for y in shifted], EXACT)
        return "complex step"
    numeric, gap = _differences(outputs, program, directions)
    _compare("jvp", jvp, numeric, NUMERIC + 10 * gap)
    return "rough differences" if gap > 1e-3 else "differences"


def _check_second(
    program: Program, leaves: list[Tensor], seeds: list[Any], directions: Any, total: Tensor
) -> None:
    """The Hessian along a direction against differences of the first gradient."""
    found: Any = (None,) * len(leaves)
    if total.requires_grad:
        found = dgrad.grad(total, leaves, allow_unused=True)
    second = [
        np.zeros(x.shape) if g is None else g.data for x, g in zip(leaves, found, strict=True)
    ]

    def first(arrays: list[Any]) -> list[Any]:
        moved = [Tensor(x, requires_grad=True) for x in arrays]
        return [g.data for g in _gradients(program, moved, seeds)]

    numeric, gap = _differences(first, program, directions)
    _compare("second gradient", second, numeric, NUMERIC + 10 * gap)
