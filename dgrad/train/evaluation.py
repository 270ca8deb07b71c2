"""Evaluation: the loss and the metrics of a model over a set of examples, exact over its rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dgrad.core.modes import no_grad
from dgrad.core.tensor import Tensor
from dgrad.data.loader import Batches
from dgrad.nn.module import Module

__all__ = ["EVALUATION_ROWS", "evaluate"]

EVALUATION_ROWS = 512  # a batch of every evaluation: equal batches give bit-equal results


def evaluate(
    model: Module,
    loss: Module,
    metrics: Mapping[str, Any],
    inputs: np.ndarray,
    targets: np.ndarray,
) -> dict[str, float]:
    """{"loss": mean over the rows, then each metric}, in eval mode; the model's mode is restored.

    inputs: (n, ...), targets: (n, ...), n >= 1. The loss is the mean of the batches' means,
    weighted by their rows. Raises DataError for n = 0.
    """
    batches = Batches(inputs, targets, batch_size=EVALUATION_ROWS, shuffle=False, seed=0)
    total = 0.0
    for metric in metrics.values():
        metric.reset()
    training = model.training
    model.eval()
    try:
        with no_grad(), np.errstate(all="ignore"):  # what is not finite shows in the results
            for x, y in batches.epoch(0):
                outputs = model(Tensor(x))
                total += float(loss(outputs, Tensor(y)).data) * len(x)
                for metric in metrics.values():
                    metric.update(outputs.data, y)
    finally:
        model.train(training)
    results = {name: float(metric.result()) for name, metric in metrics.items()}
    return {"loss": total / len(inputs), **results}
