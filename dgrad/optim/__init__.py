"""Optimizers, schedules, clipping: one file per optimizer, PyTorch's names and defaults."""

from dgrad.optim.adam import Adam
from dgrad.optim.adamw import AdamW
from dgrad.optim.block import State
from dgrad.optim.clipping import clip_grad_norm_
from dgrad.optim.optimizer import Optimizer
from dgrad.optim.schedules import (
    Chain,
    Constant,
    Cosine,
    CosineRestarts,
    Exponential,
    InverseSqrt,
    Length,
    Linear,
    MultiStep,
    OneCycle,
    Plateau,
    Polynomial,
    Schedule,
    Step,
    WarmupStableDecay,
)
from dgrad.optim.sgd import SGD

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "Chain",
    "Constant",
    "Cosine",
    "CosineRestarts",
    "Exponential",
    "InverseSqrt",
    "Length",
    "Linear",
    "MultiStep",
    "OneCycle",
    "Optimizer",
    "Plateau",
    "Polynomial",
    "Schedule",
    "State",
    "Step",
    "WarmupStableDecay",
    "clip_grad_norm_",
]
