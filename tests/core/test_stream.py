"""Random streams: a draw is a function of (seed, place, number) and of nothing else."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from dgrad import Tensor, grad, manual_seed, ops
from dgrad.core.stream import Stream, default_stream, generator
from dgrad.errors import ParameterError


def test_keys_count_up_from_where_the_stream_was_moved() -> None:
    stream = Stream(7)
    assert [stream.key() for _ in range(3)] == [(7, 0, 0), (7, 0, 1), (7, 0, 2)]
    stream.move(7, 100)
    assert stream.key() == (7, 100, 0)


def test_a_key_gives_the_same_numbers_wherever_and_whenever() -> None:
    first = generator((3, 5, 2)).random(4)
    generator((3, 5, 3)).random(1000)
    np.testing.assert_array_equal(generator((3, 5, 2)).random(4), first)


def test_different_keys_give_different_numbers() -> None:
    keys = list(itertools.product((0, 1, 2**63), (0, 1, 10**6), (0, 1, 2)))
    draws = {generator(key).bytes(32) for key in keys}
    assert len(draws) == len(keys)


def test_streams_do_not_overlap_in_long_draws() -> None:
    long = generator((0, 0, 0)).random(20_000)
    other = generator((0, 0, 1)).random(20_000)
    assert not np.intersect1d(long, other).size


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_out_of_range_is_refused_where_it_is_given(seed: int) -> None:
    before = default_stream.key()
    with pytest.raises(ParameterError, match=r"seed and place must be >= 0 and < 2\*\*64"):
        manual_seed(seed)
    assert default_stream.key() == (*before[:2], before[2] + 1)


def test_manual_seed_repeats_dropout_and_backward_uses_the_same_mask() -> None:
    x = Tensor(np.ones(1000), requires_grad=True)
    runs = []
    for _ in range(2):
        manual_seed(11)
        y = ops.dropout(x, p=0.5, key=default_stream.key())
        (raw,) = grad(y, x, np.ones(1000), retain_graph=True)
        (recorded,) = grad(y, x, np.ones(1000), create_graph=True)
        for g in (raw, recorded):  # P46
            np.testing.assert_array_equal(g.data, y.data)
        runs.append(y.data)
    np.testing.assert_array_equal(*runs)
    assert 400 < np.count_nonzero(runs[0]) < 600
    manual_seed(0)
