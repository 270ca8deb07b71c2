"""Activation functions as layers. x: any shape -> same shape."""

from __future__ import annotations

from typing import Any, Literal

from dgrad import ops
from dgrad.nn.module import Module
from dgrad.registry import Positive, layers

__all__ = [
    "GELU",
    "LeakyReLU",
    "LogSoftmax",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
]


@layers.register("relu")
class ReLU(Module):
    """y = max(x, 0).   x: any shape -> same shape."""

    def forward(self, x: Any) -> Any:
        """x: any shape -> same shape."""
        return ops.relu(x)


@layers.register("leaky_relu")
class LeakyReLU(Module):
    """y = x where x > 0, else negative_slope x.   x: any shape -> same shape. Maas et al. 2013."""

    def __init__(self, negative_slope: float = 0.01) -> None:
        super().__init__()
        self.negative_slope = negative_slope

    def forward(self, x: Any) -> Any:
        """x: any shape -> same shape."""
        return ops.leaky_relu(x, negative_slope=self.negative_slope)

    def extra_repr(self) -> str:
        """The slope."""
        return f"negative_slope={self.negative_slope}"


@layers.register("tanh")
class Tanh(Module):
    """y = tanh(x).   x: any shape -> same shape."""

    def forward(self, x: Any) -> Any:
        """x: any shape -> same shape."""
        return ops.tanh(x)


@layers.register("sigmoid")
class Sigmoid(Module):
    """y = 1 / (1 + exp(-x)).   x: any shape -> same shape."""

    def forward(self, x: Any) -> Any:
        """x: any shape -> same shape."""
        return ops.sigmoid(x)


@layers.register("gelu")
class GELU(Module):
    """y = x Phi(x), Phi the normal distribution function.   x: any shape -> same shape.

    approximate "tanh": the faster formula of Hendrycks & Gimpel 2016.
    """

    def __init__(self, approximate: Literal["none", "tanh"] = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, x: Any) -> Any:
        """x: any shape -> same shape."""
        return ops.gelu(x, approximate=self.approximate)

    def extra_repr(self) -> str:
        """The formula."""
        return f"approximate={self.approximate!r}"


@layers.register("silu")
class SiLU(Module):
    """y = x sigmoid(x).   x: any shape -> same shape. Elfwing et al. 2017."""

    def forward(self, x: Any) -> Any:
        """x: any shape -> same shape."""
        return ops.silu(x)


@layers.register("softplus")
class Softplus(Module):
    """y = log(1 + exp(beta x)) / beta.   x: any shape -> same shape."""

    def __init__(self, beta: Positive = 1.0) -> None:
        super().__init__()
        self.beta = beta

    def forward(self, x: Any) -> Any:
        """x: any shape -> same shape."""
        return ops.softplus(x, beta=self.beta)

    def extra_repr(self) -> str:
        """The sharpness."""
        return f"beta={self.beta}"


@layers.register("softmax")
class Softmax(Module):
    """y = exp(x) / sum(exp(x)) along axis dim.   x: any shape -> same shape."""

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: Any) -> Any:
        """x: any shape -> same shape."""
        return ops.softmax(x, axis=self.dim)

    def extra_repr(self) -> str:
        """The axis."""
        return f"dim={self.dim}"


@layers.register("log_softmax")
class LogSoftmax(Module):
    """y = x - log(sum(exp(x))) along axis dim.   x: any shape -> same shape."""

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: Any) -> Any:
        """x: any shape -> same shape."""
        return ops.log_softmax(x, axis=self.dim)

    def extra_repr(self) -> str:
        """The axis."""
        return f"dim={self.dim}"
