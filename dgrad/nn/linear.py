"""Fully connected layers."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from dgrad.core.tensor import Tensor, get_default_dtype
from dgrad.errors import ShapeError
from dgrad.nn.init import Init, fill_layer
from dgrad.nn.module import Module, Parameter
from dgrad.ops.matrix_products import linear
from dgrad.registry import Count, layers

__all__ = ["Identity", "Linear"]


@layers.register("linear")
class Linear(Module):
    """y = x W^T + b.   x: (..., in_features) -> (..., out_features).

    weight: (out_features, in_features), bias: (out_features,). Both start from U(-k, k),
    k = 1 / sqrt(in_features); with init, a scheme of dgrad.nn.init, the bias starts at 0.
    """

    inferred: ClassVar[tuple[str, ...]] = ("in_features",)

    def __init__(
        self,
        in_features: Count,
        out_features: Count,
        bias: bool = True,
        *,
        init: Init | None = None,
    ) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.weight = Parameter.empty(out_features, in_features)
        self.bias = Parameter(np.zeros(out_features, get_default_dtype())) if bias else None
        fill_layer("linear", self.weight, self.bias, init)

    def reset_parameters(self) -> None:
        """Draw weight and bias anew from the default scheme."""
        fill_layer("linear", self.weight, self.bias)

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
