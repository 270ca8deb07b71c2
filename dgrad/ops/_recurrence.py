"""What recurrent cells and whole sequences share: their shapes, an LSTM's step of arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from dgrad.errors import ShapeError

__all__ = ["check_weights", "lstm_slopes", "lstm_step", "quarters", "sigmoid_in_place"]


def check_weights(
    name: str, gates: int, x_shape: tuple[int, ...], states: tuple[Any, ...], *weights: Any
) -> None:
    """Raise ShapeError unless all fit together.

    x_shape: (..., i) of one step, states: (..., n) each. weights: w_ih, w_hh, b_ih, b_hh.
    """
    lead, i = x_shape[:-1], x_shape[-1:]
    n = np.shape(states[0])[-1:]
    rows = (gates * n[0],) if n else ()
    wanted = [(label, v, (*lead, *n)) for label, v in zip("hc", states, strict=False)]
    shapes = ((*rows, *i), (*rows, *n), rows, rows)
    wanted += list(zip(("w_ih", "w_hh", "b_ih", "b_hh"), weights, shapes, strict=True))
    for label, value, shape in wanted:
        if value is not None and (np.shape(value) != shape or not n or not i):
            raise ShapeError(
                f"{name}: x {x_shape} and h {np.shape(states[0])} need {label} of shape "
                f"{shape}, got {np.shape(value)}"
            )


def sigmoid_in_place(x: Any) -> Any:
    """1 / (1 + exp(-x)), into x."""
    with np.errstate(over="ignore"):  # exp(-x) = inf: the result is 0
        np.negative(x, out=x)
        np.exp(x, out=x)
        x += 1
        return np.reciprocal(x, out=x)


def quarters(gates: Any) -> list[Any]:
    """(rows, 4 n) -> four of (rows, n)."""
    n = np.shape(gates)[-1] // 4
    return [gates[..., k * n : (k + 1) * n] for k in range(4)]


def lstm_step(gates: Any, before: Any, c: Any, memory: Any, h: Any) -> None:
    """One step of rows: gates (i, f, g, o) become open in place; c, memory = tanh(c), h are filled.

    gates: (rows, 4 n), the rest (rows, n); before: the c that it found.
    """
    i, f, candidate, o = quarters(gates)
    np.tanh(candidate, out=memory)
    sigmoid_in_place(gates)  # of all, as rows that lie together: a pass less than of i, f and o
    candidate[...] = memory
    np.multiply(i, candidate, out=c)
    np.multiply(f, before, out=memory)
    c += memory
    np.tanh(c, out=memory)
    np.multiply(o, memory, out=h)


def lstm_slopes(by_h: Any, by_c: Any, gates: Any, before: Any, memory: Any, into: Any) -> Any:
    """The gradient of the sums that the gates were made of into `into`; returns that of `before`.

    by_h, by_c: of the step's results; the others as lstm_step left them. Nothing else is changed.
    """
    i, f, candidate, o = quarters(gates)
    np.subtract(1, gates, out=into)
    into *= gates  # the slopes of i, f and o
    by_i, by_f, by_candidate, by_o = quarters(into)
    by_o *= by_h
    by_o *= memory
    slope = memory * memory
    np.subtract(1, slope, out=slope)
    slope *= o
    slope *= by_h
    by_c = np.add(slope, by_c, out=slope)
    by_i *= candidate
    by_i *= by_c
    by_f *= before
    by_f *= by_c
    np.multiply(candidate, candidate, out=by_candidate)
    np.subtract(1, by_candidate, out=by_candidate)
    by_candidate *= i
    by_candidate *= by_c
    return np.multiply(by_c, f, out=by_c)
