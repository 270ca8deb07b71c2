"""Losses and metrics of a config against the targets and the model: what fits, and the messages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dgrad.config import document
from dgrad.config.document import Config, load
from dgrad.config.objectives import build_loss, build_metrics, doubts_about_loss
from dgrad.data.dataset import Dataset
from dgrad.errors import ConfigError, DataError
from dgrad.nn.loss import Loss
from dgrad.registry import losses, metrics
from dgrad.train.metrics import MAE
from tests.toys import CLASSES, NUMBERS, forgetting, write_toy


@pytest.fixture(autouse=True)
def _components() -> Iterator[None]:
    document.register_shipped()
    with forgetting():
        yield


class Targets:
    """As much of a Dataset as a loss is checked against."""

    def __init__(self, targets: Any, names: str = "") -> None:
        self.class_names = tuple(names) or None
        self.targets = np.asarray(targets, np.int64 if names else np.float32)


ONE_CLASS = Targets([0, 1, 2], "abc")
SEQUENCES = Targets([[0, 1, 2, -100]] * 3, "abc")
ONE_NUMBER = Targets([0.1, 0.2, 0.3])
TWO_NUMBERS = Targets([[0.25, 0.75]] * 3)
ONE_SIGN = Targets([-1, 1, 1])
TWO_BITS = Targets([[0, 1], [1, 1], [0, 0]])


def configured(folder: Path, loss: str, targets: Any = ONE_CLASS, *last: str) -> Config:
    text = CLASSES if targets.class_names else NUMBERS
    old = "loss: cross_entropy" if targets.class_names else "loss: mse"
    text = text.replace(old, f"loss: {loss}").replace("[accuracy]", "[]")
    return load(write_toy(folder, text), last)


def checked(folder: Path, loss: str, targets: Any, output: tuple[int, ...]) -> Any:
    dataset: Dataset = targets
    return build_loss(configured(folder, loss, targets), dataset, output)


@pytest.mark.parametrize(
    ("loss", "targets", "output"),
    [
        ("cross_entropy", ONE_CLASS, (3,)),
        ("{cross_entropy: [1, 2, 3]}", ONE_CLASS, (3,)),
        ("cross_entropy", SEQUENCES, (4, 3)),
        ("nll", SEQUENCES, (4, 3)),
        ("focal", ONE_CLASS, (3,)),
        ("multi_margin", ONE_CLASS, (3,)),
        ("triplet", ONE_CLASS, (17,)),
        ("cosine_embedding", ONE_CLASS, (1,)),
        ("{ctc: 3}", SEQUENCES, (9, 4)),
        ("mse", ONE_NUMBER, (1,)),
        ("mse", ONE_NUMBER, ()),
        ("mae", TWO_NUMBERS, (2,)),
        ("cosine", TWO_NUMBERS, (2,)),
        ("{bce_with_logits: {pos_weight: [1, 2]}}", TWO_NUMBERS, (2,)),
        ("{kl_div: {reduction: batchmean}}", TWO_NUMBERS, (2,)),
    ],
)
def test_what_fits(loss: str, targets: Any, output: tuple[int, ...], tmp_path: Path) -> None:
    name = loss.strip("{").partition(":")[0]
    made = checked(tmp_path, loss, targets, output)
    assert configured(tmp_path, name, targets).loss.target is type(made)


@pytest.mark.parametrize(
    ("loss", "targets", "output", "message", "hint"),
    [
        (
            "cross_entropy",
            ONE_CLASS,
            (4,),
            "ends with (batch, 4), cross_entropy needs (batch, 3)",
            "end the model with linear: $data.classes",
        ),
        (
            "cross_entropy",
            ONE_CLASS,
            (8, 8, 3),
            "ends with (batch, 8, 8, 3), cross_entropy needs (batch, 3)",
            'end the model with linear: $data.classes, and put "flatten" before that linear',
        ),
        (
            "cross_entropy",
            SEQUENCES,
            (3,),
            "ends with (batch, 3), cross_entropy needs (batch, 4, 3)",
            "end the model with linear: $data.classes, over inputs that keep the axes (4)",
        ),
        ("nll", SEQUENCES, (5, 3), "ends with (batch, 5, 3), nll needs (batch, 4, 3)", "$data.cl"),
        ("mse", ONE_NUMBER, (2,), "ends with (batch, 2), mse needs (batch, 1)", "$data.targets"),
        ("mse", TWO_NUMBERS, (1,), "ends with (batch, 1), mse needs (batch, 2)", "$data.targets"),
        ("triplet", ONE_CLASS, (2, 3), "triplet needs (batch, d)", "end the model with linear: S"),
        ("{ctc: 3}", SEQUENCES, (9, 3), "ctc needs (batch, t, 4)", "end the model with linear: 4"),
    ],
)
def test_C23_an_output_that_does_not_fit(
    loss: str, targets: Any, output: tuple[int, ...], message: str, hint: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        checked(tmp_path, loss, targets, output)
    (found,) = caught.value.problems
    assert found.fault == "C23"
    assert message in found.message
    assert found.hint.startswith(hint) or hint in found.hint
    assert (found.line, found.column) == ((11, 7) if targets.class_names else (4, 39))


@pytest.mark.parametrize(
    ("loss", "targets", "fault", "column", "message"),
    [
        (
            "{cross_entropy: {weight: [1, 2]}}",
            ONE_CLASS,
            "C23",
            32,
            "loss.cross_entropy: weight must be 3 numbers, one for each class, got [1.0, 2.0]",
        ),
        ("{nll: [1, 2, 3, 4]}", SEQUENCES, "C23", 13, "weight must be 3 numbers"),
        ("{bce_with_logits: {pos_weight: [1]}}", TWO_NUMBERS, "C23", 38, "pos_weight must be 2 nu"),
        ("{nll: [1, -1, 1]}", ONE_CLASS, "C08", 17, "expected a number >= 0"),
        ("triplet", SEQUENCES, "C23", 7, "loss.triplet: needs one class for each row"),
        ("ctc", ONE_CLASS, "C23", 7, "loss.ctc: needs a sequence of classes"),
        ("{mae: {reduction: sum}}", TWO_NUMBERS, "C22", 25, "take the mean over rows"),
        ("mse", ONE_CLASS, "C22", 7, "needs number targets, but the data has 3 classes"),
        ("cross_entropy", ONE_NUMBER, "C22", 7, "needs class targets, but the data has numbers"),
        ("nll", TWO_NUMBERS, "C22", 7, "needs class targets, but the data has numbers"),
    ],
)
def test_a_loss_that_does_not_suit_the_data_is_told_at_its_argument(
    loss: str, targets: Any, fault: str, column: int, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        checked(tmp_path, loss, targets, (*targets.targets.shape[1:], 3))
    (found,) = caught.value.problems
    assert (found.fault, found.column) == (fault, column)
    assert found.line == (12 if targets.class_names else 5)
    assert message in found.message


def test_cross_entropy_takes_probabilities(tmp_path: Path) -> None:
    assert checked(tmp_path, "cross_entropy", TWO_NUMBERS, (2,)).soft_targets
    with pytest.raises(DataError, match=r"toy.yaml:5:7 loss.cross_entropy: the targets of row 0"):
        checked(tmp_path, "cross_entropy", Targets([[0.5, 0.6]]), (2,))


@pytest.mark.parametrize(
    ("loss", "last", "expected"),
    [
        ("cross_entropy", "softmax", "cross_entropy applies log_softmax itself: leave out softmax"),
        ("cross_entropy", "relu", ""),
        ("focal", "log_softmax", "focal applies log_softmax itself: leave out log_softmax"),
        ("bce_with_logits", "sigmoid", "bce_with_logits applies sigmoid itself: leave out sigmoid"),
        ("ctc", "log_softmax", ""),
        ("ctc", "softmax", "ctc applies softmax itself: leave out softmax"),
        ("sigmoid_focal", "sigmoid", "sigmoid_focal applies sigmoid itself: leave out sigmoid"),
        ("kl_div", "relu", "kl_div takes what log_softmax gives: put log_softmax at the end of"),
        ("mse", "softmax", ""),
        ("bce", "sigmoid", ""),
        ("bce", "relu", "bce takes what sigmoid gives: put sigmoid at the end of the model"),
        ("nll", "softmax", "nll takes what log_softmax gives: put log_softmax at the end of the"),
    ],
)
def test_a_last_layer_that_is_seldom_meant(
    loss: str, last: str, expected: str, tmp_path: Path
) -> None:
    targets = ONE_CLASS if losses[loss].targets == "classes" else ONE_NUMBER
    config = configured(tmp_path, loss, targets, f"model.layers=[{{linear: 3}}, {last}]")
    assert ";".join(doubts_about_loss(config)).startswith(expected)
    assert bool(list(doubts_about_loss(config))) == bool(expected)


def test_the_loss_of_a_plugin_says_what_it_expects_of_the_last_layer(tmp_path: Path) -> None:
    @losses.register("mine")
    class Mine(Loss):
        """A loss."""

        targets = "numbers"
        applies = ("tanh",)
        takes = "softplus"

    config = configured(tmp_path, "mine", ONE_NUMBER, "model.layers=[{linear: 1}, tanh]")
    assert list(doubts_about_loss(config)) == [
        "mine applies tanh itself: leave out tanh",
        "mine takes what softplus gives: put softplus at the end of the model",
    ]


def measured(folder: Path, names: str, targets: Any, output: tuple[int, ...]) -> Any:
    text = CLASSES if targets.class_names else NUMBERS
    text = text.replace("[accuracy]", f"[{names}]").replace("[mae, rmse, r2]", f"[{names}]")
    dataset: Dataset = targets
    config = load(write_toy(folder, text))
    return build_metrics(config, config.loss.make(), dataset, output)


@pytest.mark.parametrize(
    ("names", "targets", "output"),
    [
        ("accuracy, {recall: none}, roc_auc, perplexity", ONE_CLASS, (3,)),
        ("exact_match, bits_per_character, confusion_matrix", SEQUENCES, (4, 3)),
        ("mae, mse", ONE_NUMBER, (1,)),
        ("mae, roc_auc", ONE_SIGN, (1,)),
        ("r2", ONE_NUMBER, ()),
        ("rmse, average_precision", TWO_BITS, (2,)),
    ],
)
def test_metrics_that_fit(
    names: str, targets: Any, output: tuple[int, ...], tmp_path: Path
) -> None:
    made = measured(tmp_path, names, targets, output)
    assert list(made) == [n.strip("{").partition(":")[0] for n in names.split(", ")]
    if "recall" in made:
        assert list(made["recall"].values()) == ["", "[a]", "[b]", "[c]"]


@pytest.mark.parametrize(
    ("names", "targets", "output", "fault", "message"),
    [
        ("mae", ONE_CLASS, (3,), "C22", "metrics[0].mae: mae is for numbers, the data has classes"),
        ("f1", TWO_NUMBERS, (2,), "C22", "metrics[0].f1: f1 is for classes, the data has numbers"),
        ("top_k", TWO_BITS, (2,), "C22", "top_k is for classes, the data has numbers"),
        ("top_k, {top_k: 5}", ONE_CLASS, (3,), "C22", "metrics[1].top_k: top_k is listed twice"),
        (
            "{top_k: 2}, {top_k: 3}, {top_k: {k: 2}}",
            ONE_CLASS,
            (3,),
            "C22",
            "metrics[2].top_k:",
        ),
        ("{f1: micro}, f1, f1_macro", ONE_CLASS, (3,), "C22", "f1_macro is listed twice"),
        (
            "accuracy",
            ONE_CLASS,
            (7,),
            "C23",
            "metrics[0].accuracy: needs outputs (batch, 3), these are (batch, 7)",
        ),
        ("exact_match", SEQUENCES, (9, 4), "C23", "needs outputs (batch, 4, 3), these are (batch,"),
        ("roc_auc", TWO_NUMBERS, (1,), "C23", "needs outputs (batch, 2), these are (batch, 1)"),
    ],
)
def test_a_metric_that_does_not_suit_is_told_in_its_place(
    names: str,
    targets: Any,
    output: tuple[int, ...],
    fault: str,
    message: str,
    tmp_path: Path,
) -> None:
    with pytest.raises(ConfigError) as caught:
        measured(tmp_path, names, targets, output)
    (found,) = caught.value.problems
    assert (found.fault, found.line) == (fault, 13 if targets.class_names else 6)
    assert message in found.message


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("{top_k: 2}, accuracy, {top_k: 5}", ["top_k_2", "accuracy", "top_k_5"]),
        ("top_k, {top_k: 1}", ["top_k_5", "top_k_1"]),
        ("{f1: none}, {recall: micro}, {f1: micro}", ["f1_none", "recall", "f1_micro"]),
    ],
)
def test_a_metric_listed_with_several_arguments_is_called_by_them(
    names: str, expected: list[str], tmp_path: Path
) -> None:
    made = measured(tmp_path, names, ONE_CLASS, (3,))
    assert list(made) == expected
    assert all(each.k == int(name[-1]) for name, each in made.items() if name.startswith("top_k"))


def objectives(folder: Path, loss: str, names: str, targets: Any, width: int = 1) -> Any:
    """The loss and the metrics of a config, for outputs of this width."""
    config = configured(folder, loss, targets, f"metrics=[{names}]")
    output = (*targets.targets.shape[1:-1], width)
    made = build_loss(config, targets, output)
    return made, build_metrics(config, made, targets, output)


@pytest.mark.parametrize(
    ("loss", "targets", "threshold"),
    [
        ("bce", TWO_BITS, 0.5),
        ("bce_with_logits", TWO_BITS, 0.0),
        ("sigmoid_focal", TWO_BITS, 0.0),
        ("hinge", ONE_SIGN, 0.0),
        ("soft_margin", ONE_SIGN, 0.0),
    ],
)
def test_a_loss_of_yes_and_no_tells_metrics_its_threshold(
    loss: str, targets: Any, threshold: float, tmp_path: Path
) -> None:
    width = 2 if targets is TWO_BITS else 1
    names = "accuracy, exact_match, {precision: none}, f1, confusion_matrix, roc_auc"
    _, made = objectives(tmp_path, loss, names, targets, width)
    assert {metric.threshold for name, metric in made.items() if name != "roc_auc"} == {threshold}
    columns = [f"[{i}]" for i in range(width)]
    assert list(made["precision"].values()) == ["", *columns]


def test_C22_a_metric_of_classes_says_which_losses_decide(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        objectives(tmp_path, "mse", "accuracy, top_k", TWO_BITS, 2)
    first, second = caught.value.problems
    assert first.message == "metrics[0].accuracy: accuracy is for classes, the data has numbers"
    decide = "bce, bce_with_logits, hinge, sigmoid_focal, soft_margin"
    assert first.hint == f"for yes and no, take one of the losses {decide}"
    assert second.hint == ""


def test_D08_a_metric_of_yes_and_no_names_a_target_that_is_neither(tmp_path: Path) -> None:
    text = r"command line:1:15 metrics\[1\].accuracy: targets must be 0 or 1, that of row 0"
    with pytest.raises(DataError, match=text):
        objectives(tmp_path, "bce_with_logits", "mae, accuracy", TWO_NUMBERS, 2)


@pytest.mark.parametrize("loss", ["cross_entropy", "nll", "focal"])
def test_a_loss_tells_metrics_what_it_ignores(loss: str, tmp_path: Path) -> None:
    every = ", ".join(n for n in metrics if metrics[n].targets in ("classes", "any"))
    for text, ignored in ((loss, -100), (f"{{{loss}: {{ignore_index: 2}}}}", 2)):
        _, made = objectives(tmp_path, text, every, ONE_CLASS, 3)
        assert {metric.ignore_index for metric in made.values()} == {ignored}


def test_a_metric_is_told_what_it_asks_for_and_the_loss_of_a_plugin_knows(tmp_path: Path) -> None:
    @losses.register("mine")
    class Mine(Loss):
        """A loss."""

        targets = "numbers"
        scale = 3.0

    @metrics.register("scaled")
    class Scaled(MAE):
        """A metric."""

        supplied = ("scale", "columns")

        def __init__(self, scale: float, columns: int) -> None:
            self.told = (scale, columns)
            super().__init__()

    _, made = objectives(tmp_path, "mine", "scaled", TWO_BITS, 2)
    assert made["scaled"].told == (3.0, 2)
    with pytest.raises(ConfigError, match="it wants scale supplied, which dgrad does not know"):
        objectives(tmp_path, "mse", "scaled", TWO_BITS, 2)
