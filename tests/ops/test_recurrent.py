"""Recurrent cells: gates that are open or shut, one output of two, extremes, what they refuse."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import dgrad
from dgrad import Tensor, ops
from dgrad.errors import ParameterError, ShapeError

GATES = {"rnn_cell": 1, "gru_cell": 3, "lstm_cell": 4}


def t(*shape: int, dtype: Any = np.float64) -> Tensor:
    values = np.random.default_rng(shape).normal(size=shape)
    return Tensor(values.astype(dtype), requires_grad=True)


def inputs(name: str, i: int = 3, n: int = 2, dtype: Any = np.float64) -> list[Tensor]:
    rows = GATES[name] * n
    states = [t(4, n, dtype=dtype)] * (2 if name == "lstm_cell" else 1)
    shapes = [(rows, i), (rows, n), (rows,), (rows,)]
    return [t(4, i, dtype=dtype), *states, *(t(*shape, dtype=dtype) for shape in shapes)]


def test_a_shut_update_gate_keeps_the_state() -> None:
    x, h, w_ih, w_hh, b_ih, b_hh = inputs("gru_cell")
    b_ih.data[2:4] = 1e3  # z = 1
    out = ops.gru_cell(x, h, w_ih, w_hh, b_ih, b_hh)
    np.testing.assert_allclose(out.data, h.data, rtol=1e-13)
    by_x, by_h = dgrad.grad(out, (x, h), np.ones(out.shape))
    np.testing.assert_allclose(by_x.data, 0.0, atol=1e-300)
    np.testing.assert_allclose(by_h.data, 1.0)


def test_a_memory_with_shut_gates_keeps_its_contents() -> None:
    x, h, c, w_ih, w_hh, b_ih, b_hh = inputs("lstm_cell")
    b_ih.data[:2] = -1e3  # i = 0
    b_ih.data[2:4] = 1e3  # f = 1
    _, kept = ops.lstm_cell(x, h, c, w_ih, w_hh, b_ih, b_hh)
    np.testing.assert_array_equal(kept.data, c.data)


@pytest.mark.parametrize("create_graph", [False, True])
def test_one_output_of_the_lstm_may_be_left_out(create_graph: bool) -> None:
    args = [Tensor(a.data, requires_grad=True) for a in inputs("lstm_cell")]
    seed = np.random.default_rng(0).normal(size=(4, 2))
    h, c = ops.lstm_cell(*args)
    both = dgrad.grad((h, c), args, (seed, 2 * seed), retain_graph=True)
    alone = [
        dgrad.grad(out, args, s, retain_graph=True, create_graph=create_graph)
        for out, s in ((h, seed), (c, 2 * seed))
    ]
    for g, one, other in zip(both, *alone, strict=True):
        np.testing.assert_allclose(g.data, one.data + other.data, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", sorted(GATES))
def test_T04_huge_sums_saturate(name: str, dtype: Any) -> None:
    args = [Tensor(a.data * 1e4, requires_grad=True) for a in inputs(name, dtype=dtype)]
    out = getattr(ops, name)(*args)
    h = out[0] if isinstance(out, tuple) else out
    assert h.dtype == dtype
    first = dgrad.grad(h, args, np.ones(h.shape, dtype), create_graph=True)
    assert all(np.isfinite(g.data).all() for g in first)


@pytest.mark.parametrize("name", sorted(GATES))
def test_unrolled_over_time_it_learns_to_first_and_second_order(name: str) -> None:
    """A weight used at every step gets the sum: against differences of the whole sequence."""
    args = inputs(name)
    count = 3 if name == "lstm_cell" else 2
    step = np.zeros(args[count].shape)
    step[1, 2] = 1e-4

    def slope(weight: Any, order: int) -> Any:
        w = Tensor(weight, requires_grad=True)
        states = args[1:count]
        for _ in range(3):
            out = getattr(ops, name)(args[0], *states, w, *args[count + 1 :])
            states = list(out) if isinstance(out, tuple) else [out]
        if order == 0:
            return (states[0] * states[0]).sum().item()
        (g,) = dgrad.grad((states[0] * states[0]).sum(), w, create_graph=order == 2)
        return g.data[1, 2] if order == 1 else dgrad.grad(g[1, 2], w)[0].data[1, 2]

    weight = args[count].data
    for order in (1, 2):
        numeric = (slope(weight + step, order - 1) - slope(weight - step, order - 1)) / 2e-4
        np.testing.assert_allclose(slope(weight, order), numeric, rtol=1e-5)


@pytest.mark.parametrize("name", sorted(GATES))
@pytest.mark.parametrize("place", range(6))
def test_a_shape_that_does_not_fit_is_named(name: str, place: int) -> None:
    args = inputs(name)
    place += (name == "lstm_cell") and place > 0
    labels = ["x", *("hc" if name == "lstm_cell" else "h"), "w_ih", "w_hh", "b_ih", "b_hh"]
    wrong = args[place].data
    args[place] = Tensor(np.concatenate([wrong, wrong], axis=-1))
    named = {"x": "w_ih", "h": "c"}.get(labels[place], labels[place])
    if place == 1:
        named = "w_ih"
    expected = rf"{name}: x \(4, \d\) and h \(4, \d\) need {named} of shape \(.*\), got \("
    with pytest.raises(ShapeError, match=expected):
        getattr(ops, name)(*args)


def test_states_need_the_leading_axes_of_x() -> None:
    x, h, *weights = inputs("gru_cell")
    message = "gru_cell: x (4, 3) and h (3, 2) need h of shape (4, 2), got (3, 2)"
    with pytest.raises(ShapeError, match=re.escape(message)):
        ops.gru_cell(x, h.data[:3], *weights)


def test_the_rnn_knows_two_nonlinearities() -> None:
    with pytest.raises(ParameterError, match="nonlinearity must be tanh or relu, got 'sigmoid'"):
        ops.rnn_cell(*inputs("rnn_cell"), nonlinearity="sigmoid")


@pytest.mark.parametrize("name", ["rnn", "gru", "lstm"])
def test_a_whole_sequence_is_the_cell_at_each_step(name: str) -> None:
    _, *states, w_ih, w_hh, b_ih, b_hh = inputs(f"{name}_cell")
    x = t(4, 5, 3)
    made = getattr(ops, name)(x, *states, w_ih, w_hh, b_ih, b_hh)
    now: tuple[Any, ...] = tuple(states)
    for step in range(5):
        found = getattr(ops, f"{name}_cell")(x[:, step], *now, w_ih, w_hh, b_ih, b_hh)
        now = found if isinstance(found, tuple) else (found,)
        tracks = made if isinstance(made, tuple) else (made,)
        for track, value in zip(tracks, now, strict=True):
            np.testing.assert_allclose(track.data[:, step], value.data, rtol=1e-12)


@pytest.mark.parametrize("name", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("shape", [(4, 3), (4, 0, 3), (4, 2, 5, 3)])
def test_a_whole_sequence_has_steps(name: str, shape: tuple[int, ...]) -> None:
    _, *rest = inputs(f"{name}_cell")
    with pytest.raises(ShapeError, match=f"{name}: x must be .* got {re.escape(str(shape))}"):
        getattr(ops, name)(t(*shape), *rest)


def test_C08_an_unknown_nonlinearity_of_a_sequence_is_refused() -> None:
    _, *rest = inputs("rnn_cell")
    with pytest.raises(ParameterError, match="nonlinearity must be tanh or relu"):
        ops.rnn(t(4, 5, 3), *rest, nonlinearity="sin")
