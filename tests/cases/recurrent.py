"""Cases of dgrad/ops/recurrent.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *
from tests.cases.recurrent_cell import REFERENCES as CELLS
from tests.cases.recurrent_cell import weights

__all__ = ["CASES", "REFERENCES", "TORCH", "sequences", "steps"]


def steps(name: str, states: int) -> Callable[..., Any]:
    """The reference of the cell at each step."""

    def every(x: Any, *rest: Any, **params: Any) -> Any:
        now, given, found = rest[:states], rest[states:], []
        for t in range(x.shape[1]):
            made = CELLS[name](x[:, t], *now, *given, **params)
            now = made if isinstance(made, tuple) else (made,)
            found.append(now)
        results = tuple(np.stack(each, axis=1) for each in zip(*found, strict=True))
        return results if states > 1 else results[0]

    return every


def sequences(gates: int, states: int = 1) -> list[Case]:
    """With and without biases, one step, no sequences, strides, extremes."""

    def of(*lead: int, k: int = 2) -> list[np.ndarray]:
        return [normal(*lead, 3), *(normal(lead[0], k) for _ in range(states))]

    turned = [normal(3, 4, 2).T, *(normal(2, 2).T for _ in range(states))]
    return [
        Case(*of(2, 3), *weights(gates)),
        Case(*of(2, 2), *weights(gates)[:2], torch=False),
        Case(*of(2, 2), *weights(gates)[:3], torch=False),
        Case(*of(2, 2), *weights(gates)[:2], None, normal(gates * 2), torch=False),
        Case(*of(3, 1), *weights(gates)),
        Case(*of(1, 4, k=1), *weights(gates, n=1)),
        Case(*of(0, 2), *weights(gates), torch=False),
        Case(*turned, *(w.T for w in [normal(3, gates * 2), normal(2, gates * 2)]), torch=False),
        Case(*(repeated(a[0], 2) for a in of(1, 3)), *weights(gates)),
        Case(*[a * 300 for a in of(2, 3)], *weights(gates), order=0),
    ]


CASES: dict[str, list[Case]] = {
    "lstm": sequences(4, 2),
    "rnn": [
        *sequences(1),
        Case(distinct(2, 3, 3), distinct(2, 2), *weights(1), nonlinearity="relu", order=1),
    ],
}

REFERENCES: dict[str, Callable[..., Any]] = {
    "lstm": steps("lstm_cell", 2),
    "rnn": steps("rnn_cell", 1),
}


def _torch_rnn(torch: Any) -> Callable[..., Any]:
    def rnn(x: Any, h: Any, *given: Any, nonlinearity: str = "tanh") -> Any:
        function = torch.rnn_relu if nonlinearity == "relu" else torch.rnn_tanh
        return function(x, h[None], given, True, 1, 0.0, False, False, True)[0]

    return rnn


TORCH: dict[str, Any] = {"rnn": _torch_rnn}
