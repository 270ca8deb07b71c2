"""Attention as layers of a config: of a sequence to itself, or to another one."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from dgrad.core.tensor import Tensor
from dgrad.nn.init import Init
from dgrad.nn.multihead_attention import MultiheadAttention
from dgrad.nn.sequence import steps_and_width
from dgrad.registry import Count, Fraction, Positive, layers

__all__ = ["CrossAttention", "SelfAttention"]


@layers.register("self_attention")
class SelfAttention(MultiheadAttention):
    """Attention of a sequence to itself, in heads.   x: (n, t, embed_dim) -> same shape.

    y = softmax(q k^T / sqrt(d)) v, with q, k, v = x W^T + b in num_heads heads of width d, joined
    and projected again (Vaswani et al. 2017). causal: a step sees itself and earlier ones only.
    Second input, optional: a padding mask (n, t), True where a step is padding that none sees.
    dropout: the share of weights dropped in training. kv_heads: heads of k and v, shared by the
    heads of q (Ainslie et al. 2023). rotary: q and k turned by their positions (Su et al. 2021).
    init: how the weights start, else from xavier_uniform and out_proj's from U(-k, k), k = 1 /
    sqrt(embed_dim); out_init: out_proj's alone. PyTorch's state: in_proj_weight, in_proj_bias,
    out_proj.
    """

    inferred: ClassVar[tuple[str, ...]] = ("embed_dim",)
    arity: ClassVar[tuple[int, int | None]] = (1, 2)

    def __init__(
        self,
        embed_dim: Count,
        num_heads: Count,
        dropout: Fraction = 0.0,
        bias: bool = True,
        *,
        causal: bool = False,
        kv_heads: Count | None = None,
        rotary: bool = False,
        rotary_base: Positive = 10000.0,
        init: Init | None = None,
        out_init: Init | None = None,
    ) -> None:
        super().__init__(
            embed_dim,
            num_heads,
            dropout,
            bias,
            kv_heads=kv_heads,
            rotary=rotary,
            rotary_base=rotary_base,
            init=init,
            out_init=out_init,
        )
        self.causal = causal

    def forward(self, x: Any, padding_mask: Any = None) -> Tensor:  # type: ignore[override]
        """x: (n, t, embed_dim), padding_mask: (n, t) or None -> (n, t, embed_dim)."""
        return super().forward(x, x, x, padding_mask, False, is_causal=self.causal)[0]

    def extra_repr(self) -> str:
        """The same, and whether it looks ahead."""
        return super().extra_repr() + (", causal=True" if self.causal else "")

    @classmethod
    def infer(cls, *shapes: tuple[int, ...]) -> dict[str, Any]:
        """embed_dim: the length of the last axis. Raises ShapeError."""
        return {"embed_dim": steps_and_width("self_attention", shapes[0])[1]}

    @classmethod
    def example(cls, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Three steps of four features, the last of the first sequence padded."""
        padding = np.array([[False, False, True], [False] * 3])
        return (rng.normal(size=(2, 3, 4)), padding), {"num_heads": 2}


@layers.register("cross_attention")
class CrossAttention(MultiheadAttention):
    """Attention of a sequence x to another one, the memory, in heads.

    x: (n, t, embed_dim), memory: (n, s, kdim) -> (n, t, embed_dim): q from x, k and v from the
    memory (Vaswani et al. 2017, 3.2.3). Third input, optional: a padding mask (n, s), True where
    the memory is padding that none sees. dropout, kv_heads, init and state as in self_attention.
    """

    inferred: ClassVar[tuple[str, ...]] = ("embed_dim", "kdim")
    arity: ClassVar[tuple[int, int | None]] = (2, 3)

    def __init__(
        self,
        embed_dim: Count,
        num_heads: Count,
        dropout: Fraction = 0.0,
        bias: bool = True,
        *,
        kdim: Count | None = None,
        kv_heads: Count | None = None,
        init: Init | None = None,
        out_init: Init | None = None,
    ) -> None:
        super().__init__(
            embed_dim,
            num_heads,
            dropout,
            bias,
            kdim=kdim,
            vdim=kdim,
            kv_heads=kv_heads,
            init=init,
            out_init=out_init,
        )

    def forward(  # type: ignore[override]
        self, x: Any, memory: Any, padding_mask: Any = None
    ) -> Tensor:
        """x: (n, t, embed_dim), memory: (n, s, kdim), mask: (n, s) or None -> x's shape."""
        return super().forward(x, memory, memory, padding_mask, False)[0]

    @classmethod
    def infer(cls, *shapes: tuple[int, ...]) -> dict[str, Any]:
        """embed_dim and kdim: the last axes of x and of the memory. Raises ShapeError."""
        widths = [steps_and_width("cross_attention", shape)[1] for shape in shapes[:2]]
        return {"embed_dim": widths[0], "kdim": widths[1]}

    @classmethod
    def example(cls, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Three steps of four features look at two of five."""
        return (rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 2, 5))), {"num_heads": 2}
