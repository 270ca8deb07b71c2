"""Splits: disjoint, complete, repeatable, with the right shares."""

import numpy as np
import pytest

from dgrad.data import as_slice, permutation, split, split_in_order
from dgrad.errors import DataError, ParameterError

SHARES = [(0.15, 0.15), (0.1, 0), (0, 0.25), (0.33, 0.33), (0.5, 0.4), (0, 0)]


def class_targets(seed):
    """Shuffled labels of 1 to 12 classes with very different counts."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, [8, 40, 200][seed % 3], rng.integers(1, 12)) + 2
    return rng.permutation(np.repeat(np.arange(len(counts)), counts))


def parts(rows):
    return rows.train, rows.val, rows.test


@pytest.mark.parametrize("stratify", [False, True])
@pytest.mark.parametrize(("val", "test"), SHARES)
def test_every_row_is_in_one_part_and_the_sizes_are_right(val, test, stratify):
    for seed in range(30):
        targets = np.tile(class_targets(seed), 3)
        n = len(targets)
        rows = split(targets, val=val, test=test, stratify=stratify, seed=seed)
        np.testing.assert_array_equal(np.sort(np.concatenate(parts(rows))), np.arange(n))
        for part, share in zip(parts(rows), (1 - val - test, val, test), strict=True):
            assert part.dtype == np.int64
            assert (np.diff(part) > 0).all()
            assert abs(len(part) - n * share) < 1
            assert (len(part) == 0) == (share == 0)


@pytest.mark.parametrize(("val", "test"), SHARES)
def test_stratify_keeps_the_share_of_every_class_within_one_row(val, test):
    for seed in range(60):
        targets = class_targets(seed)
        counts = np.bincount(targets)
        try:
            rows = split(targets, val=val, test=test, stratify=True, seed=seed)
        except DataError:
            assert len(targets) < 10
            continue
        for part, share in zip(parts(rows), (1 - val - test, val, test), strict=True):
            found = np.bincount(targets[part], minlength=len(counts))
            assert (np.abs(found - counts * share) <= 1 + 1e-9).all()


@pytest.mark.parametrize(
    ("n", "val", "test", "sizes"),
    [
        (100, 0.29, 0.01, (70, 29, 1)),  # 100 * 0.29 is 28.999999999999996
        (10, 0.15, 0.15, (7, 2, 1)),
        (1797, 0.15, 0.15, (1258, 270, 269)),
        (10, 0.3, 0.6, (1, 3, 6)),  # 1 - 0.3 - 0.6 is 0.10000000000000003
        (10, 0.35, 0.15, (5, 4, 1)),  # a tie, though 0.35 is a little less and 0.15 is too
        (3, 0.34, 0.33, (1, 1, 1)),
    ],
)
def test_shares_are_the_decimals_that_were_written(n, val, test, sizes):
    rows = split(np.zeros(n, np.int64), val=val, test=test, seed=0)
    assert tuple(map(len, parts(rows))) == sizes


@pytest.mark.parametrize("counts", [(99, 1), (1, 99), (1, 4, 1), (10, 10, 1, 10)])
def test_a_class_with_a_single_row_goes_to_train(counts):
    targets = np.repeat(np.arange(len(counts)), counts)
    rows = split(targets, val=0.15, test=0.15, stratify=True, seed=0)
    assert set(targets[rows.train]) == set(targets)


def test_the_split_depends_on_the_seed_and_nothing_else():
    targets = class_targets(5)
    for stratify in (False, True):
        first = split(targets, val=0.2, test=0.2, stratify=stratify, seed=7)
        np.random.seed(1)  # noqa: NPY002 - the global state must not matter
        again = split(targets, val=0.2, test=0.2, stratify=stratify, seed=7)
        other = split(targets, val=0.2, test=0.2, stratify=stratify, seed=8)
        for a, b, c in zip(parts(first), parts(again), parts(other), strict=True):
            np.testing.assert_array_equal(a, b)
            assert not np.array_equal(a, c)


def test_the_split_is_not_the_order_of_any_epoch():
    val = split(np.zeros(40, np.int64), val=0.5, test=0, seed=0).val
    orders = [permutation(40, seed=0, epoch=epoch) for epoch in (0, 1, 2**64 - 1)]
    assert not any(np.array_equal(np.sort(order[20:]), val) for order in orders)


def test_stratified_rows_of_a_class_are_drawn_from_all_of_them():
    targets = np.repeat([0, 1], 50)
    drawn = [split(targets, val=0.1, test=0, stratify=True, seed=s).val for s in range(40)]
    assert len(np.unique(np.concatenate(drawn))) > 90


def test_number_targets_can_be_split_but_not_stratified():
    targets = np.linspace(0, 1, 20, dtype=np.float32)
    assert len(split(targets, val=0.5, test=0, seed=0).val) == 10
    with pytest.raises(DataError, match="stratify: false") as caught:
        split(targets, val=0.5, test=0, stratify=True, seed=0)
    assert caught.value.fault == "D08"
    with pytest.raises(DataError, match="one for each token"):
        split(np.zeros((20, 4), np.int64), val=0.5, test=0, stratify=True, seed=0)


@pytest.mark.parametrize(
    ("val", "test"),
    [(-0.1, 0), (0, -0.1), (1, 0), (0, 1.0), (0.5, 0.5), (0.7, 0.3), (0.9, 0.2), (np.nan, 0)],
)
def test_shares_that_leave_no_train_rows_are_refused(val, test):
    with pytest.raises(ParameterError, match="split: "):
        split(np.zeros(100, np.int64), val=val, test=test, seed=0)
    with pytest.raises(ParameterError, match="split: "):
        split_in_order(100, val=val, test=test)


@pytest.mark.parametrize(
    ("n", "val", "test", "name"),
    [
        (0, 0, 0, "train"),
        (1, 0.9, 0, "train"),
        (1, 0.1, 0, "val"),
        (2, 0.5, 0.1, "test"),
        (10, 0.04, 0, "val"),
    ],
)
@pytest.mark.parametrize("stratify", [False, True])
def test_D10_a_part_without_rows_is_refused_by_name(n, val, test, name, stratify):
    with pytest.raises(DataError, match=f"the {name} split would get none of {n} rows") as caught:
        split(np.zeros(n, np.int64), val=val, test=test, stratify=stratify, seed=0)
    assert caught.value.fault == "D10"


# --------------------------------------------------------------------------------------- in order


@pytest.mark.parametrize(("val", "test"), SHARES)
def test_rows_without_overlap_are_cut_in_order(val, test):
    random = split(np.zeros(101), val=val, test=test, seed=0)
    rows = split_in_order(101, val=val, test=test)
    np.testing.assert_array_equal(np.concatenate(parts(rows)), np.arange(101))
    assert [part.dtype for part in parts(rows)] == [np.int64] * 3
    assert list(map(len, parts(rows))) == list(map(len, parts(random)))
    assert rows.left_over == {}


@pytest.mark.parametrize("overlap", [2, 3, 8, 64])
@pytest.mark.parametrize(("val", "test"), [(0.1, 0), (0, 0.2), (0.13, 0.21), (0, 0)])
def test_windows_never_share_a_place_across_a_cut_nor_when_they_are_measured(val, test, overlap):
    n = 1500
    rows = split_in_order(n, val=val, test=test, overlap=overlap)
    places = n + overlap - 1
    covered = np.zeros((3, places), int)
    for part, each in enumerate(parts(rows)):
        for row in each:
            covered[part, row : row + overlap] += 1
    assert ((covered > 0).sum(axis=0) <= 1).all()
    assert covered[1:].max(initial=0) <= 1
    for part, (name, share) in enumerate([("val", val), ("test", test)], start=1):
        left = rows.left_over.get(name, 0)
        assert left < overlap
        assert abs(covered[part].sum() + left - share * places) < 1
    train = (covered[0] > 0).sum()
    assert abs(train - (1 - val - test) * places) < 1
    np.testing.assert_array_equal(rows.train, np.arange(train - overlap + 1))
    assert (covered > 0).sum() + sum(rows.left_over.values()) == places


@pytest.mark.parametrize(
    ("n", "val", "test", "overlap", "name"),
    [
        (10, 0.04, 0, 1, "val"),
        (100, 0, 0.07, 8, "test"),
        (100, 0.06, 0.4, 8, "val"),
        (9, 0.6, 0, 8, "train"),
        (0, 0, 0, 1, "train"),
        (0, 0, 0, 4, "train"),
    ],
)
def test_D10_a_part_that_is_shorter_than_a_window_is_refused(n, val, test, overlap, name):
    with pytest.raises(DataError, match=f"the {name} split would get none of {n} rows") as caught:
        split_in_order(n, val=val, test=test, overlap=overlap)
    assert caught.value.fault == "D10"


@pytest.mark.parametrize(
    ("rows", "piece"),
    [
        ([3, 4, 5], slice(3, 6, 1)),
        ([0, 64, 128], slice(0, 129, 64)),
        ([2, 9], slice(2, 10, 7)),
        ([0, 1, 3], None),
        ([4], None),
        ([], None),
    ],
)
def test_evenly_spaced_rows_are_a_slice(rows, piece):
    rows = np.array(rows, np.int64)
    assert as_slice(rows) is rows if piece is None else as_slice(rows) == piece
    np.testing.assert_array_equal(np.arange(200)[as_slice(rows)], rows)
