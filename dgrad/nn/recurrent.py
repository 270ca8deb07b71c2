"""Recurrent layers over whole sequences: RNN, GRU, LSTM, with PyTorch's weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import numpy as np

from dgrad import ops
from dgrad.core import stream
from dgrad.errors import ParameterError, ShapeError
from dgrad.nn import init as initialise
from dgrad.nn.module import Module, Parameter
from dgrad.nn.sequence import steps_and_width, steps_inside
from dgrad.registry import Count, Fraction, layers

__all__ = ["GRU", "LSTM", "RNN"]

Output = Literal["sequence", "last", "both"]
States = tuple[Any, ...]  # (h,), of an LSTM (h, c), each (n, hidden_size)


class _Recurrent(Module):
    """Layers of one kind of cell, each over the outputs of the one before."""

    inferred: ClassVar[tuple[str, ...]] = ("input_size",)
    arity: ClassVar[tuple[int, int | None]] = (1, 2)
    gates: ClassVar[int]
    states: ClassVar[int] = 1

    def __init__(
        self,
        input_size: Count,
        hidden_size: Count,
        num_layers: Count = 1,
        bias: bool = True,
        dropout: Fraction = 0.0,
        bidirectional: bool = False,
        *,
        output: Output = "sequence",
    ) -> None:
        super().__init__()
        if output not in ("sequence", "last", "both"):
            expected = "sequence, last or both"
            raise ParameterError(type(self).__name__, "output", expected, output)
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.dropout, self.bidirectional = bias, dropout, bidirectional
        self.output = output
        rows, directions = self.gates * hidden_size, 1 + bidirectional
        for layer in range(num_layers):
            width = hidden_size * directions if layer else input_size
            for suffix in self._suffixes(layer):
                setattr(self, f"weight_ih_{suffix}", Parameter.empty(rows, width))
                setattr(self, f"weight_hh_{suffix}", Parameter.empty(rows, hidden_size))
                for name in (f"bias_ih_{suffix}", f"bias_hh_{suffix}"):
                    setattr(self, name, Parameter.empty(rows) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew from U(-k, k), k = 1 / sqrt(hidden_size)."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            initialise.uniform_(parameter, -bound, bound)

    def _suffixes(self, layer: int) -> tuple[str, ...]:
        """What the names of a layer's parameters end with, one for each direction."""
        return (f"l{layer}", f"l{layer}_reverse")[: 1 + self.bidirectional]

    def _weights(self, suffix: str) -> list[Any]:
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        return [getattr(self, f"{name}_{suffix}") for name in names]

    def cell(self, x: Any, *states: Any) -> Any:
        """One step: x (n, i), the states and four weights -> the new states."""
        raise NotImplementedError

    def forward(self, x: Any, lengths: Any = None, state: Any = None) -> Any:
        """x: (n, t, input_size), lengths: (n,) or None, state: the first one, else zeros.

        -> as `output` says. State: h (num_layers * directions, n, hidden_size), of an LSTM (h, c).
        """
        name = type(self).__name__
        if x.ndim != 3 or x.shape[-1] != self.input_size:
            raise ShapeError(f"{name}: needs x (batch, steps, {self.input_size}), got {x.shape}")
        inside = None if lengths is None else steps_inside(name, lengths, x.shape)[..., None]
        if inside is not None:  # whatever stands outside of the sequences, NaN too, is not read
            x = np.where(inside, x, x.dtype.type(0))
        first = self._first(x, state)
        ends: list[States] = []
        for layer in range(self.num_layers):
            if layer and self.dropout and self.training:
                x = ops.dropout(x, p=self.dropout, key=stream.current().key())
            outs = []
            for i, suffix in enumerate(self._suffixes(layer)):
                states = tuple(h[len(ends)] for h in first)
                out, end = _scan(self.cell, x, states, self._weights(suffix), i == 1, inside)
                outs.append(out)
                ends.append(end)
            x = np.concatenate(outs, axis=-1) if self.bidirectional else outs[0]
        if self.output == "sequence":
            return x
        if self.output == "last":
            last = [h for h, *_ in ends[-len(outs) :]]
            return np.concatenate(last, axis=-1) if self.bidirectional else last[0]
        final = tuple(np.stack(each) for each in zip(*ends, strict=True))
        return x, final if self.states > 1 else final[0]

    def _first(self, x: Any, state: Any) -> States:
        """The states before the first step, each (num_layers * directions, n, hidden_size)."""
        shape = (self.num_layers * (1 + self.bidirectional), x.shape[0], self.hidden_size)
        if state is None:
            return (np.zeros(shape, x.dtype),) * self.states
        given = state if self.states > 1 else (state,)
        for each in given:
            if each.shape != shape:
                kind = type(self).__name__
                raise ShapeError(f"{kind}: the state must have shape {shape}, got {each.shape}")
        return tuple(given)

    def extra_repr(self) -> str:
        """The sizes, and what is not as usual."""
        text = f"{self.input_size}, {self.hidden_size}"
        usual = {"num_layers": 1, "bias": True, "dropout": 0.0, "bidirectional": False}
        changed = {name: getattr(self, name) for name in usual}
        shown = [f"{name}={value}" for name, value in changed.items() if value != usual[name]]
        return ", ".join([text, *shown, f"output={self.output!r}"])

    @classmethod
    def infer(cls, *shapes: tuple[int, ...]) -> dict[str, Any]:
        """input_size: the length of the last axis. Raises ShapeError."""
        return {"input_size": steps_and_width(cls.__name__, shapes[0])[1]}

    @classmethod
    def example(cls, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Sequences of three steps and of two, in both directions."""
        arguments = {"hidden_size": 2, "bidirectional": True}
        return (rng.normal(size=(2, 3, 3)), np.array([3, 2])), arguments


def _scan(
    cell: Callable[..., Any],
    x: Any,
    states: States,
    weights: list[Any],
    reverse: bool,
    inside: Any,
) -> tuple[Any, States]:
    """The outputs (n, t, hidden_size), 0 outside of a sequence, and the states after its end."""
    steps = ops.unbind(x, axis=1)
    outs: list[Any] = [None] * len(steps)
    for t in range(len(steps))[:: -1 if reverse else 1]:
        made = cell(steps[t], *states, *weights)
        new = made if isinstance(made, tuple) else (made,)
        if inside is not None:  # beyond the end the states stay as they are
            new = tuple(np.where(inside[:, t], a, b) for a, b in zip(new, states, strict=True))
        states = new
        outs[t] = states[0]
    out = np.stack(outs, axis=1)
    return (out if inside is None else np.where(inside, out, out.dtype.type(0))), states


@layers.register("rnn")
class RNN(_Recurrent):
    """h_t = tanh(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh), or relu of it (Elman 1990).

    x: (n, t, input_size) -> (n, t, directions * hidden_size), the states of the last of num_layers
    layers; output "last": the state after the last step, (n, directions * hidden_size); "both":
    PyTorch's pair, the sequence and the last states (num_layers * directions, n, hidden_size).
    Second input, optional: lengths (n,), as for PyTorch's packed sequences: what follows counts for
    nothing, outputs there are 0. bidirectional: a second set of weights reads backwards. dropout:
    between layers, in training. Batch first; h_0 = 0; weights drawn from U(-k, k), k^2 = 1 /
    hidden_size.
    """

    gates: ClassVar[int] = 1

    def __init__(
        self,
        input_size: Count,
        hidden_size: Count,
        num_layers: Count = 1,
        nonlinearity: Literal["tanh", "relu"] = "tanh",
        bias: bool = True,
        dropout: Fraction = 0.0,
        bidirectional: bool = False,
        *,
        output: Output = "sequence",
    ) -> None:
        super().__init__(
            input_size, hidden_size, num_layers, bias, dropout, bidirectional, output=output
        )
        if nonlinearity not in ("tanh", "relu"):
            raise ParameterError("RNN", "nonlinearity", "tanh or relu", nonlinearity)
        self.nonlinearity: Literal["tanh", "relu"] = nonlinearity

    def cell(self, x: Any, *states: Any) -> Any:
        """rnn_cell with the layer's nonlinearity."""
        return ops.rnn_cell(x, *states, nonlinearity=self.nonlinearity)


@layers.register("gru")
class GRU(_Recurrent):
    """h_t = (1 - z) n + z h_(t-1): gated recurrent units (Cho et al. 2014), as in PyTorch.

    r, z = sigmoid(W x_t + b + U h_(t-1) + c) by rows, n = tanh(W x_t + b + r (U h_(t-1) + c)).
    x: (n, t, input_size) -> (n, t, directions * hidden_size). Layers, directions, lengths as second
    input, output and dropout as for the layer rnn.
    """

    gates: ClassVar[int] = 3

    def cell(self, x: Any, *states: Any) -> Any:
        """gru_cell."""
        return ops.gru_cell(x, *states)


@layers.register("lstm")
class LSTM(_Recurrent):
    """h_t = o tanh(c_t), c_t = f c_(t-1) + i g: long short-term memory, as in PyTorch.

    i, f, o = sigmoid and g = tanh of W x_t + b + U h_(t-1) + c, by rows (Hochreiter & Schmidhuber
    1997, Gers et al. 2000). x: (n, t, input_size) -> (n, t, directions * hidden_size). Layers,
    directions, lengths as second input, output and dropout as for the layer rnn; the states of
    "both" are a pair (h, c).
    """

    gates: ClassVar[int] = 4
    states: ClassVar[int] = 2

    def cell(self, x: Any, *states: Any) -> Any:
        """lstm_cell."""
        return ops.lstm_cell(x, *states)
