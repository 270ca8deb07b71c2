"""The training loop on models small enough to compute by hand."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest

from dgrad.core import stream
from dgrad.core.stream import manual_seed
from dgrad.core.tensor import Tensor
from dgrad.errors import DivergedError
from dgrad.nn import (
    BatchNorm,
    CrossEntropyLoss,
    Linear,
    Module,
    MSELoss,
    Parameter,
    Sequential,
)
from dgrad.nn.dropout import Dropout
from dgrad.optim import SGD, Adam, AdamWScheduleFree, Optimizer
from dgrad.optim.schedules import Chain, Plateau, Schedule
from dgrad.randomness import Purpose
from dgrad.train.averaging import EMA, SWA, WeightAverage
from dgrad.train.divergence import first_fault
from dgrad.train.metrics import MAE, R2, Recall
from dgrad.train.trainer import Examples, Progress, Settings, Trainer

ROWS = 10  # 3 batches of 4, 4 and 2
SETTINGS: dict[str, Any] = {
    "seed": 0,
    "epochs": 2,
    "batch_size": 4,
    "eval_batch_size": 512,
    "clip_norm": None,
    "save_every": 3,
    "best": "val/loss",
    "stop_metric": "val/loss",
    "patience": None,
}


def examples(rows: int = ROWS, seed: int = 0) -> Examples:
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(rows, 3))
    return Examples(inputs, inputs @ [[1.0], [-2.0], [0.5]] + 0.1 * rng.normal(size=(rows, 1)))


def model(*extra: Module) -> Sequential:
    layer = Linear(3, 1)
    layer.weight.data[...] = [[0.3, -0.1, 0.2]]
    layer.bias.data[...] = 0.0
    return Sequential(*extra, layer).double()


def trainer(
    net: Module | None = None,
    splits: Mapping[str, Examples] | None = None,
    *,
    lr: float = 0.05,
    optimizer: Any = SGD,
    schedule: Any = lambda step: 1.0,
    metrics: Mapping[str, Any] | None = None,
    average: Callable[[Module], WeightAverage] | None = None,
    **settings: Any,
) -> Trainer:
    net = net or model()
    splits = splits or {"train": examples(), "val": examples(6, 1)}
    made = Settings(**{**SETTINGS, **settings})
    moves = optimizer(net.parameters(), lr=lr)
    averaged = average and average(net)
    return Trainer(
        net, MSELoss(), moves, splits, made, schedule=schedule, metrics=metrics, average=averaged
    )


class Watch:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.warnings: list[str] = []
        self.outcome = ""
        self.begun = 0

    def started(self, trainer: Trainer) -> None:
        self.begun += 1

    def evaluated(self, record: Mapping[str, Any], seconds: float) -> None:
        self.records.append(dict(record))

    def warned(self, text: str) -> None:
        self.warnings.append(text)

    def finished(self, outcome: str) -> None:
        self.outcome = outcome


class Saves:
    """Counts saves: (step, was it the best); keeps the last."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.made: list[tuple[int, bool]] = []

    def __call__(self, tensors: Mapping[str, np.ndarray], best: bool) -> None:
        self.made.append((self.progress.step, best))
        self.last = dict(tensors)


def weights(t: Trainer) -> np.ndarray:
    return np.concatenate([p.data.ravel() for p in t.parameters])


def hand_step(w: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """Loss and gradient of the mean squared error of x w[:3] + w[3]."""
    error = x @ w[:3, None] + w[3] - y
    return float(np.mean(error**2)), np.append(2 * (x * error).mean(0), 2 * error.mean())


# ------------------------------------------------------------------------------------- the steps


def test_an_epoch_is_the_steps_written_by_hand() -> None:
    t = trainer(epochs=2)
    w, losses = weights(t), []
    batches = [(x.copy(), y.copy()) for k in (0, 1) for x, y in t.batches.epoch(k)]
    assert [len(x) for x, _ in batches] == [4, 4, 2, 4, 4, 2]
    for x, y in batches:
        loss, gradient = hand_step(w, x, y)
        losses.append(loss)
        w = w - 0.05 * gradient
    watch = Watch()
    assert t.fit(watchers=[watch]) == "done"
    np.testing.assert_allclose(weights(t), w, rtol=1e-12)
    # The short last batch counts by its rows.
    means = [np.average(losses[i : i + 3], weights=[4, 4, 2]) for i in (0, 3)]
    np.testing.assert_allclose([r["train/loss"] for r in watch.records], means, rtol=1e-12)
    assert [(r["epoch"], r["step"]) for r in watch.records] == [(1, 3), (2, 6)]


def test_the_loss_of_an_epoch_is_the_mean_over_what_counted() -> None:
    """In batches of 4, 4 and 2 rows, of one of which nothing counts: it updates nothing."""
    inputs, classes = examples().inputs, np.arange(ROWS) % 2
    given = Examples(inputs, np.where(np.isin(np.arange(ROWS), (0, 1, 2, 3, 5, 6)), -100, classes))
    net = Sequential(Linear(3, 2)).double()
    moves, made = SGD(net.parameters(), lr=1e-9), Settings(**{**SETTINGS, "best": "train/loss"})
    t = Trainer(net, CrossEntropyLoss(), moves, {"train": given}, made)
    t.batches.epoch = (
        lambda epoch, start=0: iter(  # type: ignore[method-assign]
            [(given.inputs[i : i + 4], given.targets[i : i + 4]) for i in range(0, ROWS, 4)][start:]
        )
    )
    start, watch = weights(t), Watch()
    assert math.isnan(t.train_step(given.inputs[:4], given.targets[:4]))
    np.testing.assert_array_equal(weights(t), start)
    t.progress.step = 0
    t.fit(watchers=[watch])
    expected = CrossEntropyLoss()(net(Tensor(inputs)), given.targets).item()
    assert watch.records[0]["train/loss"] == pytest.approx(expected, rel=1e-6)
    assert watch.warnings == []


def test_clip_norm_scales_all_gradients_by_their_joint_norm() -> None:
    t = trainer(clip_norm=0.5)
    x, y = next(iter(t.batches.epoch(0)))
    before = weights(t)
    _, gradient = hand_step(before, x, y)
    norm = float(np.linalg.norm(gradient))
    assert norm > 0.5
    t.train_step(x, y)
    np.testing.assert_allclose(
        weights(t), before - 0.05 * gradient * 0.5 / (norm + 1e-6), rtol=1e-12
    )
    loose = trainer(clip_norm=2 * norm)
    loose.train_step(x, y)
    np.testing.assert_allclose(weights(loose), before - 0.05 * gradient, rtol=1e-12)


def test_the_schedule_is_asked_before_every_step() -> None:
    asked: list[int] = []

    def schedule(step: int) -> float:
        asked.append(step)
        return 1.0 if step == 0 else 0.0

    t = trainer(schedule=schedule)
    start = weights(t)
    x, y = next(iter(t.batches.epoch(0)))
    t.train_step(x, y)
    moved = weights(t)
    assert not np.array_equal(moved, start)
    watch = Watch()
    t.fit(watchers=[watch])
    np.testing.assert_array_equal(weights(t), moved)  # the rate was 0 from then on
    assert asked == list(range(len(asked)))
    assert watch.records[-1]["lr"] == 0.0


def test_dropout_depends_on_seed_and_step_alone() -> None:
    seen: list[np.ndarray] = []

    class Look(Module):
        def forward(self, x: Any) -> Any:
            if self.training:
                seen.append(np.asarray(x.data) == 0)
            return x

    def masks(seed: int, first_step: int = 0) -> list[np.ndarray]:
        seen.clear()
        t = trainer(model(Dropout(0.5), Look()), seed=seed, lr=1e-9)
        t.progress.step = first_step
        x, y = np.ones((4, 3)), np.ones((4, 1))
        for _ in range(3):
            t.train_step(x, y)
        return list(seen)

    first = masks(0)
    assert all(np.array_equal(a, b) for a, b in zip(first, masks(0), strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, masks(1), strict=True))
    assert not np.array_equal(first[0], first[1])
    assert np.array_equal(masks(0, first_step=2)[0], first[2])  # as a resumed run would draw


# --------------------------------------------------------------------- evaluating, saving, stopping


def test_a_checkpoint_is_saved_when_due_when_better_and_at_the_end() -> None:
    t, watch = trainer(epochs=3, save_every=4, lr=0.2), Watch()
    saves = Saves(t.progress)
    values = iter([5.0, 1.0, 3.0, 2.0, 4.0])  # at steps 3, 4, 6, 8, 9
    t.evaluate = lambda split: {"loss": next(values)}  # type: ignore[method-assign]
    assert t.fit(save=saves, watchers=[watch]) == "done"
    assert [r["step"] for r in watch.records] == [3, 4, 6, 8, 9]
    assert saves.made == [(3, True), (4, True), (8, False), (9, False)]
    assert (t.progress.best_value, t.progress.best_step) == (1.0, 4)


def fit_with(values: list[float], **settings: Any) -> tuple[Trainer, str, Saves]:
    """Train with these validation results, one per epoch."""
    t = trainer(epochs=len(values), **settings)
    given = iter(values)
    name = t.settings.best.removeprefix("val/")
    zeros = dict.fromkeys(("loss", *t.metrics), 0.0)
    t.evaluate = lambda split: {**zeros, name: next(given)}  # type: ignore[method-assign]
    saves = Saves(t.progress)
    return t, t.fit(save=saves), saves


@pytest.mark.parametrize(
    ("values", "patience", "epochs", "outcome"),
    [
        ([3, 2, 1, 0.5], 1, 4, "done"),
        ([3, 4, 1, 0.5], 1, 2, "early stop"),
        ([3, 4, 1, 2, 3, 0], 2, 5, "early stop"),
        ([3, 3, 3, 1], 2, 3, "early stop"),  # equal is not better
        ([3, 4, 5], 2, 3, "done"),  # there was nothing left to stop
        ([math.nan, math.nan, 1], 2, 2, "early stop"),
        ([3, 2, 1, 4, 5, 6], None, 6, "done"),
    ],
)
def test_early_stopping_counts_evaluations_without_improvement(
    values: list[float], patience: int | None, epochs: int, outcome: str
) -> None:
    t, ended, saves = fit_with(values, patience=patience)
    assert (ended, t.progress.epoch) == (outcome, epochs)
    assert saves.made[-1][0] == 3 * epochs  # the last state is always saved


@pytest.mark.parametrize(
    ("metric", "values", "best_epoch"),
    [
        ("mae", [3.0, 1.0, 2.0], 2),
        ("r2", [0.3, 0.9, 0.5], 2),
        ("r2", [0.5, -1.0, 0.1], 1),
        ("recall[a]", [0.3, 0.9, 0.5], 2),
        ("recall[b/c]", [0.3, 0.9, 0.5], 2),
    ],
)
def test_best_follows_the_direction_of_the_metric(
    metric: str, values: list[float], best_epoch: int
) -> None:
    metrics = {"mae": MAE(), "r2": R2(), "recall": Recall("none", ("a", "b/c"))}
    t, _, saves = fit_with(values, metrics=metrics, best=f"val/{metric}")
    assert t.settings.best in t.measured
    assert t.progress.best_step == 3 * best_epoch
    assert [step for step, best in saves.made if best][-1] == 3 * best_epoch


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_T05_a_validation_result_that_is_not_finite_is_never_the_best(value: float) -> None:
    t, outcome, saves = fit_with([value, 2.0, value])
    assert outcome == "done"
    assert saves.made == [(3, False), (6, True), (9, False)]
    assert (t.progress.best_value, t.progress.best_step) == (2.0, 6)
    none, _, saves = fit_with([value, value])
    assert (none.progress.best_value, saves.made) == (None, [(3, False), (6, False)])


def test_without_validation_rows_the_training_loss_is_monitored() -> None:
    t = trainer(splits={"train": examples()}, best="train/loss")
    watch = Watch()
    t.fit(watchers=[watch])
    assert list(watch.records[0]) == ["epoch", "step", "train/loss", "lr"]
    assert t.progress.best_value == min(r["train/loss"] for r in watch.records)


def stop_at(t: Trainer, step: int) -> None:
    """Let a stop request come in the middle of a step."""
    train_step = t.train_step

    def stopping(inputs: np.ndarray, targets: np.ndarray) -> float:
        t.stop_requested = t.progress.step == step - 1
        return train_step(inputs, targets)

    t.train_step = stopping  # type: ignore[method-assign]


def test_T15_a_stop_request_finishes_the_step_and_saves() -> None:
    t, watch = trainer(epochs=5), Watch()
    saves = Saves(t.progress)
    stop_at(t, 5)
    assert t.fit(save=saves, watchers=[watch]) == watch.outcome == "interrupted"
    assert (t.progress.step, t.progress.epoch) == (5, 1)
    assert saves.made[-1] == (5, False)
    assert watch.records[-1]["step"] == 3  # it was not time to evaluate


OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "sgd": lambda params, lr: SGD(params, lr=lr, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adam": lambda params, lr: Adam(params, lr=lr, amsgrad=True),
    "schedule_free": lambda params, lr: AdamWScheduleFree(params, lr=lr, warmup_steps=3),
}


class Ratio(Schedule):
    """A plugin's: the factor is the last loss, squeezed."""

    metric = "val/loss"
    last = 0.0

    def after(self, step: int) -> float:
        return 1 / (1 + self.last)

    def observe(self, value: float, *, step: int, higher_is_better: bool = False) -> None:
        self.last = value

    def state_dict(self) -> dict[str, Any]:
        return {"last": self.last}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.last = state.get("last", 0.0)


def impatient(total_steps: int, **more: Any) -> Plateau:
    return Plateau(total_steps, patience=0, factor=0.5, threshold=0.3, cooldown=1)


SCHEDULES: dict[str, Callable[[], Any]] = {
    "falling": lambda: lambda step: 1 / (1 + step),
    "plateau": lambda: impatient(12),
    "plugin": lambda: Ratio(12),
    "chain": lambda: Chain(12, schedules=[Ratio, impatient], milestones=[4]),
}


RUNS: dict[str, dict[str, Any]] = {  # 12 steps each
    "epochs": {"epochs": 4},
    "steps": {"epochs": None, "steps": 12, "eval_every": 5, "save_every": 100},
    "accumulation": {"epochs": None, "steps": 12, "accumulate": 2, "eval_rows": 3},
    "ema": {"epochs": 4, "average": lambda net: EMA(net, 0.8)},
    "swa": {"epochs": 4, "average": lambda net: SWA(net, 5, 2)},
    "swa of statistics": {"epochs": 4, "average": lambda net: SWA(net, 5, 3), "norm": True},
    "batch norm": {"epochs": 4, "norm": True},
    "ema of statistics": {"epochs": 4, "average": lambda net: EMA(net, 0.8), "norm": True},
}


@pytest.mark.parametrize(
    ("name", "schedule", "run"),
    [
        *(("sgd", "plateau", run) for run in RUNS),
        *(("adam", "falling", run) for run in RUNS),
        *(("sgd", schedule, "steps") for schedule in ("plugin", "chain")),
        ("schedule_free", "falling", "epochs"),
    ],
)
def test_T13_T30_T38_a_run_goes_on_bit_for_bit_from_any_step(
    name: str, schedule: str, run: str
) -> None:
    def made() -> Trainer:
        more = {"seed": 2, "save_every": 2, "patience": 9, **RUNS[run]}
        norm = [BatchNorm(6)] if more.pop("norm", False) else []
        with stream.at(5):
            net = Sequential(Linear(3, 6), *norm, Dropout(0.3), Linear(6, 1)).double()
        make = SCHEDULES[schedule]()
        return trainer(net, optimizer=OPTIMIZERS[name], schedule=make, **more)

    whole, watch = made(), Watch()
    assert whole.fit(watchers=[watch]) == "done"
    expected = whole.tensors()
    for stop in range(1, 13):
        first, before = made(), Watch()
        saves = Saves(first.progress)
        stop_at(first, stop)
        first.fit(save=saves, watchers=[before])
        assert first.progress.step == stop
        second, after = made(), Watch()
        second.load_tensors(saves.last, Progress(**first.progress.stored()))
        assert second.fit(watchers=[after]) == "done"
        assert before.records + after.records == watch.records
        assert second.progress.stored() == whole.progress.stored()
        found = second.tensors()
        assert list(found) == list(expected)
        assert all(np.array_equal(found[key], expected[key]) for key in expected)
        assert second.evaluate("val") == whole.evaluate("val")
    assert bool(whole.progress.schedule) == (schedule != "falling")


def test_a_plateau_sees_every_evaluation_and_the_direction_of_its_metric() -> None:
    for metric, values in (("loss", [3.0, 2.0, 2.5, 2.6]), ("r2", [0.1, 0.5, 0.4, 0.3])):
        plateau = Plateau(12, metric=f"val/{metric}", patience=0, factor=0.5)
        t, _, _ = fit_with(
            values, metrics={"r2": R2()}, best=f"val/{metric}", schedule=plateau, lr=1.0
        )
        assert (plateau.current, plateau.best) == (0.25, values[1])
        assert t.progress.schedule == plateau.state_dict()


@pytest.mark.parametrize(("name", "with_weights"), [("sgd", 0), ("schedule_free", 1)])
def test_the_optimizer_is_loaded_once(name: str, with_weights: int) -> None:
    t = trainer(optimizer=OPTIMIZERS[name], epochs=1)
    t.fit()
    tensors, loaded = t.tensors(), []
    load = t.optimizer.load_state_arrays
    t.optimizer.load_state_arrays = lambda *given: loaded.append(load(*given))  # type: ignore[method-assign]
    t.load_tensors(tensors, t.progress)
    assert len(loaded) == 1
    t.load_weights(tensors, 0)
    assert len(loaded) == 1 + with_weights


def test_a_run_that_stopped_early_does_not_go_on() -> None:
    t, ended, _ = fit_with([3, 4, 5, 6], patience=1)
    again, saves = trainer(epochs=4, patience=1), Saves(t.progress)
    again.load_tensors(t.tensors(), Progress(**t.progress.stored()))
    assert ended == again.fit(save=saves) == "early stop"
    assert (again.progress.step, saves.made) == (6, [])


def test_a_stop_request_in_the_last_step_comes_too_late() -> None:
    t = trainer(epochs=1)
    t.stop_requested = True
    t.batches.batch_size = ROWS  # one step in all
    assert t.fit() == "done"


def test_training_keeps_the_modes_of_the_modules() -> None:
    frozen = Dropout(0.5).eval()
    t = trainer(model(frozen), epochs=1)
    t.fit()
    assert (t.model.training, frozen.training) == (True, False)
    t = trainer(model(Dropout(0.5)).eval(), epochs=1)
    t.fit()
    assert all(module.training for module in t.model.modules())


def test_four_trainers_in_four_threads_do_not_disturb_each_other() -> None:
    def fitted(seed: int) -> np.ndarray:
        t = trainer(model(Dropout(0.5)), seed=seed, epochs=30)
        t.fit()
        return weights(t)

    alone = [fitted(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(fitted, range(4)))
    np.testing.assert_array_equal(together, alone)


def test_training_leaves_the_stream_as_it_was() -> None:
    t = trainer(model(Dropout(0.5)), epochs=1)
    manual_seed(7)
    stream.current().key()
    t.fit()
    assert stream.current().key() == (7, Purpose.INIT, 0, 1)
    manual_seed(0)


# ---------------------------------------------------------------------- runs that count their steps


def test_a_run_of_steps_ends_within_an_epoch_measured_and_saved() -> None:
    t, watch = trainer(epochs=None, steps=5, save_every=100), Watch()
    saves = Saves(t.progress)
    assert t.fit(save=saves, watchers=[watch]) == "done"
    assert (t.progress.step, t.progress.epoch) == (5, 1)
    assert [(r["epoch"], r["step"]) for r in watch.records] == [(1, 3), (1, 5)]
    assert [step for step, _ in saves.made][-1] == 5
    whole = trainer(epochs=2)
    batches = [(x.copy(), y.copy()) for k in (0, 1) for x, y in whole.batches.epoch(k)]
    for x, y in batches[:5]:
        whole.train_step(x, y)
    np.testing.assert_array_equal(weights(t), weights(whole))


def test_evaluations_come_when_they_are_asked_for_and_tell_of_the_steps_between() -> None:
    t, watch = trainer(epochs=4, eval_every=5, save_every=2, lr=1e-9), Watch()
    saves, losses = Saves(t.progress), []
    train_step = t.train_step

    def kept(x: np.ndarray, y: np.ndarray) -> float:
        losses.append((train_step(x, y), len(x)))
        return losses[-1][0]

    t.train_step = kept  # type: ignore[method-assign]
    t.fit(save=saves, watchers=[watch])
    assert [r["step"] for r in watch.records] == [5, 10, 12]
    assert [r["epoch"] for r in watch.records] == [1, 3, 4]
    means = [
        np.average([v for v, _ in part], weights=[n for _, n in part])
        for part in (losses[:5], losses[5:10], losses[10:])
    ]
    np.testing.assert_allclose([r["train/loss"] for r in watch.records], means, rtol=1e-12)
    assert {step for step, _ in saves.made} == {2, 4, 5, 6, 8, 10, 12}


def test_an_evaluation_of_some_rows_says_so() -> None:
    t, watch = trainer(eval_rows=3, epochs=1), Watch()
    t.fit(watchers=[watch])
    assert watch.warnings == [
        "val/ is measured on 3 of the 6 validation rows, evenly spaced (train.eval.rows); "
        "the end of the run and dgrad eval measure all"
    ]
    val = t.splits["val"]
    few = Examples(val.inputs[[0, 2, 5]], val.targets[[0, 2, 5]])
    t.splits = {**t.splits, "few": few}
    assert (
        watch.records[-1]["val/loss"] == t.evaluate("few")["loss"] == t.evaluate("val", 3)["loss"]
    )
    assert t.evaluate("val")["loss"] != t.evaluate("few")["loss"]
    watch = Watch()
    trainer(eval_rows=6, epochs=1).fit(watchers=[watch])
    assert watch.warnings == []


# ------------------------------------------------------------------------------------- divergence


def test_T01_a_loss_that_is_not_finite_stops_before_the_update() -> None:
    bad = examples()
    bad.targets[:] = math.inf
    t, watch = trainer(splits={"train": bad}, best="train/loss"), Watch()
    saves = Saves(t.progress)
    before = weights(t)
    with pytest.raises(DivergedError, match=r"the loss is inf at step 1; nothing was updated") as e:
        t.fit(save=saves, watchers=[watch])
    assert (e.value.fault, e.value.exit_code) == ("T01", 5)
    np.testing.assert_array_equal(weights(t), before)
    assert (watch.begun, watch.outcome, saves.made) == (1, "failed", [])


class Log(Module):
    """log(x), on which a hook may be set."""

    def forward(self, x: Any) -> Any:
        return np.log(x)


def test_T01_the_first_operation_that_was_not_finite_is_named_with_its_layer() -> None:
    data = Examples(np.abs(examples().inputs), examples().targets)
    data.inputs[7, 1] = 0.0
    t = trainer(model(Dropout(0.5), Log()), {"train": data}, best="train/loss", batch_size=ROWS)
    before = weights(t)
    with pytest.raises(DivergedError) as e:
        t.fit()
    text = str(e.value)
    assert re.match(r"the loss is (nan|-?inf) at step 1; nothing was updated\. ", text)
    assert re.search(r"It began here: log, called at .+: its result of shape \(10, 3\) is ", text)
    assert re.search(r"is -inf at index \(\d, \d\); inputs x: .*; in layer 1: Log\(\)\. ", text)
    assert text.endswith("bad values in the data")
    np.testing.assert_array_equal(weights(t), before)
    assert all(p.grad is None for p in t.parameters)


def test_T01_the_rerun_draws_what_the_step_drew() -> None:
    masks: list[np.ndarray] = []

    class Look(Module):
        def forward(self, x: Any) -> Any:
            masks.append(np.asarray(x.data) == 0)
            return x * math.nan

    t = trainer(model(Dropout(0.5), Look()), best="train/loss")
    t.progress.step = 2
    x, y = np.ones((4, 3)), np.ones((4, 1))
    with pytest.raises(DivergedError, match=r"at step 3; .* multiply, called at ") as e:
        t.train_step(x, y)
    assert "; in layer 1: Look(). " in str(e.value)
    assert len(masks) == 2
    np.testing.assert_array_equal(*masks)


def test_T01_a_layer_that_leaves_the_graph_does_not_hide_the_fault() -> None:
    class Plain(Module):
        def forward(self, x: Any) -> Any:
            return Tensor(np.asarray(x) + 1)  # refused for what requires grad

    class Blow(Module):
        def forward(self, x: Any) -> Any:
            return x / 0.0

    net = Sequential(Plain(), *model(), Blow()).double()
    t = trainer(net)
    x, y = np.ones((4, 3)), np.ones((4, 1))
    with np.errstate(all="ignore"), pytest.raises(DivergedError, match="here: divide, called at"):
        t.train_step(x, y)


def test_T01_a_fault_of_the_rerun_is_not_hidden() -> None:
    class Fails(Module):
        def forward(self, x: Any) -> Any:
            raise OSError("disk")

    x, y = np.ones((4, 3)), np.ones((4, 1))
    with pytest.raises(OSError, match="disk"):
        first_fault(model(Fails()), MSELoss(), x, y, nullcontext)


def test_T01_a_complex_value_that_is_not_finite_is_found() -> None:
    x = np.ones((4, 3), complex)
    x[1, 2] = complex(0.0, math.inf)
    said = first_fault(model(), MSELoss(), x, np.ones((4, 1)), nullcontext)
    assert said == "inputs had infj at index (1, 2) before the step. "


@pytest.mark.parametrize("where", ["inputs", "targets", "0.bias"])
def test_T01_what_was_not_finite_before_the_step_is_named(where: str) -> None:
    t = trainer()
    x, y = np.ones((4, 3)), np.ones((4, 1))
    array = {"inputs": x, "targets": y, "0.bias": t.parameters[1].data}[where]
    array[(array.shape[0] - 1, *[0] * (array.ndim - 1))] = math.inf
    index = re.escape(str((array.shape[0] - 1, *[0] * (array.ndim - 1))))
    with pytest.raises(DivergedError, match=rf"\. {where} had inf at index {index} before the st"):
        t.train_step(x, y)


def test_T02_the_backward_that_was_not_finite_first_is_named() -> None:
    class Root(Module):
        def __init__(self) -> None:
            self.scale = Parameter(np.zeros(()))

        def forward(self, x: Any) -> Any:
            return x + np.sqrt(self.scale)

    t = trainer(model(Root()), clip_norm=1.0)
    x, y = next(iter(t.batches.epoch(0)))
    with np.errstate(all="ignore"), pytest.raises(DivergedError) as e:
        t.train_step(x, y)
    assert e.value.fault == "T02"
    assert re.search(r"It began here: backward of sqrt, called at .*: the gradient", str(e.value))


@pytest.mark.parametrize("clip", [{"clip_norm": 1.0}, {"clip_value": 1.0}])
def test_T02_a_gradient_that_is_not_finite_is_found_when_clipping(clip: dict[str, float]) -> None:
    t = trainer(**clip)
    before = [p.data.copy() for p in t.parameters]
    t.parameters[1].register_hook(lambda g: g * math.inf)
    x, y = next(iter(t.batches.epoch(0)))
    with pytest.raises(DivergedError, match=r"is inf at step 1: that of 0\.bias is not fin") as e:
        t.train_step(x, y)
    assert e.value.fault == "T02"
    for p, kept in zip(t.parameters, before, strict=True):
        np.testing.assert_array_equal(p.data, kept)


def test_gradients_are_clipped_by_norm_and_then_by_value() -> None:
    t = trainer(clip_norm=1e-2, clip_value=1e-4)
    t.train_step(*next(iter(t.batches.epoch(0))))
    largest = max(float(np.abs(p.grad.data).max()) for p in t.parameters if p.grad is not None)
    assert largest == 1e-4


def test_T02_a_parameter_that_is_not_finite_is_named_and_not_saved() -> None:
    t = trainer(epochs=1, schedule=lambda step: 1e308 if step == 2 else 1.0, lr=1e3)
    saves = Saves(t.progress)
    with pytest.raises(
        DivergedError, match=r"model\.0\.(weight|bias) is not finite after step 3"
    ) as e:
        t.fit(save=saves)
    assert (e.value.fault, saves.made) == ("T02", [])


@pytest.mark.parametrize("factor", [-0.1, math.nan, math.inf])
def test_T07_a_rate_that_is_none_stops_before_the_update(factor: float) -> None:
    t = trainer(schedule=lambda step: factor if step == 1 else 1.0)
    x, y = next(iter(t.batches.epoch(0)))
    t.train_step(x, y)
    before = weights(t)
    with pytest.raises(DivergedError, match=r"the schedule gave the factor \S+ for step 2;") as e:
        t.train_step(x, y)
    assert e.value.fault == "T07"
    np.testing.assert_array_equal(weights(t), before)


@pytest.mark.parametrize("length", [{"epochs": 3}, {"epochs": None, "steps": 1}])
def test_T01_an_epoch_in_which_nothing_counts_stops_the_run(length: dict[str, Any]) -> None:
    splits = {"train": Examples(examples().inputs, np.full(ROWS, -100))}
    settings, net = Settings(**{**SETTINGS, "best": "train/loss", **length}), model()
    t = Trainer(net, CrossEntropyLoss(), SGD(net.parameters(), lr=0.1), splits, settings)
    steps = length.get("steps") or len(t.batches)
    with pytest.raises(DivergedError, match=f"no row of the first {steps} batches counts"):
        t.fit()


def test_T08_optimizer_state_that_is_not_finite_is_named_and_not_saved() -> None:
    t = trainer(epochs=1, optimizer=OPTIMIZERS["sgd"])
    saves, arrays = Saves(t.progress), t.optimizer.state_arrays

    def overflowing(named: Any) -> dict[str, np.ndarray]:
        return {**arrays(named), "momentum_buffer.0.bias": np.array([math.inf])}

    t.optimizer.state_arrays = overflowing  # type: ignore[method-assign]
    message = r"optimizer\.momentum_buffer\.0\.bias is not finite after step 3; it is not saved"
    with pytest.raises(DivergedError, match=message) as e:
        t.fit(save=saves)
    assert (e.value.fault, saves.made) == ("T08", [])


class Spare(Module):
    """x, with parameters that are not used, frozen, or used but zero in effect."""

    def __init__(self) -> None:
        self.spare, self.other = Parameter(np.ones(2)), Parameter(np.ones(3))
        self.frozen = Parameter(np.ones(2), requires_grad=False)
        self.nothing = Parameter(np.zeros(()))

    def forward(self, x: Any) -> Any:
        return x + 0.0 * self.nothing


def test_parameters_that_got_no_gradient_are_told_after_the_first_step() -> None:
    t, watch = trainer(model(Spare()), epochs=2), Watch()
    t.fit(watchers=[watch])
    (text,) = watch.warnings  # once
    assert text.startswith("step 1 gave no gradient to 0.spare, 0.other: ")
    net = model(Spare())
    known = Trainer(
        net,
        MSELoss(),
        SGD(net.parameters(), lr=0.1),
        {"train": examples()},
        Settings(**{**SETTINGS, "best": "train/loss"}),
        unreached=["0.spare"],
    )
    watch = Watch()
    known.fit(watchers=[watch])
    assert [text.split(":")[0] for text in watch.warnings] == ["step 1 gave no gradient to 0.other"]


def test_no_warning_where_every_parameter_got_a_gradient() -> None:
    t, watch = trainer(), Watch()
    t.fit(watchers=[watch])
    assert watch.warnings == []


def test_watchers_are_told_of_any_failure() -> None:
    class Broken(Module):
        def forward(self, x: Tensor) -> Tensor:
            raise RuntimeError("no such luck")

    t, watch = trainer(model(Broken())), Watch()
    with pytest.raises(RuntimeError, match="no such luck"):
        t.fit(watchers=[watch])
    assert watch.outcome == "failed"


def test_what_a_checkpoint_stores_of_the_progress() -> None:
    t, _, _ = fit_with([3.0, 1.0, 2.0], patience=2)
    stored = t.progress.stored()
    assert stored == {
        "step": 9, "epoch": 3, "epoch_loss": 0.0, "epoch_weight": 0.0, "best_value": 1.0,
        "best_step": 6, "stop_value": 1.0, "evaluations_since_better": 1,
        "averaged": 0, "schedule": {},
    }  # fmt: skip
    assert Progress(**stored).stored() == stored
