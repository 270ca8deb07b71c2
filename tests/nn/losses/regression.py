"""Cases of dgrad/nn/regression_loss.py."""

from __future__ import annotations

import numpy as np

from tests.nn.losses.case import Case, normal, rng

__all__ = ["CASES"]

EMPTY = np.zeros((0, 3))
X = normal(2, 3)
TIED = X + np.array([[0.0, 1.0, -1.0], [0.5, -0.5, 0.0]])


def usual(name: str) -> list[Case]:
    return [
        Case(name, X, normal(2, 3) * 2),
        Case(name, normal(4), normal(4)),
        Case(name, np.array(0.3), np.array(-1.0)),
        Case(name, EMPTY, EMPTY),
    ]


P = np.asarray(rng.dirichlet(np.ones(3), 2))
LOG_P = np.log(np.asarray(rng.dirichlet(np.ones(3), 2)))
COUNTS = np.asarray(rng.integers(0, 5, (2, 3))) * 1.0

CASES: dict[str, list[Case]] = {
    "huber": [
        *usual("huber"),
        Case("huber", X, X),
        Case("{huber: {delta: 0.5}}", X, TIED),
        Case("{huber: 3}", X, normal(2, 3) * 4),
    ],
    "kl_div": [
        Case("kl_div", LOG_P, P),
        Case("kl_div", LOG_P, np.eye(3)[:2]),
        Case("kl_div", EMPTY, EMPTY),
        Case("{kl_div: true}", LOG_P, np.log(P)),
    ],
    "mae": [*usual("mae"), Case("mae", X, TIED)],
    "mse": [*usual("mse"), Case("mse", X, X)],
    "poisson_nll": [
        Case("poisson_nll", X, COUNTS),
        Case("poisson_nll", np.array(0.3), np.array(2.0)),
        Case("{poisson_nll: {full: true}}", X, COUNTS),
        Case("{poisson_nll: {log_input: false, eps: 1e-3}}", np.exp(X), COUNTS),
    ],
    "smooth_l1": [
        *usual("smooth_l1"),
        Case("smooth_l1", X, X),
        Case("{smooth_l1: {beta: 0.25}}", X, normal(2, 3)),
        Case("{smooth_l1: 0}", X, TIED),
    ],
}
