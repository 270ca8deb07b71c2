"""Losses over classes, which are the last axis of the outputs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from dgrad import ops
from dgrad.core.tensor import Tensor, array_of
from dgrad.errors import DataError, ParameterError
from dgrad.nn.loss import Loss, Reduction
from dgrad.registry import NonNegative, Range, losses, name_of
from dgrad.targets import IGNORED

__all__ = ["CrossEntropyLoss", "FocalLoss", "MultiMarginLoss", "NLLLoss"]

Weights = Sequence[NonNegative] | None
_Share = Annotated[float, Range(low=0, high=1)]


class _ClassLoss(Loss):
    """weight: (classes,), how much each counts: the mean is weighted too.

    ignore_index: a target that counts as no row at all.
    """

    targets = "classes"

    def __init__(self, weight: Weights, ignore_index: int, reduction: Reduction = "mean") -> None:
        super().__init__(reduction=reduction)
        self.weight = None if weight is None else np.asarray(weight, np.float64)
        self.ignore_index = ignore_index
        if self.weight is not None and self.weight.ndim != 1:
            raise ParameterError(name_of(type(self)), "weight", "a number for each class", weight)
        if self.weight is not None and self.weight.size and not self.weight.any():
            raise ParameterError(name_of(type(self)), "weight", "> 0 for some class", weight)

    def weight_of(self, targets: np.ndarray) -> float:
        """The number of targets that count, or the sum of their classes' weights."""
        counted = targets != self.ignore_index
        if self.weight is None:
            return int(np.count_nonzero(counted))
        return float(np.add.reduce(self.weight[targets[counted]]))

    def joined(self, losses: Any, targets: np.ndarray) -> Tensor:
        """The losses of all rows, 0 for those that do not count, as the reduction says."""
        if self.reduction == "none":
            return losses  # type: ignore[no-any-return]
        count = (self.weight_of(targets) or math.nan) if self.reduction == "mean" else 1
        return np.sum(losses) / count  # type: ignore[no-any-return]

    def wanted(self, targets: tuple[int, ...], classes: int | None) -> tuple[int | str, ...]:
        """(..., classes); as many as there are weights."""
        if self.weight is not None and classes is not None and len(self.weight) != classes:
            expected = f"{classes} numbers, one for each class"
            raise ParameterError(
                name_of(type(self)), "weight", expected, [float(w) for w in self.weight]
            )
        return super().wanted(targets, classes)

    def extra_repr(self) -> str:
        """The weights and what is ignored, where they are not the defaults."""
        weight = "" if self.weight is None else f"weight={self.weight.tolist()}, "
        ignored = "" if self.ignore_index == IGNORED else f"ignore_index={self.ignore_index}, "
        return f"{weight}{ignored}{super().extra_repr()}"


@losses.register("cross_entropy")
class CrossEntropyLoss(_ClassLoss):
    """-weight[target] log softmax(outputs)[target], averaged by weight (Goodfellow 2016, 6.2.2).

    outputs: (..., classes) raw scores, targets: (...) class indices -> a scalar, (...) for "none".
    Targets that are floats of the outputs' shape are probabilities; then the mean is over rows.
    weight: one number for each class. label_smoothing: this share of every target is spread
    evenly over the classes (Szegedy et al. 2016). ignore_index: a target that does not count.
    """

    soft_targets: ClassVar[bool] = True
    applies = ("log_softmax", "softmax")

    def __init__(
        self,
        weight: Weights = None,
        *,
        label_smoothing: _Share = 0.0,
        ignore_index: int = IGNORED,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(weight, ignore_index, reduction)
        self.label_smoothing = label_smoothing
        if label_smoothing and self.weight is not None and not self.weight.all():
            # A batch of classes that weigh 0 would have a loss, by smoothing, and no weight.
            expected = "> 0 for every class where label_smoothing is used"
            raise ParameterError("cross_entropy", "weight", expected, weight)

    def forward(self, outputs: Any, targets: Any) -> Tensor:
        """outputs: (..., classes), targets: (...) or (..., classes) -> scalar."""
        return ops.cross_entropy(  # type: ignore[no-any-return]
            outputs,
            targets,
            reduction=self.reduction,
            weight=self.weight,
            label_smoothing=self.label_smoothing,
            ignore_index=self.ignore_index,
        )

    def weight_of(self, targets: np.ndarray) -> float:
        """What counts of class indices; of probabilities, the rows."""
        if targets.dtype.kind == "f":
            return math.prod(targets.shape[:-1])
        return super().weight_of(targets)

    def check_targets(self, targets: np.ndarray) -> None:
        """Probabilities must be those of all classes, without anything left over."""
        if targets.dtype.kind != "f" or not targets.size:
            return
        sums = np.add.reduce(targets, axis=-1, dtype=np.float64)
        wrong = (np.abs(sums - 1) > 1e-3) | (np.minimum.reduce(targets, axis=-1) < 0)
        if wrong.any():
            row = np.argwhere(wrong)[0].tolist()
            found = ", ".join(f"{share:g}" for share in targets[tuple(row)])
            raise DataError(
                f"the targets of row {row[0]} are [{found}], expected "
                f"probabilities of the classes, that sum to 1; give one column of class names, "
                f"or scale them",
                fault="D08",
            )


@losses.register("nll")
class NLLLoss(_ClassLoss):
    """-weight[target] outputs[target], averaged by weight.

    outputs: (..., classes) log-probabilities, of log_softmax; targets: (...) class indices
    -> a scalar, (...) for "none". ignore_index: a target that does not count.
    """

    takes = "log_softmax"

    def __init__(
        self,
        weight: Weights = None,
        *,
        ignore_index: int = IGNORED,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(weight, ignore_index, reduction)

    def forward(self, outputs: Any, targets: Any) -> Tensor:
        """outputs: (..., classes), targets: (...) -> scalar."""
        return ops.nll_loss(  # type: ignore[no-any-return]
            outputs,
            targets,
            reduction=self.reduction,
            weight=self.weight,
            ignore_index=self.ignore_index,
        )


@losses.register("focal")
class FocalLoss(_ClassLoss):
    """-weight[target] (1 - p)^gamma log p, p = softmax(outputs)[target], averaged by weight.

    What is recognised already counts less (Lin et al. 2017, equation 5, with weight for alpha);
    gamma = 0 is cross_entropy. outputs: (..., classes) raw scores, targets: (...) class indices
    -> a scalar, (...) for "none". ignore_index: a target that does not count.
    """

    applies = ("log_softmax", "softmax")

    def __init__(
        self,
        gamma: NonNegative = 2.0,
        *,
        weight: Weights = None,
        ignore_index: int = IGNORED,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(weight, ignore_index, reduction)
        self.gamma = gamma

    def forward(self, outputs: Any, targets: Any) -> Tensor:
        """outputs: (..., classes), targets: (...) -> scalar."""
        targets = array_of(targets)
        surprise = ops.cross_entropy(
            outputs, targets, reduction="none", ignore_index=self.ignore_index
        )
        loss = surprise * (-np.expm1(-surprise)) ** self.gamma if self.gamma else surprise
        if self.weight is not None:
            places = np.where(targets == self.ignore_index, 0, targets)
            loss = loss * self.weight[places].astype(loss.dtype)
        return self.joined(loss, targets)


@losses.register("multi_margin")
class MultiMarginLoss(_ClassLoss):
    """sum over j != target of max(0, margin - outputs[target] + outputs[j])^p / classes, averaged.

    The hinge of several classes (Crammer & Singer 2001, PyTorch's form). outputs: (..., classes)
    scores, targets: (...) class indices -> a scalar, (...) for "none". p: 1 or 2.
    weight: one number for each class, which multiplies the loss of its rows; the mean is over rows.
    A target of -100 does not count.
    """

    def __init__(
        self,
        p: Literal[1, 2] = 1,
        margin: float = 1.0,
        weight: Weights = None,
        *,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(weight, IGNORED, reduction)
        self.p, self.margin = p, margin

    def weight_of(self, targets: np.ndarray) -> float:
        """The number of targets that count."""
        return int(np.count_nonzero(targets != IGNORED))

    def forward(self, outputs: Any, targets: Any) -> Tensor:
        """outputs: (..., classes), targets: (...) -> scalar."""
        targets = array_of(targets)
        counted = targets != IGNORED
        if not counted.all():
            losses = self._of_rows(outputs, np.where(counted, targets, 0), "none")
            return self.joined(np.where(counted, losses, 0.0), targets)
        return self._of_rows(outputs, targets, self.reduction)

    def _of_rows(self, outputs: Any, targets: np.ndarray, reduction: Reduction) -> Tensor:
        return ops.multi_margin_loss(  # type: ignore[no-any-return]
            outputs,
            targets,
            reduction=reduction,
            p=self.p,
            margin=self.margin,
            weight=self.weight,
        )
