"""Attention: the scaled dot product, all heads of a sequence at once, and rotary positions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dgrad.core.op import op
from dgrad.core.stream import Key
from dgrad.errors import DtypeError, ParameterError, ShapeError
from dgrad.ops._attention import attend, gradients
from dgrad.ops._axes import summed_to
from dgrad.ops._floats import as_floats
from dgrad.ops.random import dropout
from dgrad.ops.reduction import logsumexp

__all__ = ["rotary_embedding", "scaled_dot_product_attention", "self_attention"]


def _heads(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return tuple(rng.normal(size=(2, 4, 3)) for _ in range(3)), {"is_causal": True}


def _check(q: Any, k: Any, v: Any, mask: Any) -> None:
    """Raise ShapeError unless q, k, v and mask fit, DtypeError for a mask of integers."""
    shapes = [np.shape(a) for a in (q, k, v)]
    leads = {shape[:-2] for shape in shapes}
    if (
        min(map(len, shapes)) < 2
        or len(leads) > 1
        or (shapes[0][-1] != shapes[1][-1] or shapes[1][-2] != shapes[2][-2])
    ):
        raise ShapeError(
            f"scaled_dot_product_attention: needs q (..., t, d), k (..., s, d), v (..., s, e) with "
            f"equal leading axes, got {', '.join(map(str, shapes))}"
        )
    if mask is None:
        return
    scores, given = (*shapes[0][:-1], shapes[1][-2]), np.shape(mask)
    pairs = zip(given[::-1], scores[::-1], strict=False)
    if len(given) > len(scores) or any(n not in (1, m) for n, m in pairs):
        raise ShapeError(
            f"scaled_dot_product_attention: mask {given} does not broadcast to the scores {scores}"
        )
    if mask.dtype.kind not in "bf":
        raise DtypeError(
            f"scaled_dot_product_attention: mask must be boolean (True takes part) or floats that "
            f"are added, got {mask.dtype}"
        )


def _shut(t: int, s: int) -> Any:
    """Where a query may not look ahead, (t, s)."""
    return ~np.tri(t, s, dtype=bool)


def _spread_of(q: Any, scale: float | None) -> float:
    return 1 / math.sqrt(np.shape(q)[-1] or 1) if scale is None else scale


def _factor(shape: tuple[int, ...], dtype: Any, dropout_p: float, key: Key | None) -> Any:
    """What dropout multiplies the weights by, or None."""
    if not dropout_p:
        return None
    if key is None:
        raise ParameterError(
            "scaled_dot_product_attention", "key", "given with dropout_p (dgrad.core.stream)", key
        )
    return dropout(np.ones(shape, dtype), p=dropout_p, key=key)


@op(keeps=("weights",), example=_heads)
def scaled_dot_product_attention(
    q: Any,
    k: Any,
    v: Any,
    mask: Any = None,
    *,
    is_causal: bool = False,
    scale: float | None = None,
    dropout_p: float = 0.0,
    key: Key | None = None,
) -> Any:
    """softmax(scale q k^T + mask) v (Vaswani et al. 2017, equation 1).

    q: (..., t, d), k: (..., s, d), v: (..., s, e), equal leading axes -> (..., t, e).
    mask: broadcasts to (..., t, s); True takes part, or floats that are added. is_causal: query i
    sees keys 0 to i, on top of the mask. A query that sees nothing gives 0. scale: 1 / sqrt(d)
    unless given. dropout_p: the share of weights dropped, by `key` as in dropout.
    Raises ShapeError, DtypeError, ParameterError.
    """
    q, k, v = (np.asarray(as_floats(a)) for a in (q, k, v))
    mask = None if mask is None else np.asarray(mask)
    _check(q, k, v, mask)
    factor = _factor((*q.shape[:-1], k.shape[-2]), np.result_type(q, k), dropout_p, key)
    out = _beside(q, v)
    return out, attend(q, k, v, mask, is_causal, _spread_of(q, scale), factor, out)


def _beside(q: Any, v: Any) -> Any:
    """An empty (..., heads, t, e) for q (..., heads, t, d): heads lie side by side, (..., t, h, e).

    So they can be joined without a copy.
    """
    shape, dtype = (*q.shape[:-1], v.shape[-1]), np.result_type(q, v)
    if len(shape) < 3:
        return np.empty(shape, dtype)
    return np.empty((*shape[:-3], shape[-2], shape[-3], shape[-1]), dtype).swapaxes(-2, -3)


def _weights(q: Any, k: Any, mask: Any, is_causal: bool, scale: float) -> Any:
    """softmax(scale q k^T + mask), of arrays or Tensors; rows of nothing are 0."""
    scores = np.matmul(q * scale, np.swapaxes(k, -1, -2))
    if not np.shape(scores)[-1]:
        return scores
    if mask is not None:
        mask = mask if hasattr(mask, "dtype") else np.asarray(mask)
        added = mask.dtype.kind != "b"
        scores = scores + mask if added else np.where(mask, scores, -math.inf)
    if is_causal:
        scores = np.where(_shut(*np.shape(scores)[-2:]), -math.inf, scores)
    peak = logsumexp(scores, axis=-1, keepdims=True)
    return np.exp(scores - np.where(np.isfinite(peak), peak, 0.0))


def _attention_rule(
    g: Any,
    q: Any,
    k: Any,
    v: Any,
    mask: Any,
    out: Any,
    is_causal: bool,
    scale: float | None,
    dropout_p: float,
    key: Key | None,
    needs: Any,
) -> list[Any]:
    scale = _spread_of(q, scale)
    weights = _weights(q, k, mask, is_causal, scale)
    factor = _factor(np.shape(weights), weights.dtype, dropout_p, key)
    by_weights = np.matmul(g, np.swapaxes(v, -1, -2))
    dropped = weights if factor is None else weights * factor
    if factor is not None:
        by_weights = by_weights * factor
    by_scores = weights * (by_weights - np.add.reduce(g * out, axis=-1, keepdims=True))
    return [
        np.matmul(by_scores, k) * scale if needs[0] else None,
        np.matmul(np.swapaxes(by_scores, -1, -2), q) * scale if needs[1] else None,
        np.matmul(np.swapaxes(dropped, -1, -2), g) if needs[2] else None,
        summed_to(by_scores, np.shape(mask)) if needs[3] else None,
    ]


def _attention_fast(
    g: Any,
    q: Any,
    k: Any,
    v: Any,
    mask: Any,
    out: Any,
    weights: Any,
    scale: float | None,
    dropout_p: float,
    key: Key | None,
    needs: Any,
) -> list[Any]:
    wanted = zip((q, k, v), needs[:3], strict=True)
    results = [np.empty_like(x) if need else None for x, need in wanted]
    by_mask = _fast(g, q, k, v, mask, out, weights, scale, dropout_p, key, results, needs[3])
    return [*results, by_mask]


def _fast(
    g: Any,
    q: Any,
    k: Any,
    v: Any,
    mask: Any,
    out: Any,
    weights: Any,
    scale: float | None,
    dropout_p: float,
    key: Key | None,
    results: Sequence[Any],
    needs_mask: bool,
) -> Any:
    """The gradients of q, k and v into results; returns that of the mask, or None."""
    factor = _factor((*q.shape[:-1], k.shape[-2]), weights.dtype, dropout_p, key)
    gradients(g, q, k, v, out, weights, _spread_of(q, scale), factor, results)
    if not needs_mask:
        return None
    by_scores = gradients(g, q, k, v, out, weights, 1.0, factor, (None, None, None))
    return summed_to(by_scores.swapaxes(-1, -2), np.shape(mask))


scaled_dot_product_attention.vjp(_attention_rule)
scaled_dot_product_attention.fast_vjp(_attention_fast)


@op(
    keeps=("weights",),
    example=lambda rng: ((rng.normal(size=(2, 3, 12)),), {"num_heads": 2, "is_causal": True}),
)
def self_attention(
    qkv: Any,
    mask: Any = None,
    *,
    num_heads: int,
    is_causal: bool = False,
    scale: float | None = None,
    dropout_p: float = 0.0,
    key: Key | None = None,
) -> Any:
    """scaled_dot_product_attention of the thirds q, k and v of qkv, in num_heads heads, joined.

    qkv: (..., t, 3 num_heads d), mask: broadcasts to (..., num_heads, t, t) -> (..., t, num_heads
    d). Without a copy of q, k, v or their gradients; the rest is as there. Raises as it does.
    """
    qkv = np.asarray(as_floats(qkv))
    mask = None if mask is None else np.asarray(mask)
    q, k, v = _thirds(qkv, num_heads)
    _check(q, k, v, mask)
    factor = _factor((*q.shape[:-1], k.shape[-2]), qkv.dtype, dropout_p, key)
    merged = np.empty((*qkv.shape[:-1], qkv.shape[-1] // 3), qkv.dtype)
    out = _in_heads(merged, num_heads)
    weights = attend(q, k, v, mask, is_causal, _spread_of(q, scale), factor, out)
    return merged, weights


def _in_heads(x: Any, heads: int) -> Any:
    """(..., t, heads d) -> (..., heads, t, d), of an array or a Tensor."""
    *lead, width = x.shape
    return x.reshape(*lead, heads, width // heads).swapaxes(-2, -3)


def _thirds(qkv: Any, heads: int) -> tuple[Any, Any, Any]:
    """q, k and v, each (..., heads, t, d), of an array or a Tensor."""
    shape = np.shape(qkv)
    if len(shape) < 2 or heads < 1 or shape[-1] % (3 * heads):
        raise ShapeError(f"self_attention: qkv {shape} must be (..., t, 3 * {heads} heads * d)")
    third = shape[-1] // 3
    parts = (qkv[..., i * third : (i + 1) * third] for i in range(3))
    q, k, v = (_in_heads(part, heads) for part in parts)
    return q, k, v


def _self_rule(
    g: Any,
    qkv: Any,
    mask: Any,
    out: Any,
    num_heads: int,
    is_causal: bool,
    scale: float | None,
    dropout_p: float,
    key: Key | None,
    needs: Any,
) -> list[Any]:
    g, out = _in_heads(g, num_heads), _in_heads(out, num_heads)
    wanted = (*[needs[0]] * 3, needs[1])
    q, k, v = _thirds(qkv, num_heads)
    *by_heads, by_mask = _attention_rule(
        g, q, k, v, mask, out, is_causal, scale, dropout_p, key, wanted
    )
    if not needs[0]:
        return [None, by_mask]
    shape = np.shape(qkv)
    thirds = [np.reshape(np.swapaxes(by, -2, -3), (*shape[:-1], shape[-1] // 3)) for by in by_heads]
    return [np.concatenate(thirds, axis=-1), by_mask]


def _self_fast(
    g: Any,
    qkv: Any,
    mask: Any,
    out: Any,
    weights: Any,
    num_heads: int,
    scale: float | None,
    dropout_p: float,
    key: Key | None,
    needs: Any,
) -> list[Any]:
    g, out = _in_heads(g, num_heads), _in_heads(out, num_heads)
    by_qkv = np.empty(qkv.shape, qkv.dtype)
    parts = _thirds(by_qkv, num_heads) if needs[0] else (None, None, None)
    q, k, v = _thirds(qkv, num_heads)
    by_mask = _fast(g, q, k, v, mask, out, weights, scale, dropout_p, key, parts, needs[1])
    return [by_qkv if needs[0] else None, by_mask]


self_attention.vjp(_self_rule)
self_attention.fast_vjp(_self_fast)


@op(example=lambda rng: ((rng.normal(size=(2, 3, 4)),), {"offset": 2}))
def rotary_embedding(
    x: Any, *, offset: int = 0, base: float = 10000.0, inverse: bool = False
) -> Any:
    """Pairs (x_i, x_(i + d/2)) turned by position * base^(-2i/d) (Su et al. 2021).

    x: (..., t, d), d even; the positions are offset to offset + t - 1. inverse: turned back.
    -> the shape of x. Raises ShapeError.
    """
    x = np.asarray(as_floats(x))
    if x.ndim < 2 or x.shape[-1] % 2:
        raise ShapeError(f"rotary_embedding: x must be (..., t, d) with an even d, got {x.shape}")
    t, d = x.shape[-2:]
    angles = np.outer(np.arange(offset, offset + t), base ** -(np.arange(d // 2) * (2 / (d or 1))))
    cosine, sine = np.cos(angles).astype(x.dtype), np.sin(angles).astype(x.dtype)
    if inverse:
        sine = -sine
    first, second = x[..., : d // 2], x[..., d // 2 :]
    return np.concatenate([first * cosine - second * sine, second * cosine + first * sine], axis=-1)


rotary_embedding.vjp(
    x=lambda g, offset, base, inverse: rotary_embedding(
        g, offset=offset, base=base, inverse=not inverse
    )
)
