"""Dataset: what it holds and what it refuses to hold."""

import numpy as np
import pytest

import dgrad.data
from dgrad.data import Dataset, Source
from dgrad.errors import DataError, DtypeError, ShapeError

SOURCE = Source("/data/a.csv", 3, "ab" * 32)


def make(inputs=None, targets=None, class_names=("no", "yes")):
    inputs = np.zeros((3, 2), np.float32) if inputs is None else inputs
    targets = np.array([0, 1, 1]) if targets is None else targets
    return Dataset(inputs, targets, class_names, ("a", "b"), (SOURCE,))


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
        ({"inputs": np.zeros((2, 3), np.float32).T}, DtypeError),
        ({"inputs": np.float32(1).reshape(())}, ShapeError),
        ({"inputs": np.zeros((4, 2), np.float32)}, ShapeError),
        ({"targets": np.zeros((3, 1), np.int64)}, ShapeError),
        ({"targets": np.zeros(3, np.int32)}, DtypeError),
        ({"targets": np.zeros(3, np.float32)}, DtypeError),
        ({"class_names": None}, DtypeError),
    ],
)
def test_arrays_of_another_kind_are_refused(change, error):
    with pytest.raises(error):
        make(**change)


@pytest.mark.parametrize("label", [-1, 2, 2**40])
def test_D08_a_label_outside_the_classes_is_refused_with_its_row(label):
    with pytest.raises(DataError, match=rf"row 2 is {label}, .* from 0 to 1") as caught:
        make(targets=np.array([0, 1, label]))
    assert caught.value.fault == "D08"


def test_the_public_names_are_sorted_and_documented():
    names = dgrad.data.__all__
    assert names == sorted(names, key=lambda name: (not name.isupper(), name[0].islower(), name))
    assert all(getattr(dgrad.data, name).__doc__ for name in names)
