"""Splits: disjoint, complete, repeatable, with the right shares; and what is checked on them."""

import numpy as np
import pytest

from dgrad.data import Split, check_classes, duplicate_rows, permutation, split
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


@pytest.mark.parametrize(
    ("val", "test"),
    [(-0.1, 0), (0, -0.1), (1, 0), (0, 1.0), (0.5, 0.5), (0.7, 0.3), (0.9, 0.2), (np.nan, 0)],
)
def test_shares_that_leave_no_train_rows_are_refused(val, test):
    with pytest.raises(ParameterError, match="split: "):
        split(np.zeros(100, np.int64), val=val, test=test, seed=0)


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


def rows_of(train, val, test=()):
    return Split(*(np.array(part, np.int64) for part in (train, val, test)))


@pytest.mark.parametrize("part", ["val", "test"])
def test_D09_a_class_that_training_lacks_is_refused_by_name(part):
    targets = np.array([0, 0, 1, 2])
    rows = rows_of([0, 1], [3], [2]) if part == "val" else rows_of([0, 1, 2], [2], [3])
    with pytest.raises(
        DataError, match=f"the {part} split .* lacks: 'cat'; set stratify"
    ) as caught:
        check_classes(targets, rows, ("ant", "bee", "cat"))
    assert caught.value.fault == "D09"


def test_D09_many_missing_classes_are_cut_short():
    names = [f"c{i}" for i in range(30)]
    with pytest.raises(DataError, match="'c10' and 19 more"):
        check_classes(np.arange(30), rows_of([0], range(1, 30)), names)


def test_D09_classes_not_seen_outside_training_are_returned_for_a_warning():
    targets = np.array([0, 1, 2, 0, 1, 2])
    names = ("ant", "bee", "cat")
    assert check_classes(targets, rows_of([0, 1, 2], [3, 4, 5]), names) == {}
    unseen = check_classes(targets, rows_of([0, 1, 2], [3], [4, 5]), names)
    assert unseen == {"val": ["bee", "cat"], "test": ["ant"]}


def test_D13_rows_that_two_parts_share_are_counted():
    inputs = np.array([[1, 2], [0, 4], [1, 2], [-0.0, 4], [1, 2], [9, 9]], np.float32)
    found = duplicate_rows(inputs.reshape(6, 1, 2), rows_of([0, 1], [2, 3], [4, 5]))
    assert found == {"train/val": 2, "train/test": 1, "val/test": 1}
    found = duplicate_rows(inputs[:, ::-1], rows_of([0, 2, 4], [1], []))
    assert found == {"train/val": 0, "train/test": 0, "val/test": 0}
