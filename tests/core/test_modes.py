"""Gradient modes: contexts and decorators, nested, per thread, in generators and coroutines."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import pytest

from dgrad import Tensor, enable_grad, is_grad_enabled, no_grad, ops, set_grad_enabled
from dgrad.core import modes


@pytest.fixture(autouse=True)
def _recording_before_and_after() -> Generator[None]:
    assert is_grad_enabled()
    yield
    assert is_grad_enabled()
    assert not modes.special


def leaf() -> Tensor:
    return Tensor(np.ones(2), requires_grad=True)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: ops.tanh(x),
        lambda x: x * x,
        lambda x: x.sum(axis=0),
        lambda x: ops.concatenate(x, x),
        lambda x: x[0],
    ],
)
def test_B61_no_grad_records_nothing(call: Callable[[Tensor], Tensor]) -> None:
    x = leaf()
    with no_grad():
        y = call(x)
        with enable_grad():
            assert call(x).requires_grad
        assert not call(x).requires_grad
    assert not y.requires_grad
    assert call(x).requires_grad


def test_B61_nested_modes_restore_what_was_there() -> None:
    seen = []
    with no_grad():
        with enable_grad(), no_grad(), no_grad():
            seen.append(is_grad_enabled())
        seen.append(is_grad_enabled())
        with set_grad_enabled(True):
            seen.append(is_grad_enabled())
        with set_grad_enabled(False):
            seen.append(is_grad_enabled())
    assert seen == [False, False, True, False]


def test_set_grad_enabled_as_a_statement_sets_at_once() -> None:
    seen = []
    try:
        set_grad_enabled(False)
        seen += [is_grad_enabled(), ops.tanh(leaf()).requires_grad]
    finally:
        set_grad_enabled(True)
    assert [*seen, is_grad_enabled()] == [False, False, True]


def test_set_grad_enabled_restores_on_exit_what_was_there_when_it_was_made() -> None:
    mode = set_grad_enabled(False)
    assert not is_grad_enabled()
    with mode:
        assert not is_grad_enabled()
        with mode:
            assert not is_grad_enabled()
        assert not is_grad_enabled()
    assert is_grad_enabled()
    with mode:  # entered again: like any other mode
        assert not is_grad_enabled()
    mode = set_grad_enabled(False)
    set_grad_enabled(True)
    with mode:
        assert not is_grad_enabled()
    assert is_grad_enabled()


@pytest.mark.parametrize("outside", [False, True])
def test_set_grad_enabled_as_a_decorator_leaves_the_mode_alone(outside: bool) -> None:
    with set_grad_enabled(outside):
        for flag in (False, True):
            mode = set_grad_enabled(flag)
            decorated = [mode(is_grad_enabled), mode(is_grad_enabled)]
            assert is_grad_enabled() is outside
            assert [f() for f in decorated] == [flag, flag]
            assert is_grad_enabled() is outside


@no_grad
def bare() -> bool:
    """Its docstring."""
    return is_grad_enabled()


@no_grad()
def with_parentheses() -> bool:
    return is_grad_enabled()


@enable_grad
def enabled() -> bool:
    return is_grad_enabled()


@set_grad_enabled(False)
def by_flag(depth: int = 2) -> bool:
    return by_flag(depth - 1) if depth else is_grad_enabled()


def test_B61_decorators_with_and_without_parentheses() -> None:
    assert not bare()
    assert not with_parentheses()
    assert not by_flag()
    with no_grad():
        assert enabled()
    assert (bare.__name__, bare.__doc__) == ("bare", "Its docstring.")


def test_B61_P50_the_mode_is_restored_after_an_exception() -> None:
    @no_grad
    def fails() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert is_grad_enabled()
    with pytest.raises(KeyError), no_grad():
        raise KeyError


def test_one_object_can_be_entered_again() -> None:
    mode = no_grad()
    with mode, enable_grad():
        with mode:
            assert not is_grad_enabled()
        assert is_grad_enabled()


def test_B61_a_generator_runs_in_the_mode_and_its_caller_does_not() -> None:
    closed = []

    @no_grad
    def count(n: int) -> Generator[bool, str, str]:
        try:
            for _ in range(n):
                sent = yield is_grad_enabled()
                if sent is not None:
                    yield sent
        except ValueError:
            yield is_grad_enabled()
        finally:
            closed.append(is_grad_enabled())
        return "end"

    steps = count(2)
    assert next(steps) is False
    assert is_grad_enabled()
    assert steps.send("hello") == "hello"
    assert steps.throw(ValueError()) is False
    with pytest.raises(StopIteration) as end:
        next(steps)
    assert end.value.value == "end"
    unfinished = count(5)
    next(unfinished)
    unfinished.close()
    thrown = count(1)
    next(thrown)
    with pytest.raises(KeyError):
        thrown.throw(KeyError())
    assert closed == [False, False, False]
    assert list(count(2)) == [False, False]


def test_B61_a_coroutine_runs_in_the_mode_and_others_between_do_not() -> None:
    @no_grad()
    async def paused(results: list[Any]) -> str:
        results.append(is_grad_enabled())
        await asyncio.sleep(0)
        results.append(is_grad_enabled())
        return "done"

    async def other(results: list[Any]) -> None:
        results.append(is_grad_enabled())

    async def both() -> tuple[list[Any], list[Any], str]:
        mine: list[Any] = []
        theirs: list[Any] = []
        text, _ = await asyncio.gather(paused(mine), other(theirs))
        return mine, theirs, text

    assert asyncio.run(both()) == ([False, False], [True], "done")


def in_thread(function: Callable[[], Any]) -> Any:
    """What function returns in a thread of its own."""
    result: list[Any] = []
    thread = threading.Thread(target=lambda: result.append(function()))
    thread.start()
    thread.join()
    return result[0]


def test_the_mode_belongs_to_a_thread() -> None:
    with no_grad():
        assert in_thread(is_grad_enabled)
        assert in_thread(bare) is False
        assert not is_grad_enabled()
        assert in_thread(lambda: ops.tanh(leaf()).requires_grad)


def test_a_decorated_function_may_run_in_two_threads_at_once() -> None:
    entered, leave = threading.Event(), threading.Event()
    after = []

    @no_grad
    def call(function: Callable[[], Any]) -> None:
        function()

    def other() -> None:
        call(lambda: (entered.set(), leave.wait(10)))
        after.append(is_grad_enabled())

    thread = threading.Thread(target=other)
    with no_grad():
        thread.start()
        assert entered.wait(10)
        call(lambda: (leave.set(), thread.join()))  # that one leaves while this one is inside
        after.append(is_grad_enabled())
    assert after == [True, False]


def test_a_thread_that_dies_paused_pauses_no_other() -> None:
    def steps() -> Generator[None]:
        with no_grad():
            yield

    standing = steps()
    try:
        in_thread(lambda: next(standing))  # the thread is gone, the generator stands inside
        seen = [in_thread(is_grad_enabled) for _ in range(20)]  # some of them get its id
        standing.close()  # leaves the block in a thread that never entered it
        assert seen == [True] * 20
        assert is_grad_enabled()
        assert in_thread(lambda: ops.tanh(leaf()).requires_grad)
    finally:
        modes.special.clear()  # the hint that somebody is paused may stay for ever; not in a test


def test_nested_pauses_and_those_of_other_threads_leave_no_hint() -> None:
    with no_grad(), no_grad(), enable_grad(), no_grad():
        assert modes.special
        in_thread(bare)
        assert modes.special  # the fixture sees that it is empty in the end


def test_threads_run_backward_at_once() -> None:
    def gradient(seed: int) -> np.ndarray:
        x = Tensor(np.random.default_rng(seed).normal(size=8), requires_grad=True)
        for _ in range(20):
            x.grad = None
            (ops.tanh(x * x) * x).sum().backward(create_graph=True)
        return np.asarray(x.grad.data)

    expected = [gradient(i) for i in range(4)]
    got: dict[int, np.ndarray] = {}

    def work(i: int) -> None:
        got[i] = gradient(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, g in enumerate(expected):
        np.testing.assert_array_equal(got[i], g)
