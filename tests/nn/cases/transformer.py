"""Transformer blocks, beside PyTorch's layers."""

from typing import Any

import numpy as np

from tests.nn.cases.attention import repeated, rotary
from tests.nn.cases.case import Case

X = ((2, 4, 6),)
PAIR = ((2, 4, 6), (2, 3, 6))
OURS = ("causal", "kv_heads", "rotary", "rotary_base", "init", "out_init", "kdim")


def later(x: Any) -> Any:
    """True where a step would look ahead, (t, t)."""
    import torch

    return torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)


def encoder(nn: Any, arguments: dict[str, Any]) -> Any:
    def forward(self: Any, x: Any, padding: Any = None) -> Any:
        mask = later(x) if arguments["causal"] else None
        return nn.TransformerEncoderLayer.forward(self, x, mask, padding)

    known = {name: value for name, value in arguments.items() if name not in OURS}
    cls = type("Written", (nn.TransformerEncoderLayer,), {"forward": forward})
    return cls(**known, batch_first=True)


def rotary_encoder(nn: Any, arguments: dict[str, Any]) -> Any:
    """The same, its attention the oracle of a rotary self_attention."""
    sizes = {"embed_dim": arguments["d_model"], "num_heads": arguments["nhead"]}
    attention = rotary(nn, {**arguments, **sizes})
    forward = type(attention).forward
    type(attention).forward = lambda self, x, *others, **options: (forward(self, x), None)
    layer = encoder(nn, arguments)
    layer.self_attn = attention
    return layer


def decoder(nn: Any, arguments: dict[str, Any]) -> Any:
    def forward(self: Any, x: Any, memory: Any, padding: Any = None) -> Any:
        return nn.TransformerDecoderLayer.forward(
            self, x, memory, later(x), memory_key_padding_mask=padding
        )

    known = {name: value for name, value in arguments.items() if name not in OURS}
    cls = type("Written", (nn.TransformerDecoderLayer,), {"forward": forward})
    return cls(**known, batch_first=True)


def padded(*shapes: tuple[int, ...]) -> Any:
    """Inputs of these shapes, the end of the last one's first sequence padding."""

    def inputs(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        padding = np.zeros(shapes[-1][:2], bool)
        padding[0, 2:] = True
        return (*(rng.normal(size=shape) for shape in shapes), padding)

    return inputs


CASES = {
    "transformer_block": [
        Case("{transformer_block: {nhead: 2, dim_feedforward: 9, dropout: 0.0}}", X, encoder),
        Case("{transformer_block: {nhead: 3, dim_feedforward: 4}}", X, encoder, modes=(False,)),
        Case(
            "{transformer_block: {nhead: 2, dim_feedforward: 5, dropout: 0.0, activation: gelu, "
            "norm_first: true, bias: false, causal: true}}",
            padded(*X),
            encoder,
        ),
        Case(
            "{transformer_block: {nhead: 2, dim_feedforward: 5, dropout: 0.0, init: normal, "
            "out_init: orthogonal, layer_norm_eps: 0.1}}",
            padded(*X),
            encoder,
        ),
        Case(
            "{transformer_block: {nhead: 2, dim_feedforward: 5, dropout: 0.0, kv_heads: 1, "
            "rotary: true, rotary_base: 30.0, causal: true}}",
            ((2, 4, 8),),
            rotary_encoder,
            state=repeated(1, 2, 8),
        ),
    ],
    "transformer_decoder_block": [
        Case(
            "{transformer_decoder_block: {nhead: 2, dim_feedforward: 9, dropout: 0.0}}",
            PAIR,
            decoder,
        ),
        Case(
            "{transformer_decoder_block: {nhead: 3, dim_feedforward: 4}}",
            PAIR,
            decoder,
            modes=(False,),
        ),
        Case(
            "{transformer_decoder_block: {nhead: 2, dim_feedforward: 5, dropout: 0.0, "
            "activation: gelu, norm_first: true, bias: false, layer_norm_eps: 0.1, init: normal, "
            "out_init: orthogonal}}",
            padded(*PAIR),
            decoder,
        ),
    ],
}
SHAPES = [
    ("{transformer_block: 2}", ((8,),), r"transformer_block: .*, got \(batch, 8\)"),
    ("{transformer_decoder_block: 2}", ((4, 8), (8,)), r"decoder_block: .*, got \(batch, 8\)"),
]
RANGES = [
    ("{transformer_block: 0}", "nhead"),
    ("{transformer_decoder_block: {nhead: 2, dropout: 1.0}}", "dropout"),
]
