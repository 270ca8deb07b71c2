"""suited_threads: one BLAS thread for small models, unless the user chose; undone afterwards."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dgrad.core import openblas
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
    with threads.suited_threads(64, 19_210):
        assert threads.blas_threads() == 1
    assert asked == [4, 1, 4]


def test_the_count_comes_back_after_an_error(asked: list[int]) -> None:
    with pytest.raises(RuntimeError, match="no such luck"), threads.suited_threads(1, 1):
        raise RuntimeError("no such luck")
    assert asked == [4, 1, 4]


def test_a_large_step_keeps_all_threads(asked: list[int]) -> None:
    with threads.suited_threads(64, 101_770):
        assert asked == [4]
    assert asked == [4]


def test_a_thread_variable_of_the_user_wins(
    asked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    with threads.suited_threads(64, 19_210):
        assert asked == [4]


def test_another_blas_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openblas, "function", lambda name: None)
    with threads.suited_threads(1, 1):
        assert threads.blas_threads() is None


def test_the_count_of_numpys_own_openblas_can_be_read_and_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    before = threads.blas_threads()
    if before is None:
        pytest.skip("this NumPy does not bring its own OpenBLAS")
    with threads.suited_threads(1, 1):
        assert threads.blas_threads() == 1
    assert threads.blas_threads() == before
