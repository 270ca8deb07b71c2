"""Attention: the scaled dot product, of three arrays or a packed one; rotary positions for it."""

from __future__ import annotations

import math
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

__all__ = ["packed_attention", "rotary_embedding", "scaled_dot_product_attention"]


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
    factor = _factor((*q.shape[:-1], k.shape[-2]), weights.dtype, dropout_p, key)
    scale = _spread_of(q, scale)
    results = [
        np.empty_like(x) if need else None for x, need in zip((q, k, v), needs, strict=False)
    ]
    gradients(g, q, k, v, out, weights, scale, factor, results)
    if not needs[3]:
        return [*results, None]
    by_scores = gradients(g, q, k, v, out, weights, 1.0, factor, (None, None, None))
    return [*results, summed_to(by_scores.swapaxes(-1, -2), np.shape(mask))]


scaled_dot_product_attention.vjp(_attention_rule)
scaled_dot_product_attention.fast_vjp(_attention_fast)


def _heads_of_two(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (rng.normal(size=(2, 3, 12)),), {"heads": 2, "is_causal": True}


def _unpacked(x: Any, heads: int) -> tuple[Any, Any, Any]:
    """x: (..., t, 3 heads d) -> q, k, v: (..., heads, t, d), views."""
    parts = x.reshape(*x.shape[:-1], 3, heads, x.shape[-1] // (3 * heads))
    q, k, v = (np.swapaxes(parts[..., i, :, :], -2, -3) for i in range(3))
    return q, k, v


def _in_heads(x: Any, heads: int) -> Any:
    """x: (..., t, heads d) -> (..., heads, t, d)."""
    return np.swapaxes(x.reshape(*x.shape[:-1], heads, x.shape[-1] // heads), -2, -3)


def _joined(x: Any) -> Any:
    """x: (..., heads, t, d) -> (..., t, heads d)."""
    x = np.swapaxes(x, -2, -3)
    return x.reshape(*x.shape[:-2], x.shape[-2] * x.shape[-1])


@op(keeps=("weights",), example=_heads_of_two)
def packed_attention(
    x: Any,
    mask: Any = None,
    *,
    heads: int,
    is_causal: bool = False,
    dropout_p: float = 0.0,
    key: Key | None = None,
) -> Any:
    """scaled_dot_product_attention of q, k and v, (..., heads, t, d), that lie side by side in x.

    x: (..., t, 3 heads d), the heads of q, then of k, then of v -> (..., t, heads d). mask:
    broadcasts to (..., heads, t, t). One node, without the copies that taking x apart would make in
    forward and backward. Raises ShapeError, DtypeError, ParameterError.
    """
    x = np.asarray(as_floats(x))
    if x.ndim < 2 or heads < 1 or x.shape[-1] % (3 * heads):
        raise ShapeError(
            f"packed_attention: x must be (..., t, 3 * heads * d) with {heads} heads, got {x.shape}"
        )
    mask = None if mask is None else np.asarray(mask)
    q, k, v = _unpacked(x, heads)
    _check(q, k, v, mask)
    factor = _factor((*q.shape[:-1], k.shape[-2]), x.dtype, dropout_p, key)
    out = np.empty((*x.shape[:-1], x.shape[-1] // 3), x.dtype)
    return out, attend(q, k, v, mask, is_causal, _spread_of(q, None), factor, _in_heads(out, heads))


def _packed_rule(
    g: Any,
    x: Any,
    mask: Any,
    out: Any,
    heads: int,
    is_causal: bool,
    dropout_p: float,
    key: Key | None,
    needs: Any,
) -> list[Any]:
    q, k, v = _unpacked(x, heads)
    g, out = _in_heads(g, heads), _in_heads(out, heads)
    wanted = (*(needs[0],) * 3, needs[1])
    *parts, by_mask = _attention_rule(
        g, q, k, v, mask, out, is_causal, None, dropout_p, key, wanted
    )
    by_x = np.concatenate([_joined(part) for part in parts], axis=-1) if needs[0] else None
    return [by_x, by_mask]


def _packed_fast(
    g: Any,
    x: Any,
    mask: Any,
    out: Any,
    weights: Any,
    heads: int,
    dropout_p: float,
    key: Key | None,
    needs: Any,
) -> list[Any]:
    q, k, v = _unpacked(x, heads)
    g, out = _in_heads(g, heads), _in_heads(out, heads)
    factor = _factor((*q.shape[:-1], k.shape[-2]), x.dtype, dropout_p, key)
    by_x = np.empty(x.shape, x.dtype) if needs[0] else None
    results = (None,) * 3 if by_x is None else _unpacked(by_x, heads)
    gradients(g, q, k, v, out, weights, _spread_of(q, None), factor, results)
    by_mask = None
    if needs[1]:
        by_scores = gradients(g, q, k, v, out, weights, 1.0, factor, (None,) * 3)
        by_mask = summed_to(by_scores.swapaxes(-1, -2), np.shape(mask))
    return [by_x, by_mask]


packed_attention.vjp(_packed_rule)
packed_attention.fast_vjp(_packed_fast)


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
