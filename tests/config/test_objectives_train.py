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


Kind = Literal["classes", "sequences", "numbers", "shares", "signs"]


def drawn(kind: Kind) -> Dataset:
    """Rows of 6 numbers, targets of a kind, some of which do not count."""
    rng = np.random.default_rng(3)
    inputs = rng.normal(size=(ROWS, 6)).astype(np.float32)
    names = None
    if kind == "classes":
        names, targets = ("a", "b", "c"), np.argmax(inputs[:, :3], axis=1)
        targets[::7] = -100
    elif kind == "sequences":
        names, targets = ("-", "a", "b"), 1 + (inputs[:, :2] > 0)
        targets[::3, 1] = -100
    else:
        numbers = inputs[:, :2] - inputs[:, 2:4]
        shares = np.exp(numbers) / np.exp(numbers).sum(axis=1, keepdims=True)
        targets = {"numbers": numbers, "shares": shares, "signs": np.sign(numbers)}[kind]
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
