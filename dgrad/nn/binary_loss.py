"""Losses of yes and no: one score or probability for each number target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np

from dgrad import ops
from dgrad.core.tensor import Tensor
from dgrad.errors import ParameterError
from dgrad.nn.loss import Loss, Reduction, check_either, check_within
from dgrad.registry import NonNegative, Range, losses, name_of

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "HingeEmbeddingLoss",
    "HingeLoss",
    "SigmoidFocalLoss",
    "SoftMarginLoss",
]

Weight = NonNegative | Sequence[NonNegative] | None


class _BinaryLoss(Loss):
    """Takes targets from 0 to 1."""

    targets = "numbers"

    def check_targets(self, targets: np.ndarray) -> None:
        """They must be within [0, 1]."""
        check_within(targets, 0, 1, "use mse, or scale the column")


class _SignLoss(Loss):
    """Takes targets of -1 and 1."""

    targets = "numbers"

    def check_targets(self, targets: np.ndarray) -> None:
        """They must be -1 or 1."""
        check_either(targets, -1, 1, "use bce_with_logits for 0 and 1")


class _WeightedBinaryLoss(_BinaryLoss):
    """weight multiplies the losses: a number, or one for each output of a row."""

    def __init__(self, weight: Weight = None, *, reduction: Reduction = "mean") -> None:
        super().__init__(reduction=reduction)
        self.weight = _weights(weight)

    def wanted(self, targets: tuple[int, ...], classes: int | None) -> tuple[int | str, ...]:
        """The shape of the targets, to which weights must broadcast."""
        self._check_weights("weight", self.weight, targets)
        return super().wanted(targets, classes)

    def _check_weights(
        self, name: str, weight: np.ndarray | None, targets: tuple[int, ...]
    ) -> None:
        if weight is None or not weight.ndim:
            return
        size = targets[-1] if targets else 1
        if weight.shape != (size,):
            expected = f"{size} numbers, one for each target" if size > 1 else "one number"
            raise ParameterError(name_of(type(self)), name, expected, weight.tolist())


def _weights(value: Any) -> np.ndarray | None:
    return None if value is None else np.asarray(value, np.float64)


@losses.register("bce")
class BCELoss(_WeightedBinaryLoss):
    """-t log x - (1 - t) log(1 - x), averaged over all elements; no logarithm is below -100.

    outputs: probabilities x, of sigmoid; targets: t in [0, 1]; equal shapes -> a scalar, or that
    shape for "none". weight: a number, or one for each output of a row, multiplies the losses.
    """

    takes = "sigmoid"
    threshold = 0.5

    def forward(self, outputs: Any, targets: Any) -> Tensor:
        """outputs, targets: equal shapes -> scalar, or that shape for "none"."""
        return ops.bce(  # type: ignore[no-any-return]
            outputs, targets, reduction=self.reduction, weight=self.weight
        )


@losses.register("bce_with_logits")
class BCEWithLogitsLoss(_WeightedBinaryLoss):
    """-pos_weight t log sigmoid(x) - (1 - t) log sigmoid(-x), averaged over all elements.

    outputs: raw scores x, targets: t in [0, 1]; equal shapes -> a scalar, or that shape for "none".
    weight multiplies every loss, pos_weight the part of t: a number, or one for each output of a
    row.
    """

    applies = ("sigmoid",)
    threshold = 0.0

    def __init__(
        self,
        weight: Weight = None,
        *,
        pos_weight: Weight = None,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(weight, reduction=reduction)
        self.pos_weight = _weights(pos_weight)

    def wanted(self, targets: tuple[int, ...], classes: int | None) -> tuple[int | str, ...]:
        """The shape of the targets, to which weights must broadcast."""
        self._check_weights("pos_weight", self.pos_weight, targets)
        return super().wanted(targets, classes)

    def forward(self, outputs: Any, targets: Any) -> Tensor:
        """outputs, targets: equal shapes -> scalar, or that shape for "none"."""
        return ops.bce_with_logits(  # type: ignore[no-any-return]
            outputs,
            targets,
            reduction=self.reduction,
            weight=self.weight,
            pos_weight=self.pos_weight,
        )


@losses.register("sigmoid_focal")
class SigmoidFocalLoss(_BinaryLoss):
    """a q^gamma bce_with_logits, q the probability given to the wrong answer, averaged.

    a = alpha t + (1 - alpha)(1 - t), 1 for alpha null (Lin et al. 2017, equation 5).
    outputs: raw scores, targets: t in [0, 1]; equal shapes -> a scalar, or that shape for "none".
    For classes there is focal.
    """

    applies = ("sigmoid",)
    threshold = 0.0

    def __init__(
        self,
        gamma: NonNegative = 2.0,
        *,
        alpha: Annotated[float, Range(low=0, high=1)] | None = 0.25,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        self.gamma, self.alpha = gamma, alpha

    def forward(self, outputs: Any, targets: Any) -> Tensor:
        """outputs, targets: equal shapes -> scalar, or that shape for "none"."""
        return ops.sigmoid_focal_loss(  # type: ignore[no-any-return]
            outputs, targets, reduction=self.reduction, alpha=self.alpha, gamma=self.gamma
        )


@losses.register("hinge")
class HingeLoss(_SignLoss):
    """max(0, margin - t x), averaged over all elements: that of a support vector machine.

    outputs: scores x, targets: t = -1 or 1; equal shapes -> a scalar, or that shape for "none".
    For several classes there is multi_margin.
    """

    threshold = 0.0

    def __init__(self, margin: float = 1.0, *, reduction: Reduction = "mean") -> None:
        super().__init__(reduction=reduction)
        self.margin = margin

    def forward(self, outputs: Any, targets: Any) -> Tensor:
        """outputs, targets: equal shapes -> scalar, or that shape for "none"."""
        return ops.hinge_loss(  # type: ignore[no-any-return]
            outputs, targets, reduction=self.reduction, margin=self.margin
        )


@losses.register("hinge_embedding")
class HingeEmbeddingLoss(_SignLoss):
    """x where t = 1, max(0, margin - x) where t = -1, averaged over all elements.

    outputs: distances x, targets: t; equal shapes -> a scalar, or that shape for "none".
    """

    def __init__(self, margin: float = 1.0, *, reduction: Reduction = "mean") -> None:
        super().__init__(reduction=reduction)
        self.margin = margin

    def forward(self, outputs: Any, targets: Any) -> Tensor:
        """outputs, targets: equal shapes -> scalar, or that shape for "none"."""
        return ops.hinge_embedding_loss(  # type: ignore[no-any-return]
            outputs, targets, reduction=self.reduction, margin=self.margin
        )


@losses.register("soft_margin")
class SoftMarginLoss(_SignLoss):
    """log(1 + exp(-t x)), averaged over all elements.

    outputs: scores x, targets: t = -1 or 1; equal shapes -> a scalar, or that shape for "none".
    """

    threshold = 0.0

    def forward(self, outputs: Any, targets: Any) -> Tensor:
        """outputs, targets: equal shapes -> scalar, or that shape for "none"."""
        return ops.soft_margin_loss(  # type: ignore[no-any-return]
            outputs, targets, reduction=self.reduction
        )
