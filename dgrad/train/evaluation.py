"""Evaluation: the loss and the metrics of a model over a set of examples, exact over its rows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dgrad.core.modes import no_grad
from dgrad.core.tensor import Tensor
from dgrad.data.loader import Batches
from dgrad.nn.module import Module, evaluating
from dgrad.train.metrics import Metric

__all__ = ["evaluate"]


def evaluate(
    model: Module,
    loss: Module,
    metrics: Mapping[str, Metric],
    inputs: np.ndarray,
    targets: np.ndarray,
    *,
    batch_size: int,
) -> dict[str, float]:
    """{"loss": mean over the rows, then each metric}, in eval mode; all modes are restored.

    inputs: (n, ...), targets: (n, ...), n >= 1. The loss is the mean of the batches' means,
    weighted by their rows; only equal batch sizes give equal bits. Raises DataError for n = 0.
    """
    batches = Batches(inputs, targets, batch_size=batch_size, shuffle=False, seed=0)
    total = 0.0
    for metric in metrics.values():
        metric.reset()
    # What is not finite shows in the results.
    with evaluating(model), no_grad(), np.errstate(all="ignore"):
        for x, y in batches.epoch(0):
            outputs = model(Tensor(x))
            total += float(loss(outputs, Tensor(y)).data) * len(x)
            for metric in metrics.values():
                metric.update(outputs.data, y)
    results = {name: float(metric.result()) for name, metric in metrics.items()}
    return {"loss": total / len(inputs), **results}
