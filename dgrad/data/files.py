"""Reading one file whole, once and safely: kind, size and gzip packing are checked on the way."""

from __future__ import annotations

import hashlib
import os
import stat
import zlib
from collections.abc import Callable
from pathlib import Path

from dgrad.data.dataset import Source
from dgrad.errors import DataError
from dgrad.registry import closest

__all__ = ["MAX_CONTENT", "read_source"]

MAX_CONTENT = 2 * 1024**3
"""The most bytes of unpacked content that the readers take from one file: 2 GiB."""

_MAGIC = b"\x1f\x8b"
_HEAD = 4096
_GZIP = 31  # zlib's wbits for "gzip format, largest window"


def read_source(
    path: Path | str, *, limit: int, declared: Callable[[bytes], int] | None = None
) -> tuple[bytes, Source]:
    """The content of a file, gunzipped when its name ends in .gz, and the file's fingerprint.

    limit: the most bytes accepted, of the file and of its content. declared: told the first 4,096
    bytes of a .gz's content, returns the size they announce; unpacking stops one byte after it.
    Raises DataError: D01 (missing, not a regular file), D14 (truncated or empty gzip), D15 (not
    gzip, checksum wrong, bytes after the end), D16 (too large), D24 (changed during the read).
    """
    where = Path(path).absolute()
    raw = _read_regular(Path(path), where, limit)
    source = Source(str(where), len(raw), hashlib.sha256(raw).hexdigest())
    if where.suffix.lower() != ".gz":
        return raw, source
    if not raw:
        raise DataError(f"{where}: the file is empty, expected gzip data", fault="D14")
    if declared is not None:
        limit = min(limit, declared(_inflate(raw, where, _HEAD)))
    content = _inflate(raw, where, limit)
    if len(content) > limit:
        raise DataError(
            f"{where}: unpacks to more than the {limit:,} bytes expected of it; "
            f"unpacking was stopped there",
            fault="D16",
        )
    return content, source


def _read_regular(path: Path, where: Path, limit: int) -> bytes:
    # O_NONBLOCK: opening a FIFO that nobody writes to returns at once instead of waiting.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        with os.fdopen(_open_regular(path, where, flags), "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > limit:
                raise DataError(
                    f"{where}: the file has {size:,} bytes, at most {limit:,} can be read; "
                    f"split it or keep fewer rows",
                    fault="D16",
                )
            raw = file.read(size + 1)
    except FileNotFoundError:
        raise DataError(_missing(path, where), fault="D01") from None
    except (OSError, ValueError) as fault:  # ValueError: a NUL in the path
        reason = getattr(fault, "strerror", None) or str(fault)
        raise DataError(f"{str(where)!r}: cannot be read: {reason}", fault="D01") from None
    if len(raw) != size:
        raise DataError(f"{where}: the file changed while it was read; try again", fault="D24")
    return raw


def _open_regular(path: Path, where: Path, flags: int) -> int:
    descriptor = os.open(path, flags)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        kind = "a folder" if stat.S_ISDIR(mode) else "a pipe, socket or device"
        raise DataError(f"{where}: expected a file, found {kind}", fault="D01")
    return descriptor


def _missing(path: Path, where: Path) -> str:
    text = f"{where}: no such file"
    if not path.is_absolute():
        text += f" ({str(path)!r} is relative to {Path.cwd()})"
    try:
        close = closest(where.name, os.listdir(where.parent))
    except OSError as fault:
        return f"{text}; its folder {where.parent} cannot be listed ({fault.strerror})"
    return f"{text}; did you mean {close[0]!r}?" if close else text


def _inflate(raw: bytes, where: Path, limit: int) -> bytes:
    """The content of all gzip members in `raw`, cut off one byte past `limit`."""
    parts: list[bytes] = []
    room = limit + 1
    while raw and room:
        if not _MAGIC.startswith(raw[:2]):
            raise DataError(_not_gzip(raw, where, first=not parts), fault="D15")
        member = zlib.decompressobj(wbits=_GZIP)
        try:
            parts.append(member.decompress(raw, room))
        except zlib.error as fault:
            raise DataError(
                f"{where}: the gzip data are damaged ({fault}); fetch the file again", fault="D15"
            ) from None
        room -= len(parts[-1])
        if room and not member.eof:
            raise DataError(
                f"{where}: the gzip data stop before their end: the file is truncated; "
                f"fetch it again",
                fault="D14",
            )
        raw = member.unused_data
    return b"".join(parts)


def _not_gzip(raw: bytes, where: Path, *, first: bool) -> str:
    if first:
        return (
            f"{where}: the name ends in .gz but the content starts with {raw[:4].hex(' ')}, "
            f"which is not gzip; if it is already unpacked, remove .gz from the name"
        )
    return f"{where}: {len(raw):,} bytes that are not gzip follow the gzip data; fetch it again"
