"""Splitting rows into train, val and test, and checking what the splits share or lack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgrad.data.loader import permutation
from dgrad.errors import DataError, ParameterError
from dgrad.randomness import Purpose

__all__ = ["Split", "check_classes", "duplicate_rows", "split"]

_NAMES = ("train", "val", "test")
_SHOWN_CLASSES = 10


@dataclass(frozen=True, eq=False)
class Split:
    """The rows of each part: ascending (k,) int64 indices; val or test may be empty."""

    train: NDArray[np.int64]
    val: NDArray[np.int64]
    test: NDArray[np.int64]


def split(
    targets: NDArray[Any], *, val: float, test: float, stratify: bool = False, seed: int
) -> Split:
    """A random split of all rows: shares `val` and `test`, the rest to train. targets: (n,).

    Each part has its share of the n rows, rounded by largest remainder. With stratify this holds
    too, and in addition the part's share of every class is right to within one row. The same
    (targets, val, test, stratify, seed) always give the same split.
    Raises ParameterError for shares not in [0, 1) or with no rest; DataError (D10) when a part
    that was asked for would be empty, (D08) when number targets are to be stratified.
    """
    shares = _shares(val, test)
    if stratify and targets.dtype.kind not in "iu":
        raise DataError(
            "stratify needs classes, but the targets are numbers; set stratify: false", fault="D08"
        )
    sizes = _rounded(len(targets), shares)
    for name, size, share in zip(_NAMES, sizes, shares, strict=True):
        if share and not size:
            raise DataError(
                f"the {name} split would get none of {len(targets)} rows "
                f"(its share is {float(share):g}); give more rows or another share",
                fault="D10",
            )
    order = permutation(len(targets), seed=seed, purpose=Purpose.SPLIT)
    if not stratify:
        parts = _cut(order, sizes)
    else:
        counts = np.unique(targets, return_counts=True)[1].tolist()
        order = order[np.argsort(targets[order], kind="stable")]  # class by class, random inside
        classes = zip(_cut(order, counts), _allotted(counts, shares, sizes), strict=True)
        pieces = zip(*(_cut(rows, allotted) for rows, allotted in classes), strict=True)
        parts = [np.concatenate(piece) for piece in pieces]
    return Split(*(np.sort(part) for part in parts))


def _shares(val: float, test: float) -> list[Fraction]:
    """The exact shares (train, val, test) that the decimals stand for."""
    for name, value in (("val", val), ("test", test)):
        if not 0 <= value < 1:
            raise ParameterError("split", name, ">= 0 and < 1", value)
    held = [Fraction(repr(float(value))) for value in (val, test)]
    if sum(held) >= 1:
        raise ParameterError("split", "val + test", "less than 1", float(sum(held)))
    return [Fraction(1) - sum(held), *held]


def _cut(rows: NDArray[np.int64], sizes: Sequence[int]) -> list[NDArray[np.int64]]:
    bounds = np.cumsum([0, *sizes])
    return [rows[start:stop] for start, stop in pairwise(bounds)]


def _rounded(n: int, shares: Sequence[Fraction]) -> list[int]:
    """n divided by `shares` into whole numbers, by largest remainder."""
    sizes = [int(n * share) for share in shares]
    remainders = [n * share - size for share, size in zip(shares, sizes, strict=True)]
    by_remainder = sorted(range(len(shares)), key=lambda part: -remainders[part])
    for part in by_remainder[: n - sum(sizes)]:
        sizes[part] += 1
    return sizes


def _allotted(
    counts: Sequence[int], shares: Sequence[Fraction], sizes: Sequence[int]
) -> list[list[int]]:
    """Rows of each class for each part: every entry within 1 of its share, columns sum to sizes.

    A class gets the floors of its shares; its 0, 1 or 2 rows over go to different parts, those
    that still need as many rows as there are classes left (or the sums could not be met), then
    those where the class has the largest remainder. Small classes choose first.
    """
    exact = [[count * share for share in shares] for count in counts]
    table = [[int(value) for value in row] for row in exact]
    needed = [size - sum(row[part] for row in table) for part, size in enumerate(sizes)]
    over = [count - sum(row) for count, row in zip(counts, table, strict=True)]
    waiting = sorted((count, index) for index, count in enumerate(counts) if over[index])
    for left, (_, index) in zip(range(len(waiting), 0, -1), waiting, strict=True):
        keys = [
            (needed[part] == left, needed[part] > 0, exact[index][part] - table[index][part])
            for part in range(len(shares))
        ]
        for part in sorted(range(len(shares)), key=keys.__getitem__, reverse=True)[: over[index]]:
            table[index][part] += 1
            needed[part] -= 1
    return table


def check_classes(
    targets: NDArray[np.int64], split: Split, class_names: Sequence[str]
) -> dict[str, list[str]]:
    """Checks that no part asks for a class that training never saw.

    Returns, for "val" and "test" when not empty, the classes of train that the part has no row
    of, if any: worth a warning, as they are not measured there.
    Raises DataError (D09) that names the classes in val or test that train has no row of.
    """
    present = {name: set(targets[getattr(split, name)].tolist()) for name in _NAMES}
    unseen = {}
    for name in ("val", "test"):
        unknown = sorted(present[name] - present["train"])
        if unknown:
            raise DataError(
                f"the {name} split has classes that the train split lacks: "
                f"{_some(unknown, class_names)}; set stratify: true, or give those classes more "
                f"rows (a class needs one for each split)",
                fault="D09",
            )
        missing = sorted(present["train"] - present[name])
        if missing and present[name]:
            unseen[name] = [class_names[index] for index in missing]
    return unseen


def _some(classes: Sequence[int], class_names: Sequence[str]) -> str:
    shown = ", ".join(repr(class_names[index]) for index in classes[:_SHOWN_CLASSES])
    more = len(classes) - _SHOWN_CLASSES
    return f"{shown} and {more} more" if more > 0 else shown


def duplicate_rows(inputs: NDArray[Any], split: Split) -> dict[str, int]:
    """How many rows of one part have an identical row in an earlier one. inputs: (n, ...).

    Keys "train/val", "train/test", "val/test": of the second part, the rows whose inputs occur
    in the first. Zeros of either sign are equal. Rows are compared by 64-bit hash.
    """
    rows = np.ascontiguousarray(inputs).reshape(len(inputs), -1) + 0  # -0.0 + 0 is 0.0
    hashes = np.fromiter((hash(row.tobytes()) for row in rows), np.int64, len(rows))
    pairs = (("train", "val"), ("train", "test"), ("val", "test"))
    return {
        f"{first}/{second}": int(
            np.isin(hashes[getattr(split, second)], hashes[getattr(split, first)]).sum()
        )
        for first, second in pairs
    }
