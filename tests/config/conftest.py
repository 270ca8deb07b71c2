"""A small set of components in place of the shipped ones, and a config that uses them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from dgrad import registry
from dgrad.config import document
from dgrad.registry import Count, Fraction, NonNegative, Positive, Registry


class Linear:
    inferred = ("in_features",)

    def __init__(self, in_features: int, units: Count, bias: bool = True) -> None: ...


class ReLU:
    pass


def dropout(p: Fraction = 0.5) -> None: ...


class Percent:
    """A type that reads itself from text such as `5%`."""

    def __init__(self, share: float) -> None:
        self.share = share

    @classmethod
    def from_config(cls, value: object) -> Percent:
        if not isinstance(value, str) or not value.endswith("%"):
            raise ValueError(f"expected a percentage such as 5%, got {value!r}")
        return cls(float(value[:-1]))

    def __str__(self) -> str:
        return f"{self.share:g}%"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Percent) and self.share == other.share

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True)
class Norm:
    kind: Literal["layer", "batch"] = "layer"
    eps: Positive = 1e-5
    axes: list[int] = field(default_factory=lambda: [-1])


def block(width: Count, norm: Norm | None = None) -> None: ...


def residual(layers: list[Annotated[Any, registry.layers]], scale: float = 1.0) -> None: ...


def cross_entropy(label_smoothing: Fraction = 0) -> None: ...


def accuracy() -> None: ...


def top_k(k: Count = 5) -> None: ...


def adam(
    params: object,
    lr: Positive = 1e-3,
    betas: tuple[Fraction, Fraction] = (0.9, 0.999),
    weight_decay: NonNegative = 0.0,
) -> None: ...


def sgd(params: object, lr: Positive, momentum: Fraction = 0.0) -> None: ...


def constant() -> None: ...


class Cosine:
    supplied = ("total",)

    def __init__(self, total: int, warmup: Percent = Percent(0)) -> None: ...  # noqa: B008


def csv(path: Path, target: str | int | list[str], delimiter: str | None = None) -> None: ...


def standardize(fit: Literal["train", "all"] = "train") -> None: ...


COMPONENTS: dict[Registry[Any], dict[str, Any]] = {
    registry.layers: {
        "linear": Linear,
        "relu": ReLU,
        "dropout": dropout,
        "block": block,
        "residual": residual,
    },
    registry.losses: {"cross_entropy": cross_entropy},
    registry.metrics: {"accuracy": accuracy, "top_k": top_k},
    registry.optimizers: {"adam": adam, "sgd": sgd},
    registry.schedules: {"constant": constant, "cosine": Cosine},
    registry.readers: {"csv": csv},
    registry.transforms: {"standardize": standardize},
}

CONFIG = """\
seed: 7
vars: {width: 16}
data:
  csv: {path: ../digits.csv, target: label}
  split: {val: 0.2, test: 0.1, stratify: true}
  transforms: [{standardize: {fit: train}}]
model:
  layers:
    - linear: $vars.width
    - relu
    - dropout: 0.1
    - block: {width: 3, norm: {eps: 1e-6}}
    - linear: $data.classes
loss: cross_entropy
metrics: [accuracy, {top_k: 3}]
optimizer: {adam: {lr: 1e-3, betas: [0.8, 0.99]}}
schedule: {cosine: {warmup: 5%}}
train:
  epochs: 20
  batch_size: 64
  clip_norm: 1.5
  dtype: float64
  early_stop: {metric: val/accuracy, patience: 5}
  checkpoint: {every: 2 epochs, keep: 1, best: val/accuracy}
"""


@pytest.fixture(autouse=True)
def _components(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Only the components above are registered, and plugins are forgotten afterwards."""
    for known, entries in COMPONENTS.items():
        monkeypatch.setattr(known, "_entries", dict(entries))
    monkeypatch.setattr(document, "register_shipped", lambda: None)
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("_dgrad_plugin_"):
            del sys.modules[name]


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a text (by default the whole example) as a config file."""

    def write(text: str = CONFIG, name: str = "run.yaml") -> Path:
        path = tmp_path / name
        path.write_bytes(text.encode())
        return path

    return write
