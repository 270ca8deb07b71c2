"""What the parts of a split share, and which classes they lack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgrad.data.split import Split
from dgrad.errors import DataError
from dgrad.randomness import Purpose, philox
from dgrad.targets import IGNORED

__all__ = ["check_classes", "duplicate_rows", "unseen_classes"]

_NAMES = ("train", "val", "test")
_SHOWN_CLASSES = 10
_BLOCK_WORDS = 2**15
_MIX = np.uint64(0xBF58476D1CE4E5B9)  # odd, with as many ones as zeros: of SplitMix64


def check_classes(
    targets: NDArray[np.int64], split: Split, class_names: Sequence[str]
) -> dict[str, list[str]]:
    """Checks that no part asks for a class that training never saw.

    Returns, for "val" and "test" when not empty, the classes of train that the part has no row
    of, if any: worth a warning, as they are not measured there.
    Raises DataError (D09) that names the classes in val or test that train has no row of.
    """
    present = {
        name: _occurring(targets, getattr(split, name), len(class_names), 1) for name in _NAMES
    }
    unseen = {}
    for name in ("val", "test"):
        unknown = np.flatnonzero(present[name] & ~present["train"]).tolist()
        if unknown:
            raise DataError(
                f"the {name} split has classes that the train split lacks: "
                f"{_some(unknown, class_names)}; set stratify: true, or give those classes more "
                f"rows (a class needs one for each split)",
                fault="D09",
            )
        missing = np.flatnonzero(present["train"] & ~present[name]).tolist()
        if missing and present[name].any():
            unseen[name] = [class_names[index] for index in missing]
    return unseen


def unseen_classes(
    targets: NDArray[np.int64], split: Split, class_names: Sequence[str], *, overlap: int = 1
) -> dict[str, list[str]]:
    """The classes among the targets of "val" and "test" that those of train lack, if any.

    For rows of several targets, tokens: (n, ...). overlap: as of a Dataset.
    """
    seen, *held = (
        _occurring(targets, getattr(split, name), len(class_names), overlap) for name in _NAMES
    )
    found = {
        name: [class_names[index] for index in np.flatnonzero(present & ~seen).tolist()]
        for name, present in zip(_NAMES[1:], held, strict=True)
    }
    return {name: classes for name, classes in found.items() if classes}


def _occurring(
    targets: NDArray[np.int64], rows: NDArray[np.int64], classes: int, overlap: int
) -> NDArray[np.bool_]:
    """Whether each class occurs among the targets of `rows`, (classes,)."""
    seen = np.zeros(classes, np.bool_)
    # Of windows without a gap every overlap-th and the last one hold all that the others do.
    dense = len(rows) and len(rows) == rows[-1] - rows[0] + 1
    for some in (rows[:: overlap if dense else 1], rows[-1:]):
        values = targets[some]
        seen[values[values != IGNORED]] = True
    return seen


def _some(classes: Sequence[int], class_names: Sequence[str]) -> str:
    shown = ", ".join(repr(class_names[index]) for index in classes[:_SHOWN_CLASSES])
    more = len(classes) - _SHOWN_CLASSES
    return f"{shown} and {more} more" if more > 0 else shown


def duplicate_rows(inputs: NDArray[Any], split: Split) -> dict[str, int]:
    """How many rows of one part have an identical row in an earlier one. inputs: (n, ...).

    Keys "train/val", "train/test", "val/test": of the second part, the rows whose inputs occur
    in the first. Zeros of either sign are equal. Rows are compared by 64-bit hash.
    """
    hashes = _hashes(inputs)
    pairs = (("train", "val"), ("train", "test"), ("val", "test"))
    return {
        f"{first}/{second}": int(
            np.isin(hashes[getattr(split, second)], hashes[getattr(split, first)]).sum()
        )
        for first, second in pairs
    }


def _hashes(inputs: NDArray[Any]) -> NDArray[np.uint64]:
    """A number for each row, (n,): the sum of its mixed 64-bit words, each times one of its own."""
    rows = inputs.reshape(len(inputs), -1)
    size = rows.shape[1] * rows.itemsize
    width = max(1, -(-size // 8))
    factors = philox(0, Purpose.SPLIT, number=1).random_raw(width) | np.uint64(1)
    step = max(1, _BLOCK_WORDS // width)
    block = np.zeros((min(step, len(rows)), 8 * width), np.uint8)
    out = np.empty(len(rows), np.uint64)
    for start in range(0, len(rows), step):
        some = np.add(rows[start : start + step], 0, order="C")  # -0.0 + 0 is 0.0
        words = block[: len(some)]
        words[:, :size] = some.view(np.uint8)
        mixed = words.view(np.uint64)
        mixed = mixed ^ (mixed >> np.uint64(32))  # a copy: what fills up the block stays 0
        mixed *= _MIX
        mixed ^= mixed >> np.uint64(32)
        out[start : start + step] = mixed @ factors
    return out
