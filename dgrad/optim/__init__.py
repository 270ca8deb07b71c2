"""Optimizers and clipping: one file per optimizer, PyTorch's names and defaults.

Learning-rate schedules are in dgrad.optim.schedules, whose Linear and Step are none of nn's.
"""

from dgrad.optim import schedules
from dgrad.optim.adadelta import Adadelta
from dgrad.optim.adafactor import Adafactor
from dgrad.optim.adagrad import Adagrad
from dgrad.optim.adam import Adam
from dgrad.optim.adamax import Adamax
from dgrad.optim.adamw import AdamW
from dgrad.optim.adamw_schedule_free import AdamWScheduleFree
from dgrad.optim.block import State
from dgrad.optim.clipping import (
    clip_grad_norm_,
    clip_grad_value_,
    get_total_norm,
    nonfinite_gradients,
)
from dgrad.optim.lamb import LAMB
from dgrad.optim.lbfgs import LBFGS
from dgrad.optim.lion import Lion
from dgrad.optim.muon import Muon
from dgrad.optim.nadam import NAdam
from dgrad.optim.optimizer import Optimizer
from dgrad.optim.radam import RAdam
from dgrad.optim.rmsprop import RMSprop
from dgrad.optim.sgd import SGD

__all__ = [
    "LAMB",
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "AdamWScheduleFree",
    "Adamax",
    "Lion",
    "Muon",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "State",
    "clip_grad_norm_",
    "clip_grad_value_",
    "get_total_norm",
    "nonfinite_gradients",
    "schedules",
]
