"""Splitting rows into train, val and test: at random, class by class, or in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgrad.data.loader import permutation
from dgrad.errors import DataError, ParameterError
from dgrad.randomness import Purpose

__all__ = ["Split", "as_slice", "split", "split_in_order"]

_NAMES = ("train", "val", "test")


@dataclass(frozen=True, eq=False)
class Split:
    """The rows of each part: ascending (k,) int64 indices; val or test may be empty.

    left_over: places of a sequence at the end of "val" or "test" that fill no row of their own.
    """

    train: NDArray[np.int64]
    val: NDArray[np.int64]
    test: NDArray[np.int64]
    left_over: dict[str, int] = field(default_factory=dict)


def split(
    targets: NDArray[Any], *, val: float, test: float, stratify: bool = False, seed: int
) -> Split:
    """A random split of all rows: shares `val` and `test`, the rest to train. targets: (n,).

    Each part has its share of the n rows, rounded by largest remainder. With stratify this holds
    too, and in addition the part's share of every class is right to within one row. The same
    (targets, val, test, stratify, seed) always give the same split.
    Raises ParameterError for shares not in [0, 1) or with no rest; DataError (D10) when a part
    that was asked for would be empty, (D08) when rows are to be stratified that have no class or
    several.
    """
    shares = _shares(val, test)
    if stratify and (targets.dtype.kind not in "iu" or targets.ndim != 1):
        there = "there is one for each token" if targets.dtype.kind in "iu" else "they are numbers"
        raise DataError(
            f"stratify needs targets that are classes, one for each row, but {there}; "
            f"set stratify: false",
            fault="D08",
        )
    sizes = _rounded(len(targets), shares)
    for part, size in enumerate(sizes):
        _check_size(part, size, shares, len(targets))
    order = permutation(len(targets), seed=seed, purpose=Purpose.SPLIT)
    if not stratify:
        parts = _cut(order, sizes)
    else:
        counts = np.unique(targets, return_counts=True)[1].tolist()
        order = order[np.argsort(targets[order], kind="stable")]  # class by class, random inside
        classes = zip(_cut(order, counts), _allotted(counts, shares, sizes), strict=True)
        pieces = zip(*(_cut(rows, allotted) for rows, allotted in classes), strict=True)
        parts = [np.concatenate(piece) for piece in pieces]
    train, held, tested = (np.sort(part) for part in parts)
    return Split(train, held, tested)


def split_in_order(n: int, *, val: float, test: float, overlap: int = 1) -> Split:
    """A split of n rows, cut in order: the first ones are train, then come val and test.

    overlap: as of a Dataset. Where it is 1 every part has its share of the rows, rounded by largest
    remainder. Otherwise the shares are of the places of the sequence that the rows are windows of:
    a part has only rows that lie in it whole, train all of them, val and test every overlap-th,
    so that no place is measured twice. The places left over at their ends are counted.
    Raises ParameterError for shares not in [0, 1) or with no rest; DataError (D10) when a part
    that was asked for would be empty.
    """
    shares = _shares(val, test)
    bounds = np.cumsum([0, *_rounded(n + overlap - 1, shares)]).tolist()
    parts, left_over = [], {}
    for part, (start, stop) in enumerate(pairwise(bounds)):
        step = 1 if part == 0 else overlap
        rows = np.arange(start, stop - overlap + 1, step, dtype=np.int64)
        _check_size(part, len(rows), shares, n)
        parts.append(rows)
        if part and len(rows) and (stop - start) % overlap:
            left_over[_NAMES[part]] = (stop - start) % overlap
    return Split(parts[0], parts[1], parts[2], left_over)


def as_slice(rows: NDArray[np.int64]) -> slice | NDArray[np.int64]:
    """The slice that picks `rows`, ascending, if they are evenly spaced, else `rows`.

    An array indexed by a slice gives a view, by an array of rows a copy.
    """
    steps = np.diff(rows)
    if not len(steps) or (steps != steps[0]).any():
        return rows
    return slice(int(rows[0]), int(rows[-1]) + 1, int(steps[0]))


def _check_size(part: int, size: int, shares: Sequence[Fraction], n: int) -> None:
    """Raises DataError D10 for a part without rows that has a share."""
    if shares[part] and not size:
        raise DataError(
            f"the {_NAMES[part]} split would get none of {n} rows "
            f"(its share is {float(shares[part]):g}); give more rows or another share",
            fault="D10",
        )


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
