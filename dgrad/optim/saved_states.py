"""States of an optimizer from what was saved of another one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from dgrad.core.tensor import Tensor
from dgrad.errors import CheckpointError
from dgrad.optim.block import Shapes, State

__all__ = ["read_states"]


def read_states(
    optimizer: str,
    arrays: Mapping[str, Any],
    entries: Iterable[tuple[str, Tensor, Shapes]],
    scalars: Mapping[str, float],
) -> dict[int, State]:
    """The states by parameter id that arrays by "slot.name", "step.name", "scalar.name" hold.

    entries: (name, parameter, shapes of its slots). Raises CheckpointError K17 that lists
    everything missing, unexpected or of another shape or dtype.
    """
    problems: list[str] = []
    states: dict[int, State] = {}
    known: set[str] = set()
    for name, p, slots in entries:
        state = states[id(p)] = State(p.shape, p.dtype, slots, scalars)
        for slot in ("step", *scalars, *slots):
            key = f"{slot}.{name}"
            known.add(key)
            if key not in arrays:
                problems.append(f"missing: {key}")
            else:
                problems += _take(state, slot, key, np.asarray(arrays[key]))
    problems += [f"unexpected: {key}" for key in arrays if key not in known]
    if problems:
        raise CheckpointError(
            f"the state does not fit this {optimizer}:\n  " + "\n  ".join(problems), fault="K17"
        )
    return states


def _take(state: State, slot: str, key: str, value: np.ndarray) -> list[str]:
    """Put one value into a state; what is wrong with it."""
    shapes = state.shapes
    is_number = value.shape == () and value.dtype.kind in "iuf"
    if slot in shapes and value.shape == shapes[slot] and value.dtype == state.dtype:
        state[slot] = value.copy()
    elif slot == "step" and is_number:
        state.step = int(value)
    elif slot in state.scalars and is_number:
        state.scalars[slot] = float(value)
    else:
        want = f"{state.dtype}{list(shapes[slot])}" if slot in shapes else "one number"
        return [f"{key}: expected {want}, got {value.dtype}{list(value.shape)}"]
    return []
