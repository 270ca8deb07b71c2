"""Functions that give several Tensors, composed of ops: split and its kin, atleast_1d, meshgrid.

Of arrays they give arrays. The pieces are views.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dgrad.core.protocols import NUMPY_OPS
from dgrad.core.tensor import Tensor
from dgrad.errors import ParameterError, ShapeError
from dgrad.ops._axes import normalized_axis, section
from dgrad.ops.indexing import getitem
from dgrad.ops.shape import broadcast_to, reshape

__all__ = [
    "array_split",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "broadcast_arrays",
    "chunk",
    "dsplit",
    "hsplit",
    "meshgrid",
    "split",
    "unbind",
    "vsplit",
]

Sections = int | Sequence[int]


def _length(name: str, x: Any, axis: int) -> int:
    shape: tuple[int, ...] = np.shape(x)
    return shape[normalized_axis(name, axis, len(shape))]


def _cut(name: str, x: Any, ends: Sequence[int], axis: int) -> tuple[Any, ...]:
    """x[:ends[0]], x[ends[0]:ends[1]], ..., x[ends[-1]:] along axis."""
    ndim = np.ndim(x)
    return tuple(
        getitem(x, index=section(name, ndim, axis, slice(start, end)))
        for start, end in zip([0, *ends], [*ends, None], strict=True)
    )


def array_split(x: Any, indices_or_sections: Sections, axis: int = 0) -> tuple[Any, ...]:
    """As split, but a number of pieces need not divide the length: the first ones are longer."""
    length = _length("array_split", x, axis)
    if np.ndim(indices_or_sections):
        return _cut("array_split", x, np.asarray(indices_or_sections).tolist(), axis)
    pieces = operator.index(indices_or_sections)  # type: ignore[arg-type]
    if pieces < 1:
        raise ParameterError("array_split", "indices_or_sections", "1 or more", pieces)
    short, longer = divmod(length, pieces)
    ends = np.cumsum([short + 1] * longer + [short] * (pieces - longer)).tolist()
    return _cut("array_split", x, ends[:-1], axis)


def split(x: Any, indices_or_sections: Sections, axis: int = 0) -> tuple[Any, ...]:
    """x cut along axis into so many equal pieces, or before each of the indices; a tuple of views.

    PyTorch's split takes the length of a piece instead: see chunk. Raises ShapeError if the pieces
    would not be equal.
    """
    length = _length("split", x, axis)
    if not np.ndim(indices_or_sections):
        pieces = operator.index(indices_or_sections)  # type: ignore[arg-type]
        if pieces > 0 and length % pieces:
            raise ShapeError(f"split: axis {axis} of {np.shape(x)} in {pieces} equal pieces")
    return array_split(x, indices_or_sections, axis)


def vsplit(x: Any, indices_or_sections: Sections) -> tuple[Any, ...]:
    """split along axis 0 of two axes or more."""
    if np.ndim(x) < 2:
        raise ShapeError(f"vsplit: needs two axes or more, got {np.shape(x)}")
    return split(x, indices_or_sections, 0)


def hsplit(x: Any, indices_or_sections: Sections) -> tuple[Any, ...]:
    """split along axis 1; of a vector along axis 0."""
    return split(x, indices_or_sections, 1 if np.ndim(x) > 1 else 0)


def dsplit(x: Any, indices_or_sections: Sections) -> tuple[Any, ...]:
    """split along axis 2."""
    return split(x, indices_or_sections, 2)


def chunk(x: Any, chunks: int, dim: int = 0) -> tuple[Any, ...]:
    """x cut along dim into pieces of one length, the last maybe shorter: at most `chunks`."""
    length = _length("chunk", x, dim)
    if operator.index(chunks) < 1:
        raise ParameterError("chunk", "chunks", "1 or more", chunks)
    size = -(-length // chunks) or 1
    return _cut("chunk", x, range(size, length, size), dim)


def unbind(x: Any, axis: int = 0) -> tuple[Any, ...]:
    """x[0], x[1], ... along axis, without that axis."""
    ndim = np.ndim(x)
    return tuple(
        getitem(x, index=section("unbind", ndim, axis, i))
        for i in range(_length("unbind", x, axis))
    )


def _each(function: Callable[[Any], Any], arrays: tuple[Any, ...]) -> Any:
    """function of the only array, or the tuple of its results."""
    results = tuple(map(function, arrays))
    return results[0] if len(results) == 1 else results


def atleast_1d(*arrays: Any) -> Any:
    """Arrays with one axis or more: a number becomes (1,). A tuple if there are several."""
    return _each(lambda x: reshape(x, shape=np.shape(x) or (1,)), arrays)


def atleast_2d(*arrays: Any) -> Any:
    """Arrays with two axes or more: (n,) becomes (1, n). A tuple if there are several."""
    return _each(lambda x: reshape(x, shape=(1,) * (2 - np.ndim(x)) + np.shape(x)), arrays)


def atleast_3d(*arrays: Any) -> Any:
    """Arrays with three axes or more: (n,) becomes (1, n, 1), (n, m) (n, m, 1)."""

    def shape(x: Any) -> tuple[int, ...]:
        found = np.shape(x)
        return ((1, 1, 1), (1, *found, 1), (*found, 1), found)[min(len(found), 3)]

    return _each(lambda x: reshape(x, shape=shape(x)), arrays)


def broadcast_arrays(*arrays: Any) -> tuple[Any, ...]:
    """Arrays broadcast against each other: read-only views of one shape."""
    try:
        shape = np.broadcast_shapes(*map(np.shape, arrays))
    except ValueError as cause:
        shapes = ", ".join(str(np.shape(x)) for x in arrays)
        raise ShapeError(f"broadcast_arrays: {shapes} do not fit together") from cause
    return tuple(broadcast_to(x, shape=shape) for x in arrays)


def meshgrid(*vectors: Any, indexing: str = "xy") -> tuple[Any, ...]:
    """Each vector's values on the grid of all of them. vectors: (n,), (m,), (k,).

    indexing "ij" -> (n, m, k) each; "xy" -> (m, n, k), as NumPy. Raises ParameterError.
    """
    if indexing not in ("xy", "ij"):
        raise ParameterError("meshgrid", "indexing", "xy or ij", indexing)
    count = len(vectors)
    places = list(range(count))
    if indexing == "xy" and count > 1:
        places[:2] = [1, 0]
    rows = [
        reshape(x, shape=tuple(-1 if i == place else 1 for i in range(count)))
        for x, place in zip(vectors, places, strict=True)
    ]
    return broadcast_arrays(*rows)


_MEANT: dict[Any, Any] = {
    np.array_split: array_split,
    np.atleast_1d: atleast_1d,
    np.atleast_2d: atleast_2d,
    np.atleast_3d: atleast_3d,
    np.broadcast_arrays: broadcast_arrays,
    np.dsplit: dsplit,
    np.hsplit: hsplit,
    np.meshgrid: meshgrid,
    np.split: split,
    np.vsplit: vsplit,
}
if hasattr(np, "unstack"):  # NumPy 2.1
    _MEANT[np.unstack] = unbind
for _function in _MEANT.values():
    _function.numpy_call = _function  # NumPy's arguments as they are
NUMPY_OPS.update(_MEANT)
Tensor.chunk, Tensor.unbind = chunk, unbind  # type: ignore[attr-defined]
