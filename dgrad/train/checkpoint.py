"""Checkpoints: saving and loading one file each, with a sha256 over all of it.

`dgrad.train.layout` says what the file looks like.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import math
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgrad.errors import CheckpointError, ResourceError
from dgrad.train import layout
from dgrad.train.files import write_atomic

__all__ = ["FORMAT", "Checkpoint", "load", "open_regular", "recorded_digest", "save"]

FORMAT = 1  # of the layout and of its TEXT
NEEDS = "0.1.0"  # the first dgrad that reads FORMAT

_DEPTH_LIMIT = 64  # lists and maps inside one another in the metadata


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint file holds.

    tensors: name -> array, native byte order and writable; all are views of one buffer that
    nothing else refers to. metadata: as given to `save`. sha256: the digest, in hex.
    """

    tensors: dict[str, NDArray[Any]]
    metadata: dict[str, Any]
    sha256: str
    path: Path


def save(
    path: Path,
    tensors: Mapping[str, NDArray[Any]],
    metadata: Mapping[str, Any],
    *,
    sync: bool = True,
) -> str:
    """Write a checkpoint, atomically and durably, and return its sha256.

    metadata: str, int, finite float, bool, None, and lists and maps (str keys) of these; all come
    back equal. Arrays are copied only if they are not little-endian and C-contiguous already.
    sync: as `write_atomic` takes it.

    Raises CheckpointError for a name, dtype or value that cannot be stored, ResourceError and
    RunDirectoryError as `write_atomic` does.
    """
    entries, data = {}, {}
    for name, value in tensors.items():
        layout.check_name(path, name)
        entries[name], data[name] = _storable(path, name, value)
    _check_value(path, "metadata", dict(metadata), 0)
    text = _encode_text(dict(metadata))
    blank = layout.encode_header(entries, text, layout.BLANK)
    if len(blank) > layout.HEADER_LIMIT:
        raise CheckpointError(
            f"{path}: the metadata and names take {len(blank):,} bytes, at most "
            f"{layout.HEADER_LIMIT:,} are possible. Keep large values as tensors."
        )
    views = [data[name] for name in layout.spans(entries)]
    digest = hashlib.sha256(blank)
    for view in views:
        digest.update(view)
    header = layout.encode_header(entries, text, digest.hexdigest())
    write_atomic(Path(path), [header, *views], sync=sync)
    return digest.hexdigest()


def load(path: Path) -> Checkpoint:
    """Read and check a checkpoint. The file is read once: what was hashed is what is returned.

    Raises CheckpointError, saying what is wrong with which file and what to do: K01 truncated, K02
    another digest, K04 another kind of file, K05 from a newer dgrad, K06 to K11 a malformed header,
    K21 not a file. Raises ResourceError T31 if the tensors do not fit into memory.
    """
    path = Path(path)
    with _reading(path) as file:
        header = _read_header(file, path)
        data = _read_data(file, header.data_size, path)
    actual = hashlib.sha256(header.blank)
    actual.update(data.data)
    if actual.hexdigest() != header.digest:
        layout.damaged(
            path,
            f"digest mismatch: its content has sha256 {actual.hexdigest()[:16]}..., its header "
            f"says {header.digest[:16]}...",
            "K02",
        )
    metadata = _read_metadata(path, header.text)
    entries = layout.read_entries(path, header)
    tensors = {
        name: _view(path, name, entries[name], data[begin:end])
        for name, (begin, end) in layout.spans(entries).items()
    }
    return Checkpoint(tensors, metadata, header.digest, path)


def recorded_digest(path: Path) -> str:
    """The sha256 that a checkpoint's header states, from the header alone: cheap, not verified.

    Raises CheckpointError for anything but a dgrad checkpoint of its full length.
    """
    with _reading(Path(path)) as file:
        return _read_header(file, Path(path)).digest


def open_regular(path: Path) -> io.BufferedReader:
    """Open a regular file for reading; a named pipe or a device is refused without waiting on it.

    Raises CheckpointError K21 that says what is at `path` instead.
    """
    flags = os.O_RDONLY
    for name in ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):
        flags |= getattr(os, name, 0)
    try:
        descriptor = os.open(path, flags)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        kind = "a directory" if stat.S_ISDIR(mode) else "a pipe or device"
        raise CheckpointError(
            f"{path.absolute()} is {kind}; expected a checkpoint file, such as "
            "checkpoints/step-000000400.safetensors.",
            fault="K21",
        )
    return os.fdopen(descriptor, "rb")


# The metadata: the TEXT of the layout.


def _encode_text(metadata: dict[str, Any]) -> str:
    return layout.canonical({"format": FORMAT, "metadata": metadata, "needs": NEEDS})


def _check_value(path: Path, place: str, value: object, depth: int) -> None:
    """Refuse what JSON would not give back equal."""
    problem = ""
    if isinstance(value, dict | list):
        if depth == _DEPTH_LIMIT:
            problem = f"more than {_DEPTH_LIMIT} levels deep"
        elif isinstance(value, list):
            for index, item in enumerate(value):
                _check_value(path, f"{place}[{index}]", item, depth + 1)
        elif all(isinstance(key, str) for key in value):
            for key, item in value.items():
                _check_value(path, f"{place}.{key}", item, depth + 1)
        else:
            problem = "a map with a key that is not a string"
    elif isinstance(value, float) and not math.isfinite(value):
        problem = f"{value}, which JSON has no number for; store None and the reason"
    elif isinstance(value, int) and abs(value) >= 10**layout.INTEGER_DIGITS:
        problem = f"an integer of more than {layout.INTEGER_DIGITS} digits"
    elif not isinstance(value, str | int | float | None):
        problem = f"a {type(value).__name__}; only JSON's own types come back as they were"
    if problem:
        raise CheckpointError(f"{path}: {ascii(place)[1:-1][:200]} is {problem}", fault="K07")


def _read_metadata(path: Path, text: str) -> dict[str, Any]:
    try:
        value = layout.parse(text)
        version = value.get("format") if isinstance(value, dict) else None
        if isinstance(version, int) and version > FORMAT:
            raise CheckpointError(
                f"{path} is in checkpoint format {version}; this dgrad reads {FORMAT} and needs a "
                f"newer dgrad for it (>= {ascii(value.get('needs'))[1:-1][:20]}): "
                "pip install --upgrade dgrad",
                fault="K05",
            )
        metadata: dict[str, Any] = value["metadata"]
        _check_value(path, "metadata", metadata, 0)
        if _encode_text(metadata) != text or not isinstance(metadata, dict):
            raise ValueError("not in canonical form")
    except (ValueError, KeyError, TypeError) as error:
        layout.damaged(path, f"its metadata is not as dgrad writes it ({error})", "K07")
    return metadata


# Tensors as bytes.


def _storable(path: Path, name: str, value: object) -> tuple[layout.Entry, memoryview]:
    """The entry of an array, and its bytes as they go into the file."""
    if not isinstance(value, np.ndarray | np.generic):
        raise CheckpointError(f"{path}: tensor {name!r} is a {type(value).__name__}, not an array")
    array = np.asarray(value)
    entry = layout.new_entry(path, name, array.dtype, array.shape)
    array = array.astype(layout.DTYPES[entry.dtype], order="C", copy=False)
    return entry, array.reshape(-1).view(np.uint8).data


def _view(path: Path, name: str, entry: layout.Entry, data: NDArray[np.uint8]) -> NDArray[Any]:
    if entry.dtype == "BOOL" and data.size and data.max() > 1:
        layout.damaged(path, f"tensor {name!r} is BOOL and holds bytes other than 0 and 1", "K10")
    array = data.view(layout.DTYPES[entry.dtype]).reshape(entry.shape)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


# Reading.


def _unreadable(path: Path, error: OSError | ValueError) -> CheckpointError:
    reason = getattr(error, "strerror", None) or str(error)
    return CheckpointError(
        f"cannot read {path.absolute()}: {reason}. Give the path of a checkpoint file or of a run "
        "directory.",
        fault="K21",
    )


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[io.BufferedReader]:
    try:
        with open_regular(path) as file:
            yield file
    except OSError as error:
        raise _unreadable(path, error) from error


def _read_header(file: io.BufferedReader, path: Path) -> layout.Header:
    size = os.fstat(file.fileno()).st_size
    first = file.read(16)
    length = layout.header_length(path, first, size)
    return layout.read_header(path, first + file.read(length - 8), size)


def _read_data(file: io.BufferedReader, size: int, path: Path) -> NDArray[np.uint8]:
    try:
        data = np.empty(size, np.uint8)
    except MemoryError as error:
        raise ResourceError(
            f"loading {path} needs {size:,} bytes of memory, more than there is", fault="T31"
        ) from error
    count = file.readinto(data.data)
    if count != size:
        layout.damaged(path, f"the file ended after {count} of {size} bytes of data", "K01")
    return data
