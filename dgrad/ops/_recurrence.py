"""What recurrent cells and whole sequences share: their shapes, a step of arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from dgrad.core.op import Example
from dgrad.errors import ShapeError
from dgrad.ops._floats import as_floats

__all__ = [
    "affine",
    "affine_gradients",
    "by_step",
    "check_weights",
    "checked_sequences",
    "lstm_slopes",
    "lstm_step",
    "quarters",
    "rows_of_steps",
    "sequences",
    "sigmoid_in_place",
    "states_before",
]


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


def sequences(gates: int, states: int) -> Example:
    """An example: two sequences of two steps of 3 features, states of 2."""

    def example(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        weights = [(gates * 2, 3), (gates * 2, 2), (gates * 2,), (gates * 2,)]
        shapes = [(2, 2, 3), *[(2, 2)] * states, *weights]
        return tuple(rng.normal(size=shape) for shape in shapes), {}

    return example


def checked_sequences(name: str, gates: int, x: Any, *rest: Any) -> list[Any]:
    """x, (n, t, i), and the states as arrays of floats. rest: states, then the four weights."""
    x, *states = (np.asarray(as_floats(v)) for v in (x, *rest[:-4]))
    if x.ndim != 3 or not x.shape[1]:
        raise ShapeError(f"{name}: x must be (n, t, i) with t >= 1 steps, got {x.shape}")
    check_weights(name, gates, (x.shape[0], x.shape[2]), tuple(states), *rest[-4:])
    return [x, *states]


def by_step(x: Any) -> Any:
    """(n, t, i) -> (t, n, i), or back, of arrays or Tensors."""
    return np.swapaxes(x, 0, 1)


def rows_of_steps(x: Any) -> Any:
    """(t, n, k) -> (t n, k), of arrays or Tensors."""
    t, n, k = np.shape(x)
    return np.reshape(x, (t * n, k))


def states_before(h: Any, out: Any) -> Any:
    """What the steps found: h, then the results of all but the last. (n, t, k) -> (t, n, k)."""
    return np.concatenate([np.expand_dims(h, 0), by_step(out)[:-1]], axis=0)


def affine(x: Any, weight: Any, bias: Any) -> Any:
    """x weight^T + bias, of arrays or Tensors."""
    out = np.matmul(x, np.swapaxes(weight, 0, 1))
    return out if bias is None else out + bias


def affine_gradients(
    g: Any, x: Any, weight: Any, wants_x: bool, wants_w: bool, wants_b: bool
) -> list[Any]:
    """Gradients with respect to x, weight and bias of affine; g: (rows, o), x: (rows, i)."""
    return [
        np.matmul(g, weight) if wants_x else None,
        np.matmul(np.swapaxes(g, 0, 1), x) if wants_w else None,
        np.add.reduce(g, axis=0) if wants_b else None,
    ]


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
