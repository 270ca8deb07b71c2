"""Normalisation of each example by itself: over its features, or over groups of channels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from dgrad import ops
from dgrad.core.tensor import get_default_dtype
from dgrad.errors import ParameterError, ShapeError
from dgrad.nn.layout import channels_of, show_sizes
from dgrad.nn.module import Module, Parameter
from dgrad.nn.shapes import with_batch
from dgrad.registry import Count, Positive, layers

__all__ = ["GroupNorm", "InstanceNorm", "InstanceNorm1d", "InstanceNorm2d", "LayerNorm", "RMSNorm"]


def _affine(
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
        self.weight, self.bias = _affine(self.normalized_shape, weight, bias)

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
        eps: Positive = 1e-5,
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
        eps: Positive | None = None,
        elementwise_affine: bool = True,
    ) -> None:
        super().__init__(normalized_shape, eps, elementwise_affine, False)

    def forward(self, x: Any) -> Any:
        """x: (..., *normalized_shape) -> same shape."""
        return ops.rms_norm(x, self.weight, normalized_shape=self.normalized_shape, eps=self.eps)


@layers.register("group_norm")
class GroupNorm(Module):
    """y = (x - mean) / sqrt(var + eps) * weight + bias, over each group of channels.

    x: (n, c, ...) -> same shape; weight, bias: (c,). num_groups divides c; with 1 all channels of
    an image are normalised together. Wu & He 2018; PyTorch's GroupNorm.
    """

    inferred: ClassVar[tuple[str, ...]] = ("num_channels",)

    def __init__(
        self, num_groups: Count, num_channels: Count, eps: Positive = 1e-5, affine: bool = True
    ) -> None:
        super().__init__()
        if num_channels % num_groups:
            wanted = f"a divisor of the {num_channels} channels"
            raise ParameterError("group_norm", "num_groups", wanted, num_groups)
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.weight, self.bias = _affine((num_channels,), affine, affine)

    def forward(self, x: Any) -> Any:
        """x: (n, c, ...) -> same shape."""
        return ops.group_norm(x, self.weight, self.bias, groups=self.num_groups, eps=self.eps)

    def extra_repr(self) -> str:
        """The sizes, and what is not as by default."""
        shown = show_sizes(self, "num_groups", "num_channels", eps=1e-5)
        return shown + ("" if self.weight is not None else ", affine=False")

    @classmethod
    def infer(cls, *shapes: tuple[int, ...]) -> dict[str, Any]:
        """num_channels: the length of the first axis after the batch. Raises ShapeError."""
        return {"num_channels": channels_of("group_norm", shapes[0], 0, 1, 2)}

    @classmethod
    def example(cls, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Two groups of two channels."""
        return (rng.normal(size=(2, 4, 3)),), {"num_groups": 2}


@layers.register("instance_norm")
class InstanceNorm(Module):
    """y = (x - mean) / sqrt(var + eps) * weight + bias, over each channel of each example.

    x: (n, c, l) or (n, c, h, w) -> same shape; weight, bias: (c,) if affine. Statistics are always
    the example's own. Ulyanov et al. 2016; PyTorch's InstanceNorm1d and 2d.
    """

    inferred: ClassVar[tuple[str, ...]] = ("num_features",)
    places: ClassVar[tuple[int, ...]] = (1, 2)

    def __init__(self, num_features: Count, eps: Positive = 1e-5, affine: bool = False) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.weight, self.bias = _affine((num_features,), affine, affine)

    def forward(self, x: Any) -> Any:
        """x: (n, c, ...) -> same shape."""
        return ops.instance_norm(x, self.weight, self.bias, eps=self.eps)

    def extra_repr(self) -> str:
        """The channels, and what is not as by default."""
        shown = show_sizes(self, "num_features", eps=1e-5)
        return shown + (", affine=True" if self.weight is not None else "")

    @classmethod
    def infer(cls, *shapes: tuple[int, ...]) -> dict[str, Any]:
        """num_features: the length of the first axis after the batch. Raises ShapeError."""
        channels = channels_of("instance_norm", shapes[0], *cls.places)
        if math.prod(shapes[0][1:]) == 1:
            got = with_batch(shapes[0])
            raise ShapeError(
                f"instance_norm: {got} has one value per channel, of which nothing is left"
            )
        return {"num_features": channels}

    @classmethod
    def example(cls, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Two channels, with weight and bias."""
        return (rng.normal(size=(2, 2, 4)),), {"affine": True}


class InstanceNorm1d(InstanceNorm):
    """InstanceNorm of lines (n, c, l), by PyTorch's name; a config says `instance_norm`."""

    places = (1,)


class InstanceNorm2d(InstanceNorm):
    """InstanceNorm of images (n, c, h, w), by PyTorch's name; a config says `instance_norm`."""

    places = (2,)
