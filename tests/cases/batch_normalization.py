"""Cases of dgrad/ops/batch_normalization.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *
from tests.cases.group_normalization import channels

__all__ = ["CASES", "REFERENCES", "TORCH"]


def _spread(value: Any, x: Any, default: float) -> Any:
    return default if value is None else np.reshape(value, (-1, *(1,) * (x.ndim - 2)))


def _places(x: Any) -> tuple[int, ...]:
    return (0, *range(2, x.ndim))


def _inference(
    x: Any, mean: Any, var: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    unit = (x - _spread(mean, x, 0.0)) / np.sqrt(_spread(var, x, 1.0) + eps)
    return unit * _spread(weight, x, 1.0) + _spread(bias, x, 0.0)


def _statistics(x: Any) -> Any:
    if not x.size:
        return np.zeros(x.shape[1]), np.zeros(x.shape[1])
    return np.mean(x, axis=_places(x)), np.var(x, axis=_places(x))


def _training(
    x: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5, statistics: Any = None
) -> Any:
    return _inference(x, *_statistics(x), weight, bias, eps)


def _torch_training(torch: Any) -> Callable[..., Any]:
    def batch_norm(
        x: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5, statistics: Any = None
    ) -> Any:
        return torch.nn.functional.batch_norm(x, None, None, weight, bias, True, 0.1, eps)

    return batch_norm


def _torch_inference(torch: Any) -> Callable[..., Any]:
    """Its formula: PyTorch gives the statistics no gradient."""

    def batch_norm(
        x: Any, mean: Any, var: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5
    ) -> Any:
        over = (1, -1, *(1,) * (x.ndim - 2))
        expected = torch.nn.functional.batch_norm(
            x, mean.detach(), var.detach(), weight, bias, False, 0.1, eps
        )
        out = (x - mean.reshape(over)) / torch.sqrt(var.reshape(over) + eps)
        out = out if weight is None else out * weight.reshape(over)
        out = out if bias is None else out + bias.reshape(over)
        torch.testing.assert_close(out, expected)
        return out

    return batch_norm


def given(*shape: int) -> tuple[np.ndarray, ...]:
    """x and its mean, variance, weight and bias."""
    return (normal(*shape), normal(shape[1]), positive(shape[1]), *channels(*shape)[1:])


X = normal(4, 2, 3)
CASES: dict[str, list[Case]] = {
    "batch_norm": [
        Case(*channels(4, 3)),
        Case(*channels(3, 2, 4)),
        Case(*channels(2, 3, 2, 2)),
        Case(*channels(2, 3, 2, 2), eps=0.1),
        Case(normal(4, 3)),
        Case(normal(4, 3), normal(3)),
        Case(normal(4, 3), None, normal(3)),
        Case(normal(3, 2, 4).T, normal(2)[::-1], normal(2)),
        Case(normal(2, 2, 2, 3).transpose(0, 3, 1, 2), normal(3), normal(3)),
        Case(repeated(normal(3, 5), 2), normal(3), normal(3)),
        Case(*channels(0, 3), torch=False),
        Case(*channels(1, 3), order=0),
        Case(X, normal(2), normal(2), statistics=_statistics(X), order=0),
    ],
    "batch_norm_inference": [
        Case(*given(4, 3)),
        Case(*given(3, 2, 4)),
        Case(*given(2, 3, 2, 2), eps=0.1),
        Case(*given(4, 3)[:3]),
        Case(*given(4, 3)[:4]),
        Case(*given(4, 3)[:3], None, normal(3)),
        Case(normal(3, 2, 4).T, *given(1, 2)[1:]),
        Case(repeated(normal(3, 2), 2), *given(1, 3)[1:]),
        Case(*given(0, 3)),
        Case(*given(1, 1)),
    ],
    "batch_statistics": [
        Case(normal(4, 3)),
        Case(normal(3, 2, 4)),
        Case(normal(2, 3, 2, 2)),
        Case(normal(3, 2, 4).T),
        Case(normal(4, 3)[::-1]),
        Case(repeated(normal(3, 2), 2)),
        Case(normal(1, 3), torch=False),
        Case(normal(0, 3), torch=False),
    ],
}

REFERENCES: dict[str, Callable[..., Any]] = {
    "batch_norm": _training,
    "batch_norm_inference": _inference,
    "batch_statistics": _statistics,
}

TORCH: dict[str, Any] = {
    "batch_norm": _torch_training,
    "batch_norm_inference": _torch_inference,
    "batch_statistics": lambda torch: (
        lambda x: tuple(torch.var_mean(x, dim=_places(x), correction=0)[::-1])
    ),
}
