"""profile(): how often each op runs, for how long, and what its results weigh."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from dgrad.core.node import Node
from dgrad.core.op import Op
from dgrad.functional.tables import aligned, size
from dgrad.functional.watching import watching

__all__ = ["OpProfile", "profile"]


@dataclass
class OpProfile:
    """What one op did. calls, seconds: of its forward; nodes, backward_seconds: of its rules.

    bytes: of the new memory that its forwards returned, views left out.
    """

    op: str
    calls: int = 0
    seconds: float = 0.0
    bytes: int = 0
    nodes: int = 0
    backward_seconds: float = 0.0

    @property
    def total_seconds(self) -> float:
        """Forward and backward."""
        return self.seconds + self.backward_seconds


class profile:
    """`with profile() as p: ...` measures the ops of this thread; `print(p)`, `p.to_dict()`.

    An op that another op or a rule calls counts there. Outside the context nothing is slower. The
    sum of all the times is less than that of the clock: Python's own work between ops is not in it.
    """

    def __init__(self) -> None:
        self._rows: dict[str, OpProfile] = {}
        self._watching: list[AbstractContextManager[None]] = []

    def __enter__(self) -> Self:
        self._watching.append(watching(self._forward, self._backward))
        self._watching[-1].__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._watching.pop().__exit__(*error)

    def _row(self, name: str) -> OpProfile:
        return self._rows.setdefault(name, OpProfile(name))

    def _forward(
        self, op: Op, inputs: Sequence[Any], params: Mapping[str, Any], result: Any, seconds: float
    ) -> None:
        row = self._row(op.name)
        row.calls += 1
        row.seconds += seconds
        for each in result if isinstance(result, tuple) else (result,):
            if isinstance(each, np.ndarray | np.generic) and getattr(each, "base", None) is None:
                row.bytes += each.nbytes

    def _backward(self, node: Node, seconds: float) -> None:
        row = self._row(node.name)
        row.nodes += 1
        row.backward_seconds += seconds

    @property
    def rows(self) -> list[OpProfile]:
        """One per op, those that took longest first."""
        return sorted(self._rows.values(), key=lambda row: (-row.total_seconds, row.op))

    def to_dict(self) -> dict[str, Any]:
        """The rows in plain values."""
        return {"format": 1, "ops": [asdict(row) for row in self.rows]}

    def __str__(self) -> str:
        head = ("op", "forwards", "time", "backwards", "time", "share", "results")
        total = sum(row.total_seconds for row in self.rows) or 1.0
        table = [
            (
                row.op,
                f"{row.calls:,}",
                _milliseconds(row.seconds),
                f"{row.nodes:,}",
                _milliseconds(row.backward_seconds),
                f"{row.total_seconds / total:.1%}",
                size(row.bytes),
            )
            for row in self.rows
        ]
        return "\n".join(aligned([head, *table], right=range(1, len(head))))


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.3f} ms"
