"""Every registered loss trains a model of a config, over data that it suits, with its metrics."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from dgrad.config import document
from dgrad.config.document import from_text
from dgrad.config.experiment import Experiment
from dgrad.core.tensor import Tensor
from dgrad.data.dataset import Dataset
from dgrad.registry import losses, readers
from tests.toys import forgetting

ROWS = 60


@pytest.fixture(autouse=True)
def _components() -> Iterator[None]:
    document.register_shipped()
    with forgetting():
        readers.register("drawn")(drawn)
        yield


Kind = Literal["classes", "three", "sequences", "numbers", "shares", "bits", "signs"]


def drawn(kind: Kind) -> Dataset:
    """Rows of 6 numbers, targets of a kind, some of which do not count."""
    rng = np.random.default_rng(3)
    inputs = rng.normal(size=(ROWS, 6)).astype(np.float32)
    names = None
    if kind in ("classes", "three"):
        names, targets = ("a", "b", "c"), np.argmax(inputs[:, :3], axis=1)
        targets[::7] = 0 if kind == "three" else -100
    elif kind == "sequences":
        names, targets = ("-", "a", "b"), 1 + (inputs[:, :2] > 0)
        targets[::3, 1] = -100
    else:
        numbers = inputs[:, :2] - inputs[:, 2:4]
        shares = np.exp(numbers) / np.exp(numbers).sum(axis=1, keepdims=True)
        noisy = numbers + rng.normal(size=numbers.shape) / 2
        targets = {
            "numbers": numbers,
            "shares": shares,
            "bits": (noisy > 0) * 1.0,
            "signs": np.sign(noisy),
        }[kind]
        return Dataset(inputs, targets.astype(np.float32), None, None, ())
    return Dataset(inputs, targets.astype(np.int64), names, None, ())


CLASSES = ("classes", "{linear: 3}", "[accuracy, roc_auc, perplexity]")
NUMBERS = ("numbers", "{linear: 2}", "[mae, mse, rmse, r2]")
EMBEDDED = ("classes", "{linear: 4}", "[]")
SUITED = {  # loss -> the kind of targets, the last layers, the metrics
    "bce": ("shares", "{linear: 2}, sigmoid", "[mae]"),
    "bce_with_logits": ("shares", "{linear: 2}", "[]"),
    "cosine": NUMBERS,
    "cosine_embedding": EMBEDDED,
    "cross_entropy": CLASSES,
    "ctc": ("sequences", "{linear: 12}, {reshape: [4, 3]}", "[]"),
    "focal": CLASSES,
    "hinge": ("signs", "{linear: 2}", "[]"),
    "hinge_embedding": ("signs", "{linear: 2}, softplus", "[]"),
    "huber": NUMBERS,
    "kl_div": ("shares", "{linear: 2}, log_softmax", "[]"),
    "mae": NUMBERS,
    "mse": NUMBERS,
    "multi_margin": CLASSES,
    "nll": ("classes", "{linear: 3}, log_softmax", "[top_k, f1]"),
    "poisson_nll": ("shares", "{linear: 2}", "[]"),
    "sigmoid_focal": ("shares", "{linear: 2}", "[]"),
    "smooth_l1": NUMBERS,
    "soft_margin": ("signs", "{linear: 2}", "[]"),
    "triplet": EMBEDDED,
}
TEXT = """\
data: {{drawn: {kind}, split: {{val: 0.2, test: 0.2}}}}
model: {{layers: [{{linear: 8}}, tanh, {layers}]}}
loss: {loss}
metrics: {metrics}
optimizer: {{adam: 0.05}}
train: {{epochs: 12, batch_size: 7, eval_batch_size: 5}}
"""


def test_every_loss_is_tried() -> None:
    assert sorted(SUITED) == losses.names()


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


OUTPUTS = np.linspace(-9, 9, 3601)
NEVER_ZERO = {  # losses of an uncertain target -> every output that a model may give
    "bce": sigmoid(OUTPUTS),
    "bce_with_logits": OUTPUTS,
    "poisson_nll": OUTPUTS,
    "sigmoid_focal": OUTPUTS,
}


def least(loss: str, targets: np.ndarray) -> float:
    """The mean loss of the best outputs there are."""
    if loss not in NEVER_ZERO:
        return 0.0
    x, criterion = NEVER_ZERO[loss], losses[loss](reduction="none")
    each = [np.min(criterion(x, np.full_like(x, t))) for t in targets.flat]
    return float(np.mean(each))


@pytest.mark.parametrize("loss", SUITED)
def test_a_loss_falls_to_a_quarter_of_what_can_be_gained(loss: str, tmp_path: Path) -> None:
    kind, layers, metrics = SUITED[loss]
    text = TEXT.format(kind=kind, layers=layers, loss=loss, metrics=metrics)
    trainer = Experiment.build(from_text(text, tmp_path / "run.yaml")).trainer
    best = least(loss, trainer.splits["train"].targets)
    before = trainer.evaluate("train")
    assert trainer.fit() == "done"
    after = trainer.evaluate("train")
    assert best <= after["loss"] < best + (before["loss"] - best) / 4
    assert all(math.isfinite(value) for value in after.values())


def test_cross_entropy_takes_the_probabilities_of_a_reader(tmp_path: Path) -> None:
    text = TEXT.format(
        kind="shares",
        layers="{linear: 2}",
        loss="{cross_entropy: {weight: [1, 2]}}",
        metrics="[mae]",
    )
    trainer = Experiment.build(from_text(text, tmp_path / "run.yaml")).trainer
    counted = trainer.splits["train"].targets * [1, 2]
    best = -np.sum(counted * np.log(counted / counted.sum(axis=1, keepdims=True))) / len(counted)
    before = trainer.evaluate("train")["loss"]
    trainer.fit()
    assert best <= trainer.evaluate("train")["loss"] < best + (before - best) / 4


DECISIONS = "[accuracy, exact_match, precision, {recall: micro}, {f1: none}, roc_auc]"


@pytest.mark.parametrize(
    ("loss", "kind", "layers", "threshold"),
    [
        ("bce", "bits", "{linear: 2}, sigmoid", 0.5),
        ("bce_with_logits", "bits", "{linear: 2}", 0),
        ("hinge", "signs", "{linear: 2}", 0),
        ("sigmoid_focal", "bits", "{linear: 2}", 0),
        ("soft_margin", "signs", "{linear: 2}", 0),
    ],
)
def test_metrics_of_yes_and_no_agree_with_scikit_learn(
    loss: str, kind: str, layers: str, threshold: float, tmp_path: Path
) -> None:
    score = pytest.importorskip("sklearn.metrics", reason="scikit-learn is the oracle")
    text = TEXT.format(kind=kind, layers=layers, loss=loss, metrics=DECISIONS)
    trainer = Experiment.build(from_text(text, tmp_path / "run.yaml")).trainer
    trainer.fit()
    rows = trainer.splits["train"]
    outputs = trainer.model.eval()(Tensor(rows.inputs)).data
    predicted, yes = outputs > threshold, rows.targets > 0
    each = score.f1_score(yes, predicted, average=None)
    expected = {
        "accuracy": np.mean([score.accuracy_score(yes[:, i], predicted[:, i]) for i in range(2)]),
        "exact_match": score.accuracy_score(yes, predicted),
        "precision": score.precision_score(yes, predicted, average="macro"),
        "recall": score.recall_score(yes, predicted, average="micro"),
        "f1": score.f1_score(yes, predicted, average="macro"),
        "f1[0]": each[0],
        "f1[1]": each[1],
        "roc_auc": score.roc_auc_score(yes, outputs, average="macro"),
    }
    found = trainer.evaluate("train")
    del found["loss"]
    assert found == pytest.approx(expected, rel=1e-9)
    assert 0.7 < found["accuracy"] < 1


def test_a_metric_listed_twice_may_be_monitored(tmp_path: Path) -> None:
    text = TEXT.format(
        kind="classes",
        layers="{linear: 3}",
        loss="cross_entropy",
        metrics="[{top_k: 1}, {top_k: 2}]",
    ).replace("eval_batch_size: 5", "early_stop: {metric: val/top_k_2, patience: 1}")
    trainer = Experiment.build(from_text(text, tmp_path / "run.yaml")).trainer
    assert trainer.fit() == "early stop"
    found = trainer.evaluate("val")
    assert list(found) == ["loss", "top_k_1", "top_k_2"]
    assert found["top_k_1"] <= found["top_k_2"] == trainer.progress.stop_value


def test_metrics_leave_out_what_the_loss_ignores(tmp_path: Path) -> None:
    score = pytest.importorskip("sklearn.metrics", reason="scikit-learn is the oracle")
    text = TEXT.format(
        kind="three",
        layers="{linear: 3}",
        loss="{cross_entropy: {ignore_index: 0}}",
        metrics="[accuracy, {top_k: 2}, {f1: micro}, perplexity]",
    )
    trainer = Experiment.build(from_text(text, tmp_path / "run.yaml")).trainer
    rows = trainer.splits["train"]
    counted = rows.targets != 0
    assert 0 < counted.sum() < len(counted)
    outputs = trainer.model.eval()(Tensor(rows.inputs)).data[counted].astype(np.float64)
    targets, predicted = rows.targets[counted], outputs.argmax(axis=1)
    log_p = outputs - np.log(np.exp(outputs).sum(axis=1, keepdims=True))
    found = trainer.evaluate("train")
    assert found == pytest.approx(
        {
            "loss": -log_p[np.arange(len(targets)), targets].mean(),
            "accuracy": score.accuracy_score(targets, predicted),
            "top_k": score.top_k_accuracy_score(targets, outputs, k=2, labels=range(3)),
            "f1": score.f1_score(targets, predicted, average="micro"),
            "perplexity": np.exp(found["loss"]),
        },
        rel=1e-6,
    )
