"""Cases of dgrad/ops/recurrent_cell.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *

__all__ = ["CASES", "REFERENCES", "TORCH"]


def _sigmoid(x: Any) -> Any:
    return 0.5 * (1 + np.tanh(x / 2))


def _sums(x: Any, h: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> tuple[Any, Any]:
    given = np.einsum("...i,oi->...o", x, w_ih) + (0 if b_ih is None else b_ih)
    return given, np.einsum("...i,oi->...o", h, w_hh) + (0 if b_hh is None else b_hh)


def _rnn(
    x: Any, h: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None, nonlinearity: Any = ""
) -> Any:
    total = sum(_sums(x, h, w_ih, w_hh, b_ih, b_hh))
    return np.maximum(total, 0) if nonlinearity == "relu" else np.tanh(total)


def _gru(x: Any, h: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
    given, old = _sums(x, h, w_ih, w_hh, b_ih, b_hh)
    (ir, iz, i_n), (hr, hz, hn) = (np.split(v, 3, axis=-1) for v in (given, old))
    z = _sigmoid(iz + hz)
    return (1 - z) * np.tanh(i_n + _sigmoid(ir + hr) * hn) + z * h


def _lstm(x: Any, h: Any, c: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
    i, f, g, o = np.split(sum(_sums(x, h, w_ih, w_hh, b_ih, b_hh)), 4, axis=-1)
    c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
    return _sigmoid(o) * np.tanh(c), c


def weights(gates: int, i: int = 3, n: int = 2) -> list[np.ndarray]:
    rows = gates * n
    return [normal(rows, i), normal(rows, n), normal(rows), normal(rows)]


def cells(gates: int, states: int = 1) -> list[Case]:
    """Cases for a cell: with and without biases, ranks, strides, no sequences, extremes."""

    def of(*lead: int, n: int = 2) -> list[np.ndarray]:
        return [normal(*lead, 3), *(normal(*lead, n) for _ in range(states))]

    far = [a * 300 for a in of(4)]
    return [
        Case(*of(4), *weights(gates)),
        Case(*of(4), *weights(gates)[:2]),
        Case(*of(4), *weights(gates)[:3]),
        Case(*of(4), *weights(gates)[:2], None, normal(gates * 2)),
        Case(*of(), *weights(gates)),
        Case(*of(2, 2), *weights(gates)),
        Case(*of(1, n=1), *weights(gates, n=1)),
        Case(*of(0), *weights(gates)),
        Case(
            *(a[::-1] for a in of(4)), *(w.T for w in [normal(3, gates * 2), normal(2, gates * 2)])
        ),
        Case(*(repeated(a, 2) for a in of()), *weights(gates)),
        Case(*far, *weights(gates), order=0),
    ]


CASES: dict[str, list[Case]] = {
    "gru_cell": cells(3),
    "lstm_cell": cells(4, 2),
    "rnn_cell": [
        *cells(1),
        Case(distinct(3, 3), distinct(3, 2), *weights(1), nonlinearity="relu", order=1),
    ],
}

REFERENCES: dict[str, Callable[..., Any]] = {"gru_cell": _gru, "lstm_cell": _lstm, "rnn_cell": _rnn}


def _flat(torch: Any, name: str) -> Callable[..., Any]:
    """PyTorch's cell, which takes one leading axis, on any."""
    function = getattr(torch, name)

    def cell(*args: Any, nonlinearity: str = "tanh") -> Any:
        count = 3 if name == "lstm_cell" else 2
        lead = args[0].shape[:-1]
        inputs = [a.reshape(-1, a.shape[-1]) for a in args[:count]]
        states = inputs[1] if count == 2 else inputs[1:]
        call = torch.rnn_relu_cell if nonlinearity == "relu" else function
        out = call(inputs[0], states, *args[count:])
        many = out if isinstance(out, tuple) else (out,)
        shaped = tuple(v.reshape(*lead, v.shape[-1]) for v in many)
        return shaped if isinstance(out, tuple) else shaped[0]

    return cell


TORCH: dict[str, Any] = {
    "gru_cell": lambda torch: _flat(torch, "gru_cell"),
    "lstm_cell": lambda torch: _flat(torch, "lstm_cell"),
    "rnn_cell": lambda torch: _flat(torch, "rnn_tanh_cell"),
}
