"""Length: a stretch of training in steps, epochs or percent of the run."""

from __future__ import annotations

import fractions
import math
import re
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from dgrad.errors import ParameterError

__all__ = ["NONE", "Length"]

_LENGTH = re.compile(r"(\d+(?:\.\d+)?) ?(%|epochs?|steps?)", re.ASCII)


@dataclass(frozen=True, repr=False)
class Length:
    """A stretch of training: a number of steps, of epochs, or percent of the whole.

    is_bare: written as a number alone, which counts steps.
    """

    amount: fractions.Fraction
    unit: Literal["steps", "epochs", "%"] = "steps"
    is_bare: bool = field(default=False, compare=False)

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """The JSON Schema of what `from_config` reads."""
        text = {"type": "string", "pattern": f"^{_LENGTH.pattern}$"}
        return {"anyOf": [{"type": "integer", "minimum": 0}, text]}

    @classmethod
    def from_config(cls, value: Any) -> Self:
        """100 or "100 steps", "2 epochs", "5%". Raises ParameterError."""
        if isinstance(value, cls):
            return value
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return cls(fractions.Fraction(value), is_bare=True)
        found = _LENGTH.fullmatch(value) if isinstance(value, str) else None
        amount = fractions.Fraction(found[1]) if found else fractions.Fraction(0)
        unit = {"s": "steps", "e": "epochs", "%": "%"}[found[2][0]] if found else ""
        if not found or (unit == "%" and amount > 100) or (unit == "steps" and amount % 1):
            expected = "a number of steps such as 100, or text such as '5%' or '2 epochs'"
            raise ParameterError("length", "value", expected, value)
        return cls(amount, unit)  # type: ignore[arg-type]

    def plain(self) -> int | str:
        """What `from_config` reads as this length."""
        return int(self.amount) if self.is_bare else self.in_words(self.unit)

    def in_words(self, unit: str) -> str:
        """Its amount of a unit in the plural, or of "%": "2 epochs", "1 step", "5%"."""
        amount = int(self.amount) if self.amount % 1 == 0 else float(self.amount)
        if unit == "%":
            return f"{amount}%"
        return f"{amount} {unit.removesuffix('s') if amount == 1 else unit}"

    def __str__(self) -> str:
        return str(self.plain())

    __repr__ = __str__  # as messages show it

    def steps(self, total_steps: int, steps_per_epoch: int) -> int:
        """The steps it takes, parts of one rounded up."""
        if self.unit == "%":
            return math.ceil(self.amount * total_steps / 100)
        return math.ceil(self.amount * (steps_per_epoch if self.unit == "epochs" else 1))


NONE = Length.from_config(0)
"""No steps at all: the default of every warm-up."""
