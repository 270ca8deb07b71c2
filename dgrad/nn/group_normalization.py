"""Normalisation of each example over groups of channels, or over each channel."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from dgrad import ops
from dgrad.errors import ParameterError, ShapeError
from dgrad.nn.input_shapes import channels_of, show_sizes, with_batch
from dgrad.nn.layer_normalization import weight_and_bias
from dgrad.nn.module import Module
from dgrad.registry import Count, Epsilon, layers

__all__ = ["GroupNorm", "InstanceNorm", "InstanceNorm1d", "InstanceNorm2d"]


@layers.register("group_norm")
class GroupNorm(Module):
    """y = (x - mean) / sqrt(var + eps) * weight + bias, over each group of channels.

    x: (n, c, ...) -> same shape; weight, bias: (c,). num_groups divides c; with 1 all channels of
    an image are normalised together. Wu & He 2018; PyTorch's GroupNorm.
    """

    inferred: ClassVar[tuple[str, ...]] = ("num_channels",)

    def __init__(
        self, num_groups: Count, num_channels: Count, eps: Epsilon = 1e-5, affine: bool = True
    ) -> None:
        super().__init__()
        if num_channels % num_groups:
            wanted = f"a divisor of the {num_channels} channels"
            raise ParameterError("group_norm", "num_groups", wanted, num_groups)
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.weight, self.bias = weight_and_bias((num_channels,), affine, affine)

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

    def __init__(self, num_features: Count, eps: Epsilon = 1e-5, affine: bool = False) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.weight, self.bias = weight_and_bias((num_features,), affine, affine)

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
