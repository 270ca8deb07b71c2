"""Dataset: what it holds and what it refuses to hold."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

import dgrad.data
from dgrad.data import IGNORED, Dataset, Source
from dgrad.errors import DataError, DtypeError, ParameterError, ShapeError

SOURCE = Source("/data/a.csv", 3, "ab" * 32)


def make(inputs=None, targets=None, class_names=("no", "yes"), **more):
    inputs = np.zeros((3, 2), np.float32) if inputs is None else inputs
    targets = np.array([0, 1, 1]) if targets is None else targets
    return Dataset(inputs, targets, class_names, ("a", "b"), (SOURCE,), **more)


def test_a_classification_set_knows_its_length_and_classes():
    dataset = make()
    assert len(dataset) == 3
    assert dataset.classes == 2
    assert dataset.sources == (SOURCE,)


def test_number_targets_have_no_classes():
    dataset = make(targets=np.zeros(3, np.float32), class_names=None)
    with pytest.raises(DataError, match="numbers") as caught:
        _ = dataset.classes
    assert caught.value.fault == "D08"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"inputs": np.zeros((3, 2))}, DtypeError),
        ({"inputs": np.zeros((3, 2), np.int32)}, DtypeError),
        ({"vocabulary": ("a", "b")}, DtypeError),
        ({"inputs": np.float32(1).reshape(())}, ShapeError),
        ({"inputs": np.zeros((4, 2), np.float32)}, ShapeError),
        ({"targets": np.zeros((2, 3), np.int64)}, ShapeError),
        ({"targets": np.zeros((3, 2, 1), np.float32), "class_names": None}, ShapeError),
        ({"targets": np.zeros(3, np.int32)}, DtypeError),
        ({"targets": np.zeros(3, np.float32)}, DtypeError),
        ({"class_names": None}, DtypeError),
        ({"overlap": 0}, ParameterError),
    ],
)
def test_arrays_of_another_kind_are_refused(change, error):
    with pytest.raises(error):
        make(**change)


@pytest.mark.parametrize(
    "arrays",
    [
        {"inputs": np.zeros((2, 3), np.float32).T},
        {"inputs": np.ones((3, 4), np.int64), "vocabulary": ("a", "b")},
        {"inputs": np.full((3, 4), 7)},
        {"targets": np.array([[0, 1], [IGNORED, 1], [1, IGNORED]])},
        {"targets": np.ones((3, 2), np.float32), "class_names": None},
    ],
    ids=["strided", "tokens", "integers", "a class for each token", "two numbers"],
)
def test_what_a_data_set_may_hold(arrays):
    dataset = make(**arrays)
    assert len(dataset) == 3
    assert all(getattr(dataset, name) is value for name, value in arrays.items())


def test_an_ignored_target_is_the_one_that_losses_ignore():
    scores, targets = np.zeros((2, 3)), np.array([1, IGNORED])
    assert float(dgrad.cross_entropy(scores, targets)) == pytest.approx(np.log(3))


@pytest.mark.parametrize("row", [0, 1, 7, 8])
@pytest.mark.parametrize("kind", ["token", "label"])
def test_D08_every_place_of_overlapping_rows_is_checked(kind, row):
    values = np.zeros(11, np.int64)
    values[row + 2] = 2  # the last of row `row`, and in every row up to there from row `row - 2`
    rows = sliding_window_view(values, 3)
    good = np.zeros((9, 3), np.int64)
    inputs, targets = (rows, good) if kind == "token" else (good, rows)
    with pytest.raises(DataError, match=rf"the {kind} of row \d is 2, .* from 0 to 1") as caught:
        make(inputs, targets, vocabulary=("a", "b"), overlap=3)
    named = int(str(caught.value).partition(" of row ")[2][0])
    assert 2 in rows[named]
    assert caught.value.fault == "D08"


@pytest.mark.parametrize("label", [-1, 2, 2**40])
def test_D08_a_label_outside_the_classes_is_refused_with_its_row(label):
    with pytest.raises(DataError, match=rf"row 2 is {label}, .* from 0 to 1") as caught:
        make(targets=np.array([0, 1, label]))
    assert caught.value.fault == "D08"


def test_the_public_names_are_sorted_and_documented():
    names = dgrad.data.__all__
    assert names == sorted(names, key=lambda name: (not name.isupper(), name[0].islower(), name))
    assert all(getattr(dgrad.data, name).__doc__ for name in names)
