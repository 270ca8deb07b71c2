"""What a gradient check looks at: a call that computes outputs from leaves, and its gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dgrad.core.backward import grad
from dgrad.core.modes import enable_grad, is_grad_enabled, no_grad
from dgrad.core.tensor import Tensor
from dgrad.functional.report import Check

__all__ = ["Subject", "draw_seeds", "float_outputs", "gradients", "private"]


@dataclass
class Subject:
    """`call()` computes outputs from `leaves`, which are private float64 Tensors.

    labels: a word for each output. order: 1, or n when the outputs are gradients of order n - 1.
    """

    kind: str
    name: str
    call: Callable[[], Sequence[Tensor]]
    leaves: dict[str, Tensor]
    labels: Sequence[str] = ()
    order: int = 1

    def check(self, name: str, verdict: str, **found: Any) -> Check:
        """A Check of the input `name`."""
        return Check(self.kind, self.name, name, verdict, self.order, **found)

    def gradient(self, rng: np.random.Generator) -> Subject:
        """The gradients, as a function of the same leaves and of the outputs' seeds."""
        with no_grad():
            outputs = _exact(self.call())
        seeds = [Tensor(s, requires_grad=True) for s in draw_seeds(outputs, rng)]
        leaves = list(self.leaves.values())

        def call() -> list[Tensor]:
            record = is_grad_enabled()
            with enable_grad():
                found = gradients(_exact(self.call()), leaves, seeds, record)
            return [
                Tensor(np.zeros(leaf.shape)) if g is None else g
                for g, leaf in zip(found, leaves, strict=True)
            ]

        stem = "grad_output" if self.order == 1 else f"grad_output{self.order}"
        names = [stem] if len(seeds) == 1 else [f"{stem}[{i}]" for i in range(len(seeds))]
        return Subject(
            self.kind,
            self.name,
            call,
            {**self.leaves, **dict(zip(names, seeds, strict=True))},
            [f"gradient of {name}" for name in self.leaves],
            self.order + 1,
        )


def private(value: Any, dtype: Any = np.float64) -> Tensor:
    """A leaf of its own: a contiguous copy in `dtype`, whatever memory `value` shares."""
    data = value.data if isinstance(value, Tensor) else value
    return Tensor(np.array(data, dtype=dtype, order="C"), requires_grad=True)


def draw_seeds(outputs: Sequence[Tensor], rng: np.random.Generator) -> list[np.ndarray]:
    """Random gradients for the outputs; every entry weighs about the same, none is near 0."""
    return [
        (rng.uniform(0.5, 1.5, t.shape) * rng.choice([-1.0, 1.0], t.shape)).astype(t.dtype)
        for t in outputs
    ]


def float_outputs(outputs: Sequence[Any]) -> list[Tensor]:
    """The outputs that can have a gradient. Raises TypeError for one that is no Tensor."""
    for t in outputs:
        if not isinstance(t, Tensor):
            raise TypeError(f"gradcheck: the function must return Tensors, got {type(t).__name__}")
    return [t for t in outputs if t.dtype.kind == "f"]


def _exact(outputs: Sequence[Any]) -> list[Tensor]:
    """The float64 outputs: at other precisions a seed cannot be stepped finely enough."""
    return [t for t in float_outputs(outputs) if t.dtype == np.float64]


def gradients(
    outputs: Sequence[Tensor], leaves: Sequence[Tensor], seeds: Sequence[Any], record: bool = False
) -> Sequence[Tensor | None]:
    """d(outputs)/d(leaves) for these seeds, None where there is none; the graph is kept."""
    live = [(t, s) for t, s in zip(outputs, seeds, strict=True) if t.requires_grad]
    if not live:
        return [None] * len(leaves)
    roots, given = zip(*live, strict=True)
    return grad(roots, leaves, given, retain_graph=True, create_graph=record, allow_unused=True)
