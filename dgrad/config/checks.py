"""A config checked as far as that goes without training: what was found, in figures."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from dgrad.config.document import Config
from dgrad.config.experiment import Experiment
from dgrad.core import stream
from dgrad.core.tensor import Tensor
from dgrad.errors import DivergedError
from dgrad.functional.summary import summarize
from dgrad.functional.tables import size
from dgrad.randomness import Purpose
from dgrad.train.divergence import first_fault
from dgrad.train.footprint import footprint

__all__ = ["Checked", "check_config"]


@dataclass(frozen=True)
class Checked:
    """What training with a config would use. flops: of one forward for one row.

    Bytes: `kept` of one batch's activations for backward, `state` of parameters, gradients, the
    optimizer's state and an average of the weights. loss: of the first batch, before any step.
    """

    description: str
    steps: int
    batch: int
    parameters: int
    flops: int
    kept: int
    state: int
    loss: float
    warnings: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, numbers and strings; format 1."""
        return {"format": 1, **asdict(self)}

    def lines(self) -> list[str]:
        """The figures in words, without the warnings."""
        memory = f"{size(self.state)} for parameters, gradients and the optimizer's state"
        return [
            self.description,
            f"steps: {self.steps:,} with {self.batch:,} rows each",
            f"work: {self.flops:,} FLOPs forward for a row, about three times as many in training",
            f"memory: {memory}, {size(self.kept)} for a batch's activations",
            f"first batch: loss {self.loss:.4g}, gradients finite",
            "no errors",
        ]


def check_config(config: Config) -> Checked:
    """Build everything, and take one batch forward and backward. Nothing is written or changed.

    Raises what building raises, and DivergedError when the first loss or a gradient is not finite.
    """
    experiment = Experiment.build(config)
    trainer = experiment.trainer
    model, loss, optimizer = trainer.model, trainer.loss, trainer.optimizer
    inputs, targets = trainer.first_batch()

    def draws() -> stream.at:
        return stream.at(config.seed, Purpose.STEP, 0)

    model.eval()  # batch norm and its kin are to stay as they are
    with draws(), np.errstate(all="ignore"):
        found = summarize(model, inputs, loss=loss, targets=targets)
        value = loss(model(Tensor(inputs)), Tensor(targets))
        value.backward()
    finite = np.isfinite(value.data) and all(
        np.isfinite(p.grad.data).all() for p in trainer.parameters if p.grad is not None
    )
    if not finite:
        fault = first_fault(model, loss, inputs, targets, draws)
        raise DivergedError(
            f"the loss of the first batch is {float(value.data):g} and it or a gradient is not "
            f"finite before any step. {fault}Look for bad values in the data"
        )
    optimizer.zero_grad()
    averaged = trainer.average is not None
    return Checked(
        description=experiment.describe(),
        steps=trainer.total_steps,
        batch=min(trainer.batches.batch_size, len(trainer.splits["train"])),
        parameters=found.parameters,
        flops=found.flops,
        kept=found.kept,
        state=footprint(trainer.parameters, optimizer, averaged=averaged).held,
        loss=float(value.data),
        warnings=list(experiment.data.warnings),
    )
