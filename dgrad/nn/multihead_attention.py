"""Attention in several heads, with PyTorch's call and state."""

from __future__ import annotations

from typing import Any

import numpy as np

from dgrad import ops
from dgrad.core import stream
from dgrad.core.tensor import Tensor, get_default_dtype
from dgrad.errors import DtypeError, ParameterError, ShapeError
from dgrad.nn import init as initialise
from dgrad.nn.init import Init
from dgrad.nn.linear import Linear
from dgrad.nn.module import Module, Parameter
from dgrad.registry import Count, Fraction, Positive

__all__ = ["MultiheadAttention"]


class MultiheadAttention(Module):
    """softmax(q k^T / sqrt(d)) v in num_heads heads of width d, joined (Vaswani et al. 2017, 3.2).

    Of query, key and value, each times its weight; the heads' results times out_proj. As PyTorch's
    with batch_first: query: (n, t, embed_dim), key: (n, s, kdim), value: (n, s, vdim) ->
    (n, t, embed_dim). dropout: the share of weights dropped in training.

    in_proj_weight: (3 embed_dim, embed_dim), rows of q, k and v, or q_proj_weight, k_proj_weight,
    v_proj_weight if kdim or vdim is another width: from xavier_uniform; out_proj's weight from
    U(-k, k), k = 1 / sqrt(embed_dim); biases from 0. init: of all weights, out_init: of out_proj's.
    kv_heads: k and v have so many heads, query head i reads i // (num_heads / kv_heads) (Ainslie et
    al. 2023). rotary: q and k turned by their positions (Su et al. 2021), with rotary_base.
    """

    def __init__(
        self,
        embed_dim: Count,
        num_heads: Count,
        dropout: Fraction = 0.0,
        bias: bool = True,
        *,
        kdim: Count | None = None,
        vdim: Count | None = None,
        kv_heads: Count | None = None,
        rotary: bool = False,
        rotary_base: Positive = 10000.0,
        init: Init | None = None,
        out_init: Init | None = None,
    ) -> None:
        super().__init__()
        self.embed_dim, self.num_heads, self.dropout = embed_dim, num_heads, dropout
        self.kv_heads = kv_heads or num_heads
        self.rotary, self.rotary_base = rotary, rotary_base
        self.head_dim = self._checked_width()
        # Whether one op can take all heads as in_proj_weight gives them.
        self.plain = self.kv_heads == num_heads and not rotary
        narrow = self.kv_heads * self.head_dim
        kdim, vdim = kdim or embed_dim, vdim or embed_dim
        self.packed = kdim == vdim == embed_dim
        if self.packed:
            self.in_proj_weight = Parameter.empty(embed_dim + 2 * narrow, embed_dim)
        else:
            self.q_proj_weight = Parameter.empty(embed_dim, embed_dim)
            self.k_proj_weight = Parameter.empty(narrow, kdim)
            self.v_proj_weight = Parameter.empty(narrow, vdim)
        for weight in self.parameters():
            initialise.fill(type(self).__name__, weight, init or "xavier_uniform")
        rows = embed_dim + 2 * narrow
        self.in_proj_bias = Parameter(np.zeros(rows, get_default_dtype())) if bias else None
        self.out_proj = Linear(embed_dim, embed_dim, bias, init=out_init or init)
        if self.out_proj.bias is not None:
            initialise.zeros_(self.out_proj.bias)

    def _checked_width(self) -> int:
        """The width of a head. Raises ParameterError unless everything divides."""
        name, width, heads = type(self).__name__, self.embed_dim, self.num_heads
        if width % heads:
            raise ParameterError(name, "num_heads", f"a divisor of the width {width}", heads)
        if heads % self.kv_heads:
            expected = f"a divisor of num_heads = {heads}"
            raise ParameterError(name, "kv_heads", expected, self.kv_heads)
        if self.rotary and width // heads % 2:
            expected = f"such that heads have an even width for rotary, not {width // heads}"
            raise ParameterError(name, "num_heads", expected, heads)
        return width // heads

    def forward(
        self,
        query: Any,
        key: Any,
        value: Any,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """(n, t, embed_dim), and the weights (n, t, s) if needed: averaged over heads, or of each.

        key_padding_mask: (n, s), True where a key is padding, left out. attn_mask: (t, s) or
        (n num_heads, t, s), True where a query must not look, or floats that are added. is_causal:
        query i sees keys 0 to i, without a mask. A query that sees nothing gives out_proj's bias.
        Raises ShapeError, DtypeError.
        """
        shapes = query.shape, key.shape, value.shape
        if any(len(shape) != 3 for shape in shapes):
            given = " and ".join(map(str, dict.fromkeys(shapes)))
            name = type(self).__name__
            raise ShapeError(f"{name}: needs inputs (batch, steps, features), got {given}")
        if key_padding_mask is not None:
            _check_padding(type(self).__name__, key_padding_mask, key.shape[:2])
        mask = _allowed(key_padding_mask, attn_mask, self.num_heads)
        options: dict[str, Any] = {"is_causal": is_causal}
        if self.training and self.dropout:
            options |= {"dropout_p": self.dropout, "key": stream.current().key()}
        if self.packed and self.plain and query is key is value and not need_weights:
            packed = ops.linear(query, self.in_proj_weight, self.in_proj_bias)
            joined = ops.self_attention(packed, mask, num_heads=self.num_heads, **options)
            return self.out_proj(joined), None
        q, k, v = self._heads(query, key, value)  # (n, heads, t, d), (n, kv_heads, s, d) twice
        if self.kv_heads != self.num_heads:
            q, k, v, mask = self._grouped(q, k, v, mask)  # (n, kv_heads, heads of one, ., d)
        out = self._joined(ops.scaled_dot_product_attention(q, k, v, mask, **options))
        if not need_weights:
            return out, None
        ones = np.eye(k.shape[-2], dtype=k.dtype)
        each = np.broadcast_to(ones, (*k.shape[:-1], len(ones)))
        weights = ops.scaled_dot_product_attention(q, k, each, mask, **options)
        weights = weights.reshape(len(weights), self.num_heads, *weights.shape[-2:])
        return out, weights.mean(axis=1) if average_attn_weights else weights

    def _heads(self, query: Any, key: Any, value: Any) -> tuple[Any, Any, Any]:
        """q, k and v in heads, q and k turned if rotary."""
        h, g = self.num_heads, self.kv_heads
        if query is key is value and self.packed:
            x = self._split(ops.linear(query, self.in_proj_weight, self.in_proj_bias))
            q, k, v = x[:, :h], x[:, h : h + g], x[:, h + g :]
        else:
            pairs = zip((query, key, value), self._weights(), self._biases(), strict=True)
            q, k, v = (self._split(ops.linear(x, weight, bias)) for x, weight, bias in pairs)
        return (self._turned(q), self._turned(k), v) if self.rotary else (q, k, v)

    def _weights(self) -> tuple[Any, Any, Any]:
        if self.packed:
            return self._parts(self.in_proj_weight)
        return self.q_proj_weight, self.k_proj_weight, self.v_proj_weight

    def _biases(self) -> tuple[Any, Any, Any]:
        return (None,) * 3 if self.in_proj_bias is None else self._parts(self.in_proj_bias)

    def _parts(self, rows: Any) -> tuple[Any, Any, Any]:
        """The rows of q, of k and of v."""
        middle = self.embed_dim + self.kv_heads * self.head_dim
        return rows[: self.embed_dim], rows[self.embed_dim : middle], rows[middle:]

    def _split(self, x: Any) -> Any:
        """(n, t, heads d) -> (n, heads, t, d)."""
        return x.reshape(*x.shape[:2], -1, self.head_dim).transpose(0, 2, 1, 3)

    def _turned(self, x: Any) -> Any:
        return ops.rotary_embedding(x, base=self.rotary_base)

    def _joined(self, x: Any) -> Tensor:
        """The heads' results, (n, heads, t, d), side by side and projected."""
        n, t = x.shape[0], x.shape[-2]
        x = x.reshape(n, self.num_heads, t, self.head_dim).transpose(0, 2, 1, 3)
        return self.out_proj(x.reshape(n, t, self.embed_dim))  # type: ignore[no-any-return]

    def _grouped(self, q: Any, k: Any, v: Any, mask: Any) -> tuple[Any, Any, Any, Any]:
        """The same with the heads that share a k and v on an axis of their own."""
        n, h, t, d = q.shape
        groups = (n, self.kv_heads, h // self.kv_heads)
        q = q.reshape(*groups, t, d)
        k, v = (np.broadcast_to(np.expand_dims(x, 2), (*groups, *x.shape[2:])) for x in (k, v))
        if mask is not None:
            heads = groups[1:] if mask.shape[1] == h else (1, 1)
            mask = mask.reshape(mask.shape[0], *heads, *mask.shape[2:])
        return q, k, v, mask

    def extra_repr(self) -> str:
        """The width, the heads and what is not as usual."""
        text = f"embed_dim={self.embed_dim}, num_heads={self.num_heads}"
        if self.kv_heads != self.num_heads:
            text += f", kv_heads={self.kv_heads}"
        text += f", dropout={self.dropout}" if self.dropout else ""
        return text + (", rotary=True" if self.rotary else "")


def _check_padding(name: str, padding: Any, shape: tuple[int, ...]) -> None:
    """Raise DtypeError or ShapeError unless padding is a mask of `shape`, (n, s)."""
    if padding.dtype.kind != "b":
        raise DtypeError(
            f"{name}: a padding mask must be boolean, True where there is padding, got "
            f"{padding.dtype}; the layer padding_mask makes one of tokens"
        )
    if padding.shape != shape:
        raise ShapeError(f"{name}: the padding mask must have shape {shape}, got {padding.shape}")


def _allowed(padding: Any, attn_mask: Any, heads: int) -> Any:
    """Both masks of PyTorch's kind as one of the op's kind, (n or 1, heads or 1, t or 1, s)."""
    mask = attn_mask
    if mask is not None:
        boolean = mask.dtype.kind == "b"
        mask = np.logical_not(mask) if boolean else mask
        lead = (-1, heads) if mask.ndim == 3 else (1, 1)
        mask = mask.reshape(*lead, *mask.shape[-2:])  # (n, heads, t, s)
    if padding is None:
        return mask
    seen = np.logical_not(padding)[:, None, None, :]
    if mask is None:
        return seen
    return np.logical_and(mask, seen) if boolean else np.where(seen, mask, -np.inf)
