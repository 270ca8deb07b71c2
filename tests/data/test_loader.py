"""Batches and the permutation behind them."""

import tracemalloc

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from dgrad.data import Batches, permutation
from dgrad.errors import DataError, ParameterError, ShapeError

INPUTS = np.arange(46, dtype=np.float32).reshape(23, 1, 2)
TARGETS = np.arange(23)


def collect(batches, epoch):
    """Copies of all batches of an epoch: a batch is valid until the next only."""
    return [(inputs.copy(), targets.copy()) for inputs, targets in batches.epoch(epoch)]


@pytest.mark.parametrize(
    ("seed", "epoch", "order"),
    [
        (0, 0, [6, 7, 5, 1, 4, 3, 0, 2]),
        (1, 0, [5, 4, 6, 0, 7, 2, 3, 1]),
        (0, 1, [0, 3, 4, 2, 1, 6, 5, 7]),
        (2**64 - 1, 2**64 - 1, [0, 3, 7, 5, 4, 2, 6, 1]),
    ],
    ids=["0-0", "1-0", "0-1", "largest"],
)
def test_a_permutation_is_the_same_in_every_version(seed, epoch, order):
    assert permutation(8, seed=seed, epoch=epoch).tolist() == order


@pytest.mark.parametrize("n", [0, 1, 2, 1000])
def test_a_permutation_holds_every_row_once(n):
    order = permutation(n, seed=3, epoch=4)
    assert order.dtype == np.int64
    np.testing.assert_array_equal(np.sort(order), np.arange(n))


def test_every_row_is_as_likely_in_every_place():
    orders = np.array([permutation(5, seed=0, epoch=epoch) for epoch in range(4000)])
    for place in range(5):
        counts = np.bincount(orders[:, place], minlength=5)
        assert (np.abs(counts - 800) < 130).all()  # five standard deviations


@pytest.mark.parametrize(
    ("seed", "epoch"),
    [(-1, 0), (0, -1), (2**64, 0), (0, 2**64)],
    ids=["-1", "-1e", "2^64", "2^64e"],
)
def test_seed_and_epoch_out_of_range_are_refused(seed, epoch):
    with pytest.raises(ParameterError, match=r"randomness: (seed|place) must be"):
        permutation(5, seed=seed, epoch=epoch)


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("batch_size", [1, 5, 22, 23])
def test_an_epoch_visits_the_rows_in_order(shuffle, drop_last, batch_size):
    batches = Batches(
        INPUTS, TARGETS, batch_size=batch_size, shuffle=shuffle, seed=7, drop_last=drop_last
    )
    found = collect(batches, 3)
    assert len(found) == len(batches)
    sizes = [batch_size] * (23 // batch_size)
    rest = [23 % batch_size] if 23 % batch_size and not drop_last else []
    assert [len(inputs) for inputs, _ in found] == sizes + rest
    order = permutation(23, seed=7, epoch=3) if shuffle else np.arange(23)
    order = order[: sum(sizes + rest)]
    np.testing.assert_array_equal(np.concatenate([inputs for inputs, _ in found]), INPUTS[order])
    np.testing.assert_array_equal(np.concatenate([targets for _, targets in found]), order)


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("start", range(7))
def test_an_epoch_can_begin_after_the_batches_already_seen(shuffle, start):
    batches = Batches(INPUTS, TARGETS, batch_size=4, shuffle=shuffle, seed=7)  # 6 batches
    whole = collect(batches, 3)
    rest = [(inputs.copy(), targets.copy()) for inputs, targets in batches.epoch(3, start)]
    assert len(rest) == 6 - start
    for found, expected in zip(rest, whole[start:], strict=True):
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_array_equal(found[1], expected[1])


def test_a_batch_larger_than_the_data_is_the_whole_of_them():
    batches = Batches(INPUTS, TARGETS, batch_size=10**12, shuffle=True, seed=0)
    assert [len(targets) for _, targets in batches.epoch(0)] == [23]


def test_an_epoch_repeats_whatever_was_drawn_before():
    batches = Batches(INPUTS, TARGETS, batch_size=4, shuffle=True, seed=0)
    first = collect(batches, 5)
    collect(batches, 2)
    np.random.seed(3)  # noqa: NPY002 - the global state must not matter
    for (a, b), (c, d) in zip(first, collect(batches, 5), strict=True):
        np.testing.assert_array_equal(a, c)
        np.testing.assert_array_equal(b, d)
    assert not np.array_equal(first[0][1], collect(batches, 6)[0][1])


def test_shuffled_batches_reuse_one_buffer():
    batches = Batches(INPUTS, TARGETS, batch_size=4, shuffle=True, seed=0)
    places = {array.__array_interface__["data"][0] for batch in batches.epoch(0) for array in batch}
    assert len(places) == 2
    walks = zip(batches.epoch(0), batches.epoch(0), strict=True)
    assert not any(np.shares_memory(a, b) for (a, _), (b, _) in walks)


def test_shuffled_batches_never_show_the_data_set_itself():
    batches = Batches(INPUTS, TARGETS, batch_size=23, shuffle=True, seed=0)
    assert not any(np.shares_memory(inputs, INPUTS) for inputs, _ in batches.epoch(0))


def test_unshuffled_batches_are_slices_without_a_copy():
    batches = Batches(INPUTS, TARGETS, batch_size=4, shuffle=False, seed=0)
    for inputs, targets in batches.epoch(0):
        assert np.shares_memory(inputs, INPUTS)
        assert np.shares_memory(targets, TARGETS)


STRIDED = {
    "windows": sliding_window_view(np.arange(30), 8),
    "apart": np.arange(92).reshape(46, 2)[::2],
    "turned": np.arange(69, dtype=np.float32).reshape(3, 23).T,
    "column": np.arange(46)[::2],
}


@pytest.mark.parametrize("name", STRIDED)
@pytest.mark.parametrize("shuffle", [False, True])
def test_rows_of_any_strides_come_as_they_are_with_their_dtype(name, shuffle):
    source = STRIDED[name]
    batches = Batches(source, TARGETS, batch_size=5, shuffle=shuffle, seed=7)
    order = permutation(23, seed=7, epoch=1) if shuffle else np.arange(23)
    found = collect(batches, 1)
    np.testing.assert_array_equal(np.concatenate([inputs for inputs, _ in found]), source[order])
    assert {inputs.dtype for inputs, _ in found} == {source.dtype}


def test_a_batch_of_windows_does_not_make_them_all():
    tokens = np.zeros(200_000, np.int64)
    inputs, targets = (sliding_window_view(each, 64) for each in (tokens[:-1], tokens[1:]))
    epoch = Batches(inputs, targets, batch_size=12, shuffle=True, seed=0).epoch(0)
    next(epoch)
    tracemalloc.start()
    try:
        for _ in range(3):
            next(epoch)
        assert tracemalloc.get_traced_memory()[1] < 100_000  # all would take 100 MB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("batch_size", [0, -1])
def test_a_batch_size_below_one_is_refused(batch_size):
    with pytest.raises(ParameterError, match="batch_size must be >= 1"):
        Batches(INPUTS, TARGETS, batch_size=batch_size, shuffle=False, seed=0)


@pytest.mark.parametrize("rows", [0, 1, 2])
@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_D10_an_epoch_without_a_batch_is_refused(rows, drop_last, batch_size):
    steps = rows // batch_size if drop_last else -(-rows // batch_size)
    options = {"batch_size": batch_size, "shuffle": True, "seed": 0, "drop_last": drop_last}
    if steps:
        assert len(Batches(INPUTS[:rows], TARGETS[:rows], **options)) == steps
        return
    with pytest.raises(DataError, match=f"{rows} rows make no batch of {batch_size}") as caught:
        Batches(INPUTS[:rows], TARGETS[:rows], **options)
    assert caught.value.fault == "D10"


def test_inputs_and_targets_of_different_lengths_are_refused():
    with pytest.raises(ShapeError, match="23 inputs but 22 targets"):
        Batches(INPUTS, TARGETS[:-1], batch_size=4, shuffle=False, seed=0)
