"""Counting the derivatives of one input, and the verdict over all of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dgrad.functional.differences import Judgement
from dgrad.functional.report import Entry

__all__ = ["Tally"]

LOST = "could not be judged: rounding errors, or the edge of the domain"
SHOWN = 3  # entries that a Check names
UNSURE = 0.1  # a Check is ok if fewer than this part of what agrees could not be judged


class Tally:
    """Counts of one leaf's derivatives, and the entries worth showing."""

    def __init__(self, label: Callable[[int], str]) -> None:
        self.label = label  # what a row is, in words
        self.agree = self.kinks = self.unsure = 0
        self.worst: list[tuple[bool, float, Entry]] = []  # (is wrong, error, entry)
        self.max_error = 0.0
        self.all_zero = True

    def add(
        self,
        place: tuple[int, ...] | None,
        analytic: np.ndarray,
        found: Judgement,
        scale: np.ndarray,
    ) -> None:
        """Count one line's derivatives, one for each row; place: its entry, if it has one."""
        self.agree += int(found.agrees.sum())
        self.kinks += int(found.kink.sum())
        self.unsure += int((~found.agrees & ~found.wrong & ~found.kink).sum())
        size = np.maximum(scale, np.maximum(np.abs(analytic), np.abs(found.numeric)))
        gap = np.abs(analytic - found.numeric)
        errors = np.where(gap == 0, 0.0, gap / np.where(size > 0, size, 1.0))
        self.all_zero &= not analytic.any() and bool(found.agrees.all())
        judged = found.agrees | found.wrong
        self.max_error = max(self.max_error, float(errors[judged].max(initial=0.0)))
        for row in np.flatnonzero(~found.agrees):
            entry = Entry(
                place,
                self.label(int(row)),
                *(
                    float(column[row])
                    for column in (analytic, found.numeric, errors, found.left, found.right)
                ),
            )
            self.worst.append((bool(found.wrong[row]), entry.error, entry))

    def conclude(self, missing: bool, order: int) -> dict[str, Any]:
        """Verdict, counts and note."""
        wrong = sum(is_wrong for is_wrong, _, _ in self.worst)
        shown = [w for w in self.worst if w[0]] or self.worst
        shown.sort(key=lambda w: -w[1] if math.isfinite(w[1]) else -math.inf)
        found = {
            "compared": self.agree + wrong,
            "skipped": self.kinks + self.unsure,
            "max_error": self.max_error,
            "worst": tuple(entry for _, _, entry in shown[:SHOWN]),
        }
        verdict, note = self._verdict(wrong, missing, order)
        return {"verdict": verdict, "note": note, **found}

    def _verdict(self, wrong: int, missing: bool, order: int) -> tuple[str, str]:
        if wrong and missing:
            return "missing", "backward gave no gradient, but the output depends on this input"
        if wrong:
            return "wrong", f"{wrong} of {self.agree + wrong} derivatives differ"
        if self.kinks:
            return "kink", f"not differentiable at {self.kinks} places, nor wrong there"
        if self.unsure > UNSURE * self.agree:
            return "unsure", f"{self.unsure} derivatives {LOST}"
        if self.all_zero and order == 1:
            return "vacuous", "the gradient is zero everywhere: nothing was tested"
        if self.unsure:
            return "ok", f"but {self.unsure} derivatives {LOST}"
        return "ok", "zero everywhere" if self.all_zero else ""
