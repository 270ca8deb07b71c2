"""What the loss asks of the targets, and where faults of the data are placed in the config."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from dgrad.config import document
from dgrad.config.build import build_trainer
from dgrad.config.data import load_data, read_data
from dgrad.config.document import load
from dgrad.core.tensor import Tensor
from dgrad.errors import ConfigError, DataError
from dgrad.nn.module import Module
from dgrad.registry import layers
from tests.toys import CLASSES, NUMBERS, forgetting, write_toy


@pytest.fixture(autouse=True)
def _components() -> Iterator[None]:
    document.register_shipped()
    with forgetting():
        yield


def warnings_of(folder: Path, text: str, *overrides: str) -> list[str]:
    config = load(write_toy(folder, text), overrides)
    data = load_data(config, read_data(config))
    build_trainer(config, data)
    return data.warnings


def whole_numbers(folder: Path, highest: int) -> Path:
    """The config of NUMBERS, over a column of whole numbers."""
    path = write_toy(folder, NUMBERS)
    rows = [f"{i / 7:.3f},{i / 9:.3f},{i % (highest + 1)}" for i in range(40)]
    (folder / "numbers.csv").write_text("\n".join(["a,b,y", *rows]) + "\n")
    return path


def test_D09_whole_numbers_are_numbers_where_the_loss_takes_numbers(tmp_path: Path) -> None:
    config = load(whole_numbers(tmp_path, 39))
    assert config.resolved()["data"]["csv"]["task"] == "number"
    data = load_data(config, read_data(config))
    assert data.dataset.class_names is None


def test_C22_a_task_that_contradicts_the_loss(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="needs task: number") as caught:
        load(write_toy(tmp_path, NUMBERS), ["data.csv.task=classes"])
    (found,) = caught.value.problems
    assert (found.fault, found.line) == ("C22", 5)
    assert "data.csv.task" in found.hint


@pytest.mark.parametrize(
    ("override", "fault", "place"),
    [
        ("data.csv.path=none.csv", "D01", "command line:1:15 data.csv: "),
        ("data.csv.target=kid", "D06", "command line:1:17 data.csv: "),
        ("seed=3", "D06", "toy.yaml:3:36 data.csv: "),
    ],
)
def test_faults_of_the_data_are_placed(
    override: str, fault: str, place: str, tmp_path: Path
) -> None:
    text = CLASSES.replace("target: kind", "target: knd") if override == "seed=3" else CLASSES
    config = load(write_toy(tmp_path, text), [override])
    with pytest.raises(DataError) as caught:
        read_data(config)
    assert caught.value.fault == fault
    assert place in str(caught.value)


def test_D10_a_split_without_rows_is_placed(tmp_path: Path) -> None:
    config = load(write_toy(tmp_path), ["data.split.val=0.001"])
    dataset = read_data(config)
    with pytest.raises(DataError, match=r"toy.yaml:4:\d+ data.split: the val split") as caught:
        load_data(config, dataset)
    assert caught.value.fault == "D10"


def test_D08_bce_takes_targets_from_0_to_1(tmp_path: Path) -> None:
    config = load(whole_numbers(tmp_path, 3), ["loss=bce_with_logits"])
    data = load_data(config, read_data(config))
    with pytest.raises(DataError, match=r"within \[0, 1\], those of the data go from 0 to 3"):
        build_trainer(config, data)


def test_cross_entropy_takes_columns_of_probabilities(tmp_path: Path) -> None:
    text = CLASSES.replace("target: kind", "target: [a, b]").replace("classes.csv", "shares.csv")
    path = write_toy(tmp_path, text.replace("classes", "targets").replace("stratify: true", ""))
    rows = [f"{i / 40},{1 - i / 40},{i % 7}" for i in range(40)]
    (tmp_path / "shares.csv").write_text("\n".join(["a,b,c", *rows]) + "\n")
    config = load(path, ["metrics=[mae]"])
    trainer = build_trainer(config, load_data(config, read_data(config)))
    assert trainer.splits["train"].targets.shape[1:] == (2,)
    (tmp_path / "shares.csv").write_text("\n".join(["a,b,c", *rows, "0.5,0.6,1"]) + "\n")
    with pytest.raises(
        DataError, match=r"row 40 are \[0.5, 0.6\], expected probabilities of the classes"
    ):
        build_trainer(config, load_data(config, read_data(config)))


def test_C22_one_column_of_numbers_is_no_class(tmp_path: Path) -> None:
    config = load(write_toy(tmp_path, NUMBERS), ["loss=cross_entropy", "data.csv.task=number"])
    with pytest.raises(ConfigError, match="needs class targets, but the data has numbers"):
        build_trainer(config, load_data(config, read_data(config)))


class Cut(Module):
    """Returns an ndarray."""

    def forward(self, x: Tensor) -> np.ndarray:
        """x: any shape -> the same."""
        return np.asarray(x.data)


def test_T41_a_layer_must_return_a_tensor(tmp_path: Path) -> None:
    layers.register("cut")(Cut)
    with pytest.raises(ConfigError, match="cut returned an object of type ndarray") as caught:
        warnings_of(tmp_path, CLASSES.replace("- relu", "- cut"))
    assert (caught.value.fault, caught.value.problems[0].line) == ("T41", 9)


@pytest.mark.parametrize("kind", ["rnn", "lstm"])
def test_C22_an_output_for_python_is_refused_at_its_place(tmp_path: Path, kind: str) -> None:
    text = CLASSES.replace(
        "- relu", f"- reshape: [1, -1]\n    - {kind}:\n        hidden_size: 3\n        output: both"
    )
    with pytest.raises(ConfigError, match="a layer of a config makes one array") as caught:
        warnings_of(tmp_path, text)
    (found,) = caught.value.problems
    assert (found.fault, found.line, found.column) == ("C22", 12, 17)
    assert "sequence" in found.hint


def test_one_class_is_warned_about(tmp_path: Path) -> None:
    path = write_toy(tmp_path)
    rows = "\n".join(f"{i},{i + 1},{i * i},only" for i in range(30))
    (tmp_path / "classes.csv").write_text(f"a,b,c,kind\n{rows}\n")
    config = load(path)
    data = load_data(config, read_data(config))
    assert data.warnings == ["all rows are of class 'only': there is nothing to learn"]


def test_what_is_seldom_meant_is_warned_about(tmp_path: Path) -> None:
    text = CLASSES.replace("$data.classes", "$data.classes\n    - softmax")
    assert warnings_of(tmp_path, text, "schedule={step: {step_size: 2}}") == [
        "cross_entropy applies log_softmax itself: leave out softmax",
        "step_size: 2 means 2 optimizer steps; write '2 epochs' or '2 steps'",
    ]
    assert warnings_of(tmp_path, CLASSES, "schedule={step: {step_size: 3}}") == []


def test_C23_the_hint_for_a_wrong_final_size(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        warnings_of(tmp_path, CLASSES.replace("$data.classes", "4"))
    assert caught.value.problems[0].hint == "end the model with linear: $data.classes"
