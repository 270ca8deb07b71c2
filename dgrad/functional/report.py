"""What a gradient check found: Report > Check (one per input) > Entry (one compared derivative)."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

__all__ = ["FAILURES", "Check", "Entry", "Report"]

# The verdicts that fail a check, with the fault each is. The others: ok, kink, unsure, vacuous,
# and those that start with "skipped".
FAILURES = {
    "wrong": "G01",
    "inconsistent": "G01",
    "non-deterministic": "G05",
    "missing": "G06",
    "unsteady": "G06",
    "wrong shape": "G06",
    "not finite": "G06",
    "mutates": "G06",
    "error": "G06",
}


def _number(value: float) -> float | str:
    """value as strict JSON takes it: NaN and infinities become text."""
    return value if math.isfinite(value) else str(value)


@dataclass(frozen=True)
class Entry:
    """One derivative, analytic and numeric, and their distance.

    index: the entry of the input, None for a random direction through all of them.
    output: which entry of the output, or "random projection" for a random sum of all of them.
    error: |analytic - numeric| in units of the largest derivative of that output.
    left, right: the one-sided slopes, which differ at a kink.
    """

    index: tuple[int, ...] | None
    output: str
    analytic: float
    numeric: float
    error: float
    left: float
    right: float

    def to_dict(self) -> dict[str, Any]:
        """The entry for strict JSON."""
        return {
            "index": None if self.index is None else list(self.index),
            "output": self.output,
            **{
                name: _number(getattr(self, name))
                for name in ("analytic", "numeric", "error", "left", "right")
            },
        }

    def __str__(self) -> str:
        where = "random direction" if self.index is None else f"index {self.index}"
        return (
            f"{where} of the input, {self.output}: analytic {self.analytic:.10g}, "
            f"numeric {self.numeric:.10g} (left {self.left:.6g}, right {self.right:.6g})"
        )


@dataclass(frozen=True)
class Check:
    """The gradient of one subject with respect to one input, compared to order `order`.

    kind: "function", "op", "layer" or "parameter". compared: derivatives that could be judged;
    skipped: those that could not, being at a kink or below the rounding error. worst: the entries
    that explain the verdict, worst first. note: the reason, in words, empty when all is well.
    methods: what has decided: "adjoint" (the inputs were varied at will, the function being linear
    in them), "complex step" (both to about 13 digits), "central differences".
    """

    kind: str
    subject: str
    input: str
    verdict: str
    order: int = 1
    compared: int = 0
    skipped: int = 0
    max_error: float = 0.0
    worst: tuple[Entry, ...] = ()
    note: str = ""
    methods: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing wrong was found; also true of what was skipped, with its reason."""
        return self.verdict not in FAILURES

    def to_dict(self) -> dict[str, Any]:
        """The check for strict JSON."""
        return {
            "kind": self.kind,
            "subject": self.subject,
            "input": self.input,
            "order": self.order,
            "verdict": self.verdict,
            "passed": self.passed,
            "compared": self.compared,
            "skipped": self.skipped,
            "max_error": _number(self.max_error),
            "worst": [entry.to_dict() for entry in self.worst],
            "note": self.note,
            "methods": list(self.methods),
        }

    def __str__(self) -> str:
        order = "" if self.order == 1 else f", order {self.order}"
        head = f"{self.kind} {self.subject}, input {self.input}{order}: {self.verdict}"
        lines = [head + (f" ({self.note})" if self.note else "")]
        return "\n    ".join([*lines, *map(str, self.worst)])


@dataclass(frozen=True)
class Report:
    """All checks of one run, in order; the same for the same seed. True when all have passed.

    settings: order, first step and tolerances, by name.
    """

    checks: list[Check] = field(default_factory=list)
    seed: int = 0
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether every check has passed."""
        return not self.wrong

    @property
    def wrong(self) -> list[Check]:
        """The checks that failed."""
        return [check for check in self.checks if not check.passed]

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        return self.summary()

    def counts(self) -> dict[str, int]:
        """How many checks ended with each verdict, sorted by name."""
        return dict(sorted(Counter(check.verdict for check in self.checks).items()))

    def to_dict(self) -> dict[str, Any]:
        """The report for strict JSON: no times, no NaN, same bytes for the same seed."""
        return {
            "seed": self.seed,
            "settings": {
                name: _number(v) if isinstance(v, float) else v for name, v in self.settings.items()
            },
            "passed": self.passed,
            "counts": self.counts(),
            "checks": [check.to_dict() for check in self.checks],
        }

    def to_html(self) -> str:
        """The report as one page that needs nothing else, for any browser."""
        from dgrad.functional.html import page

        return page(self)

    def summary(self) -> str:
        """Plain text: the counts, then every check that is not simply ok or without gradient."""
        counts = ", ".join(f"{n} {verdict}" for verdict, n in self.counts().items())
        quiet = ("ok", "skipped: no gradient", "skipped: empty")
        shown = [check for check in self.checks if check.verdict not in quiet]
        return "\n".join([f"{len(self.checks)} checks: {counts or 'none'}", *map(str, shown)])
