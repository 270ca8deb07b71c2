"""Transformer blocks: attention and a feed-forward network, each in a residual connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal

import numpy as np

from dgrad import ops
from dgrad.nn.attention import CrossAttention, SelfAttention
from dgrad.nn.dropout import Dropout
from dgrad.nn.init import Init
from dgrad.nn.layer_normalization import LayerNorm
from dgrad.nn.linear import Linear
from dgrad.nn.module import Module
from dgrad.nn.sequence import steps_and_width
from dgrad.registry import Count, Epsilon, Fraction, Positive, layers

__all__ = ["TransformerDecoderLayer", "TransformerEncoderLayer"]

Activation = Literal["relu", "gelu"]
_ACTIVATIONS: dict[str, Callable[[Any], Any]] = {"relu": ops.relu, "gelu": ops.gelu}


class _TransformerLayer(Module):
    """What both blocks have: x -> x + part(norm(x)) or norm(x + part(x)), and a network."""

    inferred: ClassVar[tuple[str, ...]] = ("d_model",)

    def _make_network(
        self,
        sizes: tuple[int, int],
        dropout: float,
        activation: Activation,
        norm_first: bool,
        bias: bool,
        inits: tuple[Any, Any],
    ) -> None:
        """The feed-forward network; sizes: of its inputs and inside. inits: of its weights."""
        width, inside = sizes
        self.linear1 = Linear(width, inside, bias, init=inits[0])
        self.linear2 = Linear(inside, width, bias, init=inits[1] or inits[0])
        self.dropout = Dropout(dropout)
        self.activation, self.norm_first = activation, norm_first

    def _network(self, x: Any) -> Any:
        hidden = _ACTIVATIONS[self.activation](self.linear1(x))
        return self.linear2(self.dropout(hidden))

    def _residual(self, x: Any, norm: Module, part: Callable[[Any], Any]) -> Any:
        if self.norm_first:
            return x + self.dropout(part(norm(x)))
        return norm(x + self.dropout(part(x)))

    def extra_repr(self) -> str:
        """What its parts do not show."""
        return f"activation={self.activation!r}, norm_first={self.norm_first}"


@layers.register("transformer_block")
class TransformerEncoderLayer(_TransformerLayer):
    """x <- norm(x + attention(x)), x <- norm(x + W_2 f(W_1 x)).   x: (n, t, d_model) -> same shape.

    Vaswani et al. 2017, 3.1. norm_first: x + attention(norm(x)) and so on (Xiong et al. 2020), as
    GPT-2 has it. f: activation; dim_feedforward: how wide W_1 x is. dropout: of attention's
    weights, of what f gives, of both summands. Second input, optional: a padding mask (n, t), True
    where there is padding. causal, kv_heads, rotary, rotary_base, init and out_init as in
    self_attention; init is also of W_1 and W_2, out_init of W_2. PyTorch's
    TransformerEncoderLayer with batch_first.
    """

    arity: ClassVar[tuple[int, int | None]] = (1, 2)

    def __init__(
        self,
        d_model: Count,
        nhead: Count,
        dim_feedforward: Count = 2048,
        dropout: Fraction = 0.1,
        activation: Activation = "relu",
        layer_norm_eps: Epsilon = 1e-5,
        norm_first: bool = False,
        bias: bool = True,
        *,
        causal: bool = False,
        kv_heads: Count | None = None,
        rotary: bool = False,
        rotary_base: Positive = 10000.0,
        init: Init | None = None,
        out_init: Init | None = None,
    ) -> None:
        super().__init__()
        self.self_attn = SelfAttention(
            d_model,
            nhead,
            dropout,
            bias,
            causal=causal,
            kv_heads=kv_heads,
            rotary=rotary,
            rotary_base=rotary_base,
            init=init,
            out_init=out_init,
        )
        sizes = (d_model, dim_feedforward)
        self._make_network(sizes, dropout, activation, norm_first, bias, (init, out_init))
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias)

    def forward(self, x: Any, padding_mask: Any = None) -> Any:
        """x: (n, t, d_model), padding_mask: (n, t) or None -> (n, t, d_model)."""
        x = self._residual(x, self.norm1, lambda h: self.self_attn(h, padding_mask))
        return self._residual(x, self.norm2, self._network)

    @classmethod
    def infer(cls, *shapes: tuple[int, ...]) -> dict[str, Any]:
        """d_model: the length of the last axis. Raises ShapeError."""
        return {"d_model": steps_and_width("transformer_block", shapes[0])[1]}

    @classmethod
    def example(cls, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Three steps of four features."""
        arguments = {"nhead": 2, "dim_feedforward": 3, "activation": "gelu", "dropout": 0.0}
        return (rng.normal(size=(2, 3, 4)),), arguments


@layers.register("transformer_decoder_block")
class TransformerDecoderLayer(_TransformerLayer):
    """transformer_block with attention to a memory in between; its own attention is causal.

    x: (n, t, d_model), memory: (n, s, d_model), both are inputs -> (n, t, d_model). Vaswani et al.
    2017, 3.1. Third input, optional: a padding mask (n, s) of the memory. The rest as in
    transformer_block. PyTorch's TransformerDecoderLayer with batch_first and a causal mask; the
    memory may have another width than d_model.
    """

    inferred: ClassVar[tuple[str, ...]] = ("d_model", "kdim")
    arity: ClassVar[tuple[int, int | None]] = (2, 3)

    def __init__(
        self,
        d_model: Count,
        nhead: Count,
        dim_feedforward: Count = 2048,
        dropout: Fraction = 0.1,
        activation: Activation = "relu",
        layer_norm_eps: Epsilon = 1e-5,
        norm_first: bool = False,
        bias: bool = True,
        *,
        kdim: Count | None = None,
        init: Init | None = None,
        out_init: Init | None = None,
    ) -> None:
        super().__init__()
        self.self_attn = SelfAttention(
            d_model, nhead, dropout, bias, causal=True, init=init, out_init=out_init
        )
        self.multihead_attn = CrossAttention(
            d_model, nhead, dropout, bias, kdim=kdim, init=init, out_init=out_init
        )
        sizes = (d_model, dim_feedforward)
        self._make_network(sizes, dropout, activation, norm_first, bias, (init, out_init))
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias)
        self.norm3 = LayerNorm(d_model, layer_norm_eps, bias=bias)

    def forward(self, x: Any, memory: Any, padding_mask: Any = None) -> Any:
        """x: (n, t, d_model), memory: (n, s, d_model), mask: (n, s) or None -> x's shape."""
        x = self._residual(x, self.norm1, self.self_attn)
        x = self._residual(x, self.norm2, lambda h: self.multihead_attn(h, memory, padding_mask))
        return self._residual(x, self.norm3, self._network)

    @classmethod
    def infer(cls, *shapes: tuple[int, ...]) -> dict[str, Any]:
        """d_model and kdim: the last axes of x and of the memory. Raises ShapeError."""
        name = "transformer_decoder_block"
        widths = [steps_and_width(name, shape)[1] for shape in shapes[:2]]
        return {"d_model": widths[0], "kdim": widths[1]}

    @classmethod
    def example(cls, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Three steps of four features, a memory of two."""
        arguments = {"nhead": 2, "dim_feedforward": 3, "norm_first": True, "dropout": 0.0}
        return (rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 2, 4))), arguments
