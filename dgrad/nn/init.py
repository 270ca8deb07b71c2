"""Initial values: each scheme fills a Tensor in place, drawing from dgrad's stream.

Draws are made in float64 and rounded to the Tensor's dtype, so a float32 and a float64 model of
one seed start from the same numbers. Each is registered without its underscore, so a layer's `init`
may be `orthogonal` or `normal: {std: 0.02}` in a config.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar, cast

import numpy as np

from dgrad.core.stream import current, generator
from dgrad.core.tensor import Tensor
from dgrad.core.versions import mark_written
from dgrad.errors import ParameterError, ShapeError
from dgrad.registry import NonNegative, Positive, Range, initialisers

__all__ = [
    "Init",
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "fill",
    "fill_layer",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

Mode = Literal["fan_in", "fan_out"]
Nonlinearity = Literal["linear", "sigmoid", "tanh", "relu", "selu", "leaky_relu"]

Init = Annotated[Any, initialisers]
"""How a layer's `init` says where a weight starts: a scheme's name, or a function that fills it."""

F = TypeVar("F", bound=Callable[..., Any])


def _scheme(function: F) -> F:
    """Register `function` without its underscore; a config leaves the tensor out."""
    function.supplied = ("tensor",)  # type: ignore[attr-defined]
    return cast(F, initialisers.register(function.__name__.removesuffix("_"))(function))


def fill(layer: str, tensor: Tensor, init: Any) -> Tensor:
    """Fill `tensor` by a scheme's name or a function of it; ParameterError names the layer."""
    if callable(init):
        init(tensor)
    elif init in initialisers:
        initialisers[init](tensor)
    else:
        known = ", ".join(initialisers)
        raise ParameterError(layer, "init", f"a function or one of {known}", init)
    return tensor


def fill_layer(
    layer: str,
    weight: Tensor,
    bias: Tensor | None,
    init: Any = None,
    *,
    bound: float | None = None,
) -> None:
    """Fill `weight` as `init` says, and `bias` with 0.

    init None: both from U(-k, k), k = bound or else 1 / sqrt(fan_in) of the weight, as PyTorch's
    layers do (kaiming_uniform with a = sqrt(5); LeCun et al. 1998, section 4.6, but for a factor).
    """
    if init is not None:
        fill(layer, weight, init)
        if bias is not None:
            zeros_(bias)
        return
    if bound is None:
        bound = 1 / math.sqrt(max(_fans(weight)[0], 1))
    for tensor in (weight, bias):
        if tensor is not None:
            uniform_(tensor, -bound, bound)


def _draw() -> np.random.Generator:
    return generator(current().key())


def _fill(tensor: Tensor, values: Any) -> Tensor:
    """Overwrite the elements, whatever the gradient mode; backward is told of it."""
    mark_written(tensor.data, "an initialisation")
    tensor.data[...] = values
    return tensor


@_scheme
def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0) -> Tensor:
    """Draw from U(a, b). Raises ParameterError if a > b."""
    if a > b:
        raise ParameterError("uniform", "b", f"at least a = {a}", b)
    return _fill(tensor, _draw().uniform(a, b, tensor.shape))


@_scheme
def normal_(tensor: Tensor, mean: float = 0.0, std: NonNegative = 1.0) -> Tensor:
    """Draw from N(mean, std^2)."""
    return _fill(tensor, _draw().normal(mean, std, tensor.shape))


@_scheme
def trunc_normal_(
    tensor: Tensor, mean: float = 0.0, std: Positive = 1.0, a: float = -2.0, b: float = 2.0
) -> Tensor:
    """Draw from N(mean, std^2), drawing again what lies outside [a, b] (Robert 1995, section 1).

    Raises ParameterError if a >= b, or if less than one draw in 10,000 would lie inside.
    """
    if not a < b:
        raise ParameterError("trunc_normal", "b", f"above a = {a}", b)
    if _share(mean, std, a, b) < 1e-4:
        raise ParameterError("trunc_normal", "mean", f"nearer to [{a}, {b}], std being {std}", mean)
    rng = _draw()
    values = rng.normal(mean, std, tensor.shape)
    while np.any(outside := (values < a) | (values > b)):
        values[outside] = rng.normal(mean, std, np.count_nonzero(outside))
    return _fill(tensor, values)


def _share(mean: float, std: float, a: float, b: float) -> float:
    """How much of N(mean, std^2) lies in [a, b]."""
    low, high = ((x - mean) / (std * math.sqrt(2)) for x in (a, b))
    return (math.erf(high) - math.erf(low)) / 2


@_scheme
def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with val."""
    return _fill(tensor, val)


@_scheme
def zeros_(tensor: Tensor) -> Tensor:
    """Fill with 0."""
    return constant_(tensor, 0.0)


@_scheme
def ones_(tensor: Tensor) -> Tensor:
    """Fill with 1."""
    return constant_(tensor, 1.0)


@_scheme
def eye_(tensor: Tensor) -> Tensor:
    """The identity matrix, so that a linear layer keeps its inputs. Le, Jaitly & Hinton 2015.

    Two axes, or ShapeError.
    """
    if tensor.ndim != 2:
        raise ShapeError(f"eye needs a weight of two axes, got shape {tensor.shape}; use dirac")
    return _fill(tensor, np.eye(tensor.shape[0], tensor.shape[1]))


@_scheme
def dirac_(tensor: Tensor, groups: Annotated[int, Range(low=1)] = 1) -> Tensor:
    """1 at the centre of kernel i's own channel i, else 0: a convolution keeps its channels.

    tensor: (out, in, ...) of 3 to 5 axes, else ShapeError; groups divides out. In each group the
    channels beyond the smaller of out / groups and in are 0. Zagoruyko & Komodakis 2017.
    """
    if not 3 <= tensor.ndim <= 5:
        raise ShapeError(f"dirac needs a convolution's weight, got shape {tensor.shape}; use eye")
    if tensor.shape[0] % groups:
        raise ParameterError("dirac", "groups", f"a divisor of {tensor.shape[0]}", groups)
    each = tensor.shape[0] // groups
    kept = np.arange(each)[:, None] == np.arange(tensor.shape[1])  # (out / groups, in)
    centre = np.zeros(tensor.shape[2:])
    centre[tuple(n // 2 for n in centre.shape)] = 1.0
    return _fill(tensor, np.multiply.outer(np.tile(kept, (groups, 1)), centre))


@_scheme
def sparse_(
    tensor: Tensor, sparsity: Annotated[float, Range(0, 1)], std: NonNegative = 0.01
) -> Tensor:
    """N(0, std^2), and a share `sparsity` of each column 0. Two axes. Martens 2010, section 5."""
    if tensor.ndim != 2:
        raise ShapeError(f"sparse needs a weight of two axes, got shape {tensor.shape}")
    rng = _draw()
    values = rng.normal(0.0, std, tensor.shape)
    order = rng.permuted(np.tile(np.arange(len(values))[:, None], values.shape[1]), axis=0)
    values[order < math.ceil(sparsity * len(values))] = 0.0
    return _fill(tensor, values)


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


@_scheme
def xavier_uniform_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """U(-a, a), a = gain sqrt(6 / (fan_in + fan_out)). Glorot & Bengio 2010, eq. 16."""
    bound = gain * math.sqrt(6 / max(sum(_fans(tensor)), 1))
    return uniform_(tensor, -bound, bound)


@_scheme
def xavier_normal_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """N(0, s^2), s = gain sqrt(2 / (fan_in + fan_out)). Glorot & Bengio 2010, eq. 12."""
    return normal_(tensor, 0.0, gain * math.sqrt(2 / max(sum(_fans(tensor)), 1)))


def _kaiming_std(tensor: Tensor, a: float, mode: Mode, nonlinearity: str) -> float:
    fan = _fans(tensor)[0 if mode == "fan_in" else 1]
    return calculate_gain(nonlinearity, a) / math.sqrt(max(fan, 1))


@_scheme
def kaiming_uniform_(
    tensor: Tensor, a: float = 0.0, mode: Mode = "fan_in", nonlinearity: Nonlinearity = "leaky_relu"
) -> Tensor:
    """U(-b, b), b = gain sqrt(3 / fan); a: slope of the leaky ReLU. He et al. 2015, eq. 10, 14."""
    bound = math.sqrt(3) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound)


@_scheme
def kaiming_normal_(
    tensor: Tensor, a: float = 0.0, mode: Mode = "fan_in", nonlinearity: Nonlinearity = "leaky_relu"
) -> Tensor:
    """N(0, s^2), s = gain / sqrt(fan); a: slope of the leaky ReLU. He et al. 2015, eq. 10, 14."""
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity))


@_scheme
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
