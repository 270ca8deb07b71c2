"""Positions: the oracles are written from the papers' formulas."""

import math
from typing import Any

import numpy as np

from tests.nn.cases.case import Case


def module(nn: Any, forward: Any, **parameters: Any) -> Any:
    """A PyTorch module whose forward(self, x) is given."""
    made = type("Written", (nn.Module,), {"forward": forward})()
    for name, value in parameters.items():
        made.register_parameter(name, nn.Parameter(value))
    return made


def learned(nn: Any, arguments: dict[str, Any]) -> Any:
    rows = arguments["context"] or arguments["length"]
    table = nn.Embedding(rows, arguments["embedding_dim"]).weight
    return module(nn, lambda self, x: x + self.weight[: x.shape[-2]], weight=table)


def sinusoidal(nn: Any, arguments: dict[str, Any]) -> Any:
    def forward(self: Any, x: Any) -> Any:
        _, length, width = x.shape
        table = [
            [
                (math.cos if k % 2 else math.sin)(p / arguments["base"] ** ((k - k % 2) / width))
                for k in range(width)
            ]
            for p in range(length)
        ]
        return x + x.new_tensor(table)

    return module(nn, forward)


def rotary(nn: Any, arguments: dict[str, Any]) -> Any:
    import torch

    def forward(self: Any, x: Any) -> Any:
        """Each pair as a complex number times exp(i position frequency)."""
        length, half = x.shape[-2], x.shape[-1] // 2
        frequencies = arguments["base"] ** (-np.arange(half) / half)
        angles = x.new_tensor(np.outer(np.arange(length), frequencies))
        z = (x[..., :half] + 1j * x[..., half:]) * (1j * angles).exp()
        return torch.cat([z.real, z.imag], dim=-1)

    return module(nn, forward)


CASES = {
    "position_embedding": [
        Case("position_embedding", ((2, 3, 4),), learned),
        Case("{position_embedding: 5}", ((2, 3, 4),), learned),
        Case(
            "{position_embedding: {context: 4, init: {normal: {std: 0.02}}}}",
            ((2, 2, 4, 3),),
            learned,
        ),
    ],
    "sinusoidal_position_embedding": [
        Case("sinusoidal_position_embedding", ((2, 3, 4),), sinusoidal),
        Case("{sinusoidal_position_embedding: 20.0}", ((2, 6, 5),), sinusoidal),
    ],
    "rotary_embedding": [
        Case("rotary_embedding", ((2, 3, 4),), rotary),
        Case("{rotary_embedding: {base: 50.0}}", ((2, 3, 5, 6),), rotary),
    ],
}
SHAPES = [
    ("position_embedding", ((4,),), r"\(batch, steps, features\), got \(batch, 4\)"),
]
RANGES = [
    ("{position_embedding: 0}", "context"),
    ("{sinusoidal_position_embedding: 0}", "base"),
    ("{rotary_embedding: 0}", "base"),
]
