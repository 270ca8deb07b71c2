"""Counting the derivatives of one input, and the verdict over all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dgrad.functional.diagnosis import Evidence, diagnose
from dgrad.functional.differences import Judgement
from dgrad.functional.lines import Line
from dgrad.functional.report import Entry
from dgrad.functional.rows import PROJECTIONS, Rows

__all__ = ["Tally"]

LOST = "could not be judged: rounding errors, or the edge of the domain"
SHOWN = 3  # entries that a Check names
UNSURE = 0.1  # a Check is ok if fewer than this part of what agrees could not be judged


class Tally:
    """Counts of one leaf's derivatives, the entries worth showing, and all that was seen."""

    def __init__(self, shape: tuple[int, ...], rows: Rows) -> None:
        self.shape, self.rows = shape, rows
        self.agree = self.kinks = self.unsure = self.wrong = 0
        self.worst: list[tuple[bool, float, Entry]] = []  # (is wrong, error, entry)
        self.max_error = 0.0
        self.all_zero = True
        self.methods: list[str] = []
        self.seen: list[tuple[list[int], np.ndarray, Judgement]] = []

    def add(
        self, lines: Sequence[Line], analytic: np.ndarray, found: Judgement, scale: np.ndarray
    ) -> None:
        """Count the derivatives along some lines, (lines, rows) each."""
        neither = ~found.agrees & ~found.wrong
        self.agree += int(found.agrees.sum())
        self.wrong += int(found.wrong.sum())
        self.kinks += int(found.kink.sum())
        self.unsure += int((neither & ~found.kink).sum())
        size = np.maximum(scale, np.maximum(np.abs(analytic), np.abs(found.numeric)))
        gap = np.abs(analytic - found.numeric)
        errors = np.where(gap == 0, 0.0, gap / np.where(size > 0, size, 1.0))
        self.all_zero &= not analytic.any() and bool(found.agrees.all())
        self.max_error = max(self.max_error, float(errors[~neither].max(initial=0.0)))
        self.seen.append(
            ([-1 if line.direction is not None else line.index for line in lines], analytic, found)
        )
        for k, row in zip(*np.nonzero(~found.agrees), strict=True):
            self._note(lines[k], int(row), bool(found.wrong[k, row]), float(errors[k, row]), k)

    def _note(self, line: Line, row: int, wrong: bool, error: float, k: int) -> None:
        _, analytic, found = self.seen[-1]
        place = None
        if line.direction is None:
            place = tuple(int(i) for i in np.unravel_index(line.index, self.shape))
        numbers = (analytic, found.numeric, found.left, found.right)
        own, numeric, left, right = (float(column[k, row]) for column in numbers)
        entry = Entry(place, self.rows.label(row), own, numeric, error, left, right)
        self.worst.append((wrong, error, entry))

    def used(self, method: str) -> None:
        """Name a method that has decided something."""
        if method not in self.methods:
            self.methods.append(method)

    def conclude(self, missing: bool, order: int) -> dict[str, Any]:
        """Verdict, counts, methods and note."""
        shown = [w for w in self.worst if w[0]] or self.worst
        shown.sort(key=lambda w: -w[1] if math.isfinite(w[1]) else -math.inf)
        found = {
            "compared": self.agree + self.wrong,
            "skipped": self.kinks + self.unsure,
            "max_error": self.max_error,
            "worst": tuple(entry for _, _, entry in shown[:SHOWN]),
            "methods": tuple(self.methods),
        }
        verdict, note = self._verdict(missing, order)
        return {"verdict": verdict, "note": note, **found}

    def _verdict(self, missing: bool, order: int) -> tuple[str, str]:
        if self.wrong and missing:
            return "missing", "backward gave no gradient, but the output depends on this input"
        if self.wrong:
            looks = self._diagnosis()
            total = self.agree + self.wrong
            note = f"{self.wrong} of {total} derivatives differ"
            return "wrong", f"{note}; {looks}" if looks else note
        if self.kinks:
            return "kink", f"not differentiable at {self.kinks} places, nor wrong there"
        if self.unsure > UNSURE * self.agree:
            return "unsure", f"{self.unsure} derivatives {LOST}"
        if self.all_zero and order == 1:
            return "vacuous", "the gradient is zero everywhere: nothing was tested"
        if self.unsure:
            return "ok", f"but {self.unsure} derivatives {LOST}"
        return "ok", "zero everywhere" if self.all_zero else ""

    def _diagnosis(self) -> str:
        """In words what the wrong gradient looks like."""
        indices = [index for each, _, _ in self.seen for index in each]
        analytic = np.concatenate([a for _, a, _ in self.seen])
        numeric, wrong, agrees = (
            np.concatenate([getattr(found, name) for _, _, found in self.seen])
            for name in ("numeric", "wrong", "agrees")
        )
        shapes = [shape for shape, _ in self.rows.kinds]
        known = wrong | agrees
        evidence = Evidence(
            self.shape, np.array(indices), analytic, numeric, wrong, known, PROJECTIONS, shapes
        )
        return diagnose(evidence)
