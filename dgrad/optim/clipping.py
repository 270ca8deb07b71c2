"""Gradient clipping."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from dgrad.core.tensor import Tensor
from dgrad.core.versions import marker

__all__ = ["clip_grad_norm_"]


def clip_grad_norm_(parameters: Iterable[Tensor] | Tensor, max_norm: float) -> float:
    """g <- g min(1, max_norm / (norm + 1e-6)) for all gradients, in place; returns norm.

    norm: the 2-norm of all gradients as one vector, before clipping; 0 without any. When it is
    not finite, the gradients are of no use afterwards. Pascanu et al. 2013, PyTorch's form.
    """
    tensors = [parameters] if isinstance(parameters, Tensor) else parameters
    grads = [p.grad.data for p in tensors if p.grad is not None]
    norm = math.sqrt(sum(float(np.vdot(g, g)) for g in grads))
    factor = max_norm / (norm + 1e-6)
    if not factor >= 1:  # NaN included
        with np.errstate(invalid="ignore"):
            for g in grads:
                marker(g, "clipping of gradients")()
                g *= factor
    return norm
