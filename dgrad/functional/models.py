"""The gradient check of a whole model: its loss by every parameter."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from dgrad.core.tensor import Tensor
from dgrad.errors import DgradError
from dgrad.functional.compare import Settings, check_orders, generator_for
from dgrad.functional.lines import typical_size
from dgrad.functional.parts import real_outputs
from dgrad.functional.report import Check
from dgrad.functional.subject import Subject, private

__all__ = ["check_model", "steady"]

ROWS = 8  # of a batch that a model is checked on
MOVE = 1e-3  # how far a model at a kink is moved off it, relative to each parameter's size


def check_model(
    model: Any,
    loss: Callable[[Any, Any], Tensor],
    inputs: Any,
    targets: Any,
    *,
    order: int = 1,
    seed: int = 0,
    entries: int = 20,
) -> list[Check]:
    """Check loss(model(inputs), targets) by every parameter of a Module, on a float64 copy.

    Of each parameter: two random directions through all its entries, and `entries` single ones,
    the largest derivatives among them; the larger the model, the fewer: of 10^7 parameters in
    eight arrays one, then none, and one direction from 10^8. Of a batch, (n, ...) inputs with n
    targets, the first eight rows. Where relu and the like stand exactly at a kink, as zero biases
    make them do, what was not ok is checked again with the model moved a little. `model` stays as
    it is, and is checked in the mode it is in; buffers are put back before each call. Where an
    order beyond the first cannot be had, a Check says so and why.
    """
    module = copy.deepcopy(model).double()
    inputs, targets = map(_exact, _first_rows(inputs, targets))
    leaves = {key: p for key, p in module.named_parameters() if p.requires_grad}
    call = real_outputs(steady(module, lambda: loss(module(inputs), targets)))
    settings = Settings(seed=seed, limit=entries)

    def checks_now() -> list[Check]:
        subject = Subject("parameter", "model", call, leaves, ["loss"])
        first = check_orders(subject, 1, settings)
        if order == 1 or not all(check.passed for check in first):
            return first
        try:
            return check_orders(subject, order, settings)
        except DgradError as error:
            note = f"{type(error).__name__}: {error}"
            return [*first, Check("parameter", "model", "", "skipped: no order 2", 2, note=note)]

    checks = checks_now()
    if any(check.verdict == "kink" for check in checks):
        rng = generator_for(seed, "move")
        for leaf in leaves.values():
            leaf.data += rng.normal(scale=MOVE * typical_size(leaf), size=leaf.shape)
        again = {(check.input, check.order): check for check in checks_now()}
        checks = [
            again.get((c.input, c.order), c) if c.verdict in ("kink", "wrong") else c
            for c in checks
        ]
    return checks


def steady(module: Any, call: Callable[[], Any]) -> Callable[[], Any]:
    """call, each time with the module's buffers as they are now: batch norm's statistics move."""
    kept = [
        (owner, name, copy.deepcopy(getattr(owner, name)))
        for owner in module.modules()
        for name in owner._buffers
    ]

    def again() -> Any:
        for owner, name, value in kept:
            setattr(owner, name, copy.deepcopy(value))
        return call()

    return again


def _first_rows(inputs: Any, targets: Any) -> tuple[Any, Any]:
    """The first ROWS of both, where both are arrays of as many rows."""
    both = isinstance(inputs, Tensor | np.ndarray) and isinstance(targets, Tensor | np.ndarray)
    if both and inputs.ndim > 1 and inputs.shape[0] == (targets.shape or (0,))[0]:
        return inputs[:ROWS], targets[:ROWS]
    return inputs, targets


def _exact(value: Any) -> Any:
    """Floats as float64, without gradient; anything else as it is."""
    if isinstance(value, Tensor | np.ndarray) and value.dtype.kind == "f":
        return private(value).detach()
    return value
