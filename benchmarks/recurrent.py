"""A character GRU's training step beside PyTorch eager, its GRUCell in a loop over the steps.

Run by `python -m benchmarks.recurrent [threads]`, with OPENBLAS_NUM_THREADS set to the same. The
step is forward, loss, backward, clipping and Adam's update; the losses of some steps are compared
before anything is timed.
"""

from __future__ import annotations

import sys

import numpy as np
import torch
import torch.nn.functional as F

import dgrad
from benchmarks.steps import Step, show
from dgrad import nn, optim
from dgrad.train.allocation import keep_freed_memory

STEPS, BATCH, VOCABULARY, WIDTH, CLIP, LR = 64, 32, 65, 128, 1.0, 5e-3


def weights() -> list[np.ndarray]:
    """Of the embedding, the GRU (both weights, both biases) and the last layer (with a bias)."""
    rng = np.random.default_rng(0)
    bound = WIDTH**-0.5
    gates = [(3 * WIDTH, VOCABULARY), (3 * WIDTH, WIDTH), (3 * WIDTH,), (3 * WIDTH,)]
    shapes = [(VOCABULARY, VOCABULARY), *gates, (VOCABULARY, WIDTH), (VOCABULARY,)]
    return [rng.uniform(-bound, bound, shape).astype(np.float32) for shape in shapes]


def batch() -> tuple[np.ndarray, np.ndarray]:
    """Random letters, and those that follow, (batch, steps)."""
    letters = np.random.default_rng(1).integers(0, VOCABULARY, (BATCH, STEPS + 1))
    return letters[:, :-1].copy(), letters[:, 1:].copy()


def _dgrad_step() -> Step:
    net = nn.Sequential(
        nn.Embedding(VOCABULARY, VOCABULARY),
        nn.GRU(VOCABULARY, WIDTH),
        nn.Linear(WIDTH, VOCABULARY),
    )
    for p, value in zip(net.parameters(), weights(), strict=True):
        p.data[...] = value
    optimizer = optim.Adam(net.parameters(), lr=LR)
    criterion = nn.CrossEntropyLoss()
    x, y = map(dgrad.tensor, batch())

    def step() -> float:
        loss = criterion(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optim.clip_grad_norm_(net.parameters(), CLIP)
        optimizer.step()
        return loss.item()

    return step


def _torch_step() -> Step:
    embedding = torch.nn.Embedding(VOCABULARY, VOCABULARY)
    cell = torch.nn.GRUCell(VOCABULARY, WIDTH)
    last = torch.nn.Linear(WIDTH, VOCABULARY)
    parameters = [p for module in (embedding, cell, last) for p in module.parameters()]
    with torch.no_grad():
        for p, value in zip(parameters, weights(), strict=True):
            p.copy_(torch.tensor(value))
    optimizer = torch.optim.Adam(parameters, lr=LR)
    x, y = map(torch.tensor, batch())

    def step() -> float:
        h, outs = torch.zeros(BATCH, WIDTH), []
        for letters in embedding(x).unbind(1):
            h = cell(letters, h)
            outs.append(h)
        logits = last(torch.stack(outs, 1))
        loss = F.cross_entropy(logits.view(-1, VOCABULARY), y.view(-1))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, CLIP)
        optimizer.step()
        return loss.item()

    return step


def main(threads: int) -> None:
    """Print the time of a step, in a process that keeps freed memory as `dgrad train` does."""
    keep_freed_memory()
    torch.set_num_threads(threads)
    steps = {"dgrad": _dgrad_step(), "torch": _torch_step()}
    show("char GRU, 64 steps, batch 32, Adam", steps)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
