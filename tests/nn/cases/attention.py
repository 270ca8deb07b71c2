"""Attention in heads. True in a mask is padding."""

from typing import Any

import numpy as np

from tests.nn.cases.case import Case

SEQUENCE = ((2, 5, 8),)
PAIR = ((2, 4, 8), (2, 5, 8))
WIDER = ((2, 4, 8), (2, 5, 6))
PADDING = np.array([[False, False, False, False, True], [False, False, True, False, True]])


def padded(*shapes: tuple[int, ...]) -> Any:
    """Inputs of these shapes, and a padding mask of the last one."""
    return lambda rng: (*(rng.normal(size=shape) for shape in shapes), PADDING)


def of_itself(nn: Any, arguments: dict[str, Any]) -> Any:
    """PyTorch's layer for x, or x and its padding mask."""

    def forward(self: Any, x: Any, padding: Any = None) -> Any:
        import torch

        later = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)
        mask = later if arguments["causal"] else None
        return nn.MultiheadAttention.forward(
            self, x, x, x, padding, need_weights=False, attn_mask=mask
        )[0]

    return made(nn, forward, arguments)


def of_memory(nn: Any, arguments: dict[str, Any]) -> Any:
    """PyTorch's layer for x and memory, and a padding mask of the memory."""

    def forward(self: Any, x: Any, memory: Any, padding: Any = None) -> Any:
        return nn.MultiheadAttention.forward(self, x, memory, memory, padding, need_weights=False)[
            0
        ]

    return made(nn, forward, {**arguments, "vdim": arguments["kdim"]})


def made(nn: Any, forward: Any, arguments: dict[str, Any]) -> Any:
    known = {
        name: arguments[name]
        for name in ("embed_dim", "num_heads", "dropout", "bias", "kdim", "vdim")
        if name in arguments
    }
    cls = type("Written", (nn.MultiheadAttention,), {"forward": forward})
    return cls(**known, batch_first=True)


def rotary(nn: Any, arguments: dict[str, Any]) -> Any:
    """q and k as complex numbers, turned; the rest is PyTorch's function."""

    def forward(self: Any, x: Any) -> Any:
        import torch

        n, t, width = x.shape
        half = width // self.num_heads // 2
        frequencies = arguments["rotary_base"] ** (-np.arange(half) / half)
        turn = (1j * x.new_tensor(np.outer(np.arange(t), frequencies))).exp()
        packed = nn.functional.linear(x, self.in_proj_weight, self.in_proj_bias)
        q, k, v = packed.reshape(n, t, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        turned = [(y[..., :half] + 1j * y[..., half:]) * turn for y in (q, k)]
        q, k = (torch.cat([z.real, z.imag], dim=-1) for z in turned)
        y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=arguments["causal"])
        return self.out_proj(y.transpose(1, 2).reshape(n, t, width))

    return made(nn, forward, arguments)


def repeated(kv_heads: int, heads: int, width: int) -> Any:
    """Our state with each head of k and v as often as heads of q read it."""

    def state(ours: dict[str, Any]) -> dict[str, Any]:
        import torch

        d = width // heads

        def spread(rows: Any) -> Any:
            """(heads of q, then of k and v) -> three times the heads of q."""
            q, k, v = rows.split([width, kv_heads * d, kv_heads * d])
            k, v = (
                x.reshape(kv_heads, d, *x.shape[1:])
                .repeat_interleave(heads // kv_heads, dim=0)
                .reshape(q.shape)
                for x in (k, v)
            )
            return torch.cat([q, k, v])

        return {k: spread(v) if "in_proj" in k else v for k, v in ours.items()}

    return state


CASES = {
    "self_attention": [
        Case("{self_attention: 2}", SEQUENCE, of_itself),
        Case("{self_attention: {num_heads: 8, bias: false}}", SEQUENCE, of_itself),
        Case("{self_attention: {num_heads: 2, causal: true}}", SEQUENCE, of_itself),
        Case(
            "{self_attention: {num_heads: 2, init: normal, out_init: orthogonal, bias: false}}",
            SEQUENCE,
            of_itself,
        ),
        Case("{self_attention: 1}", padded((2, 5, 3)), of_itself),
        Case("{self_attention: {num_heads: 2, causal: true}}", padded((2, 5, 4)), of_itself),
        Case(
            "{self_attention: {num_heads: 4, kv_heads: 2, causal: true}}",
            padded((2, 5, 8)),
            of_itself,
            state=repeated(2, 4, 8),
        ),
        Case(
            "{self_attention: {num_heads: 4, kv_heads: 1, bias: false}}",
            SEQUENCE,
            of_itself,
            state=repeated(1, 4, 8),
        ),
        Case("{self_attention: {num_heads: 2, rotary: true}}", SEQUENCE, rotary),
        Case(
            "{self_attention: {num_heads: 2, rotary: true, rotary_base: 30.0, causal: true}}",
            SEQUENCE,
            rotary,
        ),
        Case(
            "{self_attention: {num_heads: 4, kv_heads: 2, rotary: true}}",
            SEQUENCE,
            rotary,
            state=repeated(2, 4, 8),
        ),
        Case("{self_attention: {num_heads: 2, dropout: 0.5}}", SEQUENCE, of_itself, modes=(False,)),
    ],
    "cross_attention": [
        Case("{cross_attention: 2}", PAIR, of_memory),
        Case(
            "{cross_attention: {num_heads: 2, bias: false, init: normal, out_init: orthogonal}}",
            PAIR,
            of_memory,
        ),
        Case("{cross_attention: 2}", WIDER, of_memory),
        Case("{cross_attention: {num_heads: 4, bias: false}}", padded(*WIDER), of_memory),
        Case(
            "{cross_attention: {num_heads: 4, dropout: 0.1}}",
            padded(*PAIR),
            of_memory,
            modes=(False,),
        ),
        Case(
            "{cross_attention: {num_heads: 4, kv_heads: 2}}",
            padded(*PAIR),
            of_memory,
            state=repeated(2, 4, 8),
        ),
    ],
}
SHAPES = [
    ("{self_attention: 2}", ((8,),), r"\(batch, steps, features\), got \(batch, 8\)"),
    ("{self_attention: 2}", ((3, 5, 8),), r"got \(batch, 3, 5, 8\)"),
    ("{cross_attention: 2}", ((3, 8), (8,)), r"got \(batch, 8\)"),
]
RANGES = [
    ("{self_attention: 0}", "num_heads"),
    ("{self_attention: {num_heads: 2, dropout: 1.0}}", "dropout"),
]
