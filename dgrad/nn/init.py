"""Initial values: each scheme fills a Tensor in place, drawing from dgrad's stream.

Draws are made in float64 and rounded to the Tensor's dtype, so a float32 and a float64 model of
one seed start from the same numbers.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from dgrad.core.stream import current, generator
from dgrad.core.tensor import Tensor
from dgrad.core.versions import mark_written
from dgrad.errors import ParameterError, ShapeError

__all__ = [
    "calculate_gain",
    "constant_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

Mode = Literal["fan_in", "fan_out"]


def _draw() -> np.random.Generator:
    return generator(current().key())


def _fill(tensor: Tensor, values: Any) -> Tensor:
    """Overwrite the elements, whatever the gradient mode; backward is told of it."""
    mark_written(tensor.data, "an initialisation")
    tensor.data[...] = values
    return tensor


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0) -> Tensor:
    """Draw from U(a, b)."""
    return _fill(tensor, _draw().uniform(a, b, tensor.shape))


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0) -> Tensor:
    """Draw from N(mean, std^2)."""
    return _fill(tensor, _draw().normal(mean, std, tensor.shape))


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with val."""
    return _fill(tensor, val)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with 0."""
    return constant_(tensor, 0.0)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with 1."""
    return constant_(tensor, 1.0)


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor that keeps the variance through a nonlinearity, as in PyTorch's table.

    leaky_relu: sqrt(2 / (1 + param^2)), param its negative slope, 0.01 if None (He et al. 2015).
    """
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    gains = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 0.75}
    if nonlinearity not in gains:
        known = ", ".join(sorted([*gains, "leaky_relu"]))
        raise ParameterError("calculate_gain", "nonlinearity", f"one of {known}", nonlinearity)
    return gains[nonlinearity]


def _fans(tensor: Tensor) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight of shape (out, in, ...): the further axes are a kernel's."""
    if tensor.ndim < 2:
        raise ShapeError(
            f"fan_in and fan_out need a weight of two axes or more, got shape {tensor.shape}; "
            f"use uniform_, normal_ or zeros_ for it"
        )
    kernel = math.prod(tensor.shape[2:])
    return tensor.shape[1] * kernel, tensor.shape[0] * kernel


def xavier_uniform_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """U(-a, a), a = gain sqrt(6 / (fan_in + fan_out)). Glorot & Bengio 2010, eq. 16."""
    bound = gain * math.sqrt(6 / max(sum(_fans(tensor)), 1))
    return uniform_(tensor, -bound, bound)


def xavier_normal_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """N(0, s^2), s = gain sqrt(2 / (fan_in + fan_out)). Glorot & Bengio 2010, eq. 12."""
    return normal_(tensor, 0.0, gain * math.sqrt(2 / max(sum(_fans(tensor)), 1)))


def _kaiming_std(tensor: Tensor, a: float, mode: Mode, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ParameterError("kaiming", "mode", "fan_in or fan_out", mode)
    fan = _fans(tensor)[0 if mode == "fan_in" else 1]
    return calculate_gain(nonlinearity, a) / math.sqrt(max(fan, 1))


def kaiming_uniform_(
    tensor: Tensor, a: float = 0.0, mode: Mode = "fan_in", nonlinearity: str = "leaky_relu"
) -> Tensor:
    """U(-b, b), b = gain sqrt(3 / fan); a: slope of the leaky ReLU. He et al. 2015, eq. 10, 14."""
    bound = math.sqrt(3) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound)


def kaiming_normal_(
    tensor: Tensor, a: float = 0.0, mode: Mode = "fan_in", nonlinearity: str = "leaky_relu"
) -> Tensor:
    """N(0, s^2), s = gain / sqrt(fan); a: slope of the leaky ReLU. He et al. 2015, eq. 10, 14."""
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity))


def orthogonal_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """gain times a random orthogonal matrix, trailing axes joined. Saxe et al. 2013.

    Rows are orthonormal, or columns when there are fewer of them. Uniform over all such matrices
    by fixing the signs of the QR decomposition (Mezzadri 2007).
    """
    _fans(tensor)
    rows = tensor.shape[0]
    columns = math.prod(tensor.shape[1:])
    tall = _draw().normal(size=(max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(tall)
    q *= np.where(np.diagonal(r) < 0, -1.0, 1.0)
    return _fill(tensor, gain * (q.T if rows < columns else q).reshape(tensor.shape))
