"""Whole configs against the same training written in PyTorch: 20 steps in float64, within 1e-9."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dgrad.config import document
from dgrad.config.document import load
from dgrad.config.experiment import Experiment
from dgrad.train.trainer import Trainer
from tests.toys import forgetting

torch: Any = pytest.importorskip("torch", reason="PyTorch is the oracle")
nn, F = torch.nn, torch.nn.functional

DIGITS = Path(__file__).parents[2] / "data" / "digits.csv.gz"
STEPS = 20
COMMON = f"train: {{dtype: float64, steps: {STEPS}, %s}}\n"
IMAGES = f"""\
data:
  csv: {{path: {DIGITS}, target: label}}
  split: {{val: 0.1, test: 0.8}}
  transforms: [{{standardize: {{per: all}}}}]
loss: cross_entropy
"""
SUMS = """\
data: {addition: {digits: 2, rows: 300}, split: {val: 0.1, test: 0.1}}
loss: cross_entropy
"""


@pytest.fixture(autouse=True)
def _components() -> Iterator[None]:
    """Here the shipped components are meant, not those of conftest."""
    document.register_shipped()
    with forgetting():
        yield


class Residual(nn.Module):
    """x + layers(x)."""

    def __init__(self, *layers: Any) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Any) -> Any:
        return x + self.layers(x)


class Attention(nn.Module):
    """Causal attention of 2 heads, without bias."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)

    def forward(self, x: Any) -> Any:
        n, t, d = x.shape
        q, k, v = self.qkv(x).view(n, t, 3, 2, d // 2).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(y.transpose(1, 2).reshape(n, t, d))


class GPT(nn.Module):
    """Two blocks of width 8 between an embedding and the same matrix again."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(12, 8), nn.Embedding(8, 8)
        self.blocks = nn.Sequential(
            *[
                nn.Sequential(
                    Residual(nn.LayerNorm(8), Attention(8)),
                    Residual(nn.LayerNorm(8), nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8)),
                )
                for _ in range(2)
            ]
        )
        self.norm = nn.LayerNorm(8)

    def forward(self, x: Any) -> Any:
        h = self.tokens(x) + self.positions.weight
        return F.linear(self.norm(self.blocks(h)), self.tokens.weight)


class GRU(nn.Module):
    """An embedding, a GRU, and a score for every token."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.gru = nn.Embedding(12, 6), nn.GRU(6, 10, batch_first=True)
        self.head = nn.Linear(10, 12)

    def forward(self, x: Any) -> Any:
        return self.head(self.gru(self.tokens(x))[0])


def mlp() -> Any:
    return nn.Sequential(nn.Linear(64, 16), nn.Tanh(), nn.LayerNorm(16), nn.Linear(16, 10))


def cnn() -> Any:
    branch = Residual(nn.Conv2d(6, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6))
    return nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(),
        branch, nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(96, 10),
    )  # fmt: skip


def decayed(parameters: list[Any], decay: float, **settings: Any) -> Any:
    """AdamW that decays matrices alone."""
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, **settings)


def half_cosine(warmup: int, final: float) -> Callable[[int], float]:
    """The factor of the lr after so many steps."""

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        done = (step - warmup) / (STEPS - warmup)
        return final + (1 - final) * (1 + math.cos(math.pi * done)) / 2

    return factor


# config, PyTorch's model, its optimizer, the factor of the lr, the clipping of its gradients
RUNS: dict[str, tuple[str, Callable[[], Any], Callable[[list[Any]], Any], Any, Any]] = {
    "mlp, adamw by groups, cosine, clipped, accumulated": (
        IMAGES
        + "model: {layers: [{linear: 16}, tanh, layer_norm, {linear: $data.classes}]}\n"
        + "optimizer: {adamw: {lr: 0.01, weight_decay: 0.1, no_decay: [bias, norm]}}\n"
        + "schedule: {cosine: {warmup: 4, final: 0.1}}\n"
        + COMMON % "batch_size: 8, accumulate: 2, clip_norm: 0.5",
        mlp,
        lambda p: decayed(p, 0.1, lr=0.01),
        half_cosine(4, 0.1),
        lambda p: nn.utils.clip_grad_norm_(p, 0.5),
    ),
    "cnn, batch norm, nesterov, steps, values clipped": (
        IMAGES
        + """\
model:
  layers:
    - reshape: [1, 8, 8]
    - conv2d: {out_channels: 6, kernel_size: 3, padding: same}
    - batch_norm
    - relu
    - residual: [{conv2d: {out_channels: 6, kernel_size: 3, padding: 1, bias: false}}, batch_norm]
    - relu
    - max_pool2d: 2
    - flatten
    - linear: $data.classes
optimizer: {sgd: {lr: 0.05, momentum: 0.9, nesterov: true, weight_decay: 0.01}}
schedule: {step: {step_size: 6, gamma: 0.5}}
"""
        + COMMON % "batch_size: 16, clip_value: 0.05",
        cnn,
        lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01),
        lambda step: 0.5 ** (step // 6),
        lambda p: nn.utils.clip_grad_value_(p, 0.05),
    ),
    "gpt, tied, ignored targets": (
        SUMS
        + """\
model:
  layers:
    - {embedding: 8, id: tokens}
    - position_embedding
    - repeat:
        times: 2
        layers:
          - residual: [layer_norm, {self_attention: {num_heads: 2, causal: true, bias: false}}]
          - residual: [layer_norm, {linear: 16}, gelu, {linear: 8}]
    - layer_norm
    - {linear: {out_features: $data.vocab, bias: false}, tie: tokens}
optimizer: {adamw: {lr: 0.01, betas: [0.9, 0.95], weight_decay: 0.1, no_decay: [bias, norm]}}
"""
        + COMMON % "batch_size: 12, clip_norm: 1.0",
        GPT,
        lambda p: decayed(p, 0.1, lr=0.01, betas=(0.9, 0.95)),
        lambda step: 1.0,
        lambda p: nn.utils.clip_grad_norm_(p, 1.0),
    ),
    "gru, adam, exponential": (
        SUMS
        + "model: {layers: [{embedding: 6}, {gru: 10}, {linear: $data.vocab}]}\n"
        + "optimizer: {adam: {lr: 0.02}}\nschedule: {exponential: {gamma: 0.9}}\n"
        + COMMON % "batch_size: 12",
        GRU,
        lambda p: torch.optim.Adam(p, lr=0.02),
        lambda step: 0.9**step,
        lambda p: None,
    ),
}


def batches(trainer: Trainer) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The batches of the run, epoch after epoch."""
    for epoch in range(STEPS):
        yield from trainer.batches.epoch(epoch)


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_a_config_trains_as_the_same_program_in_pytorch(run: Any, tmp_path: Path) -> None:
    text, make, make_optimizer, factor, clip = run
    path = tmp_path / "run.yaml"
    path.write_text(text)
    trainer = Experiment.build(load(path)).trainer
    theirs = make().double()
    parameters = list(theirs.parameters())
    for p, ours in zip(parameters, trainer.model.parameters(), strict=True):
        p.data = torch.tensor(ours.data.reshape(p.shape))
    optimizer = make_optimizer(parameters)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    trainer.model.train()
    for step, (x, y) in zip(range(STEPS), batches(trainer), strict=False):
        optimizer.zero_grad()
        outputs = theirs(torch.tensor(x))
        loss = F.cross_entropy(outputs.flatten(0, -2), torch.tensor(y).flatten())
        loss.backward()
        clip(parameters)
        optimizer.step()
        schedule.step()
        assert trainer.train_step(x, y) == pytest.approx(loss.item(), rel=1e-9), f"step {step}"
    for p, (name, ours) in zip(parameters, trainer.model.named_parameters(), strict=True):
        theirs_now = p.detach().numpy().reshape(ours.shape)
        np.testing.assert_allclose(ours.data, theirs_now, rtol=1e-9, atol=1e-9, err_msg=name)
    buffers = [b.numpy() for b in theirs.buffers() if b.dtype.is_floating_point]
    ours_floats = [b for b in trainer.model.buffers() if np.asarray(b).dtype.kind == "f"]
    for mine, other in zip(ours_floats, buffers, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-9)
