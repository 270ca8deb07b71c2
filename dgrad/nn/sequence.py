"""What a sequence says of itself: its padding, its length; and what all its steps come to."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np

from dgrad.core.tensor import Tensor, array_of
from dgrad.errors import DtypeError, ShapeError
from dgrad.nn.input_shapes import with_batch
from dgrad.nn.module import Module
from dgrad.registry import layers

__all__ = ["Lengths", "PaddingMask", "SequencePool", "steps_and_width", "steps_inside"]


def steps_and_width(name: str, shape: tuple[int, ...]) -> tuple[int, int]:
    """The two axes of a sequence without its batch axis. Raises ShapeError if there are others."""
    if len(shape) != 2:
        wanted = "(batch, steps, features)"
        raise ShapeError(f"{name}: needs inputs of shape {wanted}, got {with_batch(shape)}")
    return shape[0], shape[1]


def steps_inside(name: str, lengths: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Whether each step of x, of `shape` (n, t, ...), lies within its length: (n, t).

    Raises DtypeError unless lengths are whole numbers, ShapeError unless n of them from 0 to t.
    """
    lengths = array_of(lengths)
    n, t = shape[:2]
    if lengths.dtype.kind not in "iu":
        raise DtypeError(f"{name}: lengths must be whole numbers, got {lengths.dtype}")
    wanted = f"{n} numbers from 0 to {t}, one for each sequence of x {shape}"
    if lengths.shape != (n,):
        raise ShapeError(f"{name}: lengths must be {wanted}, got shape {lengths.shape}")
    if n and not 0 <= lengths.min() <= lengths.max() <= t:
        found = f"from {lengths.min()} to {lengths.max()}"
        raise ShapeError(f"{name}: lengths must be {wanted}, got some {found}")
    inside: np.ndarray = np.arange(t) < lengths[:, None]
    return inside


def _tokens(name: str, x: Any) -> np.ndarray:
    """x as whole numbers (n, t). Raises DtypeError, ShapeError."""
    tokens = array_of(x)
    if tokens.dtype.kind not in "iu":
        raise DtypeError(f"{name}: needs tokens, whole numbers, got {tokens.dtype}")
    if tokens.ndim != 2:
        raise ShapeError(f"{name}: needs tokens of shape (batch, steps), got {tokens.shape}")
    return tokens


class _OfTokens(Module):
    """What is known from the tokens of sequences, padding_idx standing where there is none."""

    def __init__(self, padding_idx: int = 0) -> None:
        super().__init__()
        self.padding_idx = padding_idx

    def extra_repr(self) -> str:
        """The token."""
        return f"padding_idx={self.padding_idx}"

    @classmethod
    def example(cls, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Two sentences, the second shorter."""
        return (np.array([[3, 1, 2], [4, 0, 0]]),), {}


@layers.register("padding_mask")
class PaddingMask(_OfTokens):
    """y = (x == padding_idx): a padding mask as attention takes it.   x: (n, t) -> (n, t) booleans.

    x: whole numbers. `{self_attention: 4, from: [h, mask]}` then leaves the padding out.
    """

    def forward(self, x: Any) -> Tensor:
        """x: (n, t) whole numbers -> (n, t), True where there is padding."""
        return Tensor(_tokens("padding_mask", x) == self.padding_idx)


@layers.register("lengths")
class Lengths(_OfTokens):
    """The number of steps up to the last that is not padding.   x: (n, t) -> (n,) whole numbers.

    x: whole numbers. `{gru: 64, from: [h, lengths]}` then stops at the end of each sequence.
    """

    def forward(self, x: Any) -> Tensor:
        """x: (n, t) whole numbers -> (n,), from 0 to t."""
        kept = _tokens("lengths", x) != self.padding_idx
        ends = np.where(kept, np.arange(1, kept.shape[1] + 1), 0)
        return Tensor(np.maximum.reduce(ends, axis=1, initial=0))


@layers.register("sequence_pool")
class SequencePool(Module):
    """The mean, the maximum or the last of a sequence's steps.   x: (n, t, d) -> (n, d).

    Second input, optional: a padding mask (n, t), True where a step does not count, or lengths
    (n,). A sequence without steps gives 0. The last: the last one that counts.
    """

    arity: ClassVar[tuple[int, int | None]] = (1, 2)

    def __init__(self, mode: Literal["mean", "max", "last"] = "mean") -> None:
        super().__init__()
        self.mode = mode

    def forward(self, x: Any, ends: Any = None) -> Any:
        """x: (n, t, d), ends: (n, t) booleans or (n,) whole numbers or None -> (n, d)."""
        counts = None if ends is None else self._counting(x.shape, ends)
        if self.mode == "last":
            return x[:, -1] if counts is None else self._last(x, counts)
        if counts is None:
            return np.mean(x, axis=1) if self.mode == "mean" else np.max(x, axis=1)
        zero, any_counts = x.dtype.type(0), counts.any(axis=1, keepdims=True)  # (n, 1)
        if self.mode == "mean":
            steps = np.maximum(counts.sum(axis=1, keepdims=True), 1).astype(x.dtype)
            return np.sum(np.where(counts[..., None], x, zero), axis=1) / steps
        seen = (counts | ~any_counts)[..., None]  # (n, t, 1); of an empty one all, to be put out
        largest = np.max(np.where(seen, x, x.dtype.type(-np.inf)), axis=1)
        return np.where(any_counts, largest, zero)

    def _counting(self, shape: tuple[int, ...], ends: Any) -> np.ndarray:
        """Whether each step counts, (n, t)."""
        ends = array_of(ends)
        if ends.dtype.kind != "b":
            return steps_inside("sequence_pool", ends, shape)
        if ends.shape != shape[:2]:
            raise ShapeError(
                f"sequence_pool: a padding mask of x {shape} has shape {shape[:2]}, "
                f"got {ends.shape}"
            )
        counts: np.ndarray = np.logical_not(ends)
        return counts

    def _last(self, x: Any, counts: np.ndarray) -> Any:
        places = np.where(counts, np.arange(counts.shape[1]), 0).max(axis=1)
        last = x[np.arange(len(places)), places]  # (n, d)
        return np.where(counts.any(axis=1, keepdims=True), last, x.dtype.type(0))

    def extra_repr(self) -> str:
        """What is taken."""
        return f"mode={self.mode!r}"

    @classmethod
    def infer(cls, *shapes: tuple[int, ...]) -> dict[str, Any]:
        """Nothing. Raises ShapeError unless there are steps of features."""
        steps_and_width("sequence_pool", shapes[0])
        return {}

    @classmethod
    def example(cls, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Sequences of three steps and of one."""
        return (rng.normal(size=(2, 3, 4)), np.array([3, 1])), {}
