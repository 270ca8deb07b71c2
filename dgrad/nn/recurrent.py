"""Recurrent layers over whole sequences: RNN, GRU, LSTM, with PyTorch's weights."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

import numpy as np

from dgrad import ops
from dgrad.core import stream
from dgrad.errors import ShapeError, UnsupportedError
from dgrad.nn.init import Init, fill_layer
from dgrad.nn.module import Module, Parameter
from dgrad.nn.sequence import steps_and_width, steps_inside
from dgrad.registry import Count, Fraction, layers, name_of

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
        init: Init | None = None,
    ) -> None:
        super().__init__()
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
        self.reset_parameters(init)

    def reset_parameters(self, init: Any = None) -> None:
        """Draw all parameters anew from U(-k, k), k = 1 / sqrt(hidden_size).

        init: fills each weight, of all gates at once; the biases are 0 then.
        """
        bound = 1 / math.sqrt(self.hidden_size)
        for name, parameter in self.named_parameters():
            scheme = "zeros" if init is not None and name.startswith("bias") else init
            fill_layer(name_of(type(self)), parameter, None, scheme, bound=bound)

    def _suffixes(self, layer: int) -> tuple[str, ...]:
        """What the names of a layer's parameters end with, one for each direction."""
        return (f"l{layer}", f"l{layer}_reverse")[: 1 + self.bidirectional]

    def _weights(self, suffix: str) -> list[Any]:
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        return [getattr(self, f"{name}_{suffix}") for name in names]

    def run(self, x: Any, states: States, weights: list[Any]) -> States:
        """x: (n, t, i), states and four weights -> each state after every step, (n, t, k)."""
        raise UnsupportedError(f"{type(self).__name__} must define run(self, x, states, weights)")

    def forward(self, x: Any, lengths: Any = None, state: Any = None) -> Any:
        """x: (n, t, input_size), lengths: (n,) or None, state: the first one, else zeros.

        -> as `output` says. State: h (num_layers * directions, n, hidden_size), of an LSTM (h, c).
        """
        name = type(self).__name__
        if x.ndim != 3 or x.shape[-1] != self.input_size:
            raise ShapeError(f"{name}: needs x (batch, steps, {self.input_size}), got {x.shape}")
        ends = None if lengths is None else _Ends(name, lengths, x.shape)
        if ends is not None:  # whatever stands outside of the sequences, NaN too, is not read
            x = ends.cut(x)
        first = self._first(x, state)
        final: list[States] = []
        for layer in range(self.num_layers):
            if layer and self.dropout and self.training:
                x = ops.dropout(x, p=self.dropout, key=stream.current().key())
            outs = []
            for i, suffix in enumerate(self._suffixes(layer)):
                states = tuple(h[layer * len(self._suffixes(layer)) + i] for h in first)
                tracks = self.run(_turned(x, ends) if i else x, states, self._weights(suffix))
                out = tracks[0] if ends is None else ends.cut(tracks[0])
                outs.append(_turned(out, ends) if i else out)
                if self.output != "sequence":
                    final.append(_last(tracks, states, ends))
            x = np.concatenate(outs, axis=-1) if self.bidirectional else outs[0]
        return x if self.output == "sequence" else self._with_states(x, final)

    def _with_states(self, x: Any, final: list[States]) -> Any:
        """What "last" and "both" give. final: the last states of each layer and direction."""
        if self.output == "both":
            stacked = tuple(np.stack(each) for each in zip(*final, strict=True))
            return x, stacked if self.states > 1 else stacked[0]
        if self.bidirectional:
            return np.concatenate([h for h, *_ in final[-2:]], axis=-1)
        return final[-1][0]

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


class _Ends:
    """Where sequences of different lengths end in x of `shape` (n, t, ...)."""

    def __init__(self, name: str, lengths: Any, shape: tuple[int, ...]) -> None:
        self.inside = steps_inside(name, lengths, shape)[..., None]  # (n, t, 1)
        self.lengths = self.inside.sum(axis=1)  # (n, 1)

    def cut(self, x: Any) -> Any:
        """x, 0 outside of the sequences."""
        return np.where(self.inside, x, x.dtype.type(0))

    def turned(self, x: Any) -> Any:
        """Each sequence backwards, what follows it as it is."""
        steps = np.arange(x.shape[1])
        places = np.where(self.inside[..., 0], self.lengths - 1 - steps, steps)  # (n, t)
        return x[np.arange(len(places))[:, None], places]

    def last(self, track: Any, state: Any) -> Any:
        """The last step of each sequence; of one without steps the state it started from."""
        rows, places = np.arange(len(self.lengths)), np.maximum(self.lengths[:, 0] - 1, 0)
        return np.where(self.lengths > 0, track[rows, places], state)


def _turned(x: Any, ends: _Ends | None) -> Any:
    return np.flip(x, axis=1) if ends is None else ends.turned(x)


def _last(tracks: States, states: States, ends: _Ends | None) -> States:
    """Each state after the last step."""
    if ends is None:
        return tuple(track[:, -1] for track in tracks)
    return tuple(ends.last(*pair) for pair in zip(tracks, states, strict=True))


@layers.register("rnn")
class RNN(_Recurrent):
    """h_t = tanh(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh), or relu of it (Elman 1990).

    x: (n, t, input_size) -> (n, t, directions * hidden_size), the states of the last of num_layers
    layers; output "last": the state after the last step, (n, directions * hidden_size); "both":
    PyTorch's pair, the sequence and the last states (num_layers * directions, n, hidden_size).
    Second input, optional: lengths (n,), as for PyTorch's packed sequences: what follows counts for
    nothing, outputs there are 0. bidirectional: a second set of weights reads backwards. dropout:
    between layers, in training. Batch first; h_0 = 0. init: of each weight, the biases being 0;
    else all are drawn from U(-k, k), k^2 = 1 / hidden_size.
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
        init: Init | None = None,
    ) -> None:
        sizes = input_size, hidden_size, num_layers
        super().__init__(*sizes, bias, dropout, bidirectional, output=output, init=init)
        self.nonlinearity: Literal["tanh", "relu"] = nonlinearity

    def run(self, x: Any, states: States, weights: list[Any]) -> States:
        """The op rnn with the layer's nonlinearity."""
        return (ops.rnn(x, *states, *weights, nonlinearity=self.nonlinearity),)


@layers.register("gru")
class GRU(_Recurrent):
    """h_t = (1 - z) n + z h_(t-1): gated recurrent units (Cho et al. 2014), as in PyTorch.

    r, z = sigmoid(W x_t + b + U h_(t-1) + c) by rows, n = tanh(W x_t + b + r (U h_(t-1) + c)).
    x: (n, t, input_size) -> (n, t, directions * hidden_size). Layers, directions, lengths as second
    input, output, dropout and init as for the layer rnn.
    """

    gates: ClassVar[int] = 3

    def run(self, x: Any, states: States, weights: list[Any]) -> States:
        """The op gru."""
        return (ops.gru(x, *states, *weights),)


@layers.register("lstm")
class LSTM(_Recurrent):
    """h_t = o tanh(c_t), c_t = f c_(t-1) + i g: long short-term memory, as in PyTorch.

    i, f, o = sigmoid and g = tanh of W x_t + b + U h_(t-1) + c, by rows (Hochreiter & Schmidhuber
    1997, Gers et al. 2000). x: (n, t, input_size) -> (n, t, directions * hidden_size). Layers,
    directions, lengths as second input, output, dropout and init as for the layer rnn; the states
    of "both" are a pair (h, c).
    """

    gates: ClassVar[int] = 4
    states: ClassVar[int] = 2

    def run(self, x: Any, states: States, weights: list[Any]) -> States:
        """The op lstm."""
        return tuple(ops.lstm(x, *states, *weights))
