"""Evaluation: the loss and the metrics of a model over a set of examples, exact over its rows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dgrad.core.modes import no_grad
from dgrad.core.tensor import Tensor
from dgrad.data.loader import Batches
from dgrad.nn.module import Module, evaluating
from dgrad.train.metrics import Metric, Undefined
from dgrad.train.metrics.metric import mean_of

__all__ = ["evaluate", "weight_of"]


def weight_of(loss: Module, targets: np.ndarray) -> float:
    """What the loss of a batch counts for among others; its rows, where the loss does not say."""
    weigh = getattr(loss, "weight_of", None)
    weight: float = len(targets) if weigh is None else weigh(targets)
    return weight


def evaluate(
    model: Module,
    loss: Module,
    metrics: Mapping[str, Metric],
    inputs: np.ndarray,
    targets: np.ndarray,
    *,
    batch_size: int,
) -> dict[str, float]:
    """{"loss": mean over what counts, then each metric's values}, in eval mode.

    All modes are restored. inputs: (n, ...), targets: (n, ...), n >= 1. The loss is the mean of
    the batches' means, weighted by what they count for; only equal batch sizes give equal bits.
    What is Undefined is NaN, and says why. Raises DataError for n = 0.
    """
    batches = Batches(inputs, targets, batch_size=batch_size, shuffle=False, seed=0)
    total, counted = 0.0, 0.0
    for metric in metrics.values():
        metric.reset()
    # What is not finite shows in the results.
    with evaluating(model), no_grad(), np.errstate(all="ignore"):
        for x, y in batches.epoch(0):
            outputs = model(Tensor(x))
            weight = weight_of(loss, y)
            if weight:  # the mean of nothing is NaN
                total += float(loss(outputs, Tensor(y)).data) * weight
                counted += weight
            for metric in metrics.values():
                metric.update(outputs.data, y)
    results = {
        f"{name}{which}": value if isinstance(value, Undefined) else float(value)
        for name, metric in metrics.items()
        for which, value in metric.values().items()
    }
    return {"loss": mean_of(total, counted), **results}
