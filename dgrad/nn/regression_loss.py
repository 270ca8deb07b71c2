"""Losses that compare numbers with numbers: outputs and targets have equal shapes."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from dgrad import ops
from dgrad.core.tensor import Tensor
from dgrad.nn.loss import Loss, Reduction, check_within
from dgrad.registry import NonNegative, Positive, losses

__all__ = [
    "HuberLoss",
    "KLDivLoss",
    "L1Loss",
    "MSELoss",
    "PoissonNLLLoss",
    "SmoothL1Loss",
]


class _NumberLoss(Loss):
    """Takes numbers."""

    targets = "numbers"


@losses.register("mse")
class MSELoss(_NumberLoss):
    """(outputs - targets)^2, averaged over all elements.   Equal shapes -> a scalar."""

    def forward(self, outputs: Any, targets: Any) -> Tensor:
        """outputs, targets: equal shapes -> scalar, or that shape for "none"."""
        return ops.mse_loss(  # type: ignore[no-any-return]
            outputs, targets, reduction=self.reduction
        )


@losses.register("mae")
class L1Loss(_NumberLoss):
    """|outputs - targets|, averaged over all elements.   Equal shapes -> a scalar."""

    def forward(self, outputs: Any, targets: Any) -> Tensor:
        """outputs, targets: equal shapes -> scalar, or that shape for "none"."""
        return ops.l1_loss(  # type: ignore[no-any-return]
            outputs, targets, reduction=self.reduction
        )


@losses.register("huber")
class HuberLoss(_NumberLoss):
    """d^2 / 2 where d = |outputs - targets| <= delta, else delta (d - delta / 2), averaged.

    Huber 1964. Equal shapes -> a scalar, or that shape for "none".
    """

    def __init__(self, delta: Positive = 1.0, *, reduction: Reduction = "mean") -> None:
        super().__init__(reduction=reduction)
        self.delta = delta

    def forward(self, outputs: Any, targets: Any) -> Tensor:
        """outputs, targets: equal shapes -> scalar, or that shape for "none"."""
        return ops.huber_loss(  # type: ignore[no-any-return]
            outputs, targets, reduction=self.reduction, delta=self.delta
        )


@losses.register("smooth_l1")
class SmoothL1Loss(_NumberLoss):
    """d^2 / (2 beta) where d = |outputs - targets| <= beta, else d - beta / 2, averaged.

    Girshick 2015; beta = 0 makes it mae. Equal shapes -> a scalar, or that shape for "none".
    """

    def __init__(self, beta: NonNegative = 1.0, *, reduction: Reduction = "mean") -> None:
        super().__init__(reduction=reduction)
        self.beta = beta

    def forward(self, outputs: Any, targets: Any) -> Tensor:
        """outputs, targets: equal shapes -> scalar, or that shape for "none"."""
        return ops.smooth_l1_loss(  # type: ignore[no-any-return]
            outputs, targets, reduction=self.reduction, beta=self.beta
        )


@losses.register("kl_div")
class KLDivLoss(_NumberLoss):
    """targets (log targets - outputs): Kullback-Leibler divergence of outputs from targets.

    outputs: log-probabilities, of log_softmax; targets: probabilities, or their logarithms with
    log_target. "mean" divides by the number of elements, "batchmean", which is the divergence
    itself, by the rows. Equal shapes -> a scalar, or that shape for "none".
    """

    means = ("mean", "batchmean")
    takes = "log_softmax"

    def __init__(
        self,
        log_target: bool = False,
        *,
        reduction: Literal["mean", "batchmean", "sum", "none"] = "mean",
    ) -> None:
        super().__init__(reduction=reduction)  # type: ignore[arg-type]
        self.log_target = log_target

    def forward(self, outputs: Any, targets: Any) -> Tensor:
        """outputs, targets: equal shapes -> scalar, or that shape for "none"."""
        return ops.kl_div(  # type: ignore[no-any-return]
            outputs,
            targets,
            reduction=self.reduction,
            log_target=self.log_target,
        )

    def check_targets(self, targets: np.ndarray) -> None:
        """Probabilities must not be negative."""
        if not self.log_target:
            hint = "set log_target: true if they are log-probabilities"
            check_within(targets, 0, np.inf, hint)


@losses.register("poisson_nll")
class PoissonNLLLoss(_NumberLoss):
    """exp(outputs) - targets outputs, averaged: of counts with the rate exp(outputs).

    log_input false: outputs - targets log(outputs + eps), outputs being the rates. full: adds
    Stirling's approximation of log(targets!). Equal shapes -> a scalar, or that shape for "none".
    """

    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        eps: Positive = 1e-8,
        *,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        self.log_input, self.full, self.eps = log_input, full, eps

    def forward(self, outputs: Any, targets: Any) -> Tensor:
        """outputs, targets: equal shapes -> scalar, or that shape for "none"."""
        return ops.poisson_nll_loss(  # type: ignore[no-any-return]
            outputs,
            targets,
            reduction=self.reduction,
            log_input=self.log_input,
            full=self.full,
            eps=self.eps,
        )

    def check_targets(self, targets: np.ndarray) -> None:
        """Counts must not be negative."""
        check_within(targets, 0, np.inf, "use mse")
