"""AdamW: Adam with weight decay apart from the gradient."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from dgrad.optim.adam import Adam
from dgrad.registry import Fraction, NonNegative, optimizers

__all__ = ["AdamW"]


@optimizers.register("adamw")
class AdamW(Adam):
    """p <- p - lr weight_decay p, then Adam's step.   Loshchilov & Hutter 2019, PyTorch's form."""

    decoupled: ClassVar[bool] = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: NonNegative = 1e-3,
        betas: tuple[Fraction, Fraction] = (0.9, 0.999),
        eps: NonNegative = 1e-8,
        weight_decay: NonNegative = 0.01,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)
