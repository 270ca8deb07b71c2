"""Convolution, pooling and a small CNN, forward and backward, beside PyTorch eager.

Run by `python -m benchmarks.convolution [threads]`, with OPENBLAS_NUM_THREADS set to the same.
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

CONVOLUTIONS = [  # batch, channels, kernels, side, padding
    (64, 1, 32, 28, 0),
    (64, 32, 64, 13, 1),
    (64, 32, 64, 14, 1),
    (8, 64, 64, 28, 1),
]
POOLED = [(64, 32, 26, 26), (64, 32, 28, 28), (64, 64, 14, 14)]


def draw(*shape: int) -> np.ndarray:
    """Normal numbers, the same each time."""
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def both(
    mine: Callable[..., Any], theirs: Callable[..., Any], arrays: list[np.ndarray], image: bool
) -> dict[str, Step]:
    """Forward and all gradients. image: the first array wants a gradient too, and lies as the
    result of an earlier layer would, in either library."""
    ours = [dgrad.tensor(a, requires_grad=True) for a in arrays]
    other = [torch.tensor(a, requires_grad=True) for a in arrays]
    if image:
        ours[0] = ops.max_pool2d(dgrad.from_numpy(_batch_last(arrays[0])), 1)
        ours[0].requires_grad = True
    inputs, peers = (ours, other) if image else (ours[1:], other[1:])
    out = mine(*ours)
    seed = draw(*out.shape)
    np.testing.assert_allclose(out.data, theirs(*other).detach().numpy(), rtol=1e-3, atol=1e-3)
    g, h = _batch_last(seed), torch.tensor(seed)

    def dgrad_step() -> float:
        grads = dgrad.grad(mine(*ours), inputs, g)
        return float(grads[0].data.flat[0])

    def torch_step() -> float:
        grads = torch.autograd.grad(theirs(*other), peers, h)
        return float(grads[0].flatten()[0])

    return {"dgrad": dgrad_step, "torch": torch_step}


def _batch_last(x: np.ndarray) -> np.ndarray:
    return np.transpose(np.transpose(x, (1, 2, 3, 0)).copy(), (3, 0, 1, 2))


def cnn() -> dict[str, Step]:
    """conv32 - ReLU - pool - conv64 - ReLU - pool - 128 - ReLU - 10 on 28x28, batch 64."""
    shapes = [(32, 1, 3, 3), (32,), (64, 32, 3, 3), (64,), (128, 64 * 36), (128,), (10, 128), (10,)]
    weights = [
        draw(*s) * (2 / np.sqrt(np.prod(s[1:]))) if len(s) > 1 else draw(*s) * 0 for s in shapes
    ]
    weights = [w.astype(np.float32) for w in weights]
    x, y = draw(64, 1, 28, 28), np.random.default_rng(1).integers(0, 10, 64)
    ours = [dgrad.tensor(w, requires_grad=True) for w in weights]
    other = [torch.tensor(w, requires_grad=True) for w in weights]
    image, target, image_t, target_t = dgrad.tensor(x), dgrad.tensor(y), *map(torch.tensor, (x, y))

    def dgrad_step() -> float:
        a, b, c, d, e, f, g, h = ours
        z = ops.max_pool2d(ops.relu(ops.conv2d(image, a, b)), 2)
        z = ops.max_pool2d(ops.relu(ops.conv2d(z, c, d, padding=1)), 2)
        z = ops.relu(ops.linear(ops.flatten(z, 1), e, f))
        loss = ops.cross_entropy(ops.linear(z, g, h), target)
        dgrad.grad(loss, ours)
        return float(loss.data)

    def torch_step() -> float:
        a, b, c, d, e, f, g, h = other
        z = F.max_pool2d(F.relu(F.conv2d(image_t, a, b)), 2)
        z = F.max_pool2d(F.relu(F.conv2d(z, c, d, padding=1)), 2)
        z = F.relu(F.linear(torch.flatten(z, 1), e, f))
        loss = F.cross_entropy(F.linear(z, g, h), target_t)
        torch.autograd.grad(loss, other)
        return float(loss.detach())

    np.testing.assert_allclose(dgrad_step(), torch_step(), rtol=1e-4)
    return {"dgrad": dgrad_step, "torch": torch_step}


def main(threads: int) -> None:
    """Print a line per workload."""
    torch.set_num_threads(threads)
    workloads: dict[str, dict[str, Step]] = {}
    for n, c, o, side, padding in CONVOLUTIONS:
        sizes = {"padding": padding}
        workloads[f"conv2d ({n}, {c}, {side}, {side}) -> {o}, padding {padding}"] = both(
            lambda *a, sizes=sizes: ops.conv2d(*a, **sizes),
            lambda *a, sizes=sizes: F.conv2d(*a, **sizes),
            [draw(n, c, side, side), draw(o, c, 3, 3), draw(o)],
            image=c > 1,
        )
    for shape in POOLED:
        workloads[f"max_pool2d {shape}, 2"] = both(
            lambda x: ops.max_pool2d(x, 2), lambda x: F.max_pool2d(x, 2), [draw(*shape)], image=True
        )
    workloads["CNN, batch 64"] = cnn()
    for name, contestants in workloads.items():
        seconds = take_turns(contestants, 1)
        ratio = seconds["dgrad"] / seconds["torch"]
        cells = "".join(f"{t * 1e3:>8.2f}ms" for t in seconds.values())
        print(f"{name:<44}{cells}{ratio:>8.2f}x", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
