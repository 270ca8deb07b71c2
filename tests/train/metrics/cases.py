"""The metric table: every metric as a config writes it, data, and scikit-learn's value of all rows.

A case is measured over uneven batches by tests/train/metrics/test_metrics.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from dgrad import registry
from dgrad.config import schema, yaml
from dgrad.config.marks import Problems
from dgrad.config.values import Component
from dgrad.train.metrics import Metric

__all__ = ["CASES", "NAMES", "Case", "component", "made"]

NAMES = ("ant", "bee", "cow", "dog", "elk", "fox")
rng = np.random.default_rng(0)

Oracle = Callable[[ModuleType, Any, Any], dict[str, float]]


@dataclass(frozen=True, eq=False)
class Case:
    """A metric, from its YAML, and what it must give.

    oracle: (sklearn, outputs, targets) -> what follows the metric's name -> value.
    threshold: what a loss of yes and no tells; None for classes and for numbers of any size.
    """

    text: str
    outputs: np.ndarray
    targets: np.ndarray
    oracle: Oracle
    threshold: float | None = None


def component(text: str) -> Component:
    """What an item of a config's `metrics` is read as. Raises ConfigError."""
    problems = Problems()
    node = yaml.parse(f"x: {text}", "run.yaml", None).entries["x"].value
    found = schema.component(registry.metrics, node, problems, "metrics[0]")
    problems.raise_if_any()
    assert found is not None
    return found


def made(text: str, classes: int | None = None, **told: Any) -> Metric:
    """The metric, told the names of its classes if there are any, and what else it may ask for."""
    known = {"class_names": NAMES[:classes] if classes else None, "columns": None}
    known |= {"threshold": None, "ignore_index": -100} | told
    metric: Metric = component(text).make(**known)
    return metric


def classes_of(count: int, rows: int = 60, classes: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Logits and classes; those from `count` on never occur, the last is not predicted either."""
    targets = rng.integers(0, count, rows)
    outputs = rng.normal(size=(rows, classes))
    outputs[np.arange(rows), targets] += 1
    if count < classes:
        outputs[:, -1] -= 99
    return outputs, targets


def softmax(outputs: Any) -> Any:
    exponentials = np.exp(outputs - outputs.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def averaged(name: str, average: str) -> Oracle:
    """precision, recall or F1; of the classes that occur."""

    def oracle(sklearn: ModuleType, outputs: Any, targets: Any) -> dict[str, float]:
        score, predicted = getattr(sklearn.metrics, f"{name}_score"), outputs.argmax(axis=-1)
        whole = score(
            targets, predicted, average="micro" if average == "micro" else "macro", zero_division=0
        )
        if average != "none":
            return {"": whole}
        labels = range(outputs.shape[-1])
        each = score(targets, predicted, average=None, labels=labels, zero_division=np.nan)
        return {"": whole} | {f"[{NAMES[i]}]": value for i, value in enumerate(each)}

    return oracle


def against_rest(score: str, average: str) -> Oracle:
    """A ranking of each class against the rest, by the probability."""

    def oracle(sklearn: ModuleType, outputs: Any, targets: Any) -> dict[str, float]:
        function, p = getattr(sklearn.metrics, score), softmax(outputs)
        each = {i: function(targets == i, p[:, i]) for i in np.unique(targets)}
        whole = {"": float(np.mean(list(each.values())))}
        if average != "none":
            return whole
        return whole | {f"[{NAMES[i]}]": each.get(i, math.nan) for i in range(outputs.shape[-1])}

    return oracle


def of_two(score: str) -> Oracle:
    return lambda sklearn, outputs, targets: {
        "": getattr(sklearn.metrics, score)(targets, softmax(outputs)[:, 1])
    }


def by_columns(score: str) -> Oracle:
    return lambda sklearn, outputs, targets: {
        "": getattr(sklearn.metrics, score)(targets, outputs, average="macro")
    }


def log_loss(transform: Callable[[float], float]) -> Oracle:
    def oracle(sklearn: ModuleType, outputs: Any, targets: Any) -> dict[str, float]:
        labels = range(outputs.shape[-1])
        return {"": transform(sklearn.metrics.log_loss(targets, softmax(outputs), labels=labels))}

    return oracle


def calibration(bins: int) -> Oracle:
    """From scikit-learn's curve: accuracy and confidence of each bin that is not empty."""

    def oracle(sklearn: ModuleType, outputs: Any, targets: Any) -> dict[str, float]:
        confidence = softmax(outputs).max(axis=1)
        right = outputs.argmax(axis=1) == targets
        accuracies, confidences = sklearn.calibration.calibration_curve(
            right, confidence, n_bins=bins
        )
        places = np.ceil(confidence * bins).astype(int)
        counts = np.bincount(places)
        counts = counts[counts > 0]
        return {"": float(np.sum(counts * np.abs(accuracies - confidences)) / len(targets))}

    return oracle


def exact(sklearn: ModuleType, outputs: Any, targets: Any) -> dict[str, float]:
    """accuracy_score of several labels asks for all; one that does not count is given."""
    counted = targets != -100
    predicted = np.where(counted, outputs.argmax(axis=-1), 0)
    rows = counted.any(axis=1)
    labels = np.where(counted, targets, 0)
    same = [str(row.tolist()) for row in predicted[rows]]
    return {"": sklearn.metrics.accuracy_score([str(r.tolist()) for r in labels[rows]], same)}


def of_numbers(score: str, transform: Callable[[float], float] = float) -> Oracle:
    return lambda sklearn, outputs, targets: {
        "": transform(getattr(sklearn.metrics, score)(targets, outputs))
    }


def right(sklearn: ModuleType, outputs: Any, targets: Any) -> dict[str, float]:
    return {"": sklearn.metrics.accuracy_score(targets, outputs.argmax(axis=-1))}


def decided(score: str, average: str | None = None, threshold: float = 0.0) -> Oracle:
    """Of every yes or no: each column of several is a label of its own."""

    def oracle(sklearn: ModuleType, outputs: Any, targets: Any) -> dict[str, float]:
        function, predicted = getattr(sklearn.metrics, score), outputs > threshold
        yes = targets > 0
        if average is None:
            return {"": function(yes.ravel(), predicted.ravel())}
        if yes.ndim == 1:  # what scikit-learn calls binary
            return {"": function(yes, predicted)}
        whole = {"": function(yes, predicted, average="micro" if average == "micro" else "macro")}
        if average != "none":
            return whole
        each = function(yes, predicted, average=None)
        return whole | {f"[{i}]": value for i, value in enumerate(each)}

    return oracle


def all_labels(sklearn: ModuleType, outputs: Any, targets: Any) -> dict[str, float]:
    return {"": sklearn.metrics.accuracy_score(targets > 0, outputs > 0)}


def top(k: int) -> Oracle:
    return lambda sklearn, outputs, targets: {
        "": sklearn.metrics.top_k_accuracy_score(
            targets, outputs, k=k, labels=range(outputs.shape[-1])
        )
    }


RARE = classes_of(4)
ALL = classes_of(6, 80)
TWO = classes_of(2, 60, 2)
TIED = np.round(TWO[0]), TWO[1]
SURE = ALL[0] * 40, ALL[1]
LEVELS = rng.integers(0, 5, (60, 3)) / 4.0  # scores with ties
BITS = (LEVELS + rng.normal(size=(60, 3)) > 0.5) * 1.0
SEQUENCES = rng.integers(0, 3, (60, 4))
SEQUENCES[rng.uniform(size=(60, 4)) < 0.3] = -100
SEQUENCES[5] = -100
LIKELY = rng.normal(size=(60, 4, 3)) + 4 * (SEQUENCES[..., None] == np.arange(3))
FLOATS = 1e4 + rng.normal(size=(60, 2))
NEAR = FLOATS + rng.normal(size=(60, 2)) / 2

SIGNS = 2 * BITS - 1
YES = rng.normal(size=(60, 3)) + SIGNS / 2
SHARES = 1 / (1 + np.exp(-YES))


def yes_or_no(name: str) -> list[Case]:
    """Precision, recall or F1 of one label, and of several, by logits and by probabilities."""
    score = f"{name}_score"
    return [
        Case(name, YES[:, 0], BITS[:, 0], decided(score, "macro"), 0.0),
        Case(name, YES, SIGNS, decided(score, "macro"), 0.0),
        Case(name, SHARES, BITS, decided(score, "macro", 0.5), 0.5),
        Case(f"{{{name}: micro}}", YES, BITS, decided(score, "micro"), 0.0),
        Case(f"{{{name}: none}}", YES, BITS, decided(score, "none"), 0.0),
    ]


CASES: dict[str, list[Case]] = {
    "accuracy": [
        *(Case("accuracy", *data, right) for data in (RARE, ALL, TWO)),
        Case("accuracy", YES[:, 0], BITS[:, 0], decided("accuracy_score"), 0.0),
        Case("accuracy", YES, SIGNS, decided("accuracy_score"), 0.0),
        Case("accuracy", SHARES, BITS, decided("accuracy_score", threshold=0.5), 0.5),
    ],
    "average_precision": [
        Case("average_precision", *ALL, against_rest("average_precision_score", "macro")),
        Case("{average_precision: none}", *RARE, against_rest("average_precision_score", "none")),
        Case("average_precision", *TWO, of_two("average_precision_score")),
        Case("average_precision", LEVELS, BITS, by_columns("average_precision_score")),
        Case("average_precision", NEAR[:, 0], BITS[:, 0], by_columns("average_precision_score")),
    ],
    "bits_per_character": [
        Case("bits_per_character", *RARE, log_loss(lambda nats: nats / math.log(2)))
    ],
    "confusion_matrix": [
        Case("confusion_matrix", *ALL, lambda sklearn, outputs, targets: {}),
        Case("confusion_matrix", YES, BITS, lambda sklearn, outputs, targets: {}, 0.0),
    ],
    "exact_match": [
        Case("exact_match", LIKELY, SEQUENCES, exact),
        Case("exact_match", 9 * YES, SIGNS, all_labels, 0.0),
    ],
    "expected_calibration_error": [
        Case("expected_calibration_error", *ALL, calibration(15)),
        Case("{expected_calibration_error: 7}", *RARE, calibration(7)),
        Case("{expected_calibration_error: {bins: 1}}", *SURE, calibration(1)),
    ],
    "f1": [
        Case("f1", *RARE, averaged("f1", "macro")),
        Case("{f1: micro}", *RARE, averaged("f1", "micro")),
        Case("{f1: {average: none}}", *RARE, averaged("f1", "none")),
        Case("{f1: none}", *ALL, averaged("f1", "none")),
        *yes_or_no("f1"),
    ],
    "f1_macro": [
        Case("f1_macro", *RARE, averaged("f1", "macro")),
        Case("{f1_macro: none}", *RARE, averaged("f1", "none")),
    ],
    "mae": [Case("mae", NEAR, FLOATS, of_numbers("mean_absolute_error"))],
    "mse": [Case("mse", NEAR, FLOATS, of_numbers("mean_squared_error"))],
    "perplexity": [
        Case("perplexity", *RARE, log_loss(math.exp)),
        Case("perplexity", *ALL, log_loss(math.exp)),
    ],
    "precision": [
        Case("precision", *RARE, averaged("precision", "macro")),
        Case("{precision: micro}", *ALL, averaged("precision", "micro")),
        Case("{precision: none}", *RARE, averaged("precision", "none")),
        *yes_or_no("precision"),
    ],
    "r2": [Case("r2", NEAR, FLOATS, of_numbers("r2_score"))],
    "recall": [
        Case("recall", *RARE, averaged("recall", "macro")),
        Case("{recall: micro}", *ALL, averaged("recall", "micro")),
        Case("{recall: none}", *RARE, averaged("recall", "none")),
        *yes_or_no("recall"),
    ],
    "rmse": [Case("rmse", NEAR, FLOATS, of_numbers("mean_squared_error", math.sqrt))],
    "roc_auc": [
        Case("roc_auc", *ALL, against_rest("roc_auc_score", "macro")),
        Case(
            "roc_auc",
            *ALL,
            lambda sklearn, outputs, targets: {
                "": sklearn.metrics.roc_auc_score(targets, softmax(outputs), multi_class="ovr")
            },
        ),
        Case("{roc_auc: none}", *RARE, against_rest("roc_auc_score", "none")),
        Case("roc_auc", *TIED, of_two("roc_auc_score")),
        Case("roc_auc", *TWO, of_two("roc_auc_score")),
        Case("roc_auc", LEVELS, BITS, by_columns("roc_auc_score")),
        Case("roc_auc", LEVELS, SIGNS, by_columns("roc_auc_score")),
    ],
    "top_k": [
        Case("top_k", *ALL, top(5)),
        Case("{top_k: 2}", *RARE, top(2)),
        Case("{top_k: {k: 1}}", *ALL, top(1)),
    ],
}
