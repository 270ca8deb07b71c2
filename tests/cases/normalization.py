"""Cases of dgrad/ops/normalization.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *

__all__ = ["CASES", "REFERENCES", "TORCH"]


def _standard(x: Any, axes: tuple[int, ...], eps: float) -> Any:
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
    out = _standard(x, _last(x, weight, normalized_shape), eps)
    return out * (1 if weight is None else weight) + (0 if bias is None else bias)


def _rms(x: Any, weight: Any = None, normalized_shape: Any = None, eps: Any = None) -> Any:
    if not x.size:
        return np.zeros(x.shape)
    eps = np.finfo(x.dtype).eps if eps is None else eps
    squares = np.mean(x**2, axis=_last(x, weight, normalized_shape), keepdims=True)
    return x / np.sqrt(squares + eps) * (1 if weight is None else weight)


def _group(x: Any, weight: Any = None, bias: Any = None, groups: int = 0, eps: float = 1e-5) -> Any:
    out = x.copy()
    groups = groups or x.shape[1]
    size = x.shape[1] // groups
    for row in range(len(x)):
        for start in range(0, x.shape[1], size):
            part = x[row, start : start + size]
            if part.size:
                out[row, start : start + size] = _standard(part, tuple(range(part.ndim)), eps)
    lead = (-1, *(1,) * (x.ndim - 2))
    out = out * (1 if weight is None else weight.reshape(lead))
    return out + (0 if bias is None else bias.reshape(lead))


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


def channels(*shape: int) -> tuple[np.ndarray, ...]:
    """x and its weight and bias."""
    return (normal(*shape), normal(shape[1]), normal(shape[1]))


CONSTANT = np.full((2, 3), 4.0)
HUGE = np.array([[1e150, -1e150, 0.0], [1e-200, 2e-200, 3e-200]])
CASES: dict[str, list[Case]] = {
    "group_norm": [
        Case(*channels(2, 4, 3), groups=2),
        Case(*channels(2, 4, 3), groups=4),
        Case(*channels(2, 4, 3), groups=1, eps=0.1),
        Case(*channels(3, 4), groups=2),
        Case(*channels(2, 4, 2, 3), groups=2),
        Case(normal(2, 4, 3), groups=2),
        Case(normal(2, 4, 3), normal(4), groups=2),
        Case(normal(2, 4, 3), None, normal(4), groups=2),
        Case(normal(3, 4, 2).T, normal(4)[::-1], normal(4), groups=2),
        Case(*channels(0, 4, 3), groups=2, torch=False),
        Case(*channels(1, 1, 4), groups=1),
        Case(repeated(normal(4, 2), 2), normal(4), normal(4), groups=2),
    ],
    "instance_norm": [
        Case(*channels(2, 4, 3)),
        Case(*channels(2, 3, 2, 2)),
        Case(*channels(2, 3, 2, 2), eps=0.1),
        Case(normal(2, 4, 3)),
        Case(normal(2, 4, 3), normal(4)),
        Case(normal(2, 4, 3), None, normal(4)),
        Case(normal(3, 4, 2).T, normal(4)[::-1], normal(4)),
        Case(*channels(0, 4, 3), torch=False),
        Case(*channels(2, 3), torch=False),
        Case(repeated(normal(4, 2), 2), normal(4), normal(4)),
    ],
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
        *(Case(normal(3, 4), p=p) for p in (1.0, 1.5, 2.0, 3.0)),
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
    "group_norm": _group,
    "instance_norm": _group,
    "layer_norm": _layer,
    "normalize": _normalize,
    "rms_norm": _rms,
}

TORCH: dict[str, Any] = {
    "group_norm": lambda torch: (
        lambda x, weight=None, bias=None, groups=1, eps=1e-5: torch.nn.functional.group_norm(
            x, groups, weight, bias, eps
        )
    ),
    "instance_norm": lambda torch: (
        lambda x, weight=None, bias=None, eps=1e-5: torch.nn.functional.instance_norm(
            x, weight=weight, bias=bias, eps=eps
        )
    ),
    "layer_norm": _torch_layer,
    "normalize": lambda torch: (
        lambda x, p=2.0, axis=-1, eps=1e-12: torch.nn.functional.normalize(x, p, axis, eps)
    ),
    "rms_norm": _torch_rms,
}
