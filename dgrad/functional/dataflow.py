"""Where values go, whether they are recorded or not: each op of one run, followed by its memory."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dgrad.core.lines import caller_line
from dgrad.core.modes import detect_anomaly, is_grad_enabled
from dgrad.core.node import next_seq
from dgrad.core.op import Op
from dgrad.core.tensor import Tensor
from dgrad.core.versions import owner
from dgrad.errors import GraphError
from dgrad.functional.watching import watching

__all__ = ["Flow", "followed"]


@dataclass(frozen=True)
class _Step:
    """One op that used followed values; before: those steps that made them, None for the start."""

    op: Op
    line: str | None
    recording: bool
    before: tuple[_Step | None, ...]

    def __str__(self) -> str:
        return f"{self.op.name}{f' (called at {self.line})' if self.line else ''}"


class Flow:
    """The ops that used values of a Tensor, and values made of them."""

    def __init__(self, t: Tensor) -> None:
        self.made: dict[int, _Step | None] = {id(owner(t.data)): None}  # by memory
        self.kept: list[np.ndarray] = [t.data]  # so that no other memory takes its place
        self.calls: list[int] = []  # a creation number before each op's node
        self.steps: dict[int, _Step] = {}  # by that number

    def see(
        self, op: Op, inputs: Sequence[Any], params: Mapping[str, Any], result: Any, seconds: float
    ) -> None:
        """Note an op that has run; its node, if it gets one, is the next to be made."""
        self.calls.append(next_seq())
        memory = [id(owner(x)) for x in inputs if isinstance(x, np.ndarray)]
        before = tuple(self.made[each] for each in memory if each in self.made)
        if not before:
            return
        step = _Step(op, caller_line(), is_grad_enabled(), before)
        self.steps[self.calls[-1]] = step
        for each in result if isinstance(result, tuple) else (result,):
            if isinstance(each, np.ndarray):
                self.kept.append(each)
                self.made[id(owner(each))] = step

    def cut(self, loss: Tensor, nodes: Sequence[Any]) -> tuple[str, str]:
        """Why the loss, with `nodes` behind it, has no gradient for the Tensor: reason and text."""
        if not self.steps:
            return "never used", "never used: no operation took it while the loss was computed"
        recorded = {self.calls[i - 1] for node in nodes if (i := bisect_left(self.calls, node.seq))}
        for number, step in self.steps.items():
            if number in recorded:
                return _cut_before(step)
        last = self.made.get(id(owner(loss.data)))
        if last is not None:
            return _cut_before(last, inclusive=True)
        last = list(self.steps.values())[-1]
        return "not reached", (
            f"it was used, last by {last}, but nothing made of it goes into the loss, unless it "
            f"left the graph through .data or .numpy()"
        )


def _cut_before(step: _Step, inclusive: bool = False) -> tuple[str, str]:
    """step: the first that the loss has a graph of; inclusive: it has none, step made its value."""
    chain = [step]  # towards the start
    while chain[-1].before[0] is not None:
        chain.append(chain[-1].before[0])
    chain.reverse()
    for each in chain if inclusive else chain[:-1]:
        if not each.recording:
            return "no_grad", f"{each} used it, or what it made, under no_grad"
        if not each.op.differentiable:
            return "not differentiable", f"{each}, which has no gradient, used it or what it made"
    if len(chain) == 1:
        return "detached", f"it was detached before {step} used it: by detach(), .data or a copy"
    way = f"detached between {chain[0]} and {chain[-1]}"
    return "detached", f"it, or what it made, was {way}: by detach(), .data or a copy"


def followed(t: Tensor, compute: Callable[[], Any]) -> tuple[Tensor, Flow]:
    """compute(), which returns the loss, and what became of t's values in it.

    Nodes get their lines, as under `detect_anomaly`. Raises GraphError for what is no Tensor.
    """
    flow = Flow(t)
    with detect_anomaly(check_nan=False), watching(flow.see):
        loss = compute()
    if not isinstance(loss, Tensor):
        raise GraphError(f"explain_grad: the loss is {type(loss).__name__}, not a Tensor")
    return loss, flow
