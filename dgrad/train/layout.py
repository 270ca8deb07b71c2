"""The layout of checkpoint files, as pure functions on bytes and headers: strict safetensors.

    8 bytes    length of the header, little-endian
    header     canonical JSON, padded with spaces to a multiple of 8 bytes:
               {"__metadata__": {"dgrad": TEXT, "sha256": DIGEST},
                NAME: {"data_offsets", "dtype", "shape"}, ...}
    data       the arrays, little-endian and C-contiguous, larger item sizes first, then by name

TEXT is canonical JSON (sorted keys, no spaces, ASCII): {"format", "metadata", "needs"}. DIGEST is
the sha256 of the whole file with the digest's own 64 characters replaced by zeros: it shows damage,
not who wrote the file. A given content has exactly one encoding, and only that one is accepted.

No file is opened here: a `path` is only named in the CheckpointError that is raised.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeGuard

import numpy as np

from dgrad.errors import CheckpointError

__all__ = [
    "BLANK", "DTYPES", "HEADER_LIMIT", "INTEGER_DIGITS", "Entry", "Header", "canonical",
    "check_name", "damaged", "encode_header", "header_length", "new_entry", "parse",
    "read_entries", "read_header", "spans",
]  # fmt: skip

HEADER_LIMIT = 16 << 20  # bytes
INTEGER_DIGITS = 308  # at most, in JSON
BLANK = "0" * 64  # stands for the digest while the digest is computed
DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2",
    "I8": "|i1", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1", "BOOL": "|b1",
}  # fmt: skip

_TENSOR_LIMIT = 1 << 40  # bytes, an empty axis counted as one
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,200}")
_HEX = re.compile(r"[0-9a-f]{64}")
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
class Entry:
    """What the header says of one tensor, but for its place: dtype is a key of DTYPES."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return np.dtype(DTYPES[self.dtype]).itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of the whole tensor."""
        return math.prod(self.shape) * self.itemsize


@dataclass(frozen=True)
class Header:
    """A header that leads to the data and the digest; the rest of it is not checked yet."""

    raw: bytes  # with the 8 bytes of its length
    fields: dict[str, dict[str, Any]]  # one for each tensor, only its offsets checked
    text: str
    digest: str
    data_size: int

    @property
    def blank(self) -> bytes:
        """The raw header with BLANK for its digest: where the digest of the file begins."""
        return self.raw.replace(_digest_field(self.digest), _digest_field(BLANK))


# Encoding: the only definition of the layout; reading compares with what this would write.


def canonical(value: object) -> str:
    """JSON with sorted keys, no spaces, ASCII only. Raises ValueError for NaN and Infinity."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _digest_field(digest: str) -> bytes:
    """The digest with its key. JSON text inside JSON has escaped quotes, so it occurs once."""
    return f'"sha256":"{digest}"'.encode("ascii")


def spans(entries: Mapping[str, Entry]) -> dict[str, tuple[int, int]]:
    """Where each tensor's bytes lie, in the order of the data; every one is aligned."""
    offsets, end = {}, 0
    for name in sorted(entries, key=lambda name: (-entries[name].itemsize, name)):
        begin, end = end, end + entries[name].nbytes
        offsets[name] = (begin, end)
    return offsets


def encode_header(entries: Mapping[str, Entry], text: str, digest: str) -> bytes:
    """The header as it goes into the file, its length and padding included."""
    header: dict[str, object] = {"__metadata__": {"dgrad": text, "sha256": digest}}
    for name, offsets in spans(entries).items():
        entry = entries[name]
        header[name] = {"dtype": entry.dtype, "shape": entry.shape, "data_offsets": offsets}
    body = canonical(header).encode("ascii")
    body += b" " * (-len(body) % 8)
    return struct.pack("<Q", len(body)) + body


# Checks shared by writing and reading.


def new_entry(path: Path, name: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Entry:
    """The entry for an array of this dtype, in either byte order, and shape (K09, K10)."""
    code = _CODES.get((dtype.kind, dtype.itemsize))
    if code is None:
        _unsupported(path, name, str(dtype))
    entry = Entry(code, shape)
    _check_size(path, name, entry)
    return entry


def check_name(path: Path, name: object) -> None:
    """Refuse a tensor name that is not short, plain text (K11)."""
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name == "__metadata__":
        raise CheckpointError(
            f"{path}: bad tensor name {ascii(name)[:60]}; names are 1 to 200 of the characters "
            "A-Z a-z 0-9 _ . -",
            fault="K11",
        )


def _check_size(path: Path, name: str, entry: Entry) -> None:
    spread = math.prod(max(size, 1) for size in entry.shape) * entry.itemsize
    if len(entry.shape) > 64 or spread >= _TENSOR_LIMIT:
        raise CheckpointError(
            f"{path}: tensor {name!r} has shape {str(entry.shape)[:80]}; at most 64 axes and "
            f"{_TENSOR_LIMIT:,} bytes are possible",
            fault="K09",
        )


def _unsupported(path: Path, name: str, dtype: str) -> NoReturn:
    raise CheckpointError(
        f"{path}: tensor {name!r} has dtype {ascii(dtype)[:40]}; supported are {', '.join(DTYPES)}",
        fault="K10",
    )


# Reading.


def damaged(path: Path, what: str, fault: str) -> NoReturn:
    """Raise CheckpointError: what is wrong with the file, and what to do."""
    raise CheckpointError(f"{path} is damaged: {what}. {_AGAIN}", fault=fault)


def header_length(path: Path, first: bytes, size: int) -> int:
    """The length of the header that follows the first 8 bytes.

    first: the first 16 bytes of the file. size: of the file; no length beyond it is returned, so
    that a false one costs no memory. Faults K01, K04, K06 and K21.
    """
    _check_kind(path, first, size)
    length: int = struct.unpack("<Q", first[:8])[0]
    if not 8 <= length <= HEADER_LIMIT:
        damaged(path, f"its header claims {length:,} bytes of the file's {size:,}", "K06")
    if size < 8 + length:
        damaged(path, f"the file is {size} of at least {8 + length} bytes", "K01")
    return length


def read_header(path: Path, raw: bytes, size: int) -> Header:
    """The header, from the bytes up to its end. Faults K01, K02, K04, K07 and K08."""
    try:
        fields = parse(raw[8:].decode("ascii"))
    except ValueError as error:
        damaged(path, f"its header is not strict JSON ({error})", "K07")
    header = _checked_header(path, raw, fields)
    expected = len(raw) + header.data_size
    if size < expected:
        damaged(path, f"the file is {size} of {expected} bytes", "K01")
    if size > expected:
        damaged(path, f"the file is {size} bytes, {size - expected} more than {expected}", "K01")
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
        damaged(path, f"the file is {size} of at least 16 bytes", "K01")
    damaged(path, f"it starts with {first[:12].hex(' ')}, as no checkpoint does", "K04")


def _checked_header(path: Path, raw: bytes, fields: object) -> Header:
    """Check what is needed to find the data and the digest; the rest waits for the digest."""
    if not isinstance(fields, dict):
        damaged(path, "its header is not a map", "K07")
    if b'"dgrad":"' not in raw and b'"sha256":"' not in raw:
        raise CheckpointError(
            f"{path} is a safetensors file, but not a dgrad checkpoint: it has no dgrad metadata. "
            "Give a file that dgrad wrote.",
            fault="K04",
        )
    metadata = fields.pop("__metadata__", None)
    if not isinstance(metadata, dict):
        damaged(path, "its header has no metadata", "K07")
    text, digest = metadata.get("dgrad"), metadata.get("sha256")
    if not isinstance(digest, str) or not _HEX.fullmatch(digest):
        damaged(path, "its header states no sha256", "K02")
    if not isinstance(text, str):
        damaged(path, "its header has no metadata", "K07")
    end = 0
    for name, field in fields.items():
        offsets = field.get("data_offsets") if isinstance(field, dict) else None
        if not _sizes(offsets) or len(offsets) != 2:
            damaged(path, f"tensor {ascii(name)[:60]} has no valid data_offsets", "K08")
        end = max(end, offsets[1])
    return Header(raw, fields, text, digest, end)


def read_entries(path: Path, header: Header) -> dict[str, Entry]:
    """The entry of each tensor of a header that is as dgrad writes it. Faults K07 to K11."""
    entries = {name: _read_entry(path, name, field) for name, field in header.fields.items()}
    for name, (begin, end) in spans(entries).items():
        found = header.fields[name]["data_offsets"]
        if found != [begin, end]:
            damaged(path, f"tensor {name!r} is at {found}, expected at {[begin, end]}", "K08")
    if encode_header(entries, header.text, header.digest) != header.raw:
        damaged(path, "its header is not in canonical form", "K07")
    return entries


def _read_entry(path: Path, name: str, field: dict[str, Any]) -> Entry:
    check_name(path, name)
    dtype, shape = field.get("dtype"), field.get("shape")
    if not isinstance(dtype, str) or dtype not in DTYPES:
        _unsupported(path, name, str(dtype))
    if not _sizes(shape):
        damaged(path, f"tensor {name!r} has no valid shape", "K09")
    entry = Entry(dtype, tuple(shape))
    _check_size(path, name, entry)
    return entry


def _sizes(value: object) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(type(item) is int and item >= 0 for item in value)


def parse(text: str) -> Any:
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
    if len(text) > INTEGER_DIGITS + 1:
        raise ValueError(f"an integer of {len(text)} digits")
    return int(text)
