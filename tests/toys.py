"""Small data sets and configs that train in milliseconds, for tests of whole runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from dgrad import registry
from dgrad.core.protocols import NUMPY_OPS
from dgrad.registry import Registry

__all__ = ["CLASSES", "NUMBERS", "forgetting", "write_toy"]

CLASSES = """\
seed: 3
data:
  csv: {path: classes.csv, target: kind}
  split: {val: 0.2, test: 0.2, stratify: true}
  transforms: [standardize]
model:
  layers:
    - linear: 8
    - relu
    - dropout: 0.2
    - linear: $data.classes
loss: cross_entropy
metrics: [accuracy]
optimizer: {adam: {lr: 0.05}}
schedule: {cosine: {warmup: 10%}}
train:
  epochs: 3
  batch_size: 16
  checkpoint: {every: 1 epoch, keep: 2, best: val/loss}
"""

NUMBERS = """\
data:
  csv: {path: numbers.csv, target: y}
  split: {val: 0.2, test: 0.2}
model: {layers: [{linear: 16}, tanh, {linear: $data.targets}]}
loss: mse
metrics: [mae, rmse, r2]
optimizer: {adam: {lr: 0.03}}
train: {epochs: 40, batch_size: 16}
"""


def write_toy(folder: Path, text: str = CLASSES, name: str = "toy.yaml") -> Path:
    """Write the config and both tables into `folder`; returns the config's path."""
    rng = np.random.default_rng(7)
    points = rng.normal(size=(75, 3)) + 2.5 * np.repeat(np.eye(3), 25, axis=0)
    lines = ["a,b,c,kind"]
    lines += [
        f"{a:.3f},{b:.3f},{c:.3f},{('red', 'green', 'blue')[i // 25]}"
        for i, (a, b, c) in enumerate(points)
    ]
    (folder / "classes.csv").write_text("\n".join(lines) + "\n")
    inputs = rng.uniform(-1, 1, size=(120, 2))
    lines = ["a,b,y"]
    lines += [f"{a:.3f},{b:.3f},{2 * a - b + a * b + 0.25:.4f}" for a, b in inputs]
    (folder / "numbers.csv").write_text("\n".join(lines) + "\n")
    path = folder / name
    path.write_text(text)
    return path


@contextmanager
def forgetting() -> Iterator[None]:
    """What plugins register within is forgotten, and they can be loaded again."""
    tables = [value._entries for value in vars(registry).values() if isinstance(value, Registry)]
    tables.append(NUMPY_OPS)
    kept = [dict(table) for table in tables]
    modules = set(sys.modules)
    yield
    for table, before in zip(tables, kept, strict=True):
        table.clear()
        table.update(before)
    for name in set(sys.modules) - modules:
        if name.startswith("_dgrad_plugin_"):
            del sys.modules[name]
