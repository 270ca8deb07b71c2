"""Gradient accumulation: the parts of a batch give its gradient; each has its own random draws."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from dgrad.core import stream
from dgrad.core.backward import grad
from dgrad.core.tensor import Tensor
from dgrad.errors import DivergedError
from dgrad.nn import (
    CrossEntropyLoss,
    Dropout,
    Linear,
    Module,
    MSELoss,
    Sequential,
    Tanh,
    TripletMarginLoss,
)
from dgrad.optim import SGD
from dgrad.randomness import Purpose
from dgrad.train.trainer import Examples, Settings, Trainer

ROWS = 23


def made(accumulate: int, batch_size: int, *extra: Module, **more: Any) -> Trainer:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(ROWS, 3))
    with stream.at(1):
        net = Sequential(*extra, Linear(3, 5), Tanh(), Linear(5, 2)).double()
    settings = {
        "seed": 4, "epochs": 3, "eval_batch_size": 50, "clip_norm": None, "save_every": 99,
        "best": "train/loss", "stop_metric": "train/loss", "patience": None, **more,
    }  # fmt: skip
    return Trainer(
        net,
        MSELoss(),
        SGD(net.parameters(), lr=0.3, momentum=0.9),
        {"train": Examples(inputs, np.stack([inputs[:, 0], np.cos(inputs[:, 1])], 1))},
        Settings(batch_size=batch_size, accumulate=accumulate, **settings),
        schedule=lambda step: 1 / (1 + step),
    )


def weights(t: Trainer) -> np.ndarray:
    return np.concatenate([p.data.ravel() for p in t.parameters])


@pytest.mark.parametrize(("accumulate", "size"), [(2, 4), (3, 4), (4, 2), (5, 5), (8, 1)])
@pytest.mark.parametrize("clip", [None, 0.05])
def test_a_run_is_that_of_the_joined_batches(
    accumulate: int, size: int, clip: float | None
) -> None:
    parts = made(accumulate, size, clip_norm=clip)
    whole = made(1, accumulate * size, clip_norm=clip)
    assert parts.total_steps == whole.total_steps == 3 * math.ceil(ROWS / (accumulate * size))
    assert (parts.fit(), whole.fit()) == ("done", "done")  # 23 rows: the last batches are uneven
    np.testing.assert_allclose(weights(parts), weights(whole), rtol=1e-12, atol=1e-14)
    assert parts.progress.best_value == pytest.approx(whole.progress.best_value, rel=1e-12)
    assert parts.progress.step == parts.total_steps


def test_parts_count_by_what_they_weigh_in_the_loss() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(10, 3)), rng.integers(2, size=10)
    y[[0, 4, 5, 6, 7, 9]] = -100  # of the second part of four rows nothing counts
    got = []
    for accumulate, size in ((3, 4), (1, 12)):
        t = made(accumulate, size)
        t.gradient.loss = CrossEntropyLoss(weight=[1.0, 3.0])
        got.append(t.gradient.add(x, y, 0))
        got.append(
            np.concatenate([p.grad.data.ravel() for p in t.parameters if p.grad is not None])
        )
    assert got[0] == pytest.approx(got[2], rel=1e-12)
    np.testing.assert_allclose(got[1], got[3], rtol=1e-12, atol=1e-15)


def test_the_parts_of_a_loss_between_rows_share_what_they_hold() -> None:
    """Triples across parts do not exist: the mean is over those within one, and may be of one."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(10, 3)), np.array([0, 0, 1, 1, 2, 2, 2, 2, 0, 1])
    t = made(3, 4)
    t.gradient.loss = TripletMarginLoss()
    value = t.gradient.add(x, y, 0)
    first = t.gradient.loss(t.model(Tensor(x[:4])), Tensor(y[:4]))
    assert value == pytest.approx(first.item(), rel=1e-12)
    for p, g in zip(t.parameters, grad(first, t.parameters), strict=True):
        assert p.grad is not None
        np.testing.assert_allclose(p.grad.data, g.data, rtol=1e-12)


def test_every_part_draws_at_a_place_of_its_own() -> None:
    places: list[tuple[int, int]] = []

    class Look(Module):
        def forward(self, x: Any) -> Any:
            places.append((stream.current().place, len(x)))
            return x

    t = made(3, 4, Look(), Dropout(0.5))
    batches = t.batches.epoch(0)
    t.train_step(*next(batches))
    t.train_step(*next(batches))
    assert places == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4), (5, 3)]
    assert stream.current().purpose is not Purpose.STEP


def test_T01_the_part_that_is_not_finite_is_looked_through() -> None:
    t = made(3, 4)
    before = weights(t)
    x, y = np.ones((10, 3)), np.ones((10, 2))
    y[6, 1] = math.inf
    with (
        np.errstate(all="ignore"),
        pytest.raises(DivergedError, match=r"at step 1; .* targets had inf at index \(2, 1\)"),
    ):
        t.train_step(x, y)
    np.testing.assert_array_equal(weights(t), before)


def test_T02_the_norm_is_that_of_all_parts_and_the_fault_is_looked_for_in_each() -> None:
    t = made(2, 4, clip_norm=1.0)
    seen = 0

    class Fault(Module):
        def forward(self, x: Any) -> Any:
            nonlocal seen
            seen += 1
            return x

    t.gradient.model = Sequential(Fault(), t.model)
    t.parameters[0].register_hook(lambda g: g * math.inf)
    x, y = next(iter(t.batches.epoch(0)))
    with (
        np.errstate(all="ignore"),
        pytest.raises(DivergedError, match=r"norm of the gradients is (inf|nan) at step 1") as e,
    ):
        t.train_step(x, y)
    assert e.value.fault == "T02"
    assert seen >= 3  # forward of two parts, and again in search of the fault


def test_one_part_is_not_scaled() -> None:
    t = made(1, 4)
    x, y = next(iter(t.batches.epoch(0)))
    t.gradient.add(x, y, 0)
    got = [np.array(p.grad.data) for p in t.parameters if p.grad is not None]
    for p in t.parameters:
        p.grad = None
    t.loss(t.model(Tensor(x)), Tensor(y)).backward()
    assert all(np.array_equal(g, p.grad.data) for g, p in zip(got, t.parameters, strict=True))
