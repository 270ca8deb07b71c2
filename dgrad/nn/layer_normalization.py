"""Normalisation of each example over its features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from dgrad import ops
from dgrad.core.tensor import get_default_dtype
from dgrad.errors import ShapeError
from dgrad.nn.input_shapes import show_sizes
from dgrad.nn.module import Module, Parameter
from dgrad.registry import Count, Epsilon, layers

__all__ = ["LayerNorm", "RMSNorm", "weight_and_bias"]


def weight_and_bias(
    shape: tuple[int, ...], weight: bool, bias: bool
) -> tuple[Parameter | None, Parameter | None]:
    """A weight of ones and a bias of zeros, those that are wanted."""
    dtype = get_default_dtype()
    return (
        Parameter(np.ones(shape, dtype)) if weight else None,
        Parameter(np.zeros(shape, dtype)) if bias else None,
    )


class _OverFeatures(Module):
    """What both do: hold the shape that is normalised, infer it from the last axis."""

    inferred: ClassVar[tuple[str, ...]] = ("normalized_shape",)
    name: ClassVar[str]

    weight: Parameter | None
    bias: Parameter | None = None

    def __init__(self, normalized_shape: Any, eps: float | None, weight: bool, bias: bool) -> None:
        super().__init__()
        last = (normalized_shape,) if np.ndim(normalized_shape) == 0 else normalized_shape
        self.normalized_shape: tuple[int, ...] = tuple(last)
        self.eps = eps
        self.weight, self.bias = weight_and_bias(self.normalized_shape, weight, bias)

    def extra_repr(self) -> str:
        """The shape, and what is not as by default."""
        shown = show_sizes(self, "normalized_shape", "eps")
        return shown + ("" if self.weight is not None else ", elementwise_affine=False")

    @classmethod
    def infer(cls, *shapes: tuple[int, ...]) -> dict[str, Any]:
        """normalized_shape: the last axis. Raises ShapeError when there is none."""
        if not shapes[0]:
            wanted = "(batch, ..., features)"
            raise ShapeError(f"{cls.name}: needs inputs of shape {wanted}, got (batch,)")
        return {"normalized_shape": shapes[0][-1:]}


@layers.register("layer_norm")
class LayerNorm(_OverFeatures):
    """y = (x - mean) / sqrt(var + eps) * weight + bias, over the last axes.

    x: (..., *normalized_shape) -> same shape; weight, bias: normalized_shape. A config normalises
    the last axis; for images take `group_norm: 1`. Ba et al. 2016; PyTorch's LayerNorm.
    """

    name = "layer_norm"

    def __init__(
        self,
        normalized_shape: Count | Sequence[Count],
        eps: Epsilon = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
    ) -> None:
        super().__init__(normalized_shape, eps, elementwise_affine, elementwise_affine and bias)

    def forward(self, x: Any) -> Any:
        """x: (..., *normalized_shape) -> same shape."""
        return ops.layer_norm(
            x, self.weight, self.bias, normalized_shape=self.normalized_shape, eps=self.eps
        )

    def extra_repr(self) -> str:
        """The shape, and what is not as by default."""
        is_bare = self.weight is not None and self.bias is None
        return super().extra_repr() + (", bias=False" if is_bare else "")


@layers.register("rms_norm")
class RMSNorm(_OverFeatures):
    """y = x / sqrt(mean(x^2) + eps) * weight, over the last axes.

    x: (..., *normalized_shape) -> same shape; weight: normalized_shape. eps null: the distance
    from 1 to the next number of the dtype. Zhang & Sennrich 2019; PyTorch's RMSNorm.
    """

    name = "rms_norm"

    def __init__(
        self,
        normalized_shape: Count | Sequence[Count],
        eps: Epsilon | None = None,
        elementwise_affine: bool = True,
    ) -> None:
        super().__init__(normalized_shape, eps, elementwise_affine, False)

    def forward(self, x: Any) -> Any:
        """x: (..., *normalized_shape) -> same shape."""
        return ops.rms_norm(x, self.weight, normalized_shape=self.normalized_shape, eps=self.eps)
