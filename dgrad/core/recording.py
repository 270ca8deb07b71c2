"""How a call is recorded when a mode asks for more than the usual node (see modes.special).

core/call.py records by itself where no mode does: this is the same, with every question asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dgrad.core.anomaly import check_forward, remember_source
from dgrad.core.inference import mark_inference, refuse_inference
from dgrad.core.modes import mode
from dgrad.core.node import Node
from dgrad.core.packing import packed

if TYPE_CHECKING:
    from dgrad.core.op import Op

__all__ = ["observe", "record", "unrecorded"]


def record(
    op: Op,
    edges: tuple[Any, ...],
    inputs: Sequence[Any],
    out: Any,
    params: dict[str, Any],
    kept: Sequence[Any] = (),
) -> Node | None:
    """The node of a call, or None if this thread does not record.

    inputs: arrays and whatever else was given; out: the result's array, or the tuple of them.
    """
    if not mode.recording:
        unrecorded(op, out)
        return None
    mask = 1 if op.variadic else sum(1 << i for i, edge in enumerate(edges) if edge is not None)
    given = [tuple(inputs)] if op.variadic else inputs
    saved = op.plans[mask].keep((*given, out, *kept))
    refuse_inference(op.name, saved)
    if mode.anomaly is not None and mode.anomaly.check_nan:
        check_forward(op, inputs, out, params)
    results = out if isinstance(out, tuple) else (out,)
    node = Node(op, edges, saved, params, results[0])
    if isinstance(out, tuple):
        node.outputs = tuple((a.shape, a.dtype) for a in results)
    observe(node)
    return node


def unrecorded(op: Op, out: Any) -> None:
    """What the modes ask of a result without a node."""
    if mode.inference and not op.view:
        mark_inference(out)


def observe(node: Node) -> None:
    """What the modes ask of a node that was just made."""
    if mode.packing is not None:
        packed(node, mode.packing)
    if mode.anomaly is not None:
        remember_source(node)
