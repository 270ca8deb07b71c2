"""What is checked on a split: classes that a part lacks, rows that two parts share."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from dgrad.data import IGNORED, Split, check_classes, duplicate_rows, unseen_classes
from dgrad.data.split_checks import _hashes
from dgrad.errors import DataError


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


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize("width", [1, 2, 3, 7, 64, 1000])
def test_D13_equal_rows_are_counted_wherever_they_are(width, dtype):
    # Enough rows that they are hashed in several blocks, and values whose low bits are zeros.
    rng = np.random.default_rng(width)
    n = 3 * 2**15 // width + 5
    inputs = (2.0**20 * rng.integers(0, max(2, 2 ** (15 // width)), (n, width))).astype(dtype)
    order = rng.permutation(n)
    rows = rows_of(*(np.sort(part) for part in np.split(order, [n // 2, 3 * n // 4])))
    _, kind = np.unique(inputs, axis=0, return_inverse=True)
    found = duplicate_rows(inputs, rows)
    for pair, count in found.items():
        first, second = (kind[getattr(rows, name)] for name in pair.split("/"))
        assert count == np.isin(second, first).sum()
    assert all(found.values()) == (width <= 7)


@pytest.mark.parametrize("order", ["C", "F"])
def test_D13_every_bit_of_a_row_changes_every_bit_of_its_hash(order):
    bits = np.arange(2**12)[:, None] >> np.arange(12) & 1
    for place in (0, 30, 63):
        hashes = _hashes(np.asarray(bits << place, order=order))
        for low in (0, 20, 40):
            assert len(np.unique(hashes >> np.uint64(low) & np.uint64(2**24 - 1))) > 4085


def test_classes_that_training_never_sees_are_found_in_windows():
    tokens = np.array([0, 1, 0, 1, 0, 0, IGNORED, 1, 2, 0, 1, 0, 0, 3, 1, 0, 4, 1])
    targets = sliding_window_view(tokens, 4)  # (15, 4)
    for held in ([1, 5, 9], range(1, 10)):
        found = unseen_classes(targets, rows_of([0], held, [13, 14]), "abcde", overlap=4)
        assert found == {"val": ["c"], "test": ["d", "e"]}
    assert unseen_classes(targets, rows_of(range(15), [13], [14]), "abcde", overlap=4) == {}
    assert unseen_classes(targets, rows_of([5, 12], [13], []), "abcde") == {"val": ["e"]}
