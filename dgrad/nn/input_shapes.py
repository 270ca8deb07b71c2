"""What layers say of the shapes of their inputs; sizes for each axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dgrad.errors import ShapeError

__all__ = ["channels_of", "each_axis", "show_sizes", "with_batch"]

_PLACES = {1: ("length",), 2: ("height", "width")}


def with_batch(shape: Sequence[int | str]) -> str:
    """`shape`, of one row, in words: (8, 8) -> "(batch, 8, 8)"."""
    return f"({', '.join(['batch', *map(str, shape)])})"


def channels_of(layer: str, shape: tuple[int, ...], *axes: int) -> int:
    """The channels of inputs of `shape`, batch axis left out: (c, l) or (c, h, w).

    axes: how many axes may follow the channels. Raises ShapeError in words, with what to insert.
    """
    if len(shape) - 1 in axes:
        return shape[0]
    wanted = " or ".join(
        f"({', '.join(('batch', 'channels', *_PLACES.get(count, ())))})" for count in axes
    )
    advice = _advice(shape, max(axes))
    raise ShapeError(f"{layer}: needs {wanted}, got {with_batch(shape)}; {advice}")


def _advice(shape: tuple[int, ...], places: int) -> str:
    """What to write before a layer of images or lines."""
    if len(shape) == places:
        return f'add "reshape: {[1, *shape]}" before it'
    if places == 2 and len(shape) == 1:
        side = math.isqrt(shape[0])
        size = [1, side, side] if side * side == shape[0] else "[channels, height, width]"
        return f'add "reshape: {size}" before it'
    if len(shape) < places:
        names = ", ".join(("channels", *_PLACES[places]))
        return f'add "reshape: [{names}]" before it'
    return 'add a "reshape" or "flatten" before it'


def each_axis(value: Any, axes: int) -> tuple[Any, ...]:
    """A size for each of `axes` axes: 3 -> (3, 3), (3, 5) as it is."""
    return (value,) * axes if np.ndim(value) == 0 else tuple(value)


def show_sizes(layer: Any, *names: str, **defaults: Any) -> str:
    """`name=value` of attributes for `extra_repr`: of `names`, and of those not as by default."""
    shown = [f"{name}={getattr(layer, name)!r}" for name in names]
    shown += [
        f"{name}={getattr(layer, name)!r}"
        for name, usual in defaults.items()
        if getattr(layer, name) != usual
    ]
    return ", ".join(shown)
