"""Metrics: scikit-learn's values, whatever the batches; undefined cases."""

import itertools
import math

import numpy as np
import pytest

from dgrad import registry
from dgrad.errors import DtypeError, ShapeError
from dgrad.train import metrics  # fills the registry

CLASSES = ["accuracy", "f1_macro"]
NUMBERS = ["mae", "r2", "rmse"]
BATCHES = [[60], [1] * 60, [7, 0, 32, 1, 20]]


def measure(name, outputs, targets, sizes):
    metric = registry.metrics[name]()
    bounds = np.cumsum([0, *sizes])
    for start, stop in itertools.pairwise(bounds):
        metric.update(outputs[start:stop], targets[start:stop])
    return metric.result()


def class_data():
    """60 rows of 6 classes; 4 never occurs but is predicted, 5 neither occurs nor is predicted."""
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 4, 60)
    outputs = rng.normal(size=(60, 6)).astype(np.float32)
    outputs[np.arange(60), targets] += 1
    outputs[:, 5] = -9
    return outputs, targets


def number_data():
    rng = np.random.default_rng(0)
    targets = (1e4 + rng.normal(size=(60, 2))).astype(np.float32)
    return targets + rng.normal(size=(60, 2)).astype(np.float32) / 2, targets


def test_every_metric_is_registered():
    assert registry.metrics.names() == sorted(CLASSES + NUMBERS)
    for name in registry.metrics:
        assert registry.metrics[name].targets == ("classes" if name in CLASSES else "numbers")
        assert registry.metrics[name].higher_is_better == (name not in ("mae", "rmse"))


@pytest.mark.parametrize("sizes", BATCHES)
def test_E05_class_metrics_agree_with_scikit_learn(sizes):
    sklearn = pytest.importorskip("sklearn.metrics", reason="scikit-learn is the oracle")
    outputs, targets = class_data()
    predicted = outputs.argmax(axis=1)
    assert set(np.unique(predicted)) == {0, 1, 2, 3, 4}
    expected = {
        "accuracy": sklearn.accuracy_score(targets, predicted),
        "f1_macro": sklearn.f1_score(targets, predicted, average="macro", zero_division=0),
    }
    for name, value in expected.items():
        assert measure(name, outputs, targets, sizes) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("sizes", BATCHES)
def test_E05_number_metrics_agree_with_scikit_learn(sizes):
    sklearn = pytest.importorskip("sklearn.metrics", reason="scikit-learn is the oracle")
    outputs, targets = number_data()
    wide, y = outputs.astype(np.float64), targets.astype(np.float64)
    expected = {
        "mae": sklearn.mean_absolute_error(y, wide),
        "rmse": math.sqrt(sklearn.mean_squared_error(y, wide)),
        "r2": sklearn.r2_score(y, wide),
    }
    for name, value in expected.items():
        assert measure(name, outputs, targets, sizes) == pytest.approx(value, rel=1e-10)


def test_known_values():
    outputs = np.array([[2.0, 1.0], [0.0, 1.0], [3.0, 3.0]])
    targets = np.array([0, 0, 1])
    assert measure("accuracy", outputs, targets, [3]) == pytest.approx(1 / 3)
    assert measure("f1_macro", outputs, targets, [3]) == pytest.approx((2 / 4 + 0) / 2)
    y = np.array([1.0, 2.0, 3.0])
    assert measure("mae", y + 2, y, [2, 1]) == 2
    assert measure("rmse", y + np.array([0, 0, 3]), y, [2, 1]) == pytest.approx(math.sqrt(3))
    assert measure("r2", y * 0 + 2, y, [2, 1]) == 0
    assert measure("r2", y, y, [2, 1]) == 1


def test_further_axes_are_rows():
    outputs, targets = class_data()
    folded = outputs.reshape(6, 10, 6), targets.reshape(6, 10)
    for name in CLASSES:
        assert measure(name, *folded, [4, 2]) == measure(name, outputs, targets, [60])


@pytest.mark.parametrize("name", CLASSES + NUMBERS)
def test_E06_undefined_is_nan(name):
    metric = registry.metrics[name]()
    assert math.isnan(metric.result())
    outputs, targets = class_data() if name in CLASSES else number_data()
    metric.update(outputs[:0], targets[:0])
    assert math.isnan(metric.result())
    metric.update(outputs, targets)
    value = metric.result()
    assert math.isfinite(value)
    metric.reset()
    assert math.isnan(metric.result())
    metric.update(outputs, targets)
    assert metric.result() == value


def test_E06_r2_of_constant_targets_or_one_row_is_nan():
    for targets in (np.full(9, 0.1, np.float32), np.full(1, 2.0), np.full((9, 2), 1e6 + 0.1)):
        assert math.isnan(measure("r2", targets + 1, targets, [1] * len(targets)))
    mixed = np.stack([np.full(9, 0.1), np.arange(9.0)], axis=1)
    assert math.isnan(measure("r2", mixed + 1, mixed, [9]))


def test_T05_nan_outputs_are_never_right():
    outputs, targets = class_data()
    targets[:30] = 0
    outputs[:30, 0] = np.nan
    assert measure("accuracy", outputs, targets, [60]) == pytest.approx(
        measure("accuracy", outputs[30:], targets[30:], [30]) / 2
    )
    alone = np.full((3, 2), np.nan)
    assert measure("f1_macro", alone, np.array([0, 0, 1]), [3]) == 0
    outputs, targets = number_data()
    outputs[3] = np.nan
    for name in NUMBERS:
        assert math.isnan(measure(name, outputs, targets, [60]))


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize(
    ("outputs", "targets", "error"),
    [
        (np.zeros((3, 2)), np.zeros(2, int), ShapeError),
        (np.zeros(3), np.zeros(3, int), ShapeError),
        (np.zeros((3, 0)), np.zeros(3, int), ShapeError),
        (np.zeros((3, 2)), np.zeros(3), DtypeError),
        (np.zeros((3, 2)), np.full(3, 2), ShapeError),
        (np.zeros((3, 2)), np.full(3, -1), ShapeError),
    ],
)
def test_wrong_class_inputs_are_refused(name, outputs, targets, error):
    with pytest.raises(error, match=name):
        registry.metrics[name]().update(outputs, targets)


@pytest.mark.parametrize("name", NUMBERS)
def test_wrong_number_inputs_are_refused(name):
    with pytest.raises(ShapeError, match=name):
        registry.metrics[name]().update(np.zeros((3, 1)), np.zeros(3))


def test_f1_refuses_another_number_of_classes():
    metric = metrics.F1Macro()
    metric.update(np.zeros((3, 2)), np.zeros(3, int))
    with pytest.raises(ShapeError, match="3 classes, but 2"):
        metric.update(np.zeros((3, 3)), np.zeros(3, int))
