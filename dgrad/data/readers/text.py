"""The text reader: every window of a text, its tokens single characters or bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from dgrad.data.dataset import Dataset
from dgrad.data.files import MAX_CONTENT, read_source
from dgrad.errors import DataError
from dgrad.registry import Count, readers

__all__ = ["read_text"]

_BOM = b"\xef\xbb\xbf"
_CODE_POINTS = 0x110000


@readers.register("text")
def read_text(
    path: Path, *, tokenizer: Literal["char", "byte"] = "char", context: Count = 64
) -> Dataset:
    """A text file (also .gz): every window of `context` characters or bytes, and what follows.

    inputs, targets: (tokens - context, context) int64 indices; targets[i, j] is the token that
    follows inputs[i, j]. Both are views of one array of tokens, so rows cost no memory.
    tokenizer: "char" takes UTF-8, its tokens are the characters that occur, sorted by code point;
    nothing is changed but for a byte-order mark, which is dropped. "byte" takes any file, its
    tokens are the 256 bytes, each named by the character of that code point.
    Raises DataError: D01, D14-D16, D23 (not UTF-8, empty, or not longer than `context`).
    """
    content, source = read_source(path, limit=MAX_CONTENT)
    if tokenizer == "byte":
        vocabulary: tuple[str, ...] = tuple(map(chr, range(256)))
        tokens = np.frombuffer(content, np.uint8).astype(np.int64)
    else:
        content = content.removeprefix(_BOM)
        tokens, vocabulary = _characters(content, source.path)
    if len(tokens) <= context:
        size = f"has {len(tokens):,} tokens" if len(tokens) else "is empty"
        raise DataError(
            f"{source.path}: the text {size}, expected more than context ({context}); "
            f"give a longer text or a shorter context",
            fault="D23",
        )
    return Dataset(
        inputs=sliding_window_view(tokens[:-1], context),
        targets=sliding_window_view(tokens[1:], context),
        class_names=vocabulary,
        feature_names=None,
        sources=(source,),
        vocabulary=vocabulary,
        overlap=context,
    )


def _characters(content: bytes, where: str) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """The index of every character among those that occur, and these. Raises D23."""
    codes = _code_points(content, where)
    occurs = np.zeros(_CODE_POINTS, np.bool_)
    occurs[codes] = True
    symbols = np.flatnonzero(occurs).tolist()
    index = np.zeros(symbols[-1] + 1 if symbols else 0, np.int64)
    index[symbols] = np.arange(len(symbols))
    return index[codes], tuple(map(chr, symbols))


def _code_points(content: bytes, where: str) -> NDArray[np.unsignedinteger]:
    if content.isascii():
        return np.frombuffer(content, np.uint8)
    try:
        return np.frombuffer(content.decode().encode("utf-32-le"), "<u4")
    except UnicodeDecodeError as fault:
        line = content.count(b"\n", 0, fault.start) + 1
        raise DataError(
            f"{where}: line {line}: byte 0x{content[fault.start]:02x} is not UTF-8; "
            f"save the file as UTF-8, or set tokenizer: byte",
            fault="D23",
        ) from None
