"""Fully connected layers."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from dgrad import ops
from dgrad.core.tensor import Tensor, get_default_dtype
from dgrad.errors import ShapeError
from dgrad.nn.init import Init, fill_layer
from dgrad.nn.input_shapes import with_batch
from dgrad.nn.module import Module, Parameter
from dgrad.ops.matrix_products import linear
from dgrad.registry import Count, layers

__all__ = ["Bilinear", "Identity", "Linear"]


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


@layers.register("bilinear")
class Bilinear(Module):
    """y_o = x1^T W_o x2 + b_o, of two inputs.

    x1: (..., in1_features), x2: (..., in2_features), the rest equal -> (..., out_features).
    weight: (out_features, in1_features, in2_features), bias: (out_features,). Both start from
    U(-k, k), k = 1 / sqrt(in1_features), as PyTorch's Bilinear; with init the bias starts at 0.
    """

    inferred: ClassVar[tuple[str, ...]] = ("in1_features", "in2_features")
    arity: ClassVar[tuple[int, int | None]] = (2, 2)

    def __init__(
        self,
        in1_features: Count,
        in2_features: Count,
        out_features: Count,
        bias: bool = True,
        *,
        init: Init | None = None,
    ) -> None:
        super().__init__()
        self.in1_features = in1_features
        self.in2_features = in2_features
        self.out_features = out_features
        self.weight = Parameter.empty(out_features, in1_features, in2_features)
        self.bias = Parameter(np.zeros(out_features, get_default_dtype())) if bias else None
        bound = 1 / math.sqrt(in1_features)
        fill_layer("bilinear", self.weight, self.bias, init, bound=bound)

    def forward(self, x1: Any, x2: Any) -> Tensor:
        """x1: (..., in1_features), x2: (..., in2_features) -> (..., out_features)."""
        pairs = self.in1_features * self.in2_features
        products = ops.expand_dims(x1, axis=-1) * ops.expand_dims(x2, axis=-2)
        return ops.linear(  # type: ignore[no-any-return]
            ops.reshape(products, shape=(*np.shape(x1)[:-1], pairs)),
            ops.reshape(self.weight, shape=(self.out_features, pairs)),
            self.bias,
        )

    def extra_repr(self) -> str:
        """The sizes, and whether there is a bias."""
        sizes = ("in1_features", "in2_features", "out_features")
        shown = ", ".join(f"{name}={getattr(self, name)}" for name in sizes)
        return f"{shown}, bias={self.bias is not None}"

    @classmethod
    def infer(cls, *shapes: tuple[int, ...]) -> dict[str, Any]:
        """The lengths of the last axes. Raises ShapeError where the others differ."""
        if len(shapes) != 2 or not all(shapes) or shapes[0][:-1] != shapes[1][:-1]:
            shown = " and ".join(map(with_batch, shapes))
            raise ShapeError(f"bilinear: needs two inputs of shape (batch, features), got {shown}")
        return {"in1_features": shapes[0][-1], "in2_features": shapes[1][-1]}

    @classmethod
    def example(cls, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Four features and two to three."""
        return (rng.normal(size=(3, 4)), rng.normal(size=(3, 2))), {"out_features": 3}


@layers.register("identity")
class Identity(Module):
    """y = x.   x: any shape -> same shape."""

    def forward(self, x: Any) -> Any:
        """x itself."""
        return x
