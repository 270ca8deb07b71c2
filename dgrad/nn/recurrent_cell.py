"""Cells: one step of a recurrent network, for loops of one's own."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

import numpy as np

from dgrad import ops
from dgrad.core.tensor import Tensor
from dgrad.nn import init as initialise
from dgrad.nn.module import Module, Parameter

__all__ = ["GRUCell", "LSTMCell", "RNNCell"]


class _Cell(Module):
    """Weights as PyTorch names them, drawn from U(-k, k), k = 1 / sqrt(hidden_size)."""

    gates: ClassVar[int]

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        rows = self.gates * hidden_size
        self.weight_ih = Parameter.empty(rows, input_size)
        self.weight_hh = Parameter.empty(rows, hidden_size)
        self.bias_ih = Parameter.empty(rows) if bias else None
        self.bias_hh = Parameter.empty(rows) if bias else None
        bound = 1 / math.sqrt(hidden_size)
        for parameter in self.parameters():
            initialise.uniform_(parameter, -bound, bound)

    def _start(self, x: Any) -> Any:
        """The state before the first step: zeros."""
        return np.zeros((*x.shape[:-1], self.hidden_size), x.dtype)

    def _weights(self) -> tuple[Any, ...]:
        return self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh

    def extra_repr(self) -> str:
        """The sizes, and whether there are biases."""
        return f"{self.input_size}, {self.hidden_size}, bias={self.bias_ih is not None}"


class RNNCell(_Cell):
    """h <- tanh(W_ih x + b_ih + W_hh h + b_hh), or relu of it (Elman 1990)."""

    gates: ClassVar[int] = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: Literal["tanh", "relu"] = "tanh",
    ) -> None:
        super().__init__(input_size, hidden_size, bias)
        self.nonlinearity: Literal["tanh", "relu"] = nonlinearity

    def forward(self, x: Any, h: Any = None) -> Tensor:
        """x: (..., input_size), h: (..., hidden_size), zeros if None -> the next h."""
        h = self._start(x) if h is None else h
        return ops.rnn_cell(  # type: ignore[no-any-return]
            x, h, *self._weights(), nonlinearity=self.nonlinearity
        )


class GRUCell(_Cell):
    """h <- (1 - z) n + z h: one step of a gated recurrent unit (Cho et al. 2014), see GRU."""

    gates: ClassVar[int] = 3

    def forward(self, x: Any, h: Any = None) -> Tensor:
        """x: (..., input_size), h: (..., hidden_size), zeros if None -> the next h."""
        h = self._start(x) if h is None else h
        return ops.gru_cell(x, h, *self._weights())  # type: ignore[no-any-return]


class LSTMCell(_Cell):
    """h, c <- o tanh(c), f c + i g: one step of long short-term memory, see LSTM."""

    gates: ClassVar[int] = 4

    def forward(self, x: Any, state: tuple[Any, Any] | None = None) -> tuple[Tensor, Tensor]:
        """x: (..., input_size), state: h and c, (..., hidden_size), zeros if None -> the next."""
        h, c = (self._start(x),) * 2 if state is None else state
        made = ops.lstm_cell(x, h, c, *self._weights())
        return made.h, made.c
