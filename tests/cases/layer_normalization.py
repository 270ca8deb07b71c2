"""Cases of dgrad/ops/layer_normalization.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *

__all__ = ["CASES", "REFERENCES", "TORCH", "standard"]


def standard(x: Any, axes: tuple[int, ...], eps: float) -> Any:
    mean = np.mean(x, axis=axes, keepdims=True)
    return (x - mean) / np.sqrt(np.var(x, axis=axes, keepdims=True) + eps)


def _last(x: Any, weight: Any, shape: Any) -> tuple[int, ...]:
    if shape is None:
        shape = x.shape[-1:] if weight is None else weight.shape
    count = 1 if isinstance(shape, int) else len(shape)
    return tuple(range(-count, 0))


def _layer(
    x: Any, weight: Any = None, bias: Any = None, normalized_shape: Any = None, eps: float = 1e-5
) -> Any:
    if not x.size:
        return np.zeros(x.shape)
    out = standard(x, _last(x, weight, normalized_shape), eps)
    return out * (1 if weight is None else weight) + (0 if bias is None else bias)


def _rms(x: Any, weight: Any = None, normalized_shape: Any = None, eps: Any = None) -> Any:
    if not x.size:
        return np.zeros(x.shape)
    eps = np.finfo(x.dtype).eps if eps is None else eps
    squares = np.mean(x**2, axis=_last(x, weight, normalized_shape), keepdims=True)
    return x / np.sqrt(squares + eps) * (1 if weight is None else weight)


def _normalize(x: Any, p: float = 2.0, axis: int = -1, eps: float = 1e-12) -> Any:
    return x / np.maximum(np.sum(np.abs(x) ** p, axis=axis, keepdims=True) ** (1 / p), eps)


def _torch_layer(torch: Any) -> Callable[..., Any]:
    def layer_norm(
        x: Any,
        weight: Any = None,
        bias: Any = None,
        normalized_shape: Any = None,
        eps: float = 1e-5,
    ) -> Any:
        shape = normalized_shape or (x.shape[-1:] if weight is None else weight.shape)
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        return torch.nn.functional.layer_norm(x, shape, weight, bias, eps)

    return layer_norm


def _torch_rms(torch: Any) -> Callable[..., Any]:
    def rms_norm(x: Any, weight: Any = None, normalized_shape: Any = None, eps: Any = None) -> Any:
        shape = normalized_shape or (x.shape[-1:] if weight is None else weight.shape)
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        return torch.nn.functional.rms_norm(x, shape, weight, eps)

    return rms_norm


CONSTANT = np.full((2, 3), 4.0)
HUGE = np.array([[1e150, -1e150, 0.0], [1e-200, 2e-200, 3e-200]])
CASES: dict[str, list[Case]] = {
    "layer_norm": [
        Case(normal(3, 4), normal(4), normal(4)),
        Case(normal(3, 4)),
        Case(normal(3, 4), normal(4)),
        Case(normal(3, 4), None, normal(4)),
        Case(normal(5), normal(5), normal(5)),
        Case(normal(2, 3, 4), normal(4), normal(4), eps=0.1),
        Case(normal(2, 3, 4), normal(3, 4), normal(3, 4)),
        Case(normal(2, 3, 4), normalized_shape=(3, 4)),
        Case(normal(2, 3, 4), normalized_shape=4),
        Case(normal(2, 3), normal(2, 3), normal(2, 3)),
        Case(normal(4, 3).T[::-1], normal(4)[::-1], normal(4)),
        Case(repeated(normal(3), 2), normal(3), normal(3)),
        Case(normal(3, 1), normal(1), normal(1)),
        Case(normal(0, 3), normal(3), normal(3)),
        Case(normal(3, 0), normal(0), normal(0), order=0),
        Case(CONSTANT, normal(3), normal(3), order=0),
        Case(HUGE, normal(3), normal(3), order=0),
    ],
    "normalize": [
        *(Case(distinct(3, 4), p=p) for p in (1.0, 1.5, 2.0, 3.0)),
        Case(normal(3, 4), axis=0),
        Case(normal(2, 3, 4), axis=1),
        Case(normal(5)),
        Case(normal(4, 3).T[::-1]),
        Case(repeated(normal(3), 2)),
        Case(normal(3, 4), eps=10.0),
        Case(distinct(3, 1), order=1),
        Case(normal(0, 3)),
        Case(np.array([[0.0, 0.0], [3e100, 4e100], [3e-100, 4e-100]]), order=0),
    ],
    "rms_norm": [
        Case(normal(3, 4), normal(4)),
        Case(normal(3, 4)),
        Case(normal(5), normal(5)),
        Case(normal(2, 3, 4), normal(4), eps=0.1),
        Case(normal(2, 3, 4), normal(3, 4)),
        Case(normal(2, 3, 4), normalized_shape=(3, 4)),
        Case(normal(2, 3, 4), normalized_shape=4),
        Case(normal(4, 3).T[::-1], normal(4)[::-1]),
        Case(repeated(normal(3), 2), normal(3)),
        Case(normal(0, 3), normal(3)),
        Case(np.zeros((2, 3)), normal(3), order=0),
        Case(HUGE, normal(3), order=0),
    ],
}

REFERENCES: dict[str, Callable[..., Any]] = {
    "layer_norm": _layer,
    "normalize": _normalize,
    "rms_norm": _rms,
}

TORCH: dict[str, Any] = {
    "layer_norm": _torch_layer,
    "normalize": lambda torch: (
        lambda x, p=2.0, axis=-1, eps=1e-12: torch.nn.functional.normalize(x, p, axis, eps)
    ),
    "rms_norm": _torch_rms,
}
