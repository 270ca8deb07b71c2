"""What a sequence says of itself: its padding, its length; and what all its steps come to."""

from __future__ import annotations

from dgrad.errors import ShapeError

__all__ = ["steps_and_width"]


def steps_and_width(name: str, shape: tuple[int, ...]) -> tuple[int, int]:
    """The two axes of a sequence without its batch axis. Raises ShapeError if there are others."""
    if len(shape) != 2:
        given = ", ".join(map(str, ("batch", *shape)))
        raise ShapeError(f"{name}: needs inputs of shape (batch, steps, features), got ({given})")
    return shape[0], shape[1]
