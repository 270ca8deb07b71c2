"""Convolution, pooling, normalisation and small networks of them, beside PyTorch eager.

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
from dgrad import nn, ops, optim

CONVOLUTIONS = [  # batch, channels, kernels, side, padding
    (64, 1, 32, 28, 0),
    (64, 32, 64, 13, 1),
    (64, 32, 32, 14, 1),
    (64, 32, 32, 16, 1),
    (8, 64, 64, 28, 1),
]
IMAGES = [(64, 32, 26, 26), (64, 64, 14, 14)]


def draw(*shape: int) -> np.ndarray:
    """Normal numbers, the same each time."""
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def both(
    mine: Callable[..., Any], theirs: Callable[..., Any], *arrays: np.ndarray
) -> dict[str, Step]:
    """Forward and all gradients. The first array is an image inside a network: it lies as an
    earlier layer would leave it, in either library, and its gradient goes on to such a layer."""
    image, *weights = arrays
    ours, other = dgrad.tensor(0.0, requires_grad=True), torch.zeros((), requires_grad=True)
    laid, laid_t = dgrad.from_numpy(_as_convolutions_leave(image)), torch.tensor(image)
    inputs = [dgrad.tensor(a, requires_grad=True) for a in weights]
    peers = [torch.tensor(a, requires_grad=True) for a in weights]
    out = mine(laid, *inputs)
    np.testing.assert_allclose(out.data, theirs(laid_t, *peers).detach(), rtol=1e-3, atol=1e-3)
    seed = draw(*out.shape)
    g, h = _as_convolutions_leave(seed), torch.tensor(seed)

    def dgrad_step() -> float:
        grads = dgrad.grad(mine(laid + ours, *inputs), [ours, *inputs], g)
        return float(grads[-1].data.flat[0])

    def torch_step() -> float:
        grads = torch.autograd.grad(theirs(laid_t + other, *peers), [other, *peers], h)
        return float(grads[-1].flatten()[0])

    return {"dgrad": dgrad_step, "torch": torch_step}


def _as_convolutions_leave(x: np.ndarray) -> np.ndarray:
    return np.transpose(np.transpose(x, (2, 1, 3, 0)).copy(), (3, 1, 0, 2))


def block(library: Any, batch_norm: Callable[..., Any]) -> Callable[..., Any]:
    """conv - norm - ReLU - conv - norm, added to what came in, and ReLU."""

    def forward(x: Any, w: Any, a: Any, b: Any, v: Any, c: Any, d: Any) -> Any:
        y = library.relu(batch_norm(library.conv2d(x, w, padding=1), a, b))
        return library.relu(batch_norm(library.conv2d(y, v, padding=1), c, d) + x)

    return forward


def torch_batch_norm(x: Any, weight: Any, bias: Any) -> Any:
    """By the statistics of the batch, as in training."""
    return F.batch_norm(x, None, None, weight, bias, training=True)


class Residual:
    """x + f(x) and ReLU, to be mixed into either library's Module; f is made of its layers."""

    def __init__(self, library: Any, channels: int) -> None:
        super().__init__()
        self.inside = library.Sequential(
            library.Conv2d(channels, channels, 3, padding=1, bias=False),
            library.BatchNorm2d(channels),
            library.ReLU(),
            library.Conv2d(channels, channels, 3, padding=1, bias=False),
            library.BatchNorm2d(channels),
        )
        self.last = library.ReLU()

    def forward(self, x: Any) -> Any:
        """x: (n, c, h, w) -> same shape."""
        return self.last(self.inside(x) + x)


class DgradResidual(Residual, nn.Module):
    """Of dgrad's layers."""


class TorchResidual(Residual, torch.nn.Module):
    """Of PyTorch's layers."""


def cnn(library: Any) -> Any:
    """conv32 - ReLU - pool - conv64 - ReLU - pool - 128 - ReLU - 10, on images 28x28."""
    return library.Sequential(
        *(library.Conv2d(1, 32, 3), library.ReLU(), library.MaxPool2d(2)),
        *(library.Conv2d(32, 64, 3, padding=1), library.ReLU(), library.MaxPool2d(2)),
        *(library.Flatten(), library.Linear(64 * 36, 128), library.ReLU()),
        library.Linear(128, 10),
    )


def residual_network(library: Any) -> Any:
    """conv32 - norm - ReLU - pool - two residual blocks - pool - 10, on images 28x28."""
    residual = DgradResidual if library is nn else TorchResidual
    return library.Sequential(
        library.Conv2d(1, 32, 3, padding=1, bias=False),
        *(library.BatchNorm2d(32), library.ReLU(), library.MaxPool2d(2)),
        *(residual(library, 32), residual(library, 32), library.AvgPool2d(2)),
        *(library.Flatten(), library.Linear(32 * 49, 10)),
    )


def training(network: Callable[[Any], Any]) -> dict[str, Step]:
    """Steps with cross-entropy and Adam on 64 images: forward, loss, backward, update.

    Both start from the same weights, and their losses are compared before anything is timed.
    """
    x, y = draw(64, 1, 28, 28), np.random.default_rng(1).integers(0, 10, 64)
    net, peer = network(nn), network(torch.nn)
    for ours, other in zip(net.parameters(), peer.parameters(), strict=True):
        ours.data[...] = other.detach().numpy()
    steps = {
        "dgrad": one_step(net, nn, optim, dgrad.from_numpy(x), dgrad.from_numpy(y)),
        "torch": one_step(peer, torch.nn, torch.optim, torch.tensor(x), torch.tensor(y)),
    }
    for _ in range(3):
        np.testing.assert_allclose(*(step() for step in steps.values()), rtol=1e-3)
    return steps


def one_step(net: Any, layers: Any, optimizers: Any, x: Any, y: Any) -> Step:
    """A step of either library, spelled alike."""
    optimizer, criterion = optimizers.Adam(net.parameters(), lr=1e-3), layers.CrossEntropyLoss()

    def step() -> float:
        optimizer.zero_grad()
        loss = criterion(net(x), y)
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return step


def workloads() -> dict[str, dict[str, Step]]:
    """What is timed, by name."""
    found: dict[str, dict[str, Step]] = {}
    for n, c, o, side, padding in CONVOLUTIONS:
        sizes = {"padding": padding}
        found[f"conv2d ({n}, {c}, {side}, {side}) -> {o}, padding {padding}"] = both(
            lambda *a, sizes=sizes: ops.conv2d(*a, **sizes),
            lambda *a, sizes=sizes: F.conv2d(*a, **sizes),
            *(draw(n, c, side, side), draw(o, c, 3, 3), draw(o)),
        )
    for shape in IMAGES:
        image, affine = draw(*shape), (draw(shape[1]), draw(shape[1]))
        found[f"relu {shape}"] = both(ops.relu, F.relu, image)
        found[f"max_pool2d {shape}, 2"] = both(
            lambda x: ops.max_pool2d(x, 2), lambda x: F.max_pool2d(x, 2), image
        )
        found[f"batch_norm {shape}"] = both(ops.batch_norm, torch_batch_norm, image, *affine)
        found[f"group_norm {shape}, 8 groups"] = both(
            lambda x, w, b: ops.group_norm(x, w, b, groups=8),
            lambda x, w, b: F.group_norm(x, 8, w, b),
            *(image, *affine),
        )
    for n, c, side in ((64, 32, 14), (32, 64, 14)):
        weights = [draw(c, c, 3, 3) * 0.1, 1 + 0.1 * draw(c), draw(c)] * 2
        found[f"residual block ({n}, {c}, {side}, {side})"] = both(
            block(ops, ops.batch_norm), block(F, torch_batch_norm), draw(n, c, side, side), *weights
        )
    found["CNN, batch 64, Adam"] = training(cnn)
    found["residual network, batch 64, Adam"] = training(residual_network)
    return found


def main(threads: int) -> None:
    """Print a line per workload."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    for name, contestants in workloads().items():
        seconds = take_turns(contestants, 1)
        ratio = seconds["dgrad"] / seconds["torch"]
        cells = "".join(f"{t * 1e3:>8.2f}ms" for t in seconds.values())
        print(f"{name:<44}{cells}{ratio:>8.2f}x", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
