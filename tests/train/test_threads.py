"""fit_threads: one BLAS thread for small models, unless the user chose."""

from __future__ import annotations

import pytest

from dgrad.train import threads
from dgrad.train.environment import THREAD_VARIABLES


@pytest.fixture
def asked(monkeypatch):
    """The thread counts that fit_threads asked for."""
    for name in THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    counts: list[int] = []
    monkeypatch.setattr(threads, "_openblas", lambda name: counts.append)
    return counts


def test_small_step_gets_one_thread(asked):
    threads.fit_threads(64, 19_210)
    assert asked == [1]


def test_large_step_keeps_all_threads(asked):
    threads.fit_threads(64, 101_770)
    assert asked == []


def test_a_thread_variable_of_the_user_wins(asked, monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    threads.fit_threads(64, 19_210)
    assert asked == []


def test_another_blas_is_left_alone(monkeypatch):
    monkeypatch.setattr(threads, "_openblas", lambda name: None)
    threads.fit_threads(1, 1)
    assert threads.blas_threads() is None


def test_the_count_of_numpys_own_openblas_can_be_read_and_set():
    before = threads.blas_threads()
    if before is None:
        pytest.skip("this NumPy does not bring its own OpenBLAS")
    change = threads._openblas("set_num_threads")
    try:
        change(1)
        assert threads.blas_threads() == 1
    finally:
        change(before)
    assert threads.blas_threads() == before
