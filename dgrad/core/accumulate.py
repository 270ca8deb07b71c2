"""How a gradient becomes, or is added to, the `.grad` of a Tensor."""

from __future__ import annotations

from typing import Any

import numpy as np

from dgrad.core.hook_calls import outside, run_posthooks, run_prehooks
from dgrad.core.hooks import hooks_of, standing
from dgrad.core.modes import enable_grad
from dgrad.core.node import FLOAT32, Leaf
from dgrad.core.tensor import Tensor, from_parts
from dgrad.core.versions import marker
from dgrad.errors import GraphError

__all__ = ["accumulate", "accumulate_with_hooks", "cast_gradient"]


def accumulate(tensor: Tensor, g: Any, own: bool) -> None:
    """Add g to tensor.grad; into the same array unless the gradient itself is recorded.

    own: nothing else can reach g's array, so that it may become the gradient as it is.
    """
    before = tensor.grad
    dtype = g.dtype
    if dtype is not tensor.data.dtype or (dtype is not FLOAT32 and dtype.kind == "c"):
        g, own = _fitting(g, tensor), False
    if before is None:
        recorded = isinstance(g, Tensor)
        if own and g.strides == tensor.data.strides:
            tensor._grad = from_parts(g, None)
        else:
            array = _laid_out(g.data if recorded else g, tensor.data, own)
            tensor._grad = from_parts(array, g.node if recorded else None)
    elif not isinstance(g, Tensor) and before.node is None and before.data.flags.writeable:
        marker(before.data, "backward, which added to a .grad")()
        np.add(before.data, g, out=before.data)
    else:
        with enable_grad():  # whatever the caller's mode: the sum belongs to both graphs
            tensor._grad = before + g


def _fitting(g: Any, tensor: Tensor) -> Any:
    """g as users see it, and in the dtype that its Tensor has by now."""
    if g.shape != tensor.shape:
        raise GraphError(
            f"backward: a leaf had shape {g.shape} when it was used and has {tensor.shape} now"
        )
    g = outside(g)
    return g if g.dtype == tensor.dtype else cast_gradient(g, tensor.dtype)


def _laid_out(g: np.ndarray, like: np.ndarray, own: bool) -> np.ndarray:
    """g in memory as `like` lies, if that is dense, else row by row; a copy unless it is ours."""
    out = np.empty_like(like)
    if out.strides != like.strides:
        if own and g.flags.c_contiguous:
            return g
        out = np.empty(like.shape, like.dtype)
    np.copyto(out, g)
    return out


def accumulate_with_hooks(tensor: Tensor, leaf: Leaf, g: Any, own: bool, record: bool) -> None:
    """accumulate, between the hooks of a leaf's node."""
    hooks = hooks_of(leaf)
    if hooks.before:
        g, own = run_prehooks(leaf, hooks, g, record), False
    accumulate(tensor, g, own)
    for hook in standing(hooks.accumulated):
        if hook(tensor) is not None:
            raise GraphError("a post-accumulate hook must return None: it is told of a deed done")
    run_posthooks(leaf, hooks, (), g, record)


def cast_gradient(g: Any, dtype: Any) -> Any:
    """g in the dtype of what it is the gradient of: of a complex one, a real input gets the real
    part."""
    if g.dtype.kind == "c" and dtype.kind != "c":
        g = np.real(g)
    return g.astype(dtype)
