"""configs/char_gpt.yaml is nanoGPT's network and training: 20 steps beside PyTorch, in float64."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dgrad.config import document
from dgrad.config.document import load
from dgrad.config.experiment import Experiment
from tests.toys import forgetting

torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
F = torch.nn.functional

CONFIG = Path(__file__).parents[2] / "configs" / "char_gpt.yaml"
LAYERS, HEADS, WIDTH, CONTEXT = 4, 4, 128, 64
PARTS = ["norm_1", "qkv", "joined", "norm_2", "up", "down"]
NAMES = ["tokens", "positions", *(f"{i}.{part}" for i in range(LAYERS) for part in PARTS), "norm"]


@pytest.fixture(autouse=True)
def _components() -> Iterator[None]:
    """Here the shipped components are meant, not those of conftest."""
    document.register_shipped()
    with forgetting():
        yield


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """What is computed is too small for PyTorch's threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def trainer(tmp_path: Path) -> Any:
    """The config's trainer on another text, a row at a time."""
    drawn = np.random.default_rng(0).integers(ord(" "), ord(" ") + 65, 2000, np.uint8)
    (tmp_path / "text.txt").write_bytes(drawn.tobytes())
    overrides = [f"data.text.path={tmp_path / 'text.txt'}", "train.dtype=float64"]
    return Experiment.build(load(CONFIG, [*overrides, "train.batch_size=1"])).trainer


def logits(w: dict[str, Any], x: Any) -> Any:
    """A decoder without biases, norms first, the last weight that of the tokens. x: (n, t)."""
    h = F.embedding(x, w["tokens"]) + w["positions"]
    for i in range(LAYERS):
        norm_1, qkv, joined, norm_2, up, down = (w[f"{i}.{part}"] for part in PARTS)
        parts = F.linear(F.layer_norm(h, (WIDTH,), norm_1), qkv).chunk(3, dim=2)
        heads = (part.unflatten(2, (HEADS, -1)).transpose(1, 2) for part in parts)
        seen = F.scaled_dot_product_attention(*heads, is_causal=True)
        h = h + F.linear(seen.transpose(1, 2).flatten(2), joined)
        h = h + F.linear(F.gelu(F.linear(F.layer_norm(h, (WIDTH,), norm_2), up)), down)
    return F.linear(F.layer_norm(h, (WIDTH,), w["norm"]), w["tokens"])


def test_its_steps_are_those_of_the_same_network_in_pytorch(trainer: Any) -> None:
    ours = list(trainer.model.parameters())
    w = {
        name: torch.tensor(p.data, requires_grad=True) for name, p in zip(NAMES, ours, strict=True)
    }
    matrices = [p for p in w.values() if p.ndim > 1]
    vectors = [p for p in w.values() if p.ndim == 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.99))
    batches = (batch for epoch in range(9) for batch in trainer.batches.epoch(epoch))
    for step, (x, y) in zip(range(20), batches, strict=False):
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * (step + 1) / 100  # of the warm-up
        loss = F.cross_entropy(logits(w, torch.tensor(x)).flatten(0, 1), torch.tensor(y).flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(w.values(), 1.0)
        optimizer.step()
        assert trainer.train_step(x, y) == pytest.approx(loss.item(), rel=1e-9)
    for name, p in zip(NAMES, ours, strict=True):
        np.testing.assert_allclose(p.data, w[name].detach(), rtol=0, atol=1e-9, err_msg=name)


def test_its_weights_start_as_nanogpts_do(trainer: Any) -> None:
    for name, p in zip(NAMES, trainer.model.parameters(), strict=True):
        if "norm" in name:
            assert (p.data == 1).all()
        else:
            small = name.endswith(("joined", "down"))
            wanted = 0.02 / np.sqrt(2 * LAYERS) if small else 0.02
            assert p.data.std() == pytest.approx(wanted, rel=0.03), name
            assert abs(p.data.mean()) < 0.05 * wanted


def test_its_rate_falls_to_a_tenth(trainer: Any) -> None:
    rates = [1e-3 * trainer.schedule(step) for step in (0, 99, 100, 1050, 1999, 2000)]
    np.testing.assert_allclose(rates, [1e-5, 1e-3, 1e-3, 5.5e-4, 1e-4, 1e-4], rtol=1e-4)
