"""The table of optimizers: what each is tried with, and what it is compared with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dgrad import nn
from dgrad.optim import Optimizer

Settings = dict[str, Any]

SHAPES = [(3, 4), (), (4,), (2, 1, 3), (0, 2), (5, 3), (1, 4)]


@dataclass(frozen=True)
class Case:
    """settings: to try. torch: the name there. bowl, valley: what solves them, in so many steps."""

    settings: list[Settings]
    bowl: tuple[Settings, int]
    valley: tuple[Settings, int]
    torch: str | None = None
    compared: list[tuple[int, ...]] = field(default_factory=lambda: SHAPES)  # shapes it takes there
    own: tuple[str, ...] = ()  # settings that PyTorch's has not
    needs_closure: bool = False


OPTIMIZERS = {
    "sgd": Case(
        [
            {},
            {"momentum": 0.9},
            {"momentum": 0.9, "nesterov": True},
            {"momentum": 0.8, "dampening": 0.3},
            {"weight_decay": 0.1},
            {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1, "maximize": True},
            {"momentum": 0.9, "dampening": 0.1, "weight_decay": 0.1, "maximize": True},
        ],
        bowl=({"lr": 0.2}, 200),
        valley=({"lr": 2e-3, "momentum": 0.9}, 2000),
        torch="SGD",
    ),
    "adam": Case(
        [
            {},
            {"betas": [0.7, 0.9], "eps": 1e-3},
            {"weight_decay": 0.1},
            {"amsgrad": True, "betas": [0.5, 0.5]},
            {"amsgrad": True, "weight_decay": 0.1, "maximize": True},
        ],
        bowl=({"lr": 0.5, "betas": [0.9, 0.99]}, 200),
        valley=({"lr": 0.02, "betas": [0.9, 0.99]}, 2000),
        torch="Adam",
    ),
    "adamw": Case(
        [
            {},
            {"weight_decay": 0.3, "eps": 1e-3},
            {"amsgrad": True, "betas": [0.5, 0.5]},
            {"weight_decay": 0.3, "maximize": True},
        ],
        bowl=({"lr": 2.0, "weight_decay": 0.0}, 200),
        valley=({"lr": 1.0, "weight_decay": 0.0}, 2000),
        torch="AdamW",
    ),
    "nadam": Case(
        [
            {},
            {"betas": [0.7, 0.9], "eps": 1e-3, "momentum_decay": 0.1},
            {"weight_decay": 0.1},
            {"weight_decay": 0.3, "decoupled_weight_decay": True, "maximize": True},
        ],
        bowl=({"lr": 5.0}, 200),
        valley=({"lr": 0.01, "betas": [0.9, 0.9]}, 2000),
        torch="NAdam",
    ),
    "radam": Case(
        [
            {},
            {"betas": [0.7, 0.9], "eps": 1e-3},
            {"betas": [0.9, 0.5]},
            {"weight_decay": 0.1},
            {"weight_decay": 0.3, "decoupled_weight_decay": True, "maximize": True},
        ],
        bowl=({"lr": 0.5, "betas": [0.9, 0.99]}, 200),
        valley=({"lr": 5e-3, "betas": [0.9, 0.9]}, 2000),
        torch="RAdam",
    ),
    "rmsprop": Case(
        [
            {},
            {"alpha": 0.5, "eps": 1e-3},
            {"momentum": 0.9},
            {"centered": True},
            {"momentum": 0.5, "centered": True, "weight_decay": 0.1, "maximize": True},
        ],
        bowl=({"lr": 0.2}, 200),
        valley=({"lr": 2e-3, "momentum": 0.9}, 2000),
        torch="RMSprop",
    ),
    "adagrad": Case(
        [
            {},
            {"lr_decay": 0.1, "eps": 1e-3},
            {"initial_accumulator_value": 0.5},
            {"weight_decay": 0.1, "maximize": True},
        ],
        bowl=({"lr": 5.0}, 200),
        valley=({"lr": 1.0}, 8000),
        torch="Adagrad",
    ),
    "adadelta": Case(
        [{}, {"rho": 0.5, "eps": 1e-3}, {"weight_decay": 0.1, "maximize": True}],
        bowl=({"lr": 2.0, "eps": 1e-3}, 200),
        valley=({"lr": 0.5}, 8000),
        torch="Adadelta",
    ),
    "adamax": Case(
        [{}, {"betas": [0.7, 0.9], "eps": 1e-3}, {"weight_decay": 0.1, "maximize": True}],
        bowl=({"lr": 5.0}, 200),
        valley=({"lr": 0.01, "betas": [0.9, 0.99]}, 2000),
        torch="Adamax",
    ),
    "adafactor": Case(
        [
            {},
            {"eps": [1e-2, 1e-4], "d": 2.0},
            {"beta2_decay": -0.5, "weight_decay": 0.1},
            {"maximize": True},
        ],
        bowl=({"lr": 1.0}, 200),
        valley=({"lr": 0.02}, 8000),
        torch="Adafactor",
        compared=[shape for shape in SHAPES if 0 not in shape],  # there it divides by the size
    ),
    "muon": Case(
        [
            {},
            {"nesterov": False, "momentum": 0.5, "weight_decay": 0.0},
            {"ns_steps": 2, "ns_coefficients": [2.0, -1.5, 0.5], "eps": 1.0},
            {"adjust_lr_fn": "match_rms_adamw"},
            {"adjust_lr_fn": "original", "weight_decay": 0.3},
            {"use_adamw": True, "adamw_betas": [0.8, 0.95], "adamw_eps": 1e-3},
        ],
        bowl=({"lr": 0.5, "momentum": 0.9, "weight_decay": 0.0}, 200),
        valley=({"lr": 0.01, "eps": 0.01, "weight_decay": 0.0}, 2000),
        torch="Muon",
        compared=[shape for shape in SHAPES if len(shape) == 2 and 0 not in shape],
        own=("use_adamw", "adamw_betas", "adamw_eps"),
    ),
    "lion": Case(
        [{}, {"betas": [0.5, 0.8], "weight_decay": 0.3}, {"maximize": True}],
        bowl=({"lr": 1.0}, 200),
        valley=({"lr": 5e-3, "betas": [0.95, 0.98]}, 2000),
    ),
    "lamb": Case(
        [{}, {"betas": [0.5, 0.8], "eps": 1e-3, "weight_decay": 0.3}, {"maximize": True}],
        bowl=({"lr": 0.1, "weight_decay": 0.0}, 200),
        valley=({"lr": 0.05, "eps": 1e-3, "weight_decay": 0.0}, 2000),
    ),
    "adamw_schedule_free": Case(
        [
            {},
            {"betas": [0.5, 0.8], "eps": 1e-3, "weight_decay": 0.3},
            {"warmup_steps": 5, "maximize": True},
        ],
        bowl=({"lr": 5.0}, 200),
        valley=({"lr": 0.2, "betas": [0.9, 0.99]}, 2000),
    ),
    "lbfgs": Case(
        [
            {},
            {"line_search_fn": "strong_wolfe"},
            {"max_iter": 3, "history_size": 2, "lr": 0.5},
            {"max_iter": 4, "max_eval": 6, "history_size": 1, "line_search_fn": "strong_wolfe"},
            {"max_iter": 30, "tolerance_grad": 1e-3, "tolerance_change": 1e-5},
        ],
        bowl=({}, 2),
        valley=({"line_search_fn": "strong_wolfe"}, 5),
        torch="LBFGS",
        needs_closure=True,
    ),
}
CASES = [(name, settings) for name, case in OPTIMIZERS.items() for settings in case.settings]
STEPWISE = [(name, settings) for name, settings in CASES if not OPTIMIZERS[name].needs_closure]


def values(dtype: Any = np.float64, shapes: Any = SHAPES) -> list[np.ndarray]:
    """What the parameters start at."""
    rng = np.random.default_rng(0)
    return [np.asarray(rng.normal(size=shape), dtype) for shape in shapes]


def gradients(step: int, dtype: Any = np.float64, shapes: Any = SHAPES) -> list[np.ndarray]:
    """What the gradients are at a step."""
    rng = np.random.default_rng(100 + step)
    return [np.asarray(rng.normal(size=shape), dtype) for shape in shapes]


def run(optimizer: Optimizer, params: list[nn.Parameter], steps: Any, skip: Any = ()) -> None:
    """Steps with given gradients; skip holds (step, parameter) pairs that have none.

    An optimizer that needs a closure minimises the sum of log cosh(p - g), g the first gradients.
    """
    shapes = [p.shape for p in params]
    for step in steps:
        whole = optimizer.needs_closure
        given = gradients(0 if whole else step, params[0].dtype, shapes)

        def closure(step: int = step, given: list[np.ndarray] = given) -> float:
            loss = 0.0
            for i, (p, g) in enumerate(zip(params, given, strict=True)):
                p.grad = None if (step, i) in skip else np.tanh(p.data - g)
                loss += float(np.logaddexp(p.data - g, g - p.data).sum())
            return loss

        for i, (p, g) in enumerate(zip(params, given, strict=True)):
            p.grad = None if (step, i) in skip else g
        optimizer.step(closure if whole else None)
