"""Calls of ops by table: their results as numbers to compare, their inputs as leaves."""

from __future__ import annotations

from typing import Any

import numpy as np

from dgrad import Tensor, registry

__all__ = ["SINGLES", "along_directions", "call", "is_float", "leaves", "parts", "seed", "tensors"]

SINGLES = {"f": np.dtype(np.float32), "c": np.dtype(np.complex64)}


def is_float(value: Any) -> bool:
    """Whether it is an array that can have a gradient."""
    return isinstance(value, np.ndarray) and value.dtype.kind in "fc"


def parts(result: Any) -> list[Any]:
    """The results of an op, one or several, that can have a gradient."""
    several = list(result) if isinstance(result, tuple) else [result]
    return [r for r in several if np.asarray(getattr(r, "data", r)).dtype.kind in "fc"]


def call(name: str, *args: Any, **params: Any) -> Any:
    """The op's result; of several, or of complex ones, all their numbers as one real vector."""
    result = registry.ops[name](*args, **params)
    if not isinstance(result, tuple) and result.dtype.kind != "c":
        return result
    flat: list[Any] = []
    for part in parts(result):
        both = (np.real(part), np.imag(part)) if part.dtype.kind == "c" else (part,)
        flat += [np.reshape(p, (-1,)) for p in both]
    return np.concatenate(flat)


def leaves(args: Any, *, single: bool = False) -> list[Any]:
    """The arguments, with every array of floats as a Tensor that requires grad."""
    return [
        Tensor(a.astype(SINGLES[a.dtype.kind]) if single else a, requires_grad=True)
        if is_float(a)
        else a
        for a in args
    ]


def tensors(values: Any) -> list[Tensor]:
    return [value for value in values if isinstance(value, Tensor)]


def seed(out: Any, dtype: Any = np.float64) -> np.ndarray:
    """A gradient for a result, different in every element; complex for a complex array."""
    rng = np.random.default_rng(7)
    drawn = rng.normal(size=np.shape(out)).astype(dtype)
    complex_ = isinstance(out, np.ndarray) and out.dtype.kind == "c"
    return drawn + 1j * rng.normal(size=np.shape(out)) if complex_ else drawn


def along_directions(directions: Any, grads: Any) -> Any:
    """The sum of the gradients' components along the directions: a real scalar."""
    total: Any = 0.0
    for d, g in zip(directions, grads, strict=True):
        part = (d * g).sum()
        complex_ = "complex" in str(part.dtype)  # PyTorch's Tensors come here too
        total = total + (part.real if complex_ else part)
    return total
