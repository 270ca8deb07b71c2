"""From the data section of a config to the rows of every split, and what `$data` knows of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dgrad.config import document
from dgrad.config.build import with_data
from dgrad.config.data import LoadedData, load_data, read_data
from dgrad.config.document import load
from dgrad.errors import ConfigError, DataError
from tests.toys import CLASSES, NUMBERS, forgetting, write_toy

TEXT = """\
data:
  text: {path: a.txt, context: 8}
  split: {val: 0.2, test: 0.1}
model: {layers: [{linear: $data.vocab}]}
loss: cross_entropy
optimizer: {sgd: {lr: 0.1}}
"""
ADDITION = TEXT.replace("text: {path: a.txt, context: 8}", "addition: 3")
WORDS = "".join(f"{i} " for i in range(300))


@pytest.fixture(autouse=True)
def _components() -> Iterator[None]:
    document.register_shipped()
    with forgetting():
        yield


def loaded(folder: Path, text: str, *overrides: str, content: str = WORDS) -> LoadedData:
    (folder / "a.txt").write_text(content)
    config = load(write_toy(folder, text), overrides)
    return load_data(config, read_data(config))


def refused(folder: Path, text: str, *overrides: str) -> Any:
    with pytest.raises(ConfigError) as caught:
        loaded(folder, text, *overrides)
    (found,) = caught.value.problems
    return found


def test_windows_of_a_text_are_split_in_order_and_never_copied(tmp_path: Path) -> None:
    data = loaded(tmp_path, TEXT)
    tokens = data.dataset.inputs.base
    splits = data.examples((8, 11), "float32")
    for name, each in splits.items():
        assert np.shares_memory(each.inputs, tokens)
        assert np.shares_memory(each.targets, tokens)
        rows = getattr(data.split, name)
        np.testing.assert_array_equal(each.inputs, data.dataset.inputs[rows])
        np.testing.assert_array_equal(each.targets, data.dataset.targets[rows])
        assert each.inputs.dtype == each.targets.dtype == np.int64
    places = len(WORDS) - 1
    assert len(splits["train"]) == round(0.7 * places) - 7
    assert len(splits["val"]) == round(0.2 * places) // 8
    assert data.trial_rows("float32").dtype == np.int64
    assert data.warnings == []


def test_what_is_left_of_a_text_is_told(tmp_path: Path) -> None:
    data = loaded(tmp_path, TEXT, "data.split.test=0")
    assert (len(WORDS) - 1) * 0.2 == pytest.approx(217.8)
    assert data.notes == [
        "the last 2 places of the val split fill no row of 8 and are not measured"
    ]
    assert loaded(tmp_path, CLASSES).notes == []


@pytest.mark.parametrize(
    ("text", "overrides", "known"),
    [
        (TEXT, [], {"vocab": 11, "context": 8, "classes": 11}),
        (TEXT, ["data.text.tokenizer=byte"], {"vocab": 256, "context": 8, "classes": 256}),
        (CLASSES, [], {"features": 3, "classes": 3}),
        (NUMBERS, [], {"features": 2, "targets": 1}),
        (NUMBERS, ["data.csv.target=[y, b]"], {"features": 1, "targets": 2}),
        (ADDITION, [], {"vocab": 12, "context": 11, "classes": 12}),
        (
            ADDITION.replace("addition: 3", "blobs: {features: 5}"),
            [],
            {"features": 5, "classes": 3},
        ),
    ],
)
def test_what_the_data_define(
    text: str, overrides: list[str], known: dict[str, int], tmp_path: Path
) -> None:
    assert loaded(tmp_path, text, *overrides).scope == {"data": known}


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("features", "there is: $data.vocab, $data.context, $data.classes"),
        ("vocabulary", 'did you mean "vocab"?   there is: $data.vocab, '),
        ("contxt", 'did you mean "context"?'),
    ],
)
def test_C01_what_a_text_does_not_define(name: str, hint: str, tmp_path: Path) -> None:
    data = loaded(tmp_path, TEXT)
    with pytest.raises(ConfigError) as caught:
        with_data(load(write_toy(tmp_path, TEXT.replace("$data.vocab", f"$data.{name}"))), data)
    (found,) = caught.value.problems
    assert (found.fault, found.line, found.column) == ("C01", 4, 27)
    assert hint in found.hint


@pytest.mark.parametrize(
    ("old", "new", "line", "column", "message"),
    [
        ("test: 0.1", "test: 0.1, mode: random", 3, 38, "data.split.mode: a row shares all but"),
        ("test: 0.1", "test: 0.1, stratify: true", 3, 42, "data.split.stratify: a row shares"),
        ("test: 0.1", "mode: contiguous, stratify: true", 3, 10, "mode: contiguous none"),
        ("0.1}\n", "0.1}\n  transforms: [standardize]\n", 4, 16, "the inputs are tokens"),
    ],
)
def test_C22_what_does_not_go_with_a_text(
    old: str, new: str, line: int, column: int, message: str, tmp_path: Path
) -> None:
    found = refused(tmp_path, TEXT.replace(old, new, 1))
    assert (found.fault, found.line, found.column) == ("C22", line, column)
    assert message in found.message


def test_rows_of_their_own_may_be_cut_in_order_too(tmp_path: Path) -> None:
    numbers = loaded(tmp_path, NUMBERS, "data.split.mode=contiguous")
    np.testing.assert_array_equal(numbers.split.val, np.arange(72, 96))
    x = numbers.inputs
    assert all(
        np.shares_memory(x, each.inputs) for each in numbers.examples((1,), "float32").values()
    )
    drawn = loaded(tmp_path, NUMBERS).split
    again = loaded(tmp_path, NUMBERS, "data.split.mode=random").split
    np.testing.assert_array_equal(drawn.val, again.val)
    assert not np.array_equal(drawn.val, numbers.split.val)


def test_a_text_may_repeat_itself(tmp_path: Path) -> None:
    assert loaded(tmp_path, TEXT, content="to be or not " * 90).warnings == []


def test_C08_C22_arguments_of_a_reader_are_placed(tmp_path: Path) -> None:
    for arguments, fault, column, told in (
        ("{digits: 1, rows: 101}", "C08", 31, "rows must be at most the 100 pairs"),
        ("{digits: 7}", "C08", 22, ">= 1 and <= 6, got 7"),
    ):
        found = refused(tmp_path, ADDITION.replace("addition: 3", f"addition: {arguments}"))
        assert (found.fault, found.line, found.column) == (fault, 2, column)
        assert told in found.message
    text = NUMBERS.replace("target: y", "target: [y, b]").replace("loss: mse", "loss: nll")
    found = refused(tmp_path, text.replace("metrics: [mae, rmse, r2]", "metrics: [accuracy]"))
    assert (found.fault, found.line, found.column) == ("C08", 2, 36)
    assert "a single column, as it holds classes" in found.message


def test_several_numbers_a_row_go_to_the_model_as_they_are(tmp_path: Path) -> None:
    data = loaded(tmp_path, NUMBERS, "data.csv.target=[y, b]")
    targets = data.examples((2,), "float64")["train"].targets
    assert (targets.shape, targets.dtype) == ((72, 2), np.float64)
    np.testing.assert_array_equal(targets, data.dataset.targets[data.split.train])


def test_what_training_never_sees_is_told(tmp_path: Path) -> None:
    data = loaded(tmp_path, TEXT, content=WORDS + "é\n" * 40)
    assert data.warnings == ['the test split has what training never sees: "\\n", "é"']


def test_D10_D23_faults_of_a_text_are_placed(tmp_path: Path) -> None:
    for overrides, fault, place in (
        (["data.text.context=5000"], "D23", "toy.yaml:2:16 data.text: "),
        (["data.split.val=0.001"], "D10", "toy.yaml:3:10 data.split: "),
    ):
        with pytest.raises(DataError) as caught:
            loaded(tmp_path, TEXT, *overrides)
        assert caught.value.fault == fault
        assert place in str(caught.value)
