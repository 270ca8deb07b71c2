"""Evaluation over batches: exact for any batch size, in eval mode, on numbers and classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dgrad.core.tensor import Tensor
from dgrad.errors import DataError
from dgrad.nn import CrossEntropyLoss, Linear, Module, MSELoss, Sequential
from dgrad.nn.dropout import Dropout
from dgrad.train.evaluation import evaluate, weight_of
from dgrad.train.metrics import F1, MAE, R2, RMSE, Accuracy

rng = np.random.default_rng(11)
INPUTS = rng.normal(size=(23, 4))
NUMBERS = rng.normal(size=(23, 2))
CLASSES = rng.integers(0, 3, size=23)


def model(outputs: int) -> Sequential:
    return Sequential(Dropout(0.5), Linear(4, outputs)).double()


@pytest.mark.parametrize("rows", [1, 2, 7, 22, 23, 24, 512])
def test_E05_E08_the_result_does_not_depend_on_the_batches(rows: int) -> None:
    net = model(2)
    outputs = INPUTS @ net[1].weight.data.T + net[1].bias.data
    found = evaluate(
        net, MSELoss(), {"mae": MAE(), "rmse": RMSE(), "r2": R2()}, INPUTS, NUMBERS, batch_size=rows
    )
    error = outputs - NUMBERS
    spread = np.square(NUMBERS - NUMBERS.mean(0)).sum(0)
    assert list(found) == ["loss", "mae", "rmse", "r2"]
    assert found["loss"] == pytest.approx(np.mean(error**2), rel=1e-12)
    assert found["mae"] == pytest.approx(np.mean(np.abs(error)), rel=1e-12)
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean(error**2)), rel=1e-12)
    assert found["r2"] == pytest.approx(np.mean(1 - np.square(error).sum(0) / spread), rel=1e-12)


@pytest.mark.parametrize("rows", [1, 7, 512])
def test_E05_classes(rows: int) -> None:
    net = model(3)
    outputs = INPUTS @ net[1].weight.data.T + net[1].bias.data
    found = evaluate(
        net,
        CrossEntropyLoss(),
        {"accuracy": Accuracy(), "f1": F1()},
        INPUTS,
        CLASSES,
        batch_size=rows,
    )
    logs = outputs - np.log(np.exp(outputs).sum(1, keepdims=True))
    assert found["loss"] == pytest.approx(-logs[np.arange(23), CLASSES].mean(), rel=1e-12)
    assert found["accuracy"] == np.mean(outputs.argmax(1) == CLASSES)


@pytest.mark.parametrize("rows", [1, 3, 23])
@pytest.mark.parametrize("weight", [None, [0.2, 1.0, 3.0]])
def test_E05_the_loss_is_the_mean_over_what_counts(rows: int, weight: Any) -> None:
    net, criterion = model(3), CrossEntropyLoss(weight)
    targets = np.where(np.arange(23) % 4 == 1, -100, CLASSES)
    targets[:3] = -100  # a whole batch in which nothing counts
    expected = criterion(net.eval()(Tensor(INPUTS)), targets).item()
    found = evaluate(net, criterion, {}, INPUTS, targets, batch_size=rows)
    assert found["loss"] == pytest.approx(expected, rel=1e-12)


def test_a_loss_of_nothing_is_nan_and_a_plain_module_counts_rows() -> None:
    nothing = np.full(23, -100)
    measured = {"accuracy": Accuracy(), "f1": F1()}
    found: Any = evaluate(model(3), CrossEntropyLoss(), measured, INPUTS, nothing, batch_size=8)
    assert list(found) == ["loss", "accuracy", "f1"]
    assert np.isnan(list(found.values())).all()
    assert {value.reason for value in found.values()} == {"no target counts"}

    class Error(Module):
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return ((x - y) ** 2).mean()

    net = model(2)
    results = [evaluate(net, c, {}, INPUTS, NUMBERS, batch_size=8) for c in (Error(), MSELoss())]
    assert results[0]["loss"] == pytest.approx(results[1]["loss"], rel=1e-12)
    assert weight_of(Error(), NUMBERS) == 23


def test_E03_two_evaluations_are_equal_and_start_afresh() -> None:
    net, metrics = model(3), {"accuracy": Accuracy()}
    first = evaluate(net, CrossEntropyLoss(), metrics, INPUTS, CLASSES, batch_size=8)
    evaluate(net, CrossEntropyLoss(), metrics, INPUTS[:9], 2 - CLASSES[:9], batch_size=8)
    assert evaluate(net, CrossEntropyLoss(), metrics, INPUTS, CLASSES, batch_size=8) == first


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_is_restored_and_nothing_is_recorded(training: bool) -> None:
    recorded: list[bool] = []

    class Look(Module):
        def forward(self, x: Tensor) -> Tensor:
            recorded.append(self.training or x.requires_grad)
            return x

    net = Sequential(Linear(4, 2), Look()).double().train(training)
    evaluate(net, MSELoss(), {}, INPUTS, NUMBERS, batch_size=23)
    assert recorded == [False]
    assert all(module.training is training for module in net.modules())


def test_a_module_frozen_in_evaluation_mode_stays_so() -> None:
    net = Sequential(Dropout(0.5).eval(), Linear(4, 2)).double()
    evaluate(net, MSELoss(), {}, INPUTS, NUMBERS, batch_size=8)
    assert [module.training for module in net.modules()] == [True, False, True]


def test_the_mode_is_restored_after_an_error() -> None:
    class Broken(Module):
        def forward(self, x: Any) -> Any:
            raise RuntimeError("no such luck")

    net = Sequential(Broken())
    with pytest.raises(RuntimeError, match="no such luck"):
        evaluate(net, MSELoss(), {}, INPUTS, NUMBERS, batch_size=23)
    assert net.training


def test_E05_no_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    net = model(2)
    with pytest.raises(DataError) as error:
        evaluate(net, MSELoss(), {}, INPUTS[:0], NUMBERS[:0], batch_size=8)
    assert error.value.fault == "D10"
    assert net.training


def test_what_is_not_finite_shows_in_the_results_without_warnings() -> None:
    far = np.full_like(INPUTS, 1e308)  # a warning of NumPy would be an error here
    found = evaluate(model(2), MSELoss(), {"rmse": RMSE()}, far, NUMBERS, batch_size=8)
    assert not np.isfinite([found["loss"], found["rmse"]]).any()
