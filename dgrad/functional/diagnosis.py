"""What a wrong gradient looks like, in words: the sign, a factor, transposed, a sum left out."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Evidence", "diagnose", "diagnose_shape"]

EXPLAINED = 0.02  # what is left of the largest error, once it is explained
SMALL = 1e-3  # of a row's largest derivative: smaller ones say nothing about a factor

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Evidence:
    """Derivatives of the rows along lines, (lines, rows), by the rules and by the values.

    shape: the input's; indices: the flat index of each line's entry, -1 for other directions.
    wrong, known: which are wrong, and which could be judged. sums: how many of the rows, the first
    ones, are sums over all outputs; the others are single entries of outputs of these `shapes`.
    """

    shape: Shape
    indices: np.ndarray
    analytic: np.ndarray
    numeric: np.ndarray
    wrong: np.ndarray
    known: np.ndarray
    sums: int
    shapes: Sequence[Shape]


def diagnose(seen: Evidence) -> str:
    """The first pattern that explains the errors; empty when none does."""
    scale = np.maximum(np.abs(seen.analytic), np.abs(seen.numeric))
    scale = np.max(scale, axis=0, initial=0.0, where=seen.known)
    scale = np.where(scale > 0, scale, 1.0)
    a, n = seen.analytic / scale, np.where(seen.known, seen.numeric, 0.0) / scale
    for found in (_factor(a, n, seen), _places(a, n, seen), _shares(a, n, seen), _where(seen)):
        if found:
            return found
    return ""


def _explains(a: np.ndarray, pattern: np.ndarray, n: np.ndarray, known: np.ndarray) -> bool:
    """Whether a is this pattern of n, as far as it is known."""
    error = np.abs(a - n)[known].max(initial=0.0)
    return bool((np.abs(a - pattern)[known] <= EXPLAINED * error).all())


def _factor(a: np.ndarray, n: np.ndarray, seen: Evidence) -> str:
    for at, note in ((seen.known, ""), (seen.wrong, " where it is wrong")):
        large = at & (np.abs(n) > SMALL)
        if not large.any() or (note and large.sum() < 2):
            continue
        c = float(np.sum(a[large] * n[large]) / np.sum(n[large] ** 2))
        if not _explains(a, c * n, n, at):
            continue
        if abs(c) < EXPLAINED:
            return "" if note else "the gradient is 0 everywhere"
        if abs(c + 1) < EXPLAINED:
            return f"looks like the sign is wrong{note}"
        shown = f"{round(c, 4 - math.floor(math.log10(abs(c - 1)))):.12g}"
        return f"looks off by a constant factor {shown}{note}{_reason(c, seen)}"
    return ""


def _reason(c: float, seen: Evidence) -> str:
    """What often makes such a factor."""
    stretched = [_ratio(shape, seen.shape) for shape in seen.shapes]
    for k in stretched:
        if k > 1 and abs(c * k - 1) < SMALL:
            return f", 1/{k}: a mean over a broadcast axis, where the sum is due?"
    if abs(c - 0.5) < SMALL:
        return ": one share of an input that is used twice?"
    return ""


def _ratio(shape: Shape, own: Shape) -> int:
    """How many times an array of shape `own` is repeated where it is broadcast to `shape`; or 0."""
    lead = len(shape) - len(own)
    pairs = list(zip(own, shape[lead:], strict=False))
    if lead < 0 or any(n not in (1, m) for n, m in pairs):
        return 0
    return math.prod(shape[:lead]) * math.prod(m for n, m in pairs if n == 1)


def _places(a: np.ndarray, n: np.ndarray, seen: Evidence) -> str:
    """Right numbers at wrong places, or a term missing all along an axis; by sums of outputs."""
    size = math.prod(seen.shape)
    order = np.argsort(seen.indices)
    if not np.array_equal(seen.indices[order], np.arange(size)) or size < 2:
        return ""
    rows = [r for r in range(seen.sums) if seen.known[:, r].all() and seen.wrong[:, r].any()]
    if not rows:
        return ""
    own, right = (v[order][:, rows].T.reshape(-1, *seen.shape) for v in (a, n))
    known = np.ones(own.shape, bool)
    for pattern, words in _moved(right):
        if _explains(own, pattern, right, known):
            return f"looks {words}"
    gap = own - right
    for axis in range(1, gap.ndim):
        mean = np.mean(gap, axis=axis, keepdims=True)
        if gap.shape[axis] > 1 and _explains(own, right + mean, right, known):
            where = f"all along axis {axis - 1}"
            return f"differs by the same {where}: a term summed over it is missing"
    flat, wanted = (np.sort(v.reshape(len(rows), -1), axis=1) for v in (own, right))
    if _explains(flat, wanted, own.reshape(flat.shape), np.ones(flat.shape, bool)):
        return "the right numbers, at wrong places"
    return ""


def _moved(right: np.ndarray) -> Iterator[tuple[np.ndarray, str]]:
    """(the same numbers at other places, how they got there)."""
    axes = range(1, right.ndim)
    for i in axes:
        for j in range(i + 1, right.ndim):
            swapped = np.swapaxes(right, i, j)
            words = f"transposed: axes {i - 1} and {j - 1} exchanged"
            yield swapped.reshape(right.shape), words
            yield np.swapaxes(right.reshape(swapped.shape), i, j), words
    for i in axes:
        yield np.flip(right, i), f"reversed along axis {i - 1}"


def _shares(a: np.ndarray, n: np.ndarray, seen: Evidence) -> str:
    """Right for some outputs, and 0 for others that depend on the same entry."""
    lost = seen.wrong[:, seen.sums :]
    a, n = a[:, seen.sums :], n[:, seen.sums :]
    if not lost.any() or np.abs(a[lost]).max() > EXPLAINED * np.abs(n[lost]).max():
        return ""
    right = (seen.known & ~seen.wrong)[:, seen.sums :] & (np.abs(a) > SMALL)
    beside = (right & lost.any(axis=0)).any()  # an output that depends on several entries
    if beside or not (right & lost.any(axis=1, keepdims=True)).any():
        return "a term is missing: 0 at some places where it should not be, right elsewhere"
    if any(_ratio(shape, seen.shape) > 1 for shape in seen.shapes):
        return "looks like a missing broadcast sum: it equals a slice of what is to be added up"
    return "looks like a missing accumulation: what several outputs send to one entry is not added"


def _where(seen: Evidence) -> str:
    """Where it is wrong, if it is not everywhere."""
    wrong = seen.wrong.any(axis=1)
    if (seen.indices < 0).any() or wrong.all() or not seen.shape:
        return ""
    places = np.transpose(np.unravel_index(seen.indices, seen.shape))
    bad = places[wrong]
    if len(bad) == 1:
        return f"a term is wrong or missing at index {tuple(bad[0].tolist())} alone"
    for axis, column in enumerate(bad.T):
        value = column[0]
        whole = (places[:, axis] == value) == wrong
        if (column == value).all() and whole.all():
            return f"a term is wrong or missing where the index along axis {axis} is {value}, alone"
    return ""


def diagnose_shape(message: str) -> str:
    """What a gradient of a wrong shape looks like, by the engine's message about it."""
    shapes = re.findall(r"shape (\([\d, ]*\))", message)
    if len(shapes) != 2:
        return ""
    got, own = map(ast.literal_eval, shapes)
    times = _ratio(got, own)
    if times > 1 or (times and len(got) > len(own)):
        lead = len(got) - len(own)
        axes = [i for i, m in enumerate(got) if i < lead or own[i - lead] != m]
        return f"; looks like a missing broadcast sum, over axes {axes}"
    if sorted(got) == sorted(own):
        return "; looks transposed"
    return ""
