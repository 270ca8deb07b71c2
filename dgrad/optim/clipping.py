"""Gradient clipping, and gradients that are not finite."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from dgrad.core.tensor import Tensor
from dgrad.core.versions import marker

__all__ = ["clip_grad_norm_", "clip_grad_value_", "get_total_norm", "nonfinite_gradients"]

WRITER = "clipping of gradients"  # what overwrites them, in errors of backward


def clip_grad_norm_(parameters: Iterable[Tensor] | Tensor, max_norm: float) -> float:
    """g <- g min(1, max_norm / (norm + 1e-6)) for all gradients, in place; returns norm.

    norm: the 2-norm of all gradients as one vector, before clipping; 0 without any. When it is not
    finite, they are left as they are: `nonfinite_gradients` says which are at fault.
    Pascanu et al. 2013, PyTorch's form.
    """
    grads = _gradients(parameters)
    norm = _norm(grads)
    factor = max_norm / (norm + 1e-6)
    if not factor >= 1 and math.isfinite(norm):
        for g in grads:
            marker(g, WRITER)()
            g *= factor
    return norm


def clip_grad_value_(parameters: Iterable[Tensor] | Tensor, clip_value: float) -> None:
    """g <- min(max(g, -clip_value), clip_value) for every element of all gradients, in place."""
    for g in _gradients(parameters):
        marker(g, WRITER)()
        np.clip(g, -clip_value, clip_value, out=g)


def get_total_norm(parameters: Iterable[Tensor] | Tensor) -> float:
    """The 2-norm of all gradients as one vector; 0 without any."""
    return _norm(_gradients(parameters))


def nonfinite_gradients(named: Iterable[tuple[str, Tensor]]) -> list[str]:
    """The names of the parameters whose gradient holds NaN or infinity."""
    return [name for name, p in named if p.grad is not None and not np.isfinite(p.grad.data).all()]


def _gradients(parameters: Iterable[Tensor] | Tensor) -> list[np.ndarray]:
    tensors = [parameters] if isinstance(parameters, Tensor) else parameters
    return [p.grad.data for p in tensors if p.grad is not None]


def _norm(grads: list[np.ndarray]) -> float:
    """The norm; squares that a float32 does not hold are taken in float64."""
    norm = math.sqrt(sum(float(np.vdot(g, g)) for g in grads))
    if norm == math.inf:
        norm = math.hypot(*(float(np.linalg.norm(g.astype(np.float64).ravel())) for g in grads))
    return norm
