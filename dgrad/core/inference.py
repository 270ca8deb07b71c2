"""Tensors made in inference mode: they cannot be kept for a backward.

They are known by the owner of their memory, as writes are (core/versions.py), so views and
detached ones are known too. While one is alive, calls take the path that asks (modes.special).
"""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from dgrad.core.modes import special
from dgrad.core.versions import arrays_in, owner
from dgrad.errors import GraphError

__all__ = ["is_inference", "mark_inference", "refuse_inference"]

_alive: dict[int, weakref.ref[np.ndarray]] = {}  # by id of the owner


def mark_inference(out: Any) -> None:
    """The memory of a result, or of several, was made in inference mode."""
    for _, array in arrays_in((out,)):
        whole = owner(array)
        key = id(whole)
        if key not in _alive:
            _alive[key] = weakref.ref(whole, lambda _, key=key: _forget(key))  # type: ignore[misc]
            special.append(None)


def _forget(key: int) -> None:
    del _alive[key]
    special.pop()


def is_inference(array: np.ndarray) -> bool:
    """Whether the memory of `array` was made in inference mode."""
    return id(owner(array)) in _alive


def refuse_inference(name: str, saved: tuple[Any, ...]) -> None:
    """Raise GraphError if the op `name` would keep an inference Tensor for its backward."""
    if _alive and any(is_inference(array) for _, array in arrays_in(saved)):
        raise GraphError(
            f"{name}: a Tensor made in inference_mode cannot be kept for backward; "
            f"clone() it first, or compute it under no_grad instead"
        )
