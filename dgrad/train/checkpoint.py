"""Checkpoints: one file each, in the safetensors layout, with metadata and a sha256 over all of it.

    8 bytes    length of the header, little-endian
    header     canonical JSON, padded with spaces to a multiple of 8 bytes:
               {"__metadata__": {"dgrad": TEXT, "sha256": DIGEST},
                NAME: {"data_offsets", "dtype", "shape"}, ...}
    data       the arrays, little-endian and C-contiguous, larger item sizes first, then by name

TEXT is canonical JSON (sorted keys, no spaces, ASCII): {"format", "metadata", "needs"}. DIGEST is
the sha256 of the whole file with the digest's own 64 characters replaced by zeros: it shows damage,
not who wrote the file. A given content has exactly one encoding, and only that one is accepted.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import math
import os
import re
import stat
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeGuard

import numpy as np
from numpy.typing import NDArray

from dgrad.errors import CheckpointError, ResourceError
from dgrad.train.files import write_atomic

__all__ = ["DTYPES", "FORMAT", "Checkpoint", "load", "open_regular", "recorded_digest", "save"]

FORMAT = 1
NEEDS = "0.1.0"  # the first dgrad that reads FORMAT
DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2",
    "I8": "|i1", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1", "BOOL": "|b1",
}  # fmt: skip

_HEADER_LIMIT = 16 << 20  # bytes
_TENSOR_LIMIT = 1 << 40  # bytes, an empty axis counted as one
_DEPTH_LIMIT = 64  # lists and maps inside one another in the metadata
_INTEGER_DIGITS = 308
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,200}")
_HEX = re.compile(r"[0-9a-f]{64}")
_BLANK = "0" * 64
_CODES = {(np.dtype(text).kind, np.dtype(text).itemsize): code for code, text in DTYPES.items()}
_KINDS = (
    (b"PK", "a zip archive (such as .npz or a PyTorch .pt)"),
    (b"\x80", "a pickle; dgrad never loads pickled objects"),
    (b"\x93NUMPY", "a NumPy .npy file"),
    (b"\x1f\x8b", "gzip-compressed; unpack it first"),
    (b"version https://", "a Git LFS pointer; run `git lfs pull` to fetch the real file"),
    (b"\x89HDF", "an HDF5 file"),
    (b"<", "an HTML or XML page, perhaps a download that went to a login page"),
)
_AGAIN = "Copy it again if this is a copy, or use another checkpoint of the run."


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


@dataclass(frozen=True)
class _Entry:
    dtype: str
    shape: tuple[int, ...]

    @property
    def itemsize(self) -> int:
        return np.dtype(DTYPES[self.dtype]).itemsize

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.itemsize


@dataclass(frozen=True)
class _Header:
    raw: bytes  # with the 8 bytes of its length
    fields: dict[str, dict[str, Any]]  # one for each tensor, only its offsets checked
    text: str
    digest: str
    data_size: int


def save(path: Path, tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, Any]) -> str:
    """Write a checkpoint, atomically and durably, and return its sha256.

    metadata: str, int, finite float, bool, None, and lists and maps (str keys) of these; all come
    back equal. Arrays are copied only if they are not little-endian and C-contiguous already.

    Raises CheckpointError for a name, dtype or value that cannot be stored, ResourceError and
    RunDirectoryError as `write_atomic` does.
    """
    entries, data = {}, {}
    for name, value in tensors.items():
        _check_name(path, name)
        entries[name], data[name] = _storable(path, name, value)
    _check_value(path, "metadata", dict(metadata), 0)
    text = _encode_text(dict(metadata))
    blank = _encode_header(entries, text, _BLANK)
    if len(blank) > _HEADER_LIMIT:
        raise CheckpointError(
            f"{path}: the metadata and names take {len(blank):,} bytes, at most "
            f"{_HEADER_LIMIT:,} are possible. Keep large values as tensors."
        )
    views = [data[name] for name in _offsets(entries)]
    digest = hashlib.sha256(blank)
    for view in views:
        digest.update(view)
    write_atomic(Path(path), [_encode_header(entries, text, digest.hexdigest()), *views])
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
    blank = header.raw.replace(_digest_field(header.digest), _digest_field(_BLANK))
    actual = hashlib.sha256(blank)
    actual.update(data.data)
    if actual.hexdigest() != header.digest:
        _damaged(
            path,
            f"digest mismatch: its content has sha256 {actual.hexdigest()[:16]}..., its header "
            f"says {header.digest[:16]}...",
            "K02",
        )
    metadata = _read_metadata(header.text, path)
    entries = {name: _read_entry(path, name, fields) for name, fields in header.fields.items()}
    _check_canonical(path, header, entries)
    tensors = {
        name: _view(path, name, entries[name], data[begin:end])
        for name, (begin, end) in _offsets(entries).items()
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


# Encoding: the only definition of the layout; reading compares with what this would write.


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _encode_text(metadata: dict[str, Any]) -> str:
    return _canonical({"format": FORMAT, "metadata": metadata, "needs": NEEDS})


def _digest_field(digest: str) -> bytes:
    """The digest with its key. JSON text inside JSON has escaped quotes, so it occurs once."""
    return f'"sha256":"{digest}"'.encode("ascii")


def _offsets(entries: Mapping[str, _Entry]) -> dict[str, tuple[int, int]]:
    """Where each tensor's bytes lie, in the order of the data; every one is aligned."""
    offsets, end = {}, 0
    for name in sorted(entries, key=lambda name: (-entries[name].itemsize, name)):
        begin, end = end, end + entries[name].nbytes
        offsets[name] = (begin, end)
    return offsets


def _encode_header(entries: Mapping[str, _Entry], text: str, digest: str) -> bytes:
    header: dict[str, object] = {"__metadata__": {"dgrad": text, "sha256": digest}}
    for name, offsets in _offsets(entries).items():
        entry = entries[name]
        header[name] = {"dtype": entry.dtype, "shape": entry.shape, "data_offsets": offsets}
    body = _canonical(header).encode("ascii")
    body += b" " * (-len(body) % 8)
    return struct.pack("<Q", len(body)) + body


def _storable(path: Path, name: str, value: object) -> tuple[_Entry, memoryview]:
    """The entry of an array, and its bytes as they go into the file."""
    if not isinstance(value, np.ndarray | np.generic):
        raise CheckpointError(f"{path}: tensor {name!r} is a {type(value).__name__}, not an array")
    array = np.asarray(value)
    code = _CODES.get((array.dtype.kind, array.dtype.itemsize))
    if code is None:
        _unsupported(path, name, str(array.dtype))
    entry = _Entry(code, array.shape)
    _check_size(path, name, entry)
    array = array.astype(DTYPES[code], order="C", copy=False)
    return entry, array.reshape(-1).view(np.uint8).data


# Checks shared by writing and reading.


def _check_name(path: Path, name: object) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name == "__metadata__":
        raise CheckpointError(
            f"{path}: bad tensor name {ascii(name)[:60]}; names are 1 to 200 of the characters "
            "A-Z a-z 0-9 _ . -",
            fault="K11",
        )


def _check_size(path: Path, name: str, entry: _Entry) -> None:
    spread = math.prod(max(size, 1) for size in entry.shape) * entry.itemsize
    if len(entry.shape) > 64 or spread >= _TENSOR_LIMIT:
        raise CheckpointError(
            f"{path}: tensor {name!r} has shape {str(entry.shape)[:80]}; at most 64 axes and "
            f"{_TENSOR_LIMIT:,} bytes are possible",
            fault="K09",
        )


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
    elif isinstance(value, int) and abs(value) >= 10**_INTEGER_DIGITS:
        problem = f"an integer of more than {_INTEGER_DIGITS} digits"
    elif not isinstance(value, str | int | float | None):
        problem = f"a {type(value).__name__}; only JSON's own types come back as they were"
    if problem:
        raise CheckpointError(f"{path}: {ascii(place)[1:-1][:200]} is {problem}", fault="K07")


def _unsupported(path: Path, name: str, dtype: str) -> NoReturn:
    raise CheckpointError(
        f"{path}: tensor {name!r} has dtype {ascii(dtype)[:40]}; supported are {', '.join(DTYPES)}",
        fault="K10",
    )


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


def _damaged(path: Path, what: str, fault: str) -> NoReturn:
    raise CheckpointError(f"{path} is damaged: {what}. {_AGAIN}", fault=fault)


def _read_header(file: io.BufferedReader, path: Path) -> _Header:
    """The header, with the file's length checked against it; nothing is allocated before that."""
    size = os.fstat(file.fileno()).st_size
    first = file.read(16)
    _check_kind(path, first, size)
    (length,) = struct.unpack("<Q", first[:8])
    if not 8 <= length <= _HEADER_LIMIT:
        _damaged(path, f"its header claims {length:,} bytes of the file's {size:,}", "K06")
    if size < 8 + length:
        _damaged(path, f"the file is {size} of at least {8 + length} bytes", "K01")
    raw = first + file.read(length - 8)
    try:
        fields = _parse(raw[8:].decode("ascii"))
    except ValueError as error:
        _damaged(path, f"its header is not strict JSON ({error})", "K07")
    header = _checked_header(path, raw, fields)
    expected = len(raw) + header.data_size
    if size < expected:
        _damaged(path, f"the file is {size} of {expected} bytes", "K01")
    if size > expected:
        _damaged(path, f"the file is {size} bytes, {size - expected} more than {expected}", "K01")
    return header


def _check_kind(path: Path, first: bytes, size: int) -> None:
    """Say what the file is when it cannot be a checkpoint: `{` opens every header."""
    if size == 0:
        raise CheckpointError(f"{path} is empty (0 bytes). {_AGAIN}", fault="K21")
    if first[8:9] == b"{":
        return
    for magic, kind in _KINDS:
        if first.lstrip().startswith(magic):
            raise CheckpointError(
                f"{path} is not a dgrad checkpoint: it is {kind}. Give a .safetensors file that "
                "dgrad wrote.",
                fault="K04",
            )
    if len(first) < 16:
        _damaged(path, f"the file is {size} of at least 16 bytes", "K01")
    _damaged(path, f"it starts with {first[:12].hex(' ')}, as no checkpoint does", "K04")


def _checked_header(path: Path, raw: bytes, fields: object) -> _Header:
    """Check what is needed to find the data and the digest; the rest waits for the digest."""
    if not isinstance(fields, dict):
        _damaged(path, "its header is not a map", "K07")
    if b'"dgrad":"' not in raw and b'"sha256":"' not in raw:
        raise CheckpointError(
            f"{path} is a safetensors file, but not a dgrad checkpoint: it has no dgrad metadata. "
            "Give a file that dgrad wrote.",
            fault="K04",
        )
    metadata = fields.pop("__metadata__", None)
    if not isinstance(metadata, dict):
        _damaged(path, "its header has no metadata", "K07")
    text, digest = metadata.get("dgrad"), metadata.get("sha256")
    if not isinstance(digest, str) or not _HEX.fullmatch(digest):
        _damaged(path, "its header states no sha256", "K02")
    if not isinstance(text, str):
        _damaged(path, "its header has no metadata", "K07")
    end = 0
    for name, field in fields.items():
        offsets = field.get("data_offsets") if isinstance(field, dict) else None
        if not _sizes(offsets) or len(offsets) != 2:
            _damaged(path, f"tensor {ascii(name)[:60]} has no valid data_offsets", "K08")
        end = max(end, offsets[1])
    return _Header(raw, fields, text, digest, end)


def _read_data(file: io.BufferedReader, size: int, path: Path) -> NDArray[np.uint8]:
    try:
        data = np.empty(size, np.uint8)
    except MemoryError as error:
        raise ResourceError(
            f"loading {path} needs {size:,} bytes of memory, more than there is", fault="T31"
        ) from error
    count = file.readinto(data.data)
    if count != size:
        _damaged(path, f"the file ended after {count} of {size} bytes of data", "K01")
    return data


def _read_metadata(text: str, path: Path) -> dict[str, Any]:
    try:
        value = _parse(text)
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
        _damaged(path, f"its metadata is not as dgrad writes it ({error})", "K07")
    return metadata


def _read_entry(path: Path, name: str, field: dict[str, Any]) -> _Entry:
    _check_name(path, name)
    dtype, shape = field.get("dtype"), field.get("shape")
    if not isinstance(dtype, str) or dtype not in DTYPES:
        _unsupported(path, name, str(dtype))
    if not _sizes(shape):
        _damaged(path, f"tensor {name!r} has no valid shape", "K09")
    entry = _Entry(dtype, tuple(shape))
    _check_size(path, name, entry)
    return entry


def _sizes(value: object) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(type(item) is int and item >= 0 for item in value)


def _check_canonical(path: Path, header: _Header, entries: Mapping[str, _Entry]) -> None:
    for name, (begin, end) in _offsets(entries).items():
        found = header.fields[name]["data_offsets"]
        if found != [begin, end]:
            _damaged(path, f"tensor {name!r} is at {found}, expected at {[begin, end]}", "K08")
    if _encode_header(entries, header.text, header.digest) != header.raw:
        _damaged(path, "its header is not in canonical form", "K07")


def _view(path: Path, name: str, entry: _Entry, data: NDArray[np.uint8]) -> NDArray[Any]:
    if entry.dtype == "BOOL" and data.size and data.max() > 1:
        _damaged(path, f"tensor {name!r} is BOOL and holds bytes other than 0 and 1", "K10")
    array = data.view(DTYPES[entry.dtype]).reshape(entry.shape)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _parse(text: str) -> Any:
    """JSON without repeated keys, NaN, Infinity or endless digits. Raises ValueError."""
    try:
        return json.loads(
            text, object_pairs_hook=_unique, parse_constant=_constant, parse_int=_integer
        )
    except RecursionError:
        raise ValueError("too deeply nested") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key occurs twice")
    return result


def _constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _integer(text: str) -> int:
    if len(text) > _INTEGER_DIGITS + 1:
        raise ValueError(f"an integer of {len(text)} digits")
    return int(text)
