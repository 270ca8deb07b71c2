"""Training steps and a chain of small ops, side by side; run by `python -m benchmarks`."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import torch

import dgrad
from dgrad import nn, optim

ROUNDS = 41
Step = Callable[[], float]


def take_turns(contestants: dict[str, Step], repeat: int) -> dict[str, float]:
    """Median seconds of one call of each contestant; they alternate, round by round."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for step in contestants.values():
        for _ in range(repeat):
            step()
    for _ in range(ROUNDS):
        for name, step in contestants.items():
            begun = time.perf_counter()
            for _ in range(repeat):
                step()
            times[name].append((time.perf_counter() - begun) / repeat)
    return {name: statistics.median(each) for name, each in times.items()}


def show(name: str, steps: dict[str, Step]) -> None:
    """Print what a step of dgrad and of PyTorch takes, after the losses of five have agreed."""
    for _ in range(5):
        losses = [step() for step in steps.values()]
        np.testing.assert_allclose(losses, losses[0], rtol=1e-4)
    seconds = take_turns(steps, 1)
    cells = "".join(f"{t * 1e3:>8.2f}ms" for t in seconds.values())
    print(f"{name:<44}{cells}{seconds['dgrad'] / seconds['torch']:>8.2f}x", flush=True)


def mlp(sizes: Sequence[int], batch: int) -> dict[str, Step]:
    """Steps of one MLP with ReLU, cross-entropy and SGD: forward, loss, backward, update.

    All start from the same weights, and their losses are compared before anything is timed.
    """
    rng = np.random.default_rng(0)
    x = rng.normal(size=(batch, sizes[0])).astype(np.float32)
    y = rng.integers(0, sizes[-1], batch)
    weights = [
        (rng.normal(size=(o, i)) / np.sqrt(i)).astype(np.float32) for i, o in pairwise(sizes)
    ]
    steps = {
        "dgrad": _dgrad_mlp(weights, x, y),
        "torch": _torch_mlp(weights, x, y),
        "numpy": _numpy_mlp(weights, x, y),
    }
    for _ in range(3):
        losses = [step() for step in steps.values()]
        np.testing.assert_allclose(losses, losses[0], rtol=1e-4)
    return steps


def _dgrad_mlp(weights: list[np.ndarray], x: np.ndarray, y: np.ndarray) -> Step:
    layers: list[nn.Module] = []
    for w in weights:
        layer = nn.Linear(w.shape[1], w.shape[0])
        layer.weight.data[...] = w
        layer.bias.data[...] = 0
        layers += [layer, nn.ReLU()]
    net = nn.Sequential(*layers[:-1])
    optimizer = optim.SGD(net.parameters(), lr=0.01)
    criterion = nn.CrossEntropyLoss()
    inputs, targets = dgrad.from_numpy(x), dgrad.from_numpy(y)

    def step() -> float:
        optimizer.zero_grad()
        loss = criterion(net(inputs), targets)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def _torch_mlp(weights: list[np.ndarray], x: np.ndarray, y: np.ndarray) -> Step:
    layers: list[torch.nn.Module] = []
    for w in weights:
        layer = torch.nn.Linear(w.shape[1], w.shape[0])
        with torch.no_grad():
            layer.weight.copy_(torch.tensor(w))
            layer.bias.zero_()
        layers += [layer, torch.nn.ReLU()]
    net = torch.nn.Sequential(*layers[:-1])
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    criterion = torch.nn.CrossEntropyLoss()
    inputs, targets = torch.tensor(x), torch.tensor(y)

    def step() -> float:
        optimizer.zero_grad()
        loss = criterion(net(inputs), targets)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def _numpy_mlp(weights: list[np.ndarray], x: np.ndarray, y: np.ndarray) -> Step:
    """What a careful author writes by hand for exactly this network."""
    w = [each.copy() for each in weights]
    b = [np.zeros(len(each), np.float32) for each in weights]
    rows = np.arange(len(x))

    def step() -> float:
        activations = [x]
        for i, (weight, bias) in enumerate(zip(w, b, strict=True)):
            z = activations[-1] @ weight.T
            z += bias
            activations.append(np.maximum(z, 0) if i < len(w) - 1 else z)
        z = activations.pop()
        z -= z.max(axis=1, keepdims=True)
        p = np.exp(z)
        total = p.sum(axis=1, keepdims=True)
        loss = float((np.log(total[:, 0]) - z[rows, y]).mean())
        p /= total
        p[rows, y] -= 1
        p /= len(x)
        for i in reversed(range(len(w))):
            h = activations[i]
            grad_w, grad_b = p.T @ h, p.sum(axis=0)
            if i:
                p = (p @ w[i]) * (h > 0)
            grad_w *= 0.01
            grad_b *= 0.01
            w[i] -= grad_w
            b[i] -= grad_b
        return loss

    return step


CHAIN = 200  # links; each is a multiply, an add and a tanh


def chain() -> dict[str, Step]:
    """y = tanh(y * a + b) over 64 floats, CHAIN times, forward and backward."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 64)).astype(np.float32)
    one = np.ones(64, np.float32)

    def dgrad_chain() -> float:
        y, ta, tb = (dgrad.tensor(v, requires_grad=True) for v in (one, a, b))
        for _ in range(CHAIN):
            y = dgrad.tanh(y * ta + tb)
        y.backward(one)
        return float(ta.grad.data.sum())  # type: ignore[union-attr]

    def torch_chain() -> float:
        y, ta, tb = (torch.tensor(v, requires_grad=True) for v in (one, a, b))
        for _ in range(CHAIN):
            y = torch.tanh(y * ta + tb)
        y.backward(torch.ones(64))
        return float(ta.grad.sum())  # type: ignore[union-attr]

    def numpy_chain() -> float:
        y, kept = one, []
        for _ in range(CHAIN):
            kept.append(y)
            y = np.tanh(y * a + b)
            kept.append(y)
        g, grad_a, grad_b = one, np.zeros(64, np.float32), np.zeros(64, np.float32)
        while kept:
            out, before = kept.pop(), kept.pop()
            g = g * (1 - out * out)
            grad_b += g
            grad_a += g * before
            g = g * a
        return float(grad_a.sum())

    return {"dgrad": dgrad_chain, "torch": torch_chain, "numpy": numpy_chain}


def main(threads: int) -> None:
    """Print a line per workload."""
    torch.set_num_threads(threads)
    print(f"\n{threads} thread{'s' if threads > 1 else ''}, median of {ROUNDS} alternating rounds")
    print(f"{'workload':<38}{'dgrad':>10}{'torch':>10}{'numpy':>10}{'/torch':>9}{'/numpy':>9}")
    workloads = {
        "seed MLP 784-128-10, batch 64, SGD": (mlp((784, 128, 10), 64), 50, 1),
        "small MLP 64-64-10, batch 32, SGD": (mlp((64, 64, 10), 32), 200, 1),
        "chain tanh(y*a+b), 64 floats, per op": (chain(), 2, 3 * CHAIN),
    }
    for name, (contestants, repeat, ops) in workloads.items():
        seconds = take_turns(contestants, repeat)
        cells = "".join(f"{t / ops * 1e6:>8.1f}us" for t in seconds.values())
        ratios = (seconds["dgrad"] / seconds[peer] for peer in ("torch", "numpy"))
        print(f"{name:<38}{cells}{''.join(f'{r:>8.2f}x' for r in ratios)}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
