"""footprint: what training holds, and what is copied while saving, in bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dgrad import registry
from dgrad.core.tensor import Tensor
from dgrad.nn import Linear, Sequential
from dgrad.train.averaging import EMA
from dgrad.train.footprint import Footprint, footprint

WEIGHTS, FROZEN = 6 * 4 + 6, 2 * 6 + 2  # elements

STATE: dict[str, tuple[dict[str, Any], int]] = {  # elements of the optimizer's state
    "sgd": ({}, 0),
    "adamw": ({}, 2 * WEIGHTS),
    "muon": ({}, 6 * 4 + 2 * 6),  # a matrix's momentum, a vector's two moments
    "adafactor": ({}, 6 + 4 + 6),  # rows and columns of the matrix, the vector
    "lbfgs": ({"history_size": 3}, (2 + 2 * 3) * WEIGHTS),
}


def made(name: str) -> tuple[Sequential, Any]:
    model = Sequential(Linear(4, 6), Linear(6, 2))
    for p in model[1].parameters():
        p.requires_grad = False
    settings, _ = STATE[name]
    return model, registry.optimizers[name](model[0].parameters(), **settings)


@pytest.mark.parametrize("averaged", [False, True])
@pytest.mark.parametrize("name", STATE)
def test_what_is_held_and_saved(name: str, averaged: bool) -> None:
    model, optimizer = made(name)
    found = footprint(list(model.parameters()), optimizer, averaged=averaged)
    whole, state = WEIGHTS + FROZEN, STATE[name][1]
    average = 2 * whole if averaged else 0
    assert found == Footprint(4 * whole, 4 * WEIGHTS, 4 * state, 4 * average)
    assert found.held == 4 * (whole + WEIGHTS + state + average)
    assert found.saved == 4 * (whole + state + average // 2)


@pytest.mark.parametrize("name", STATE)
def test_as_much_is_saved_as_the_arrays_take(name: str) -> None:
    model, optimizer = made(name)
    average = EMA(model, 0.9)

    def closure() -> float:
        optimizer.zero_grad()
        loss = model(Tensor(np.eye(4, dtype=np.float32))).square().sum()
        loss.backward()
        return float(loss.data)

    for step in range(4):
        optimizer.step(closure)
        average.update(step + 1)
    state = optimizer.state_arrays(model.named_parameters())
    arrays = [*model.state_dict().values(), *average.tensors().values(), *state.values()]
    numbers = [array for array in arrays if array.ndim == 0]  # steps, which are not counted
    taken = sum(array.nbytes for array in arrays) - sum(array.nbytes for array in numbers)
    assert footprint(list(model.parameters()), optimizer, averaged=True).saved == taken
