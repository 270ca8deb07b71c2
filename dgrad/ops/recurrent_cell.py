"""Cells of recurrent networks: one step each, one node each. PyTorch's weights and formulas.

x: (..., i), h: (..., n) with the same leading axes. Weights are (gates * n, i) and (gates * n, n),
biases (gates * n,) or None, their gates in the order that each cell states.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from dgrad.core.op import Example, op
from dgrad.errors import ParameterError
from dgrad.ops._floats import as_floats
from dgrad.ops._recurrence import (
    affine,
    affine_gradients,
    check_weights,
    lstm_slopes,
    lstm_step,
    quarters,
    sigmoid_in_place,
)
from dgrad.ops.activation import sigmoid

__all__ = ["gru_cell", "lstm_cell", "rnn_cell"]


def _cell(gates: int, states: int) -> Example:
    """An example: two sequences of 3 features, states of 2."""

    def example(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        shapes = [(2, 3), *[(2, 2)] * states, (gates * 2, 3), (gates * 2, 2), *[(gates * 2,)] * 2]
        return tuple(rng.normal(size=shape) for shape in shapes), {}

    return example


def _rows(x: Any) -> Any:
    """(..., n) -> (rows, n)."""
    return x if np.ndim(x) == 2 else np.reshape(x, (math.prod(np.shape(x)[:-1]), np.shape(x)[-1]))


def _into(x: Any, weight: Any, bias: Any) -> Any:
    """x weight^T + bias of arrays, the bias added in place."""
    out = x @ weight.T
    return out if bias is None else np.add(out, bias, out=out)


def _like(gradients: list[Any], x: Any, *states: Any) -> list[Any]:
    """Gradients of rows as those of x and the states; the rest of the list as it is."""
    shapes = [np.shape(v) for v in (x, *states)]
    head = [
        v if v is None or np.shape(v) == shape else np.reshape(v, shape)
        for v, shape in zip(gradients, shapes, strict=False)
    ]
    return head + gradients[len(shapes) :]


@op(example=_cell(1, 1))
def rnn_cell(
    x: Any,
    h: Any,
    w_ih: Any,
    w_hh: Any,
    b_ih: Any = None,
    b_hh: Any = None,
    *,
    nonlinearity: Literal["tanh", "relu"] = "tanh",
) -> Any:
    """tanh(x w_ih^T + b_ih + h w_hh^T + b_hh), or relu of it (Elman 1990). -> the shape of h."""
    x, h = (np.asarray(as_floats(v)) for v in (x, h))
    check_weights("rnn_cell", 1, x.shape, (h,), w_ih, w_hh, b_ih, b_hh)
    if nonlinearity not in ("tanh", "relu"):
        raise ParameterError("rnn_cell", "nonlinearity", "tanh or relu", nonlinearity)
    out = _into(_rows(x), w_ih, b_ih) + _into(_rows(h), w_hh, b_hh)
    out = np.tanh(out, out=out) if nonlinearity == "tanh" else np.maximum(out, 0, out=out)
    return out.reshape(h.shape)


def _rnn_rule(
    g: Any, x: Any, h: Any, w_ih: Any, w_hh: Any, out: Any, nonlinearity: str, needs: Any
) -> list[Any]:
    slope = 1 - out * out if nonlinearity == "tanh" else np.greater(out, 0)
    g = _rows(g * slope)
    by_x, by_w_ih, by_b_ih = affine_gradients(g, _rows(x), w_ih, *needs[0:5:2])
    by_h, by_w_hh, by_b_hh = affine_gradients(g, _rows(h), w_hh, *needs[1:6:2])
    return _like([by_x, by_h, by_w_ih, by_w_hh, by_b_ih, by_b_hh], x, h)


rnn_cell.vjp(_rnn_rule)


@op(keeps=("gates", "hidden"), example=_cell(3, 1))
def gru_cell(x: Any, h: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
    """(1 - z) n + z h, with n = tanh(in + r hn), r, z = sigmoid(ir + hr), sigmoid(iz + hz).

    ir, iz, in = x w_ih^T + b_ih and hr, hz, hn = h w_hh^T + b_hh: gates r, z, n (Cho et al. 2014,
    in the form of PyTorch and cuDNN). -> the shape of h. Raises ShapeError.
    """
    x, h = (np.asarray(as_floats(v)) for v in (x, h))
    check_weights("gru_cell", 3, x.shape, (h,), w_ih, w_hh, b_ih, b_hh)
    gates, hidden = _into(_rows(x), w_ih, b_ih), _into(_rows(h), w_hh, b_hh)
    n = h.shape[-1]
    both, new = gates[:, : 2 * n], gates[:, 2 * n :]
    both += hidden[:, : 2 * n]
    sigmoid_in_place(both)
    new += gates[:, :n] * hidden[:, 2 * n :]
    np.tanh(new, out=new)
    out = _rows(h) - new
    out *= gates[:, n : 2 * n]
    out += new
    return out.reshape(h.shape), gates, hidden


def _gru_rule(
    g: Any, x: Any, h: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, needs: Any
) -> list[Any]:
    n = np.shape(h)[-1]
    given, old = affine(_rows(x), w_ih, b_ih), affine(_rows(h), w_hh, b_hh)
    both = sigmoid(given[:, : 2 * n] + old[:, : 2 * n])
    r, z, hidden = both[:, :n], both[:, n:], old[:, 2 * n :]
    new = np.tanh(given[:, 2 * n :] + r * hidden)
    g, before = _rows(g), _rows(h)
    by_new = g * (1 - z) * (1 - new * new)
    by_z = g * (before - new) * (z * (1 - z))
    by_r = by_new * hidden * (r * (1 - r))
    by_given = np.concatenate([by_r, by_z, by_new], axis=1)
    by_old = np.concatenate([by_r, by_z, by_new * r], axis=1)
    return _gru_back(by_given, by_old, g * z, x, h, w_ih, w_hh, needs)


def _gru_back(
    by_given: Any, by_old: Any, carried: Any, x: Any, h: Any, w_ih: Any, w_hh: Any, needs: Any
) -> list[Any]:
    """All the gradients, from those of both products and what passes to h directly."""
    by_x, by_w_ih, by_b_ih = affine_gradients(by_given, _rows(x), w_ih, *needs[0:5:2])
    by_h, by_w_hh, by_b_hh = affine_gradients(by_old, _rows(h), w_hh, *needs[1:6:2])
    by_h = by_h + carried if needs[1] else None
    return _like([by_x, by_h, by_w_ih, by_w_hh, by_b_ih, by_b_hh], x, h)


def _gru_fast(
    g: Any, x: Any, h: Any, w_ih: Any, w_hh: Any, gates: Any, hidden: Any, needs: Any
) -> list[Any]:
    n, g, before = h.shape[-1], _rows(g), _rows(h)
    r, z, new = gates[:, :n], gates[:, n : 2 * n], gates[:, 2 * n :]
    by_given = np.empty_like(gates)
    by_r, by_z, by_new = by_given[:, :n], by_given[:, n : 2 * n], by_given[:, 2 * n :]
    carried = g * z
    np.subtract(g, carried, out=by_new)
    np.multiply(new, new, out=by_z)
    np.subtract(1, by_z, out=by_z)
    by_new *= by_z  # g (1 - z) (1 - n^2)
    np.subtract(1, z, out=by_z)
    by_z *= carried
    by_z *= before - new  # g z (1 - z) (h - n)
    by_old = np.empty_like(gates)
    carry_r = np.multiply(by_new, r, out=by_old[:, 2 * n :])
    np.subtract(1, r, out=by_r)
    by_r *= carry_r
    by_r *= hidden[:, 2 * n :]
    by_old[:, : 2 * n] = by_given[:, : 2 * n]
    return _gru_back(by_given, by_old, carried, x, h, w_ih, w_hh, needs)


gru_cell.vjp(_gru_rule)
gru_cell.fast_vjp(_gru_fast)


@op(outputs=("h", "c"), keeps=("gates", "memory"), example=_cell(4, 2))
def lstm_cell(
    x: Any, h: Any, c: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None
) -> Any:
    """h = o tanh(c), c = f c + i g: one step of a memory with four gates.

    i, f, o = sigmoid and g = tanh of x w_ih^T + b_ih + h w_hh^T + b_hh: gates i, f, g, o
    (Hochreiter & Schmidhuber 1997, Gers et al. 2000). -> h, c of their shapes. Raises ShapeError.
    """
    x, h, c = (np.asarray(as_floats(v)) for v in (x, h, c))
    check_weights("lstm_cell", 4, x.shape, (h, c), w_ih, w_hh, b_ih, b_hh)
    gates = _into(_rows(x), w_ih, b_ih)
    gates += _into(_rows(h), w_hh, b_hh)
    before = _rows(c)
    dtype = np.result_type(gates, before)
    new, memory, out = (np.empty(before.shape, dtype) for _ in range(3))
    lstm_step(gates, before, new, memory, out)
    return (out.reshape(h.shape), new.reshape(c.shape)), gates, memory


def _lstm_rule(
    g: Any, x: Any, h: Any, c: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, needs: Any
) -> list[Any]:
    gates = affine(_rows(x), w_ih, b_ih) + affine(_rows(h), w_hh, b_hh)
    i, f, candidate, o = quarters(gates)
    i, f, candidate, o = sigmoid(i), sigmoid(f), np.tanh(candidate), sigmoid(o)
    before = _rows(c)
    memory = np.tanh(f * before + i * candidate)
    by_h, by_c = _rows(g[0]), _rows(g[1])
    by_c = by_c + by_h * o * (1 - memory * memory)
    by_gates = np.concatenate(
        [
            by_c * candidate * (i * (1 - i)),
            by_c * before * (f * (1 - f)),
            by_c * i * (1 - candidate * candidate),
            by_h * memory * (o * (1 - o)),
        ],
        axis=1,
    )
    return _lstm_back(by_gates, by_c * f, x, h, c, w_ih, w_hh, needs)


def _lstm_back(
    by_gates: Any, by_c: Any, x: Any, h: Any, c: Any, w_ih: Any, w_hh: Any, needs: Any
) -> list[Any]:
    """All the gradients, from those of the gates before their functions."""
    by_x, by_w_ih, by_b_ih = affine_gradients(
        by_gates, _rows(x), w_ih, needs[0], needs[3], needs[5]
    )
    by_h, by_w_hh, by_b_hh = affine_gradients(
        by_gates, _rows(h), w_hh, needs[1], needs[4], needs[6]
    )
    return _like([by_x, by_h, by_c, by_w_ih, by_w_hh, by_b_ih, by_b_hh], x, h, c)


def _lstm_fast(
    g: Any, x: Any, h: Any, c: Any, w_ih: Any, w_hh: Any, gates: Any, memory: Any, needs: Any
) -> list[Any]:
    by_gates = np.empty_like(gates)
    by_c = lstm_slopes(_rows(g[0]), _rows(g[1]), gates, _rows(c), memory, by_gates)
    return _lstm_back(by_gates, by_c, x, h, c, w_ih, w_hh, needs)


lstm_cell.vjp(_lstm_rule)
lstm_cell.fast_vjp(_lstm_fast)
