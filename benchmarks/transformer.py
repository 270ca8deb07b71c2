"""A character GPT's training step beside PyTorch eager: nanoGPT's CPU recipe.

Run by `python -m benchmarks.transformer [threads]`, with OPENBLAS_NUM_THREADS set to the same. The
step is forward, loss, backward, clipping and AdamW's update; the losses of some steps are compared
before anything is timed.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

import dgrad
from benchmarks.steps import Step, show
from dgrad import nn, optim
from dgrad.train.allocation import keep_freed_memory

LAYERS, HEADS, WIDTH, CONTEXT, BATCH, VOCABULARY = 4, 4, 128, 64, 12, 65
BETAS, DECAY, CLIP, LR = (0.9, 0.99), 0.1, 1.0, 1e-3


def weights() -> dict[str, np.ndarray]:
    """nanoGPT's parameters by name, without biases; the last layer's weight is the embedding's.

    N(0, 0.02), and N(0, 0.02 / sqrt(2 layers)) of the projections that are added to the sum.
    """
    rng = np.random.default_rng(0)
    shapes = {"tokens": (VOCABULARY, WIDTH), "positions": (CONTEXT, WIDTH)}
    for i in range(LAYERS):
        shapes |= {
            f"{i}.norm_1": (WIDTH,),
            f"{i}.qkv": (3 * WIDTH, WIDTH),
            f"{i}.joined": (WIDTH, WIDTH),
            f"{i}.norm_2": (WIDTH,),
            f"{i}.up": (4 * WIDTH, WIDTH),
            f"{i}.down": (WIDTH, 4 * WIDTH),
        }
    shapes["norm"] = (WIDTH,)
    small = 0.02 / np.sqrt(2 * LAYERS)
    return {
        name: np.ones(shape, np.float32)
        if len(shape) == 1
        else rng.normal(
            scale=small if name.endswith(("joined", "down")) else 0.02, size=shape
        ).astype(np.float32)
        for name, shape in shapes.items()
    }


def batch() -> tuple[np.ndarray, np.ndarray]:
    """Random letters, and those that follow, (batch, context)."""
    letters = np.random.default_rng(1).integers(0, VOCABULARY, (BATCH, CONTEXT + 1))
    return letters[:, :-1].copy(), letters[:, 1:].copy()


def grouped(w: dict[str, Any]) -> list[dict[str, Any]]:
    """Parameter groups of either library: matrices decay, vectors do not."""
    matrices = [p for p in w.values() if p.ndim > 1]
    vectors = [p for p in w.values() if p.ndim == 1]
    return [
        {"params": matrices, "weight_decay": DECAY},
        {"params": vectors, "weight_decay": 0.0},
    ]


def _block() -> list[nn.Module]:
    attention = nn.SelfAttention(WIDTH, HEADS, bias=False, causal=True)
    up, down = (
        nn.Linear(WIDTH, 4 * WIDTH, bias=False),
        nn.Linear(4 * WIDTH, WIDTH, bias=False),
    )
    norms = [nn.LayerNorm(WIDTH, bias=False) for _ in range(2)]
    return [
        nn.Residual(nn.Sequential(norms[0], attention)),
        nn.Residual(nn.Sequential(norms[1], up, nn.GELU(), down)),
    ]


def _dgrad_step() -> Step:
    tokens, last = nn.Embedding(VOCABULARY, WIDTH), nn.Linear(WIDTH, VOCABULARY, bias=False)
    last.weight = tokens.weight
    blocks = [layer for _ in range(LAYERS) for layer in _block()]
    norm = nn.LayerNorm(WIDTH, bias=False)
    net = nn.Sequential(tokens, nn.PositionEmbedding(CONTEXT, WIDTH), *blocks, norm, last)
    named = dict(zip(weights(), net.parameters(), strict=True))
    for name, value in weights().items():
        named[name].data[...] = value
    optimizer = optim.AdamW(grouped(named), lr=LR, betas=BETAS)
    criterion = nn.CrossEntropyLoss()
    x, y = map(dgrad.tensor, batch())

    def step() -> float:
        loss = criterion(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optim.clip_grad_norm_(named.values(), CLIP)
        optimizer.step()
        return loss.item()

    return step


def _torch_logits(w: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    n, t = x.shape
    h = F.embedding(x, w["tokens"]) + w["positions"]
    for i in range(LAYERS):
        z = F.layer_norm(h, (WIDTH,), w[f"{i}.norm_1"])
        parts = F.linear(z, w[f"{i}.qkv"]).split(WIDTH, dim=2)
        q, k, v = (part.view(n, t, HEADS, -1).transpose(1, 2) for part in parts)
        z = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        z = z.transpose(1, 2).contiguous().view(n, t, WIDTH)
        h = h + F.linear(z, w[f"{i}.joined"])
        z = F.gelu(F.linear(F.layer_norm(h, (WIDTH,), w[f"{i}.norm_2"]), w[f"{i}.up"]))
        h = h + F.linear(z, w[f"{i}.down"])
    return F.linear(F.layer_norm(h, (WIDTH,), w["norm"]), w["tokens"])


def _torch_step() -> Step:
    w = {name: torch.tensor(value, requires_grad=True) for name, value in weights().items()}
    optimizer = torch.optim.AdamW(grouped(w), lr=LR, betas=BETAS)
    x, y = map(torch.tensor, batch())

    def step() -> float:
        logits = _torch_logits(w, x)
        loss = F.cross_entropy(logits.view(-1, VOCABULARY), y.view(-1))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(w.values(), CLIP)
        optimizer.step()
        return loss.item()

    return step


def main(threads: int) -> None:
    """Print the time of a step, in a process that keeps freed memory as `dgrad train` does."""
    keep_freed_memory()
    torch.set_num_threads(threads)
    show("char GPT, batch 12, AdamW", {"dgrad": _dgrad_step(), "torch": _torch_step()})


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
