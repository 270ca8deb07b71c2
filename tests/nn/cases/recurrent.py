"""Recurrent layers, beside PyTorch's on packed sequences where they have lengths."""

import functools
import json
from typing import Any

import numpy as np

from tests.nn.cases.case import Case

X = ((3, 5, 4),)
LENGTHS = np.array([4, 5, 1])


def ragged(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Sequences of different lengths; what follows is not to be seen."""
    x = rng.normal(size=X[0])
    x[np.arange(5) >= LENGTHS[:, None]] = 1e3
    return x, LENGTHS


def theirs(kind: str, nn: Any, arguments: dict[str, Any]) -> Any:
    arguments = dict(arguments)
    output = arguments.pop("output")
    del arguments["init"]
    base = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[kind]

    def forward(self: Any, x: Any, lengths: Any = None) -> Any:
        rnn = nn.utils.rnn
        if lengths is not None:
            x = rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        out, state = base.forward(self, x)
        if lengths is not None:
            out = rnn.pad_packed_sequence(out, batch_first=True)[0]
        h = state[0] if base is nn.LSTM else state
        last = h.reshape(self.num_layers, -1, *h.shape[1:])[-1]  # (directions, n, hidden_size)
        made = {"sequence": out, "both": (out, state), "last": last.transpose(0, 1).flatten(1)}
        return made[output]

    return type("Written", (base,), {"forward": forward})(**arguments, batch_first=True)


def flat(module: Any, *inputs: Any) -> list[Any]:
    """Outputs and states side by side."""
    made = module(*inputs)
    if not isinstance(made, tuple):
        return [made]
    out, state = made
    return [out, *(state if isinstance(state, tuple) else (state,))]


def case(kind: str, inputs: Any = X, modes: tuple[bool, ...] = (True, False), **more: Any) -> Case:
    """kind: {hidden_size: 3, **more}."""
    given = ", ".join(f"{name}: {json.dumps(value)}" for name, value in more.items())
    text = f"{{{kind}: {{hidden_size: 3{', ' * bool(given)}{given}}}}}"
    return Case(text, inputs, functools.partial(theirs, kind), call=flat, modes=modes)


def cases(kind: str) -> list[Case]:
    return [
        Case(f"{{{kind}: 3}}", X, functools.partial(theirs, kind)),
        case(kind, bias=False),
        case(kind, ragged),
        case(kind, num_layers=2, output="both"),
        case(kind, ragged, num_layers=2, bidirectional=True, output="both"),
        case(kind, output="last"),
        case(kind, ragged, bidirectional=True, output="last"),
        case(kind, bidirectional=True),
        case(kind, num_layers=3, bidirectional=True, bias=False, output="last"),
        case(kind, num_layers=2, dropout=0.5, modes=(False,)),
        case(kind, init="orthogonal"),
    ]


CASES = {
    "gru": cases("gru"),
    "lstm": cases("lstm"),
    "rnn": [*cases("rnn"), case("rnn", ragged, nonlinearity="relu", output="both")],
}
SHAPES = [
    (f"{{{kind}: 3}}", ((4,),), r"\(batch, steps, features\), got \(batch, 4\)") for kind in CASES
]
RANGES = [
    ("{gru: 0}", "hidden_size"),
    ("{lstm: {hidden_size: 3, num_layers: 0}}", "num_layers"),
    ("{rnn: {hidden_size: 3, dropout: 1.0}}", "dropout"),
]
