"""profile: counts are exact, what runs within an op counts there, and nothing stays behind."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dgrad
from dgrad import Tensor, registry
from dgrad.functional import OpProfile, profile
from dgrad.functional.watching import watching


def leaf(*shape: int) -> Tensor:
    return Tensor(np.ones(shape), requires_grad=True)


def rows(p: profile) -> dict[str, OpProfile]:
    return {row.op: row for row in p.rows}


def references() -> list[Any]:
    """What a profile exchanges: the forward in each op's call, its rules, its pull."""
    found = []
    for name in registry.ops:
        call: Any = registry.ops[name]
        cells = dict(zip(call.__code__.co_freevars, call.__closure__, strict=True))
        found.append((cells["forward"].cell_contents, call.op.raw_rules, vars(call.op).get("pull")))
    return found


def test_calls_nodes_and_bytes() -> None:
    x = leaf(3, 4)
    with profile() as p:
        for _ in range(2):
            (np.tanh(x) * x)[1:].sum().backward()
    found = rows(p)
    assert {name: (r.calls, r.nodes) for name, r in found.items()} == {
        "tanh": (2, 2), "multiply": (2, 2), "getitem": (2, 2), "sum": (2, 2),
    }  # fmt: skip
    assert found["tanh"].bytes == found["multiply"].bytes == 2 * x.data.nbytes
    assert found["getitem"].bytes == 0  # views
    assert found["sum"].bytes == 2 * 8
    assert all(r.seconds > 0 and r.backward_seconds > 0 for r in p.rows)
    times = [r.total_seconds for r in p.rows]
    assert times == sorted(times, reverse=True)


def test_results_are_what_they_are_without() -> None:
    def gradients() -> list[Any]:
        x = leaf(3, 4)
        loss = (dgrad.softmax(x * np.arange(4.0)) * x).mean()
        (g,) = dgrad.grad(loss, x, create_graph=True)
        return [loss.data, g.data, dgrad.grad(g.sum(), x)[0].data]

    expected = gradients()
    with profile():
        found = gradients()
    for a, b in zip(found, expected, strict=True):
        assert type(a) is np.ndarray
        np.testing.assert_array_equal(a, b)


def test_what_rules_record_counts_as_their_backward() -> None:
    x = leaf(3)
    with profile() as p:
        y = np.exp(x)
        dgrad.grad(y.sum(), x, create_graph=True)
    assert {name: (r.calls, r.nodes) for name, r in rows(p).items()} == {
        "exp": (1, 1), "sum": (1, 1),
    }  # fmt: skip


def test_everything_is_put_back_also_after_an_error() -> None:
    before = references()
    with profile() as outer, profile() as inner:
        assert references() != before
        np.exp(leaf(2))
    assert (rows(outer)["exp"].calls, rows(inner)["exp"].calls) == (1, 1)
    with pytest.raises(dgrad.errors.ShapeError), profile():
        leaf(2) + leaf(3)
    assert references() == before


def test_other_threads_are_not_measured() -> None:
    def work() -> None:
        (leaf(3) * 2).sum().backward()

    with profile() as p:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert p.rows == []


def test_a_profile_can_be_entered_again_and_adds_up() -> None:
    p = profile()
    for _ in range(2):
        with p:
            np.exp(leaf(2))
    np.exp(leaf(2))
    assert rows(p)["exp"].calls == 2


def test_the_table_and_the_dict() -> None:
    with profile() as p:
        (np.exp(leaf(200)) * 1.0).sum().backward()
    lines = str(p).splitlines()
    assert lines[0].split() == ["op", "forwards", "time", "backwards", "time", "share", "results"]
    assert sorted(line.split()[0] for line in lines[1:]) == ["exp", "multiply", "sum"]
    assert next(line for line in lines if line.startswith("exp")).endswith("1.6 kB")
    told = json.loads(json.dumps(p.to_dict()))
    assert (told["format"], [row["op"] for row in told["ops"]]) == (1, [r.op for r in p.rows])
    assert str(profile()).count("\n") == 0


def test_watching_tells_arrays_and_nodes() -> None:
    forwards: list[tuple[str, list[Any], Any]] = []
    backwards: list[Any] = []

    def on_forward(op: Any, inputs: Any, params: Any, result: Any, seconds: float) -> None:
        forwards.append((op.name, list(inputs), result))
        assert params == ({} if op.name == "exp" else {"axis": 0})

    tell: Callable[..., None] = lambda node, seconds: backwards.append(node)  # noqa: E731
    x = leaf(3)
    with watching(on_forward, tell):
        y = np.exp(x)
        total = y.sum(axis=0)
        total.backward()
    assert [name for name, _, _ in forwards] == ["exp", "sum"]
    assert forwards[0][1][0] is x.data
    assert forwards[0][2] is y.data
    assert forwards[1][2] is total.data  # an array also where NumPy gives a scalar
    assert backwards == [total.grad_fn, y.grad_fn]


@pytest.mark.parametrize("first_out", [0, 1])
def test_threads_that_profile_at_once_measure_themselves_and_put_all_back(first_out: int) -> None:
    before = references()
    begun, done = threading.Barrier(2, timeout=60), [threading.Event(), threading.Event()]
    profiles, failed = [profile(), profile()], []

    def work(me: int) -> None:
        try:
            with profiles[me]:
                begun.wait()
                for _ in range(me + 1):
                    (np.exp(leaf(3)) * 2.0).sum().backward()
                if me != first_out:
                    assert done[first_out].wait(60)
                    np.tanh(leaf(3)).sum().backward()  # while the other has gone
            done[me].set()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(me,)) for me in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert references() == before
    for me, p in enumerate(profiles):
        stayed = me != first_out
        counts = {name: (r.calls, r.nodes) for name, r in rows(p).items()}
        assert counts.pop("tanh", None) == ((1, 1) if stayed else None)
        assert counts.pop("sum") == (me + 1 + stayed,) * 2
        assert counts == {"exp": (me + 1,) * 2, "multiply": (me + 1,) * 2}


def test_watchers_may_leave_in_any_order() -> None:
    before = references()
    first, second = profile(), profile()
    first.__enter__()
    second.__enter__()
    np.exp(leaf(2))
    first.__exit__(None, None, None)
    np.exp(leaf(2))
    second.__exit__(None, None, None)
    assert references() == before
    assert [rows(p)["exp"].calls for p in (first, second)] == [1, 2]


def test_a_loss_that_is_explained_does_not_end_a_profile() -> None:
    x = leaf(2)
    with profile() as p:
        dgrad.explain_grad(x, lambda: np.exp(x).sum())
        np.exp(x)
    assert rows(p)["exp"].calls == 2
