"""Activation functions, elementwise, and softmax with log_softmax along one axis.

Of integers and booleans they are floats (see as_floats); only relu keeps the dtype, and tanh is
NumPy's own.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from dgrad.core.op import op
from dgrad.errors import ParameterError
from dgrad.ops.floats import as_floats
from dgrad.ops.special import normal_cdf

__all__ = [
    "gelu",
    "leaky_relu",
    "log_softmax",
    "relu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "tanh",
]


@op(numpy=np.tanh, methods=("tanh",))
def tanh(x: Any) -> Any:
    """Hyperbolic tangent. x: any shape -> same shape."""
    return np.tanh(x)


tanh.vjp(x=lambda g, out: g * (1 - out * out))


@op(methods=("sigmoid",))
def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)), accurate in both tails. x: any shape -> same shape."""
    x = as_floats(x)
    return np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))  # no exponent is above 0


sigmoid.vjp(x=lambda g, out: g * (out * (1 - out)))


@op(methods=("relu",))
def relu(x: Any) -> Any:
    """max(x, 0); its gradient at 0 is 0. x: any shape -> same shape."""
    return np.maximum(x, 0)


relu.vjp(x=lambda g, out: g * np.greater(out, 0))


@op
def leaky_relu(x: Any, *, negative_slope: float = 0.01) -> Any:
    """x where x > 0, else negative_slope * x (Maas et al. 2013). x: any shape -> same shape."""
    x = as_floats(x)
    return np.where(np.greater(x, 0), x, np.multiply(x, negative_slope))


leaky_relu.vjp(
    x=lambda g, x, negative_slope: np.where(np.greater(x, 0), g, g * negative_slope),
)


@op
def silu(x: Any) -> Any:
    """x * sigmoid(x) (Elfwing et al. 2017). x: any shape -> same shape."""
    x = as_floats(x)
    return x * sigmoid(x)


def _silu_rule(g: Any, x: Any) -> Any:
    s = sigmoid(x)
    return g * (s * (1 + x * (1 - s)))


silu.vjp(x=_silu_rule)


@op
def softplus(x: Any, *, beta: float = 1.0) -> Any:
    """log(1 + exp(beta x)) / beta, without overflow. x: any shape -> same shape."""
    return np.logaddexp(np.multiply(as_floats(x), beta), 0) / beta


softplus.vjp(x=lambda g, x, beta: g * sigmoid(x * beta))

SQRT_2_OVER_PI = 0.7978845608028654
GELU_CUBIC = 0.044715


@op(keeps=("gate",))
def gelu(x: Any, *, approximate: Literal["none", "tanh"] = "none") -> Any:
    """x * Phi(x), Phi the normal distribution function (Hendrycks & Gimpel 2016).

    approximate="tanh": x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))). x: any shape -> same shape.
    """
    x = as_floats(x)
    gate = _gelu_gate(x, approximate)
    return x * gate, gate


def _gelu_gate(x: Any, approximate: str) -> Any:
    """What gelu multiplies x by, between 0 and 1."""
    if approximate == "tanh":
        return (np.tanh((x * x * GELU_CUBIC + 1) * x * SQRT_2_OVER_PI) + 1) * 0.5
    if approximate == "none":
        return normal_cdf(x)
    raise ParameterError("gelu", "approximate", "none or tanh", approximate)


def _gelu_slope(g: Any, x: Any, gate: Any, approximate: str) -> Any:
    square = x * x
    if approximate == "tanh":
        inner = (square * (3 * GELU_CUBIC) + 1) * (2 * SQRT_2_OVER_PI)
        return g * (gate + x * (gate * (1 - gate) * inner))
    return g * (gate + x * np.exp(square * -0.5) * (SQRT_2_OVER_PI / 2))


gelu.vjp(
    x=lambda g, x, approximate: _gelu_slope(g, x, _gelu_gate(x, approximate), approximate),
)
gelu.fast_vjp(x=_gelu_slope)  # spares the distribution function: 3x


@op(methods=("softmax",))
def softmax(x: Any, *, axis: int = -1) -> Any:
    """exp(x) / sum(exp(x)) along axis, shifted by the maximum. x: any shape -> same shape."""
    x = as_floats(x)
    e = np.exp(x - np.maximum.reduce(x, axis=axis, keepdims=True))
    return e / np.add.reduce(e, axis=axis, keepdims=True)


def _softmax_rule(g: Any, out: Any, axis: int) -> Any:
    weighted = g * out
    return weighted - out * np.add.reduce(weighted, axis=axis, keepdims=True)


softmax.vjp(x=_softmax_rule)


@op(methods=("log_softmax",))
def log_softmax(x: Any, *, axis: int = -1) -> Any:
    """x - log(sum(exp(x))) along axis, shifted by the maximum. x: any shape -> same shape."""
    x = as_floats(x)
    shifted = x - np.maximum.reduce(x, axis=axis, keepdims=True)
    return shifted - np.log(np.add.reduce(np.exp(shifted), axis=axis, keepdims=True))


log_softmax.vjp(
    x=lambda g, out, axis: g - np.exp(out) * np.add.reduce(g, axis=axis, keepdims=True),
)
