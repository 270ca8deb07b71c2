"""The program of the document that dgrad started from runs with `torch` replaced by `dgrad`."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import numpy as np
import pytest

import dgrad
from dgrad.data import read_idx

SHARED = Path(__file__).resolve().parents[2] / "shared"
HELD_OUT = 1000


def _program() -> str:
    document = SHARED / "seed.md"
    if not document.exists():
        pytest.skip("shared/seed.md is not beside the project")
    block = re.search(r"```python\n(.*?)```", document.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    return re.sub(r"\btorch\b", "dgrad", block[1])


@pytest.fixture
def seed_program(tmp_path):
    """The program's names: net, criterion, optimizer."""
    path = tmp_path / "seed_program.py"
    path.write_text(_program(), encoding="utf-8")
    dgrad.manual_seed(0)
    return runpy.run_path(str(path))


def test_seed_program_trains_on_mnist_to_93_percent(seed_program):
    if not (SHARED / "data").exists():
        pytest.skip("shared/data with the MNIST images is not beside the project")
    images = SHARED / "data" / "t10k-images-idx3-ubyte.gz"
    labels = SHARED / "data" / "t10k-labels-idx1-ubyte.gz"
    data = read_idx(images, labels=labels)
    x, y = (data.inputs - data.inputs.mean()) / data.inputs.std(), data.targets
    net, criterion = seed_program["net"], seed_program["criterion"]
    optimizer = seed_program["optimizer"]
    rng = np.random.default_rng(0)
    order = rng.permutation(len(x))
    train, test = order[HELD_OUT:], order[:HELD_OUT]
    for _ in range(20):
        rng.shuffle(train)
        for start in range(0, len(train), 32):
            rows = train[start : start + 32]
            loss = criterion(net(dgrad.tensor(x[rows])), dgrad.tensor(y[rows]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with dgrad.no_grad():
        predicted = net(dgrad.tensor(x[test])).argmax(axis=1)
    assert (predicted.data == y[test]).mean() >= 0.93


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-10)])
def test_seed_network_has_the_gradients_of_pytorch(seed_program, dtype, tolerance):
    torch = pytest.importorskip("torch", reason="the oracle PyTorch is not installed")
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(64, 28, 28)).astype(dtype)
    y = rng.integers(0, 10, 64)
    net = seed_program["net"].astype(dtype)
    seed_program["criterion"](net(dgrad.tensor(x)), dgrad.tensor(y)).backward()
    theirs = [torch.tensor(p.data, requires_grad=True) for p in net.parameters()]
    w1, b1, w2, b2 = theirs
    hidden = torch.relu(torch.flatten(torch.tensor(x), 1) @ w1.T + b1)
    torch.nn.functional.cross_entropy(hidden @ w2.T + b2, torch.tensor(y)).backward()
    for p, q in zip(net.parameters(), theirs, strict=True):
        expected = q.grad.numpy()
        scale = np.abs(expected).max()
        np.testing.assert_allclose(p.grad.data, expected, rtol=0, atol=tolerance * scale)
        assert p.grad.dtype == dtype
