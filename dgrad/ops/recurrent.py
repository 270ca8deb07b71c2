"""Recurrent networks over whole sequences, one node each: rnn, lstm. PyTorch's weights.

x: (n, t, i), h: (n, k); weights (gates k, i) and (gates k, k), biases (gates k,) or None, as of the
cells. The products with all of x, and those of the weights' gradients, are one each for all steps.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from dgrad.core.op import op
from dgrad.errors import ParameterError
from dgrad.ops._recurrence import (
    affine,
    by_step,
    checked_sequences,
    lstm_slopes,
    lstm_step,
    quarters,
    rows_of_steps,
    sequences,
    states_before,
)
from dgrad.ops.activation import sigmoid

__all__ = ["lstm", "rnn"]


def _given(x: Any, w_ih: Any, b_ih: Any, b_hh: Any) -> Any:
    """x w_ih^T + b_ih + b_hh of arrays, the rows of a step together: (t, n, gates k)."""
    n, t, i = x.shape
    out = np.ascontiguousarray(by_step(x)).reshape(t * n, i) @ w_ih.T
    biases = [bias for bias in (b_ih, b_hh) if bias is not None]
    if biases:
        out += sum(biases)
    return out.reshape(t, n, len(w_ih))


def _back(by_sums: Any, x: Any, before: Any, w_ih: Any, needs: Any) -> list[Any]:
    """Gradients of x, w_ih, w_hh, b_ih, b_hh, of arrays or Tensors; needs: which of them.

    by_sums: (t, n, gates k), x: (n, t, i), before: (t, n, k).
    """
    rows = rows_of_steps(by_sums)
    turned = np.swapaxes(rows, 0, 1)
    by_bias = np.add.reduce(rows, axis=0) if needs[3] or needs[4] else None
    by_x = np.matmul(rows, w_ih) if needs[0] else None
    return [
        None if by_x is None else by_step(np.reshape(by_x, np.shape(by_step(x)))),
        np.matmul(turned, rows_of_steps(by_step(x))) if needs[1] else None,
        np.matmul(turned, rows_of_steps(before)) if needs[2] else None,
        by_bias if needs[3] else None,
        by_bias if needs[4] else None,
    ]


@op(example=sequences(1, 1))
def rnn(
    x: Any,
    h: Any,
    w_ih: Any,
    w_hh: Any,
    b_ih: Any = None,
    b_hh: Any = None,
    *,
    nonlinearity: Literal["tanh", "relu"] = "tanh",
) -> Any:
    """h_t = tanh(x_t w_ih^T + b_ih + h_(t-1) w_hh^T + b_hh), or relu of it: rnn_cell at each step.

    x: (n, t, i), h: (n, k) before the first -> every h_t, (n, t, k). Raises ShapeError.
    """
    x, h = checked_sequences("rnn", 1, x, h, w_ih, w_hh, b_ih, b_hh)
    if nonlinearity not in ("tanh", "relu"):
        raise ParameterError("rnn", "nonlinearity", "tanh or relu", nonlinearity)
    out = _given(x, w_ih, b_ih, b_hh)
    for step in out:
        step += h @ w_hh.T
        h = np.tanh(step, out=step) if nonlinearity == "tanh" else np.maximum(step, 0, out=step)
    return by_step(out)


def _rnn_rule(
    g: Any, x: Any, h: Any, w_ih: Any, w_hh: Any, out: Any, nonlinearity: str, needs: Any
) -> list[Any]:
    slope = by_step(1 - out * out if nonlinearity == "tanh" else np.greater(out, 0))
    g, found, carried = by_step(g), [], 0.0
    for step in range(np.shape(g)[0] - 1, -1, -1):
        found.append((g[step] + carried) * slope[step])
        carried = np.matmul(found[-1], w_hh)
    by_x, *by_weights = _back(
        np.stack(found[::-1]), x, states_before(h, out), w_ih, needs[:1] + needs[2:]
    )
    return [by_x, carried, *by_weights]


rnn.vjp(_rnn_rule)


@op(outputs=("h", "c"), keeps=("gates", "memory"), example=sequences(4, 2))
def lstm(x: Any, h: Any, c: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
    """h_t, c_t = lstm_cell(x_t, h_(t-1), c_(t-1)), at each step.

    x: (n, t, i), h, c: (n, k) before the first -> every h_t and every c_t, (n, t, k) each.
    Raises ShapeError.
    """
    x, h, c = checked_sequences("lstm", 4, x, h, c, w_ih, w_hh, b_ih, b_hh)
    gates = _given(x, w_ih, b_ih, b_hh)
    shape, w = (*gates.shape[:2], h.shape[-1]), np.ascontiguousarray(w_hh.T)
    outs, memories, contents = (np.empty(shape, gates.dtype) for _ in range(3))
    for step, gate in enumerate(gates):
        gate += h @ w
        lstm_step(gate, c, contents[step], memories[step], outs[step])
        h, c = outs[step], contents[step]
    return (by_step(outs), by_step(contents)), gates, memories


def _lstm_rule(
    g: Any,
    x: Any,
    h: Any,
    c: Any,
    w_ih: Any,
    w_hh: Any,
    b_ih: Any,
    b_hh: Any,
    out: Any,
    needs: Any,
) -> list[Any]:
    before, old = states_before(h, out[0]), states_before(c, out[1])
    i, f, candidate, o = quarters(affine(by_step(x), w_ih, b_ih) + affine(before, w_hh, b_hh))
    i, f, candidate, o = sigmoid(i), sigmoid(f), np.tanh(candidate), sigmoid(o)
    memory = np.tanh(by_step(out[1]))
    # What by_c and by_h of a step are multiplied by, for the gradients of its sums.
    by_memory = o * (1 - memory * memory)
    slopes = [candidate * i * (1 - i), old * f * (1 - f), i * (1 - candidate * candidate)]
    slope_o = memory * o * (1 - o)
    g_h, g_c = map(by_step, g)
    found, by_h, by_c = [], 0.0, 0.0
    for step in range(np.shape(g_h)[0] - 1, -1, -1):
        by_h = g_h[step] + by_h
        by_c = g_c[step] + by_c + by_h * by_memory[step]
        parts = [*(by_c * slope[step] for slope in slopes), by_h * slope_o[step]]
        found.append(np.concatenate(parts, axis=-1))
        by_h, by_c = np.matmul(found[-1], w_hh), by_c * f[step]
    by_x, *by_weights = _back(np.stack(found[::-1]), x, before, w_ih, needs[:1] + needs[3:])
    return [by_x, by_h, by_c, *by_weights]


def _lstm_fast(
    g: Any,
    x: Any,
    h: Any,
    c: Any,
    w_ih: Any,
    w_hh: Any,
    out: Any,
    gates: Any,
    memory: Any,
    needs: Any,
) -> list[Any]:
    g_h, g_c = map(by_step, g)
    contents = by_step(out[1])
    by_sums, by_h, by_c = np.empty_like(gates), 0.0, 0.0
    for step in range(len(gates) - 1, -1, -1):
        old = contents[step - 1] if step else c
        into = by_sums[step]
        by_c = lstm_slopes(g_h[step] + by_h, g_c[step] + by_c, gates[step], old, memory[step], into)
        by_h = into @ w_hh
    by_x, *by_weights = _back(by_sums, x, states_before(h, out[0]), w_ih, needs[:1] + needs[3:])
    return [by_x, by_h, by_c, *by_weights]


lstm.vjp(_lstm_rule)
lstm.fast_vjp(_lstm_fast)
