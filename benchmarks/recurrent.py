"""configs/char_gru.yaml beside PyTorch eager, its GRUCell in a loop over the steps.

Run by `python -m benchmarks.recurrent [threads]`, with OPENBLAS_NUM_THREADS set to the same. The
step is forward, loss, backward, clipping and Adam's update; the losses of some steps are compared
before anything is timed.
"""

from __future__ import annotations

import sys

import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.from_config import compare
from benchmarks.steps import Step
from dgrad.train.trainer import Trainer

CLIP, LR = 1.0, 5e-3


def torch_step(trainer: Trainer, inputs: np.ndarray, targets: np.ndarray) -> Step:
    """PyTorch's step from the trainer's weights, at the trainer's learning rates."""
    given = [torch.tensor(p.data) for p in trainer.parameters]
    embedding = torch.nn.Embedding(*given[0].shape)
    cell = torch.nn.GRUCell(given[1].shape[1], given[2].shape[1])
    last = torch.nn.Linear(given[-2].shape[1], given[-2].shape[0])
    parameters = [p for module in (embedding, cell, last) for p in module.parameters()]
    with torch.no_grad():
        for p, value in zip(parameters, given, strict=True):
            p.copy_(value)
    optimizer = torch.optim.Adam(parameters, lr=LR)
    x, y = torch.tensor(inputs), torch.tensor(targets)
    count = 0

    def step() -> float:
        nonlocal count
        optimizer.param_groups[0]["lr"] = LR * trainer.schedule(count)
        count += 1
        h, outs = torch.zeros(len(x), cell.hidden_size), []
        for letters in embedding(x).unbind(1):
            h = cell(letters, h)
            outs.append(h)
        logits = last(torch.stack(outs, 1))
        loss = F.cross_entropy(logits.view(-1, logits.shape[-1]), y.view(-1))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, CLIP)
        optimizer.step()
        return loss.item()

    return step


if __name__ == "__main__":
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    compare("char_gru", "char_gru.yaml, 64 steps, batch 32, Adam", torch_step, threads)
