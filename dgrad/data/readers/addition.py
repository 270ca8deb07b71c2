"""The addition reader: sums written out, whose answers a model is to complete."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from dgrad.data.dataset import Dataset
from dgrad.data.readers.draws import Seed, distinct, fingerprint
from dgrad.errors import ParameterError
from dgrad.registry import Count, Range, readers
from dgrad.targets import IGNORED

__all__ = ["make_addition"]

_VOCABULARY = ("+", *"0123456789", "=")  # by code point
_ZERO = 1


@readers.register("addition")
def make_addition(
    digits: Annotated[int, Range(low=1, high=6)] = 3,
    *,
    rows: Count = 20_000,
    reverse: bool = False,
    seed: Seed = 0,
) -> Dataset:
    """Sums such as 012+989=1001, whose answers a model is to complete; generated.

    Numbers have `digits` digits, zeros in front, the answer one more.
    inputs: (rows, 3 digits + 2) int64 tokens, all of a text but the last; targets: the tokens that
    follow each, IGNORED up to the sign =, so that only the answer is learned and measured.
    reverse: the answer's last digit comes first: 012+345=7530 instead of 012+345=0357.
    Every row is another pair of numbers: sums that are held out are new to a model.
    Raises ParameterError for more rows than there are pairs.
    """
    pairs = 100**digits
    if rows > pairs:
        raise ParameterError("addition", "rows", f"at most the {pairs:,} pairs there are", rows)
    a, b = np.divmod(distinct(pairs, rows, seed), 10**digits)
    answer = _written(a + b, digits + 1)
    sign = np.zeros((rows, 1), np.int64)  # "+" is the first symbol, "=" the last
    parts = [
        _written(a, digits),
        sign,
        _written(b, digits),
        sign + len(_VOCABULARY) - 1,
        answer[:, ::-1] if reverse else answer,
    ]
    tokens = np.concatenate(parts, axis=1)
    inputs, targets = tokens[:, :-1].copy(), tokens[:, 1:].copy()
    targets[:, : 2 * digits + 1] = IGNORED
    return Dataset(
        inputs,
        targets,
        class_names=_VOCABULARY,
        feature_names=None,
        sources=(fingerprint("addition", tokens),),
        vocabulary=_VOCABULARY,
    )


def _written(numbers: NDArray[np.int64], digits: int) -> NDArray[np.int64]:
    """The tokens of the decimal digits, zeros in front. (n,) -> (n, digits)."""
    powers = 10 ** np.arange(digits - 1, -1, -1)
    return numbers[:, None] // powers % 10 + _ZERO
