"""The learning-rate range test: what is suggested, when it stops, and that it leaves no trace."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from dgrad.core import stream
from dgrad.errors import ParameterError
from dgrad.nn import Dropout, Linear, MSELoss, Sequential, Tanh
from dgrad.optim import SGD
from dgrad.train.averaging import EMA
from dgrad.train.range_test import RangeTest, range_test
from dgrad.train.trainer import Examples, Settings, Trainer


def made(**more: Any) -> Trainer:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(40, 3))
    with stream.at(1):
        net = Sequential(Linear(3, 16), Tanh(), Dropout(0.1), Linear(16, 1)).double()
    settings: dict[str, Any] = {
        "seed": 4, "epochs": 3, "batch_size": 8, "eval_batch_size": 50, "clip_norm": None,
        "save_every": 99, "best": "train/loss", "stop_metric": "train/loss", "patience": None,
    }  # fmt: skip
    optimizer = SGD(
        [{"params": [net[0].weight], "lr": 0.5}, {"params": list(net.parameters())[1:]}],
        lr=0.1,
        momentum=0.9,
    )
    splits = {"train": Examples(inputs, np.tanh(inputs[:, :1] * 2))}
    return Trainer(net, MSELoss(), optimizer, splits, Settings(**settings), **more)


def test_the_rate_grows_geometrically_and_groups_keep_their_ratio() -> None:
    t = made()
    seen: list[list[float]] = []
    step = t.train_step

    def kept(x: np.ndarray, y: np.ndarray) -> float:
        loss = step(x, y)
        seen.append([group["lr"] for group in t.optimizer.param_groups])
        return loss

    t.train_step = kept  # type: ignore[method-assign]
    found = range_test(t, start=1e-5, end=1e-1, steps=9)
    np.testing.assert_allclose(found.rates, np.geomspace(1e-5, 1e-1, 9), rtol=1e-12)
    np.testing.assert_allclose([each[1] for each in seen], found.rates, rtol=1e-12)
    np.testing.assert_allclose([first / second for first, second in seen], 5.0)
    assert not found.diverged
    assert len(found.losses) == len(found.smoothed) == 9


def test_the_smoothed_loss_is_a_running_mean_without_bias() -> None:
    found = range_test(made(), steps=30, smooth=0.2, end=0.1)
    shares = 0.2 * 0.8 ** np.arange(30)
    for i, smoothed in enumerate(found.smoothed):
        weights = shares[: i + 1][::-1]
        assert smoothed == pytest.approx(np.average(found.losses[: i + 1], weights=weights))
    assert range_test(made(), smooth=1, steps=5).smoothed == pytest.approx(
        range_test(made(), steps=5).losses
    )


def test_it_stops_where_the_loss_diverges_and_suggests_a_rate_below() -> None:
    found = range_test(made(), end=1e4, steps=120)
    assert found.diverged
    assert len(found.rates) < 120
    assert found.steepest is not None
    assert found.minimum_tenth is not None
    assert 1e-3 < found.steepest < 10
    assert found.minimum_tenth * 10 == found.rates[int(np.argmin(found.smoothed))]
    overflow = range_test(made(), start=1e300, end=1e305, steps=5)  # finite no more
    assert overflow.diverged
    assert all(map(math.isfinite, overflow.losses))


@pytest.mark.parametrize(
    ("losses", "steepest", "tenth"),
    [
        ([4.0, 3.9, 3.0, 1.0, 0.9, 5.0], 1e-3, 1e-2),
        ([9.0, 3.9, 3.8, 3.7, 2.0, 1.95, 2.0, 2.1, 2.2, 2.3, 2.4], 1e-2, 0.1),
        ([1.0, 2.0, 3.0], None, None),
        ([3.0, 2.0], None, None),
        ([], None, None),
    ],
)
def test_the_suggestions(losses: list[float], steepest: float | None, tenth: float | None) -> None:
    rates = [10.0 ** (i - 5) for i in range(len(losses))]
    found = RangeTest(rates, losses, losses)
    assert found.steepest == (steepest and pytest.approx(steepest))
    assert found.minimum_tenth == (tenth and pytest.approx(tenth))


def test_the_trainer_is_as_it_was() -> None:
    def schedule(step: int) -> float:
        return 0.5

    t = made(schedule=schedule)
    average = t.average = EMA(t.model, 0.9)
    for batch in t.batches.epoch(0):
        t.train_step(*batch)
    before, progress = t.tensors(), t.progress.stored()
    range_test(t, steps=20)
    after = t.tensors()
    assert list(after) == list(before)
    assert all(np.array_equal(after[name], before[name]) for name in before)
    assert (t.progress.stored(), t.schedule, t.average) == (progress, schedule, average)


@pytest.mark.parametrize(
    ("name", "value"),
    [("start", 0.0), ("start", math.nan), ("end", 1e-9), ("end", math.inf), ("steps", 1),
     ("smooth", 0.0), ("smooth", 1.1)],
)  # fmt: skip
def test_a_wrong_argument_is_named(name: str, value: Any) -> None:
    with pytest.raises(ParameterError) as e:
        range_test(made(), **{name: value})
    assert e.value.parameter == name
