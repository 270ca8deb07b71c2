"""Smooth activation functions, gates and softmax as layers."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from dgrad import ops
from dgrad.nn.elementwise import Elementwise
from dgrad.nn.module import Module
from dgrad.registry import Positive, layers

__all__ = [
    "GELU",
    "GLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softmin",
    "Softplus",
    "Softsign",
    "Tanh",
    "Tanhshrink",
]


@layers.register("tanh")
class Tanh(Elementwise):
    """y = tanh(x).   x: any shape -> same shape."""

    op = ops.tanh


@layers.register("sigmoid")
class Sigmoid(Elementwise):
    """y = 1 / (1 + exp(-x)).   x: any shape -> same shape."""

    op = ops.sigmoid


@layers.register("log_sigmoid")
class LogSigmoid(Elementwise):
    """y = log(1 / (1 + exp(-x))).   x: any shape -> same shape."""

    op = ops.logsigmoid


@layers.register("gelu")
class GELU(Elementwise):
    """y = x Phi(x), Phi the normal distribution function.   x: any shape -> same shape.

    approximate "tanh": the faster formula of Hendrycks & Gimpel 2016.
    """

    op = ops.gelu

    def __init__(self, approximate: Literal["none", "tanh"] = "none") -> None:
        super().__init__(approximate=approximate)


@layers.register("silu")
class SiLU(Elementwise):
    """y = x sigmoid(x).   x: any shape -> same shape. Elfwing et al. 2017."""

    op = ops.silu


@layers.register("mish")
class Mish(Elementwise):
    """y = x tanh(log(1 + exp(x))).   x: any shape -> same shape. Misra 2019."""

    op = ops.mish


@layers.register("softplus")
class Softplus(Elementwise):
    """y = log(1 + exp(beta x)) / beta.   x: any shape -> same shape.

    PyTorch gives x itself where beta x > threshold. This needs no threshold: its formula does not
    overflow, and beyond PyTorch's default, 20, both differ by less than 1.1e-10 of their value.
    """

    op = ops.softplus

    def __init__(self, beta: Positive = 1.0) -> None:
        super().__init__(beta=beta)


@layers.register("softsign")
class Softsign(Elementwise):
    """y = x / (1 + |x|).   x: any shape -> same shape."""

    op = ops.softsign


@layers.register("tanhshrink")
class Tanhshrink(Elementwise):
    """y = x - tanh(x).   x: any shape -> same shape."""

    op = ops.tanhshrink


class _AlongAxis(Module):
    """An op along the axis `dim`, counted with the batch as 0."""

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def extra_repr(self) -> str:
        """The axis."""
        return f"dim={self.dim}"


@layers.register("softmax")
class Softmax(_AlongAxis):
    """y = exp(x) / sum(exp(x)) along axis dim.   x: any shape -> same shape."""

    def forward(self, x: Any) -> Any:
        """x: any shape -> same shape."""
        return ops.softmax(x, axis=self.dim)


@layers.register("log_softmax")
class LogSoftmax(_AlongAxis):
    """y = x - log(sum(exp(x))) along axis dim.   x: any shape -> same shape."""

    def forward(self, x: Any) -> Any:
        """x: any shape -> same shape."""
        return ops.log_softmax(x, axis=self.dim)


@layers.register("softmin")
class Softmin(_AlongAxis):
    """y = exp(-x) / sum(exp(-x)) along axis dim.   x: any shape -> same shape."""

    def forward(self, x: Any) -> Any:
        """x: any shape -> same shape."""
        return ops.softmin(x, axis=self.dim)


@layers.register("glu")
class GLU(_AlongAxis):
    """y = a sigmoid(b), a and b the halves of x along axis dim. Dauphin et al. 2016.

    x: (..., 2 m, ...) -> (..., m, ...).
    """

    def forward(self, x: Any) -> Any:
        """x: (..., 2 m, ...) -> (..., m, ...)."""
        return ops.glu(x, axis=self.dim)

    @classmethod
    def example(cls, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """An even number of features."""
        return (rng.normal(size=(3, 4)),), {}
