"""Optimizers, schedules, clipping: one file per optimizer, PyTorch's names and defaults."""

from dgrad.optim.adam import Adam
from dgrad.optim.adamw import AdamW
from dgrad.optim.block import State
from dgrad.optim.clipping import clip_grad_norm_
from dgrad.optim.optimizer import Optimizer
from dgrad.optim.schedules import Constant, Cosine, Length, Schedule, Step
from dgrad.optim.sgd import SGD

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "Constant",
    "Cosine",
    "Length",
    "Optimizer",
    "Schedule",
    "State",
    "Step",
    "clip_grad_norm_",
]
