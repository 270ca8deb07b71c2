"""Whether an op's gradient is the same however it is asked for, and in float32."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dgrad.core.tensor import Tensor
from dgrad.functional.compare import generator_for, suits
from dgrad.functional.report import Check
from dgrad.functional.subject import Subject, draw_seeds, float_outputs, gradients

__all__ = ["consistency", "single_precision"]

SAME = 1e-10  # rules that say the same may differ by this part of the gradient
SINGLE = 1e-4  # and float32 from float64, at inputs that float32 holds exactly


def consistency(subject: Subject, seed: int) -> list[Check]:
    """A failed Check for each input whose gradient depends on how it is asked for."""
    leaves = list(subject.leaves.values())
    outputs = float_outputs(subject.call())
    seeds = draw_seeds(outputs, generator_for(seed, subject.name))
    raw = gradients(outputs, leaves, seeds)
    strided = gradients(outputs, leaves, [_strided(s) for s in seeds])
    recorded = gradients(outputs, leaves, seeds, record=True)
    checks = []
    for i, (name, leaf) in enumerate(subject.leaves.items()):
        (alone,) = gradients(outputs, [leaf], seeds)
        for other, note in (
            (recorded[i], "the raw gradient (fast_vjp) differs from the recorded one (vjp)"),
            (alone, "the gradient of this input alone differs from that with the others"),
            (strided[i], "it differs when the gradient of the output is not contiguous in memory"),
        ):
            if not _same(raw[i], other, SAME):
                checks.append(subject.check(name, "inconsistent", note=note))
    return checks


def single_precision(single: Subject, double: Subject, seed: int) -> list[Check]:
    """A failed Check for each input whose gradient in float32 is not the one in float64.

    single, double: the op at the same float32 numbers. Where it gives no finite results in
    float32, nothing is compared.
    """
    if not suits(single.call):
        return []
    found = [list(_gradients(subject, seed)) for subject in (single, double)]
    note = "the gradient in float32 differs from the one in float64"
    return [
        single.check(name, "inconsistent", note=note)
        for name, one, two in zip(single.leaves, *found, strict=True)
        if not _same(one, two, SINGLE)
    ]


def _gradients(subject: Subject, seed: int) -> Iterator[Tensor | None]:
    """The raw gradients of one random projection, whose weights are float32 numbers."""
    outputs = float_outputs(subject.call())
    drawn = draw_seeds(outputs, generator_for(seed, subject.name))
    seeds = [s.astype(np.float32).astype(s.dtype) for s in drawn]
    yield from gradients(outputs, list(subject.leaves.values()), seeds)


def _strided(g: np.ndarray) -> np.ndarray:
    """The same values with the first axis running fastest, and a gap after each."""
    wide = np.zeros((*g.shape[::-1], 2), g.dtype)
    wide[..., 0] = g.T
    return np.asarray(wide[..., 0].T)


def _same(first: Tensor | None, second: Tensor | None, tolerance: float) -> bool:
    a, b = (np.zeros(1) if t is None else t.data for t in (first, second))
    scale = max(np.abs(a).max(initial=0.0), np.abs(b).max(initial=0.0))
    return bool((np.abs(a - b) <= tolerance * scale).all())
