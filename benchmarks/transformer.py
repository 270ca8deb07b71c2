"""configs/char_gpt.yaml, nanoGPT's recipe for a CPU, beside the same network in PyTorch eager.

Run by `python -m benchmarks.transformer [threads]`, with OPENBLAS_NUM_THREADS set to the same. The
step is forward, loss, backward, clipping and AdamW's update; the losses of some steps are compared
before anything is timed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.from_config import compare
from benchmarks.steps import Step
from dgrad.train.trainer import Trainer

HEADS, BETAS, DECAY, CLIP, LR = 4, (0.9, 0.99), 0.1, 1.0, 1e-3
IN_BLOCK = 6  # norm, qkv, projection, norm, up, down


def logits(w: Sequence[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """As nanoGPT computes them, with w in the order of the config's parameters. (n, t) tokens."""
    tokens, positions, *rest, norm = w
    n, t = x.shape
    width = tokens.shape[1]
    h = F.embedding(x, tokens) + positions
    for i in range(0, len(rest), IN_BLOCK):
        norm_1, qkv, joined, norm_2, up, down = rest[i : i + IN_BLOCK]
        parts = F.linear(F.layer_norm(h, (width,), norm_1), qkv).split(width, dim=2)
        q, k, v = (part.view(n, t, HEADS, -1).transpose(1, 2) for part in parts)
        z = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        h = h + F.linear(z.transpose(1, 2).contiguous().view(n, t, width), joined)
        z = F.gelu(F.linear(F.layer_norm(h, (width,), norm_2), up))
        h = h + F.linear(z, down)
    return F.linear(F.layer_norm(h, (width,), norm), tokens)


def torch_step(trainer: Trainer, inputs: np.ndarray, targets: np.ndarray) -> Step:
    """PyTorch's step from the trainer's weights, at the trainer's learning rates."""
    w = [torch.tensor(p.data, requires_grad=True) for p in trainer.parameters]
    groups = [
        {"params": [p for p in w if p.ndim > 1], "weight_decay": DECAY},
        {"params": [p for p in w if p.ndim == 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=LR, betas=BETAS)
    x, y = torch.tensor(inputs), torch.tensor(targets)
    count = 0

    def step() -> float:
        nonlocal count
        for group in optimizer.param_groups:
            group["lr"] = LR * trainer.schedule(count)
        count += 1
        out = logits(w, x)
        loss = F.cross_entropy(out.view(-1, out.shape[-1]), y.view(-1))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(w, CLIP)
        optimizer.step()
        return loss.item()

    return step


if __name__ == "__main__":
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    compare("char_gpt", "char_gpt.yaml, batch 12, AdamW", torch_step, threads)
