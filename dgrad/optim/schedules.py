"""Learning-rate schedules: pure functions from the number of steps done to a factor of the lr."""

from __future__ import annotations

import fractions
import math
import re
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

from dgrad.errors import ParameterError
from dgrad.registry import Count, Fraction, Positive, schedules

__all__ = ["Constant", "Cosine", "Length", "Schedule", "Step"]

_LENGTH = re.compile(r"(\d+(?:\.\d+)?) ?(%|epochs?|steps?)", re.ASCII)


@dataclass(frozen=True)
class Length:
    """A stretch of training: a number of steps, of epochs, or percent of the whole."""

    amount: fractions.Fraction
    unit: Literal["steps", "epochs", "%"] = "steps"

    @classmethod
    def from_config(cls, value: Any) -> Self:
        """100 or "100 steps", "2 epochs", "5%". Raises ParameterError."""
        if isinstance(value, cls):
            return value
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return cls(fractions.Fraction(value))
        found = _LENGTH.fullmatch(value) if isinstance(value, str) else None
        amount = fractions.Fraction(found[1]) if found else fractions.Fraction(0)
        unit = {"s": "steps", "e": "epochs", "%": "%"}[found[2][0]] if found else ""
        if not found or (unit == "%" and amount > 100) or (unit == "steps" and amount % 1):
            expected = "a number of steps such as 100, or text such as '5%' or '2 epochs'"
            raise ParameterError("length", "value", expected, value)
        return cls(amount, unit)  # type: ignore[arg-type]

    def plain(self) -> int | str:
        """What `from_config` reads as this length."""
        amount = int(self.amount) if self.amount % 1 == 0 else float(self.amount)
        if self.unit == "steps":
            return int(amount)
        return f"{amount}%" if self.unit == "%" else f"{amount} epochs"

    def __str__(self) -> str:
        return str(self.plain())

    def steps(self, total_steps: int, steps_per_epoch: int) -> int:
        """The steps it takes, parts of one rounded up."""
        if self.unit == "%":
            return math.ceil(self.amount * total_steps / 100)
        return math.ceil(self.amount * (steps_per_epoch if self.unit == "epochs" else 1))


_NONE = Length(fractions.Fraction(0))


class Schedule:
    """Base of schedules: a linear warm-up, then `after` of the steps done since.

    schedule(step) is the factor for the update that comes after `step` updates; warm-up gives
    (step + 1) / warmup. total_steps and steps_per_epoch are those of the whole run.
    `optimizer.scale_lr(schedule(step))` applies it. A Length may also be given as 100 or "5%".
    Raises ParameterError when the warm-up is longer than the run.
    """

    supplied: ClassVar[tuple[str, ...]] = ("total_steps", "steps_per_epoch")

    def __init__(self, total_steps: int, steps_per_epoch: int, warmup: Length) -> None:
        self.total_steps = total_steps
        self.warmup = Length.from_config(warmup).steps(total_steps, steps_per_epoch)
        if self.warmup > total_steps:
            name = type(self).__name__.lower()
            error = ParameterError(
                name, "warmup", f"at most the {total_steps} steps of the run", self.warmup
            )
            error.fault = "C22"
            raise error

    def __call__(self, step: int) -> float:
        """The factor of the lr after `step` updates."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        return self.after(step - self.warmup)

    def after(self, step: int) -> float:
        """The factor, `step` steps after the warm-up."""
        return 1.0


@schedules.register("constant")
class Constant(Schedule):
    """1, after a linear warm-up."""

    def __init__(
        self, total_steps: Count, steps_per_epoch: Count = 1, *, warmup: Length = _NONE
    ) -> None:
        super().__init__(total_steps, steps_per_epoch, warmup)


@schedules.register("step")
class Step(Schedule):
    """gamma^floor(t / step_size), t steps after the warm-up.   PyTorch's StepLR."""

    def __init__(
        self,
        total_steps: Count,
        steps_per_epoch: Count = 1,
        *,
        step_size: Length,
        gamma: Positive = 0.1,
        warmup: Length = _NONE,
    ) -> None:
        super().__init__(total_steps, steps_per_epoch, warmup)
        self.step_size = Length.from_config(step_size).steps(total_steps, steps_per_epoch)
        self.gamma = gamma
        if self.step_size < 1:
            raise ParameterError("step", "step_size", "at least one step", step_size)

    def after(self, step: int) -> float:
        """gamma once for every step_size steps."""
        return self.gamma ** (step // self.step_size)


@schedules.register("cosine")
class Cosine(Schedule):
    """final + (1 - final) (1 + cos(pi t / T)) / 2, T the steps after the warm-up; then final.

    Loshchilov & Hutter 2017, PyTorch's CosineAnnealingLR with eta_min = final lr.
    """

    def __init__(
        self,
        total_steps: Count,
        steps_per_epoch: Count = 1,
        *,
        warmup: Length = _NONE,
        final: Fraction = 0.0,
    ) -> None:
        super().__init__(total_steps, steps_per_epoch, warmup)
        self.final = final

    def after(self, step: int) -> float:
        """Half a cosine down to final, which stays."""
        length = max(self.total_steps - self.warmup, 1)
        wave = (1 + math.cos(math.pi * min(step / length, 1.0))) / 2
        return self.final + (1 - self.final) * wave
