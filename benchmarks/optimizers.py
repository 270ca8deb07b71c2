"""Updates of every optimizer that PyTorch has too, side by side: python -m benchmarks.optimizers.

One thread, processor time, medians over rounds in which both take turns; gradients are given.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from dgrad import nn, optim

ROUNDS, REPEAT = 41, 5
Shapes = Sequence[tuple[int, ...]]

NAMES = [
    "SGD",
    "Adam",
    "AdamW",
    "NAdam",
    "RAdam",
    "RMSprop",
    "Adagrad",
    "Adadelta",
    "Adamax",
    "Adafactor",
    "Muon",
]


def mlp(*sizes: int) -> Shapes:
    """Weights and biases of an MLP."""
    return [shape for i, o in pairwise(sizes) for shape in ((o, i), (o,))]


def gpt(layers: int, width: int, vocabulary: int = 65, context: int = 64) -> Shapes:
    """Embeddings, and the matrices and norms of transformer blocks, without biases."""
    block = [(width,), (3 * width, width), (width, width)]
    block += [(width,), (4 * width, width), (width, 4 * width)]
    return [(vocabulary, width), (context, width), *layers * block, (width,)]


MODELS = {
    "MLP 784-512-256-128-10": mlp(784, 512, 256, 128, 10),
    "GPT, 4 layers, width 128": gpt(4, 128),
    "MLP 64-64-10": mlp(64, 64, 10),
}


def contestants(name: str, shapes: Shapes, **settings: Any) -> list[Callable[[], Any]]:
    """Our step and PyTorch's default (foreach), on the same values and gradients."""
    rng = np.random.default_rng(0)
    values = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
    if name == "Muon":  # there it takes nothing else
        values = [value for value in values if value.ndim == 2]
    grads = [rng.normal(size=value.shape).astype(np.float32) for value in values]
    ours = [nn.Parameter(value.copy()) for value in values]
    theirs = [torch.nn.Parameter(torch.tensor(value)) for value in values]
    for p, q, g in zip(ours, theirs, grads, strict=True):
        p.grad, q.grad = g, torch.tensor(g)
    makers = [getattr(module, name) for module in (optim, torch.optim)]
    return [make(p, **settings).step for make, p in zip(makers, (ours, theirs), strict=True)]


def take_turns(steps: Sequence[Callable[[], Any]]) -> list[float]:
    """Median processor seconds of one call of each."""
    times: list[list[float]] = [[] for _ in steps]
    for _ in range(ROUNDS):
        for step, taken in zip(steps, times, strict=True):
            step()  # what the other one left in the caches is not to count
            begun = time.process_time()
            for _ in range(REPEAT):
                step()
            taken.append((time.process_time() - begun) / REPEAT)
    return [statistics.median(each) for each in times]


def main() -> None:
    """Print a line per model and optimizer."""
    torch.set_num_threads(1)
    for title, shapes in MODELS.items():
        size = sum(int(np.prod(shape)) for shape in shapes)
        print(f"\n{title}: {size:,} parameters, 1 thread")
        print(f"{'optimizer':<16}{'dgrad':>10}{'torch':>10}{'/torch':>9}")
        for name in NAMES:
            for settings in ({}, {"momentum": 0.9}) if name == "SGD" else ({},):
                seconds = take_turns(contestants(name, shapes, **settings))
                label = " ".join([name, *settings])
                cells = "".join(f"{each * 1e6:>8.0f}us" for each in seconds)
                print(f"{label:<16}{cells}{seconds[0] / seconds[1]:>8.2f}x", flush=True)


if __name__ == "__main__":
    main()
