"""The IDX reader: the big-endian array format of MNIST (LeCun, Cortes, Burges 1998)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgrad.data.dataset import Dataset, Source
from dgrad.data.files import MAX_CONTENT, read_source
from dgrad.errors import DataError
from dgrad.registry import readers

__all__ = ["read_idx"]

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MAX_RANK = 32
_MAX_CLASSES = 65_536


@readers.register("idx")
def read_idx(images: Path, *, labels: Path) -> Dataset:
    """Two IDX files (each may be .gz): an array of examples and one label for each.

    images: any IDX number type, shape (n, ...); the values are kept (0..255 for MNIST) as
    float32 (n, ...), a plain list of n numbers as (n, 1). labels: n whole numbers; the classes
    are named "0" to the largest of them.
    Raises DataError: D01, D05 (NaN), D08 (labels), D10 (no rows), D14-D16 (gzip), D17 (header,
    size or counts wrong, found before anything of the declared size is allocated), D27.
    """
    values, image_source = _read_array(images)
    indices, label_source = _read_array(labels)
    class_names = _class_names(indices, label_source.path)
    if len(values) != len(indices):
        raise DataError(
            f"{image_source.path} holds {len(values)} examples but {label_source.path} holds "
            f"{len(indices)} labels; the two files must belong together",
            fault="D17",
        )
    inputs = _as_float32(values, image_source.path)
    return Dataset(
        inputs.reshape(-1, 1) if inputs.ndim == 1 else inputs,
        indices.astype(np.int64),
        class_names,
        None,
        (image_source, label_source),
    )


@dataclass(frozen=True)
class _Header:
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @property
    def offset(self) -> int:
        return 4 + 4 * len(self.shape)

    @property
    def total(self) -> int:
        """The bytes of the whole content. Python integers: 2^32 sizes must not wrap around."""
        return self.offset + self.dtype.itemsize * math.prod(self.shape)


def _read_array(path: Path) -> tuple[NDArray[Any], Source]:
    where = str(Path(path).absolute())
    content, source = read_source(
        path, limit=MAX_CONTENT, declared=lambda head: _header(head, where).total
    )
    header = _header(content, where)
    if len(content) != header.total:
        raise DataError(
            f"{where}: the header declares {header.dtype} of shape {header.shape}, a content of "
            f"{header.total:,} bytes, but there are {len(content):,}; fetch the file again",
            fault="D17",
        )
    values = np.frombuffer(content, header.dtype, offset=header.offset)
    return values.reshape(header.shape), source


def _header(content: bytes, where: str) -> _Header:
    """Type and shape from the first bytes: 0, 0, type, rank, then one uint32 per dimension."""
    if not content:
        raise DataError(f"{where}: the file is empty, expected IDX data", fault="D10")
    code, rank = content[2:4] if len(content) >= 4 else (0, 0)
    if content[:2] != b"\0\0" or code not in _TYPES or not 0 < rank <= _MAX_RANK:
        raise DataError(
            f"{where}: not an IDX file: it starts with {content[:4].hex(' ')}, expected 00 00, "
            f"a type from {', '.join(f'{known:02x}' for known in _TYPES)}, a rank from 1 to 32",
            fault="D17",
        )
    if len(content) < 4 + 4 * rank:
        raise DataError(f"{where}: the header of {rank} dimensions is cut off", fault="D17")
    shape = tuple(int(size) for size in np.frombuffer(content, ">u4", rank, offset=4))
    if shape[0] == 0:
        raise DataError(f"{where}: the header declares no examples: {shape}", fault="D10")
    header = _Header(np.dtype(_TYPES[code]), shape)
    if 0 in shape or header.total > MAX_CONTENT:
        raise DataError(
            f"{where}: the header declares the shape {shape}, which is "
            f"{header.total:,} bytes; expected 1 to {MAX_CONTENT:,}",
            fault="D17",
        )
    return header


def _class_names(labels: NDArray[Any], where: str) -> tuple[str, ...]:
    if labels.ndim != 1 or labels.dtype.kind == "f":
        raise DataError(
            f"{where}: expected labels, a list of whole numbers, found {labels.dtype} of shape "
            f"{labels.shape}; are images and labels swapped?",
            fault="D08",
        )
    wrong = np.flatnonzero((labels < 0) | (labels >= _MAX_CLASSES))
    if len(wrong):
        raise DataError(
            f"{where}: label {wrong[0]} (counted from 0) is {labels[wrong[0]]}, "
            f"expected 0 to {_MAX_CLASSES - 1}",
            fault="D08",
        )
    return tuple(str(index) for index in range(int(labels.max()) + 1))


def _as_float32(values: NDArray[Any], where: str) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        inputs = values.astype(np.float32)
    if values.dtype.kind != "f":
        return inputs
    wrong = np.argwhere(~np.isfinite(inputs))
    if len(wrong):
        place = tuple(int(index) for index in wrong[0])
        fault = "D27" if np.isfinite(values[place]) else "D05"
        raise DataError(
            f"{where}: the value at {place} is {values[place]}, expected a finite float32",
            fault=fault,
        )
    return inputs
