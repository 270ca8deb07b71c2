"""The stream of keys: where it is, whose it is, and that draws depend on keys alone."""

from __future__ import annotations

import itertools
import threading

import numpy as np
import pytest

from dgrad import Tensor, grad, manual_seed, nn, ops
from dgrad.core import stream
from dgrad.core.stream import Stream, generator
from dgrad.errors import ParameterError
from dgrad.randomness import Purpose

INIT, STEP = Purpose.INIT, Purpose.STEP


def test_keys_count_up_from_the_start_of_a_place() -> None:
    assert [Stream(7).key() for _ in range(2)] == [(7, INIT, 0, 0)] * 2
    there = Stream(7, STEP, 100)
    assert [there.key() for _ in range(3)] == [(7, STEP, 100, i) for i in range(3)]


def test_a_key_gives_the_same_numbers_wherever_and_whenever() -> None:
    first = generator((3, STEP, 5, 2)).random(4)
    generator((3, STEP, 5, 3)).random(1000)
    np.testing.assert_array_equal(generator((3, STEP, 5, 2)).random(4), first)


def test_different_keys_give_different_numbers() -> None:
    keys = list(itertools.product((0, 1, 2**63), (INIT, STEP), (0, 1, 10**6), (0, 1, 2)))
    draws = {generator(key).bytes(32) for key in keys}
    assert len(draws) == len(keys)


def test_streams_do_not_overlap_in_long_draws() -> None:
    long = generator((0, INIT, 0, 0)).random(20_000)
    other = generator((0, INIT, 0, 1)).random(20_000)
    assert not np.intersect1d(long, other).size


def test_at_comes_back_to_where_it_was_also_after_an_error() -> None:
    manual_seed(3)
    stream.current().key()
    with stream.at(5, STEP, 8):
        assert stream.current().key() == (5, STEP, 8, 0)
        with pytest.raises(ZeroDivisionError), stream.at(6):
            1 / (stream.current().seed - 6)
        assert stream.current().key() == (5, STEP, 8, 1)
    assert stream.current().key() == (3, INIT, 0, 1)
    manual_seed(0)


def test_each_thread_has_its_own_stream() -> None:
    manual_seed(3)
    found: list[object] = []

    def work() -> None:
        found.append(stream.current().key())
        manual_seed(9)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [(0, INIT, 0, 0)]
    assert stream.current().key() == (3, INIT, 0, 0)
    manual_seed(0)


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_out_of_range_is_refused_where_it_is_given(seed: int) -> None:
    before = stream.current().key()
    with pytest.raises(ParameterError, match=r"seed must be from 0 to 2\^64 - 1"):
        manual_seed(seed)
    assert stream.current().key() == (*before[:3], before[3] + 1)


def test_manual_seed_repeats_initial_weights() -> None:
    found = []
    for seed in (4, 4, 5):
        manual_seed(seed)
        found.append(nn.Linear(3, 2).weight.data)
    assert np.array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])
    manual_seed(0)


def test_manual_seed_repeats_dropout_and_backward_uses_the_same_mask() -> None:
    x = Tensor(np.ones(1000), requires_grad=True)
    runs = []
    for _ in range(2):
        manual_seed(11)
        y = ops.dropout(x, p=0.5, key=stream.current().key())
        (raw,) = grad(y, x, np.ones(1000), retain_graph=True)
        (recorded,) = grad(y, x, np.ones(1000), create_graph=True)
        for g in (raw, recorded):  # P46
            np.testing.assert_array_equal(g.data, y.data)
        runs.append(y.data)
    np.testing.assert_array_equal(*runs)
    assert 400 < np.count_nonzero(runs[0]) < 600
    manual_seed(0)
