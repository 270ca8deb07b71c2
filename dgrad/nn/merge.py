"""Layers that make one array of several: what the branches of a network end in."""

from __future__ import annotations

import functools
import operator
from typing import Any, ClassVar

import numpy as np

from dgrad import ops
from dgrad.errors import ShapeError
from dgrad.nn.input_shapes import with_batch
from dgrad.nn.module import Example, Module
from dgrad.registry import layers

__all__ = ["Add", "Concat", "Multiply"]


class _Elementwise(Module):
    """Base of what joins arrays of one shape element by element."""

    arity: ClassVar[tuple[int, int | None]] = (2, None)

    @classmethod
    def infer(cls, *shapes: tuple[int, ...]) -> dict[str, Any]:
        """Nothing. Raises ShapeError where the shapes differ."""
        if len(set(shapes)) > 1:
            shown = " and ".join(map(with_batch, shapes))
            raise ShapeError(f"{cls.__name__.lower()}: needs inputs of one shape, got {shown}")
        return {}

    @classmethod
    def example(cls, rng: np.random.Generator) -> Example:
        """Three arrays."""
        return tuple(rng.normal(size=(3, 3, 4))), {}


@layers.register("add")
class Add(_Elementwise):
    """y = x_1 + x_2 + ...   Equal shapes -> that shape."""

    def forward(self, *inputs: Any) -> Any:
        """Two or more arrays of one shape -> that shape."""
        return functools.reduce(operator.add, inputs)


@layers.register("multiply")
class Multiply(_Elementwise):
    """y = x_1 x_2 ..., element by element.   Equal shapes -> that shape."""

    def forward(self, *inputs: Any) -> Any:
        """Two or more arrays of one shape -> that shape."""
        return functools.reduce(operator.mul, inputs)


@layers.register("concat")
class Concat(Module):
    """The inputs one after the other along axis dim; the other axes are equal.

    dim counts the batch axis, as in PyTorch: 1 joins the channels of (n, c, h, w) or the features
    of (n, f), -1 the features of (n, t, f).
    """

    arity: ClassVar[tuple[int, int | None]] = (2, None)

    def __init__(self, dim: int = 1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, *inputs: Any) -> Any:
        """(n, a, ...), (n, b, ...), ... -> (n, a + b + ..., ...)."""
        shapes = [np.shape(x) for x in inputs]
        rank = len(shapes[0])
        dim = self.dim + rank if self.dim < 0 else self.dim
        others = {tuple(s for axis, s in enumerate(shape) if axis != dim) for shape in shapes}
        if not 0 < dim < rank or len(others) > 1 or len({len(shape) for shape in shapes}) > 1:
            shown = " and ".join(with_batch(shape[1:]) for shape in shapes)
            wanted = f"inputs that differ at most in axis {self.dim}, which is not the batch's"
            raise ShapeError(f"concat: needs {wanted}, got {shown}")
        return ops.concatenate(inputs, axis=dim)

    def extra_repr(self) -> str:
        """The axis."""
        return f"dim={self.dim}"

    @classmethod
    def example(cls, rng: np.random.Generator) -> Example:
        """Two arrays of three and two channels."""
        return (rng.normal(size=(3, 3, 4)), rng.normal(size=(3, 2, 4))), {}
