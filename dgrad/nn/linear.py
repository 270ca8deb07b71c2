"""Fully connected layers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import numpy as np

from dgrad.core.tensor import Tensor, get_default_dtype
from dgrad.errors import ParameterError, ShapeError
from dgrad.nn import init as initialise
from dgrad.nn.module import Module, Parameter
from dgrad.ops.matrix_products import linear
from dgrad.registry import Count, layers

__all__ = ["Identity", "Linear"]

Scheme = Literal[
    "default", "xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal", "orthogonal"
]
_SCHEMES: dict[str, Callable[[Tensor], Tensor]] = {
    "xavier_uniform": initialise.xavier_uniform_,
    "xavier_normal": initialise.xavier_normal_,
    "kaiming_uniform": initialise.kaiming_uniform_,
    "kaiming_normal": initialise.kaiming_normal_,
    "orthogonal": initialise.orthogonal_,
}


@layers.register("linear")
class Linear(Module):
    """y = x W^T + b.   x: (..., in_features) -> (..., out_features).

    weight: (out_features, in_features), bias: (out_features,). init "default" draws both from
    U(-k, k), k = 1 / sqrt(in_features); another scheme of dgrad.nn.init leaves the bias at 0.
    """

    inferred: ClassVar[tuple[str, ...]] = ("in_features",)

    def __init__(
        self,
        in_features: Count,
        out_features: Count,
        bias: bool = True,
        *,
        init: Scheme = "default",
    ) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.weight = Parameter.empty(out_features, in_features)
        self.bias = Parameter(np.zeros(out_features, get_default_dtype())) if bias else None
        if init == "default":
            self.reset_parameters()
        elif init in _SCHEMES:
            _SCHEMES[init](self.weight)
        else:
            known = ", ".join(["default", *_SCHEMES])
            raise ParameterError("linear", "init", f"one of {known}", init)

    def reset_parameters(self) -> None:
        """Draw weight and bias anew from the default scheme."""
        bound = 1 / math.sqrt(self.in_features)
        initialise.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            initialise.uniform_(self.bias, -bound, bound)

    def forward(self, x: Any) -> Tensor:
        """x: (..., in_features) -> (..., out_features)."""
        return linear(x, self.weight, self.bias)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        """The sizes, and whether there is a bias."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )

    @classmethod
    def infer(cls, *shapes: tuple[int, ...]) -> dict[str, Any]:
        """in_features: the length of the last axis. Raises ShapeError when there is none."""
        if not shapes[0]:
            raise ShapeError("linear: needs inputs of shape (batch, features), got (batch,)")
        return {"in_features": shapes[0][-1]}

    @classmethod
    def example(cls, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Four features to three."""
        return (rng.normal(size=(3, 4)),), {"out_features": 3}


@layers.register("identity")
class Identity(Module):
    """y = x.   x: any shape -> same shape."""

    def forward(self, x: Any) -> Any:
        """x itself."""
        return x
