"""Where the first value that is not finite came from: a batch looked through, then run again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from dgrad.core.anomaly import first_bad
from dgrad.core.backward import grad
from dgrad.core.modes import detect_anomaly
from dgrad.core.tensor import Tensor
from dgrad.errors import AnomalyError, DgradError
from dgrad.nn.module import Module

__all__ = ["first_fault"]


def first_fault(
    model: Module,
    loss: Module,
    inputs: np.ndarray,
    targets: np.ndarray,
    draws: Callable[[], AbstractContextManager[Any]],
) -> str:
    """A sentence on what was not finite first: the batch, a parameter, or an operation; or "".

    The operation is found by running the batch again under `detect_anomaly`, forward and backward,
    within `draws()`, which repeats the random draws. No parameter and no `.grad` changes.
    """
    given: list[tuple[str, Any]] = [("inputs", inputs), ("targets", targets)]
    given += [(name, p.data) for name, p in model.named_parameters()]
    for name, array in given:
        index = first_bad(array, infinite=True)
        if index is not None:
            return f"{name} had {array[index]} at index {index} before the step. "
    for traced in (True, False):
        x = Tensor(inputs)
        if traced and inputs.dtype.kind == "f":
            x.requires_grad_()  # only what is recorded is checked: so are operations on data alone
        try:
            with np.errstate(all="ignore"), draws(), detect_anomaly():
                _forward_and_backward(model, loss, x, Tensor(targets))
        except AnomalyError as error:
            notes = getattr(error, "__notes__", ())
            return "; ".join([f"It began here: {error}", *notes]) + ". "
        except (
            DgradError,
            TypeError,
        ):  # a layer that refuses inputs which require grad, by np.asarray say
            continue
        break
    return ""


def _forward_and_backward(model: Module, loss: Module, x: Tensor, targets: Tensor) -> None:
    value = loss(model(x), targets)
    trained = [p for p in model.parameters() if p.requires_grad]
    if trained and value.requires_grad:
        grad(value, trained, allow_unused=True)
