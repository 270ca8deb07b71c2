"""Cases of dgrad/ops/gated_recurrent.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.cases.case import *
from tests.cases.recurrent import sequences, steps

__all__ = ["CASES", "REFERENCES", "TORCH"]

CASES: dict[str, list[Case]] = {"gru": sequences(3)}

REFERENCES: dict[str, Callable[..., Any]] = {"gru": steps("gru_cell", 1)}


def _torch_gru(torch: Any) -> Callable[..., Any]:
    return lambda x, h, *given: torch.gru(x, h[None], given, True, 1, 0.0, False, False, True)[0]


TORCH: dict[str, Any] = {"gru": _torch_gru}
