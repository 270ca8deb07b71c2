"""Elementwise activations, forward and backward, beside PyTorch eager, in float32.

Run by `python -m benchmarks.activations [threads [names...]]`, with OPENBLAS_NUM_THREADS set to the
same. Each cell holds the times of dgrad and of PyTorch, in microseconds, and their ratio.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

import dgrad
from benchmarks.steps import Step, take_turns
from dgrad import ops

SIZES = {(64, 32, 26, 26): 1, (128, 512): 10, (32, 64): 100}  # with the calls in a round
SLOPE = np.full(1, 0.25, np.float32)
Activation = Callable[[Any], Any]
ACTIVATIONS: dict[str, tuple[Activation, Activation]] = {
    "relu": (ops.relu, torch.relu),
    "leaky_relu": (ops.leaky_relu, F.leaky_relu),
    "prelu": (lambda x: ops.prelu(x, SLOPE), lambda x: F.prelu(x, torch.from_numpy(SLOPE))),
    "elu": (ops.elu, F.elu),
    "selu": (ops.selu, F.selu),
    "celu": (lambda x: ops.celu(x, alpha=2.0), lambda x: F.celu(x, alpha=2.0)),
    "relu6": (ops.relu6, F.relu6),
    "hardtanh": (ops.hardtanh, F.hardtanh),
    "hardsigmoid": (ops.hardsigmoid, F.hardsigmoid),
    "hardswish": (ops.hardswish, F.hardswish),
    "softshrink": (ops.softshrink, F.softshrink),
    "hardshrink": (ops.hardshrink, F.hardshrink),
    "threshold": (
        lambda x: ops.threshold(x, threshold=0.1, value=0.0),
        lambda x: F.threshold(x, 0.1, 0.0),
    ),
    "tanh": (ops.tanh, torch.tanh),
    "sigmoid": (ops.sigmoid, torch.sigmoid),
    "silu": (ops.silu, F.silu),
    "softplus": (ops.softplus, F.softplus),
    "log_sigmoid": (ops.logsigmoid, F.logsigmoid),
    "mish": (ops.mish, F.mish),
    "softsign": (ops.softsign, F.softsign),
    "tanhshrink": (ops.tanhshrink, F.tanhshrink),
    "gelu": (ops.gelu, F.gelu),
    "glu": (ops.glu, F.glu),
}


def both(mine: Activation, theirs: Activation, shape: tuple[int, ...]) -> dict[str, Step]:
    """Forward and gradient of one activation, in both libraries, once they agree."""
    rng = np.random.default_rng(0)
    data = rng.normal(size=shape).astype(np.float32)
    x, y = dgrad.tensor(data, requires_grad=True), torch.tensor(data, requires_grad=True)
    out, peer = mine(x), theirs(y)
    g = rng.normal(size=out.shape).astype(np.float32)
    h = torch.tensor(g)
    (found,), (expected,) = dgrad.grad(out, x, g), torch.autograd.grad(peer, y, h)
    np.testing.assert_allclose(found.data, expected, rtol=1e-4, atol=1e-5)

    def dgrad_step() -> float:
        return float(dgrad.grad(mine(x), x, g)[0].data.flat[0])

    def torch_step() -> float:
        return float(torch.autograd.grad(theirs(y), y, h)[0].flatten()[0])

    return {"dgrad": dgrad_step, "torch": torch_step}


def main(threads: int, names: list[str]) -> None:
    """Print a line per activation."""
    torch.set_num_threads(threads)
    print(f"{'forward + backward, us':<14}" + "".join(f"{size!s:>26}" for size in SIZES))
    for name in names or ACTIVATIONS:
        cells = []
        for shape, repeat in SIZES.items():
            ours, peers = take_turns(both(*ACTIVATIONS[name], shape), repeat).values()
            cells.append(f"{ours * 1e6:>9.0f} /{peers * 1e6:>6.0f}{ours / peers:>8.2f}x")
        print(f"{name:<22}" + "".join(cells), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1, sys.argv[2:])
