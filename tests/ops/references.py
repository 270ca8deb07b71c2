"""What each op must compute, written plainly: NumPy's function of that name, or one from here."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dgrad.core.stream import generator

__all__ = ["REFERENCES", "reference"]


def reference(name: str) -> Callable[..., Any]:
    """The function that op `name` must agree with."""
    return REFERENCES[name] if name in REFERENCES else getattr(np, name)


def _wide(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function in extended precision, where the plain formula does not cancel or overflow."""

    def reference(x: Any, **params: Any) -> Any:
        with np.errstate(over="ignore"):
            return np.asarray(function(np.asarray(x, np.longdouble), **params), np.float64)

    return reference


def _normal_cdf(x: Any) -> Any:
    return np.vectorize(lambda v: math.erfc(-v / math.sqrt(2)) / 2, otypes=[np.float64])(x)


def _gelu(x: Any, approximate: str = "none") -> Any:
    if approximate == "tanh":
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return x * _normal_cdf(x)


def _logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    with np.errstate(divide="ignore"):
        total = np.sum(np.exp(x), axis=axis, keepdims=keepdims)
        return np.log(total)


def _softmax(x: Any, axis: int = -1) -> Any:
    return np.exp(x) / np.sum(np.exp(x), axis=axis, keepdims=True)


def _scatter_add(x: Any, index: Any, shape: tuple[int, ...]) -> Any:
    out = np.zeros(shape)
    np.add.at(out, index, x)
    return out


def _linear(x: Any, weight: Any, bias: Any = None) -> Any:
    return np.einsum("...i,oi->...o", x, weight) + (0 if bias is None else bias)


def _flatten(x: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    start, end = start_dim % max(x.ndim, 1), end_dim % max(x.ndim, 1)
    joined = math.prod(x.shape[start : end + 1])
    return x.reshape((*x.shape[:start], joined, *x.shape[end + 1 :]))


def _reduced(values: Any, reduction: str) -> Any:
    return {"mean": np.mean, "sum": np.sum, "none": np.asarray}[reduction](values)


def _cross_entropy(logits: Any, target: Any, reduction: str = "mean") -> Any:
    picked = np.take_along_axis(
        np.asarray(logits, np.longdouble), target[..., None].astype(int), axis=-1
    )[..., 0]
    total = _logsumexp(np.asarray(logits, np.longdouble), axis=-1)
    return np.asarray(_reduced(total - picked, reduction), np.float64)


def _bce_with_logits(x: Any, target: Any, reduction: str = "mean") -> Any:
    x = np.asarray(x, np.longdouble)
    each = target * np.log1p(np.exp(-x)) + (1 - target) * np.log1p(np.exp(x))
    return np.asarray(_reduced(each, reduction), np.float64)


def _dropout(x: Any, p: float, key: Any) -> Any:
    kept = generator(key).random(np.shape(x), dtype=np.float32) >= p
    return np.where(kept, x / (1 - p or 1), 0.0)


REFERENCES: dict[str, Callable[..., Any]] = {
    "astype": lambda x, dtype: x.astype(dtype),
    "bce_with_logits": _bce_with_logits,
    "clip": lambda x, min=None, max=None: np.clip(x, min, max),
    "concatenate": lambda *xs, axis=0: np.concatenate(xs, axis=axis),
    "cross_entropy": _cross_entropy,
    "dropout": _dropout,
    "flatten": _flatten,
    "gelu": _gelu,
    "getitem": lambda x, index: x[index],
    "leaky_relu": lambda x, negative_slope=0.01: np.where(x > 0, x, x * negative_slope),
    "linear": _linear,
    "log_softmax": _wide(lambda x, axis=-1: x - _logsumexp(x, axis, keepdims=True)),
    "logsumexp": _wide(_logsumexp),
    "mse_loss": lambda x, target, reduction="mean": _reduced((x - target) ** 2, reduction),
    "normal_cdf": _normal_cdf,
    "pad": lambda x, pad_width, constant_values=0.0: np.pad(
        x, pad_width, constant_values=constant_values
    ),
    "relu": lambda x: np.where(x > 0, x, 0.0),
    "scatter_add": _scatter_add,
    "sigmoid": _wide(lambda x: 1 / (1 + np.exp(-x))),
    "silu": _wide(lambda x: x / (1 + np.exp(-x))),
    "softmax": _wide(_softmax),
    "softplus": _wide(lambda x, beta=1.0: np.log1p(np.exp(beta * x)) / beta),
    "stack": lambda *xs, axis=0: np.stack(xs, axis=axis),
}
