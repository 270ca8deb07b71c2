"""Positions in a sequence: learned, sinusoidal and rotary."""

from __future__ import annotations

import functools
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from dgrad import ops
from dgrad.core.tensor import Tensor
from dgrad.errors import ShapeError
from dgrad.nn.init import Init, fill
from dgrad.nn.input_shapes import with_batch
from dgrad.nn.module import Module, Parameter
from dgrad.registry import Count, Positive, layers

__all__ = ["PositionEmbedding", "RotaryEmbedding", "SinusoidalPositionEmbedding"]


@layers.register("position_embedding")
class PositionEmbedding(Module):
    """y_i = x_i + weight_i, a trained vector for each position.   x: (n, t, d) -> same shape.

    weight: (context, d), from N(0, 1) unless init says otherwise; context, the longest t, is that
    of the inputs it is built for, `length`, unless given. Shorter inputs take the first t rows.
    Gehring et al. 2017.
    """

    inferred: ClassVar[tuple[str, ...]] = ("length", "embedding_dim")

    def __init__(
        self,
        length: Count,
        embedding_dim: Count,
        context: Count | None = None,
        *,
        init: Init | None = None,
    ) -> None:
        super().__init__()
        self.weight = Parameter.empty(context or length, embedding_dim)
        fill("position_embedding", self.weight, init or "normal")

    def forward(self, x: Any) -> Tensor:
        """x: (..., t, d) -> same shape. Raises ShapeError unless t <= context and d fits."""
        length, width = _length_and_width("position_embedding", x.shape)
        context, needed = self.weight.shape
        if length > context or width != needed:
            raise ShapeError(
                f"position_embedding: x {x.shape} is {length} positions of width {width}, but "
                f"the table has {context} of width {needed}"
            )
        rows = self.weight if length == context else self.weight[:length]
        return x + rows  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        """The longest sequence, and the width."""
        context, width = self.weight.shape
        return f"context={context}, embedding_dim={width}"

    @classmethod
    def infer(cls, *shapes: tuple[int, ...]) -> dict[str, Any]:
        """The last two axes. Raises ShapeError when there are none."""
        length, width = _length_and_width("position_embedding", (1, *shapes[0]))
        return {"length": length, "embedding_dim": width}

    @classmethod
    def example(cls, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Three steps of four features, fewer than there are positions."""
        return (rng.normal(size=(2, 3, 4)),), {"context": 5}


@layers.register("sinusoidal_position_embedding")
class SinusoidalPositionEmbedding(Module):
    """y = x + P, P[p, 2i] = sin(p / base^(2i/d)), P[p, 2i + 1] = cos of the same.

    x: (..., t, d) -> same shape, for any t. Vaswani et al. 2017, section 3.5.
    """

    def __init__(self, base: Positive = 10000.0) -> None:
        super().__init__()
        self.base = base

    def forward(self, x: Any) -> Any:
        """x: (..., t, d) -> same shape. Raises ShapeError without those axes."""
        length, width = _length_and_width("sinusoidal_position_embedding", x.shape)
        return x + _waves(length, width, self.base, x.dtype)

    def extra_repr(self) -> str:
        """The base of the wavelengths."""
        return f"base={self.base:g}"

    @classmethod
    def example(cls, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Three steps of five features."""
        return (rng.normal(size=(2, 3, 5)),), {}


@layers.register("rotary_embedding")
class RotaryEmbedding(Module):
    """Pairs (x_i, x_(i + d/2)) at position p turned by the angle p base^(-2i/d).

    x: (..., t, d), d even -> same shape. The product of two vectors turned so depends on the
    distance of their positions alone. Su et al. 2021; the pairs as in GPT-NeoX and Llama.
    """

    def __init__(self, base: Positive = 10000.0) -> None:
        super().__init__()
        self.base = base

    def forward(self, x: Any) -> Any:
        """x: (..., t, d) -> same shape. Raises ShapeError for an odd d."""
        return ops.rotary_embedding(x, base=self.base)

    def extra_repr(self) -> str:
        """The base of the wavelengths."""
        return f"base={self.base:g}"

    @classmethod
    def example(cls, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Three steps of four features."""
        return (rng.normal(size=(2, 3, 4)),), {}


def _length_and_width(name: str, shape: tuple[int, ...]) -> tuple[int, int]:
    if len(shape) < 3:
        wanted = "(batch, steps, features)"
        raise ShapeError(f"{name}: needs inputs of shape {wanted}, got {with_batch(shape[1:])}")
    return shape[-2], shape[-1]


@functools.lru_cache(maxsize=8)
def _waves(length: int, width: int, base: float, dtype: npt.DTypeLike) -> np.ndarray:
    """The table P, (length, width), read-only."""
    frequencies = base ** -(np.arange(0, width, 2) / width)
    angles = np.outer(np.arange(length), frequencies)  # (length, ceil(width / 2))
    waves = np.empty((length, width), dtype)
    waves[:, 0::2] = np.sin(angles)
    waves[:, 1::2] = np.cos(angles[:, : width // 2])
    waves.setflags(write=False)
    return waves
