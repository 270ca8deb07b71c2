"""Gated recurrent units over whole sequences, one node."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dgrad.core.op import op
from dgrad.ops._recurrence import (
    affine,
    affine_gradients,
    by_step,
    checked_sequences,
    rows_of_steps,
    sequences,
    states_before,
)
from dgrad.ops.activation import sigmoid

__all__ = ["gru"]

# What r's, z's and n's sums are computed times: sigmoid(s) = 1 / (1 + 2^(-s / log 2)), and with
# AVX-512 exp2 takes half the time of exp.
FACTORS = np.array([-1 / math.log(2), -1 / math.log(2), 1.0])[:, None, None]


@op(keeps=("gates", "reset"), example=sequences(3, 1))
def gru(x: Any, h: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
    """h_t = gru_cell(x_t, h_(t-1)), at each step.

    x: (n, t, i), h: (n, k) before the first -> every h_t, (n, t, k). Raises ShapeError.
    """
    x, h = checked_sequences("gru", 3, x, h, w_ih, w_hh, b_ih, b_hh)
    gates, b_new = _sums(x, w_ih, b_ih, b_hh)
    _, t, n, k = gates.shape
    # dtype: FACTORS are of float64, which weights of float16 or float32 are not to become.
    w = np.multiply(_of_gates(w_hh), FACTORS, order="C", dtype=gates.dtype, casting="same_kind")
    sums = np.empty((3, n, k), gates.dtype)
    out, reset = (np.empty((t, n, k), gates.dtype) for _ in range(2))
    with np.errstate(over="ignore"):
        for step in range(t):
            np.matmul(h, w, out=sums)  # faster than one product, and its parts lie together
            if b_new is not None:
                sums[2] += b_new
            _step(gates[:, step], sums, h, reset[step], out[step])
            h = out[step]
    return by_step(out), gates, reset


def _step(gates: Any, sums: Any, before: Any, reset: Any, h: Any) -> None:
    """One step of rows: gates (r, z, n) become open in place; reset and h are filled.

    gates, sums: (3, rows, k), of x and of the state, times FACTORS; before: the h that it found;
    reset: r times n's sum of the state. exp2 may overflow: inf gives 0.
    """
    both, z, new = gates[:2], gates[1], gates[2]
    both += sums[:2]
    np.exp2(both, out=both)
    both += 1
    np.reciprocal(both, out=both)
    np.multiply(gates[0], sums[2], out=reset)
    new += reset
    np.tanh(new, out=new)
    np.subtract(before, new, out=h)
    h *= z
    h += new


def _of_gates(w: Any) -> Any:
    """(3 k, i) -> what a row is multiplied by for each of the three gates, (3, i, k)."""
    return w.reshape(3, len(w) // 3, w.shape[1]).swapaxes(1, 2)


def _sums(x: Any, w_ih: Any, b_ih: Any, b_hh: Any) -> tuple[Any, Any]:
    """x w_ih^T and all biases, times FACTORS, (3, t, n, k); but the bias of the state's n, (k,)."""
    rows, factors = rows_of_steps(by_step(x)), FACTORS.astype(w_ih.dtype)
    sums = np.matmul(rows, _of_gates(w_ih) * factors)  # (3, t n, k)
    biases = [b.reshape(3, 1, len(b) // 3) * factors for b in (b_ih, b_hh) if b is not None]
    b_new = None
    if b_hh is not None:
        b_new = b_hh[len(b_hh) // 3 * 2 :]
        biases[-1][2] = 0
    if biases:
        sums += sum(biases)
    return sums.reshape(3, *by_step(x).shape[:2], len(w_ih) // 3), b_new


def _rule(
    g: Any,
    x: Any,
    h: Any,
    w_ih: Any,
    w_hh: Any,
    b_ih: Any,
    b_hh: Any,
    out: Any,
    needs: Any,
) -> list[Any]:
    before, k = states_before(h, out), np.shape(h)[1]
    old = affine(before, w_hh, b_hh)
    given = affine(by_step(x), w_ih, b_ih)
    r, z = (sigmoid(given[..., a : a + k] + old[..., a : a + k]) for a in (0, k))
    reset = r * old[..., 2 * k :]
    new = np.tanh(given[..., 2 * k :] + reset)
    # What the gradient of h_t is multiplied by, for those of the sums of r, z and new.
    by_new = (1 - z) * (1 - new * new)
    by_r, by_z = by_new * reset * (1 - r), (before - new) * z * (1 - z)
    slopes = np.concatenate([by_r, by_z, by_new * r], axis=-1)
    g, by_h, every, found = by_step(g), 0.0, [], []
    for step in range(np.shape(g)[0] - 1, -1, -1):
        by_h = g[step] + by_h
        every.append(by_h)
        found.append(np.concatenate([by_h] * 3, axis=-1) * slopes[step])
        by_h = np.matmul(found[-1], w_hh) + by_h * z[step]
    by_old, each = np.stack(found[::-1]), np.stack(every[::-1])
    by_given = np.concatenate([by_old[..., : 2 * k], each * by_new], axis=-1)
    hidden = affine_gradients(
        rows_of_steps(by_old), rows_of_steps(before), w_hh, False, needs[3], needs[5]
    )
    return _gradients(by_given, by_h, hidden, x, w_ih, needs)


def _gradients(
    by_given: Any, by_h: Any, hidden: list[Any], x: Any, w_ih: Any, needs: Any
) -> list[Any]:
    """All the gradients. by_given: (t, n, 3 k), x: (n, t, i); hidden: of nothing, w_hh, b_hh."""
    by_x, by_w_ih, by_b_ih = affine_gradients(
        rows_of_steps(by_given), rows_of_steps(by_step(x)), w_ih, *needs[0:5:2]
    )
    if by_x is not None:
        by_x = by_step(np.reshape(by_x, np.shape(by_step(x))))
    return [by_x, by_h, by_w_ih, hidden[1], by_b_ih, hidden[2]]


def _slopes(gates: Any, reset: Any, before: Any, into: Any) -> Any:
    """What the gradient of h is multiplied by for those of the state's sums, into `into`.

    gates: (3, t, n, k), as _step left them, into: (t, n, 3, k), the rest (t, n, k). -> that for
    n's sum of x.
    """
    r, z, new = gates
    by_r, by_z, by_old = (into[..., gate, :] for gate in range(3))
    by_new = new * new
    np.subtract(1, by_new, out=by_new)
    np.subtract(1, z, out=by_old)
    by_new *= by_old  # (1 - z) (1 - n^2)
    np.subtract(before, new, out=by_z)
    by_z *= by_old
    by_z *= z  # (h - n) z (1 - z)
    np.subtract(1, r, out=by_r)
    by_r *= reset
    by_r *= by_new
    np.multiply(by_new, r, out=by_old)
    return by_new


def _fast(
    g: Any,
    x: Any,
    h: Any,
    w_ih: Any,
    w_hh: Any,
    out: Any,
    gates: Any,
    reset: Any,
    needs: Any,
) -> list[Any]:
    before, (t, n, k) = states_before(h, out), reset.shape
    by_sums = np.empty((t, n, 3, k), gates.dtype)
    by_new = _slopes(gates, reset, before, by_sums)
    z = gates[1]
    every, carried = by_step(g).copy(), 0.0
    for step in range(t - 1, -1, -1):
        by_h, sums = every[step], by_sums[step]
        by_h += carried
        sums *= by_h[:, None]
        carried = sums.reshape(n, 3 * k) @ w_hh
        carried += by_h * z[step]
    rows = by_sums.reshape(t, n, 3 * k)
    hidden = affine_gradients(
        rows_of_steps(rows), rows_of_steps(before), w_hh, False, needs[3], needs[5]
    )
    np.multiply(every, by_new, out=by_sums[:, :, 2])  # r scales the state's sum, not that of x
    return _gradients(rows, carried, hidden, x, w_ih, needs)


gru.vjp(_rule)
gru.fast_vjp(_fast)
