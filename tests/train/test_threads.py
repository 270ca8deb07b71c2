"""suited_threads: one BLAS thread for small models, unless the user chose; undone afterwards."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from dgrad.core import openblas
from dgrad.nn import GRU, Conv2d, Dropout, Linear, Module, ReLU, Sequential
from dgrad.train import threads
from dgrad.train.environment import THREAD_VARIABLES


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The thread counts that were asked for, of a BLAS that has 4."""
    for name in THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    counts = [4]
    functions: dict[str, Callable[..., object]] = {
        "get_num_threads": lambda: counts[-1],
        "set_num_threads": counts.append,
    }
    monkeypatch.setattr(openblas, "function", functions.get)
    return counts


def test_a_small_step_gets_one_thread_for_a_while(asked: list[int]) -> None:
    with threads.suited_threads(2_458_880):
        assert threads.blas_threads() == 1
    assert asked == [4, 1, 4]


def test_the_count_comes_back_after_an_error(asked: list[int]) -> None:
    with pytest.raises(RuntimeError, match="no such luck"), threads.suited_threads(1):
        raise RuntimeError("no such luck")
    assert asked == [4, 1, 4]


def test_a_large_step_keeps_all_threads(asked: list[int]) -> None:
    with threads.suited_threads(20_000_000):
        assert asked == [4]
    assert asked == [4]


def test_a_thread_variable_of_the_user_wins(
    asked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    with threads.suited_threads(2_458_880):
        assert asked == [4]


def test_another_blas_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openblas, "function", lambda name: None)
    with threads.suited_threads(1):
        assert threads.blas_threads() is None


def test_the_count_of_numpys_own_openblas_can_be_read_and_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    before = threads.blas_threads()
    if before is None:
        pytest.skip("this NumPy does not bring its own OpenBLAS")
    with threads.suited_threads(1):
        assert threads.blas_threads() == 1
    assert threads.blas_threads() == before


@pytest.mark.parametrize(
    ("model", "row", "work"),
    [
        (Sequential(Linear(8, 5), ReLU(), Linear(5, 2)), (8,), (80 + 5) + 5 + (20 + 2)),
        (Conv2d(3, 4, 3, padding=1), (3, 6, 6), 36 * 4 * (2 * 27 + 1)),  # 36 places use the kernel
        (GRU(3, 4), (7, 3), 7 * (2 * 12 * 3 + 2 * 12 * 4 + 2 * 5 * 12)),  # 7 steps
    ],
)
def test_the_work_counts_every_use_of_a_weight(
    model: Module, row: tuple[int, ...], work: int
) -> None:
    assert threads.forward_work(model, np.ones((2, *row), np.float32), 32) == 32 * work


def test_counting_the_work_leaves_the_model_as_it_is() -> None:
    model = Sequential(Linear(3, 3), Dropout(0.5).eval()).train()
    model[1].eval()
    threads.forward_work(model, np.ones((1, 3), np.float32), 8)
    assert [each.training for each in (model, *model)] == [True, True, False]
