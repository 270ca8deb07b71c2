"""Einstein summation: its subscripts spelled out, and a rule that is einsum again."""

from __future__ import annotations

import functools
import math
import string
from collections import Counter
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from dgrad.core.op import OpFunction, op
from dgrad.core.protocols import NUMPY_OPS
from dgrad.errors import ShapeError, UnsupportedError

__all__ = ["einsum"]

LETTERS = string.ascii_letters
# Above so many products, looking for a path costs less than it saves: it goes through BLAS.
WORTH_A_PATH = 2**15


def _two_matrices(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (rng.normal(size=(2, 3)), rng.normal(size=(3, 4))), {"subscripts": "ij,jk->ik"}


@op(complex=True, example=_two_matrices)
def einsum(*operands: Any, subscripts: str, optimize: Any = None) -> Any:
    """Sum of products over the letters that the result does not have: einsum("ij,jk->ik", a, b).

    As np.einsum: "ii->i" takes a diagonal, "..." stands for axes that broadcast, without "->" the
    letters that occur once remain; einsum(a, [0, 1], b, [1, 2], [0, 2]) is the other spelling.
    optimize: NumPy's, for the order of the products; chosen by size when None. Its gradients are
    einsums too. Raises ShapeError when subscripts and arrays do not fit.
    """
    terms, result = _spelled(subscripts, tuple(np.ndim(x) for x in operands))
    if optimize is None:
        sizes = _sizes(terms, [np.shape(x) for x in operands])
        optimize = len(operands) > 1 and math.prod(sizes.values()) >= WORTH_A_PATH
    out = np.einsum(f"{','.join(terms)}->{result}", *operands, optimize=optimize)
    return np.array(out) if len(operands) == 1 else out  # NumPy returns views of a single one


@functools.lru_cache(maxsize=1024)
def _spelled(subscripts: str, ndims: tuple[int, ...]) -> tuple[tuple[str, ...], str]:
    """The letters of every operand and of the result, with letters in the place of dots."""

    def wrong(reason: str) -> ShapeError:
        return ShapeError(f"einsum {subscripts!r}: {reason}")

    left, arrow, result = subscripts.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(ndims):
        raise wrong(f"it has {len(terms)} terms, but {len(ndims)} operands came")
    for part in (*terms, result):
        named = part.replace("...", "", 1)
        if not all(c in LETTERS for c in named):
            raise wrong(f"the term {part!r} may hold letters and one '...'")
    extra = []  # how many axes the dots of each operand stand for
    for term, ndim in zip(terms, ndims, strict=True):
        extra.append(ndim - len(term.replace("...", "")))
        if extra[-1] < 0 or (extra[-1] and "..." not in term):
            raise wrong(f"the term {term!r} does not fit an operand of {ndim} axes")
    widest = max(extra)
    dots = "".join(c for c in LETTERS if c not in subscripts)[:widest]
    if len(dots) < widest:
        raise wrong("there are not letters enough for so many axes")
    if not arrow:
        counts = Counter("".join(terms).replace(".", ""))
        result = "..." + "".join(c for c in sorted(counts) if counts[c] == 1)
    elif widest and "..." not in result:
        raise wrong("the operands have axes under '...', so the result needs '...' too")
    result = result.replace("...", dots)
    full = tuple(
        term.replace("...", dots[widest - n :]) for term, n in zip(terms, extra, strict=True)
    )
    strange = [c for c in result if c not in "".join(full) or result.count(c) > 1]
    if strange:
        raise wrong(f"the result must have letters of the operands, once each; see {strange[0]!r}")
    return full, result


def index_sizes(subscripts: str, shapes: Sequence[tuple[int, ...]]) -> dict[str, int]:
    """The length that each letter of an einsum of operands of `shapes` runs over."""
    terms, _ = _spelled(subscripts, tuple(len(shape) for shape in shapes))
    return _sizes(terms, shapes)


def _sizes(terms: Sequence[str], shapes: Sequence[tuple[int, ...]]) -> dict[str, int]:
    """The length that each letter stands for; an axis of length 1 is stretched to it."""
    sizes: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        for letter, n in zip(term, shape, strict=True):
            if sizes.get(letter, 1) == 1:
                sizes[letter] = n
    return sizes


_contract = einsum


def _gradient(
    g: Any, result: str, terms: Sequence[str], operands: Sequence[Any], place: int
) -> Any:
    """The gradient of one operand: g and the other operands, contracted to its letters."""
    shapes = [np.shape(x) for x in operands]
    sizes = _sizes(terms, shapes)
    factors = [(result, g)]
    factors += [pair for i, pair in enumerate(zip(terms, operands, strict=True)) if i != place]
    target = ""
    fresh = (c for c in LETTERS if c not in "".join(terms))
    for letter, n in zip(terms[place], shapes[place], strict=True):
        if n != sizes[letter]:  # stretched from 1: summed, and put back by the reshape below
            continue
        if letter in target:  # "ii": a diagonal, elsewhere zero
            twin = next(fresh)
            factors.append((letter + twin, np.eye(n, dtype=g.dtype)))
            target += twin
            continue
        target += letter
        given = _sizes([t for t, _ in factors], [np.shape(x) for _, x in factors])
        if given.get(letter) != n:  # summed in this operand alone: every element counts alike
            factors.append((letter, np.ones(n, dtype=g.dtype)))
    subscripts = ",".join(term for term, _ in factors) + "->" + target
    out = _contract(tuple(x for _, x in factors), subscripts=subscripts)
    return np.reshape(out, shapes[place])


def _einsum_rule(
    g: Any, operands: tuple[Any, ...], needs: tuple[bool, ...], subscripts: str
) -> list[Any]:
    terms, result = _spelled(subscripts, tuple(np.ndim(x) for x in operands))
    return [
        _gradient(g, result, terms, operands, i) if needed else None
        for i, needed in enumerate(needs)
    ]


_contract.vjp(_einsum_rule)


def _interleaved(args: Sequence[Any]) -> tuple[str, list[Any]]:
    """einsum(a, [0, 1], b, [1, 2], [0, 2]) as subscripts and operands."""

    def letters(axes: Any) -> str:
        # the letters in alphabetical order, capitals first, as the integers are in theirs
        try:
            return "".join("..." if a is Ellipsis else sorted(LETTERS)[a] for a in axes)
        except (TypeError, IndexError):
            raise ShapeError(
                f"einsum: expected subscripts as a string first, or a list of axes from 0 to 51 "
                f"after each operand, got {axes!r}"
            ) from None

    operands = list(args[: len(args) // 2 * 2 : 2])
    text = ",".join(letters(axes) for axes in args[1::2])
    return (f"{text}->{letters(args[-1])}" if len(args) % 2 else text), operands


def _with_numpys_spelling(call: OpFunction) -> OpFunction:
    """The op, with its subscripts first as NumPy has them."""

    @functools.wraps(call)
    def einsum(*args: Any, **params: Any) -> Any:
        if args and isinstance(args[0], str):
            params["subscripts"], operands = args[0], list(args[1:])
        elif "subscripts" in params:
            operands = list(args)
        else:
            params["subscripts"], operands = _interleaved(args)
        return call(operands, **params)

    return cast(OpFunction, einsum)


einsum = _with_numpys_spelling(_contract)


def _as_numpy(*args: Any, out: None = None, optimize: Any = False, **others: Any) -> Any:
    """np.einsum's own signature."""
    if out is not None or others:
        name = next(iter(others), "out")
        raise UnsupportedError(
            f"np.einsum on a Tensor: the argument {name!r} is not supported; "
            f"use .data for a result without gradient"
        )
    return einsum(*args, **({"optimize": optimize} if optimize else {}))


cast(Any, einsum).numpy_call = _as_numpy
NUMPY_OPS[np.einsum] = einsum
