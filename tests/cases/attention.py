"""Cases of dgrad/ops/attention.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dgrad import ops
from dgrad.randomness import Purpose
from tests.cases.case import *

__all__ = ["CASES", "REFERENCES", "TORCH"]


def _attention(
    q: Any,
    k: Any,
    v: Any,
    mask: Any = None,
    is_causal: bool = False,
    scale: Any = None,
    dropout_p: float = 0.0,
    key: Any = None,
) -> Any:
    t, s = q.shape[-2], k.shape[-2]
    scores = np.einsum("...td,...sd->...ts", q, k) * (
        q.shape[-1] ** -0.5 if scale is None else scale
    )
    allowed = np.ones(scores.shape, bool)
    if mask is not None and mask.dtype == bool:
        allowed &= mask
    elif mask is not None:
        scores = scores + mask
    if is_causal:
        allowed &= np.arange(s) <= np.arange(t)[:, None]
    out = np.zeros((*scores.shape[:-1], v.shape[-1]))
    kept = ops.dropout(np.ones(scores.shape), p=dropout_p, key=key) if dropout_p else 1.0
    kept = np.broadcast_to(kept, scores.shape)
    for row in np.ndindex(scores.shape[:-1]):
        seen = allowed[row] & (scores[row] > -np.inf)
        if seen.any():
            e = np.exp(scores[row][seen] - scores[row][seen].max())
            out[row] = (e / e.sum() * kept[row][seen]) @ v[row[:-1]][seen]
    return out


def _joined(qkv: Any, mask: Any = None, num_heads: int = 1, **params: Any) -> Any:
    """Taken apart, all heads attended to, put together by hand."""
    d = qkv.shape[-1] // (3 * num_heads)
    heads = [qkv[..., i * d : (i + 1) * d] for i in range(3 * num_heads)]
    parts = [np.stack(heads[i * num_heads : (i + 1) * num_heads], axis=-3) for i in range(3)]
    out = _attention(*parts, mask, **params)
    return np.concatenate([out[..., i, :, :] for i in range(num_heads)], axis=-1)


def _rotated(x: Any, offset: int = 0, base: float = 10000.0, inverse: bool = False) -> Any:
    """Each pair as a complex number, turned."""
    half = x.shape[-1] // 2
    turn = (np.arange(x.shape[-2]) + offset)[:, None] * base ** (-np.arange(half) / (half or 1))
    z = (x[..., :half] + 1j * x[..., half:]) * np.exp(-1j * turn if inverse else 1j * turn)
    return np.concatenate([z.real, z.imag], axis=-1)


def heads(*lead: int, t: int = 3, s: int = 4, d: int = 2, e: int = 3) -> list[np.ndarray]:
    """q, k and v."""
    return [normal(*lead, t, d), normal(*lead, s, d), normal(*lead, s, e)]


def _torch_attention(torch: Any) -> Callable[..., Any]:
    def attention(q: Any, k: Any, v: Any, mask: Any = None, **params: Any) -> Any:
        # The plain kernel: the others have no second derivative.
        with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
            return torch.nn.functional.scaled_dot_product_attention(q, k, v, mask, **params)

    return attention


def _torch_joined(torch: Any) -> Callable[..., Any]:
    attention = _torch_attention(torch)

    def joined(qkv: Any, mask: Any = None, num_heads: int = 1, **params: Any) -> Any:
        parts = qkv.unflatten(-1, (3, num_heads, -1)).movedim(-3, 0).transpose(-2, -3)
        return attention(*parts, mask, **params).transpose(-2, -3).flatten(-2)

    return joined


SEEN = np.array([[True, False, True, False], [False, True, True, True], [True] * 4])
BLIND = SEEN & np.array([[True], [False], [True]])
SQUARE = np.array([[True, False, True, False], [False, True, True, True], *[[True] * 4] * 2])
ADDED = np.where(SEEN, normal(3, 4), -np.inf)
KEY = (0, Purpose.STEP, 0, 0)
CASES: dict[str, list[Case]] = {
    "rotary_embedding": [
        Case(normal(3, 4)),
        Case(normal(2, 3, 4), offset=5),
        Case(normal(3, 4), base=100.0, inverse=True),
        Case(normal(2, 2, 3, 2), offset=-1),
        Case(normal(4, 3).T[:, :2]),
        Case(normal(3, 4)[::-1, ::-1]),
        Case(repeated(normal(4), 3)),
        Case(normal(0, 4)),
        Case(normal(3, 0)),
    ],
    "scaled_dot_product_attention": [
        Case(*heads()),
        Case(*heads(2)),
        Case(*heads(2, 2), scale=0.3),
        Case(*heads(2, s=3), is_causal=True),
        Case(*heads(), is_causal=True),
        Case(*heads(t=4, s=2), is_causal=True),
        Case(*heads(2), SEEN),
        Case(*heads(2), SEEN[:, :1], torch=False),
        Case(*heads(2), BLIND, torch=False),
        Case(*heads(2), normal(3, 4)),
        Case(*heads(2, 2), normal(2, 1, 1, 4)),
        Case(*heads(2), normal(1)),
        Case(*heads(2), ADDED, order=0),
        Case(*heads(2), SEEN, is_causal=True, torch=False),
        Case(*heads(2), dropout_p=0.5, key=KEY, torch=False),
        Case(*heads(2), BLIND, dropout_p=0.3, key=KEY, torch=False),
        Case(*(a.swapaxes(0, -1) for a in heads(3, t=2, s=2, d=2, e=2))),
        Case(*(a[::-1] for a in heads(2))),
        Case(*(repeated(a, 2) for a in heads())),
        Case(*heads(t=1, s=1, d=1, e=1)),
        Case(*heads(0)),
        Case(*heads(t=0)),
        Case(*heads(s=0), torch=False),
        Case(*heads(2), normal(3, 4) * 800, order=0),
    ],
    "self_attention": [
        Case(normal(3, 12), num_heads=2),
        Case(normal(2, 3, 12), num_heads=2, is_causal=True),
        Case(normal(2, 2, 3, 6), num_heads=1, scale=0.3),
        Case(normal(2, 4, 12), SQUARE, num_heads=2),
        Case(normal(2, 4, 12), normal(2, 1, 1, 4), num_heads=2),
        Case(normal(2, 4, 12), normal(2, 4, 4), num_heads=2, is_causal=True, torch=False),
        Case(normal(2, 4, 12), normal(1, 4, 4), num_heads=2),
        Case(
            normal(2, 4, 12),
            SQUARE & ~np.eye(4, dtype=bool),
            num_heads=2,
            is_causal=True,
            dropout_p=0.5,
            key=KEY,
            torch=False,
        ),
        Case(normal(12, 3).T[:, ::2], num_heads=2, is_causal=True),
        Case(repeated(normal(3, 12), 2), num_heads=4),
        Case(normal(3, 3), num_heads=1),
        Case(normal(1, 12), num_heads=2),
        Case(normal(0, 3, 12), num_heads=2),
        Case(normal(2, 0, 12), num_heads=2, torch=False),
    ],
}

REFERENCES: dict[str, Callable[..., Any]] = {
    "rotary_embedding": _rotated,
    "scaled_dot_product_attention": _attention,
    "self_attention": _joined,
}

TORCH: dict[str, Any] = {
    "scaled_dot_product_attention": _torch_attention,
    "self_attention": _torch_joined,
}
