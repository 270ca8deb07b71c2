"""Losses as modules: criterion(outputs, targets)."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from dgrad import ops
from dgrad.core.tensor import Tensor
from dgrad.errors import ParameterError
from dgrad.nn.module import Module
from dgrad.registry import losses

__all__ = ["BCEWithLogitsLoss", "CrossEntropyLoss", "Loss", "MSELoss"]

Reduction = Literal["mean", "sum", "none"]


class Loss(Module):
    """Base of losses. `targets` says what they compare with: class indices or numbers."""

    targets: ClassVar[Literal["classes", "numbers"]]

    def __init__(self, *, reduction: Reduction = "mean") -> None:
        super().__init__()
        if reduction not in ("mean", "sum", "none"):
            expected = "'mean', 'sum' or 'none'"
            raise ParameterError(type(self).__name__, "reduction", expected, reduction)
        self.reduction: Reduction = reduction

    def extra_repr(self) -> str:
        """How the losses of the elements are joined."""
        return f"reduction={self.reduction!r}"


@losses.register("cross_entropy")
class CrossEntropyLoss(Loss):
    """-log softmax(outputs)[target], averaged.

    outputs: (..., classes) raw scores, targets: (...) integers -> a scalar, (...) for "none".
    The classes are the last axis.
    """

    targets = "classes"

    def forward(self, outputs: Any, targets: Any) -> Tensor:
        """outputs: (..., classes), targets: (...) -> scalar."""
        return ops.cross_entropy(  # type: ignore[no-any-return]
            outputs, targets, reduction=self.reduction
        )


@losses.register("mse")
class MSELoss(Loss):
    """(outputs - targets)^2, averaged over all elements.   Equal shapes -> a scalar."""

    targets = "numbers"

    def forward(self, outputs: Any, targets: Any) -> Tensor:
        """outputs, targets: equal shapes -> scalar, or that shape for "none"."""
        return ops.mse_loss(  # type: ignore[no-any-return]
            outputs, targets, reduction=self.reduction
        )


@losses.register("bce_with_logits")
class BCEWithLogitsLoss(Loss):
    """-t log sigmoid(x) - (1 - t) log sigmoid(-x), averaged over all elements.

    outputs: raw scores x, targets: t in [0, 1]; equal shapes -> a scalar.
    """

    targets = "numbers"

    def forward(self, outputs: Any, targets: Any) -> Tensor:
        """outputs, targets: equal shapes -> scalar, or that shape for "none"."""
        return ops.bce_with_logits(  # type: ignore[no-any-return]
            outputs, targets, reduction=self.reduction
        )
