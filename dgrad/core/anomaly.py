"""Under detect_anomaly: where NaN and infinity arise, and the line that called each operation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dgrad.core.lines import caller_line
from dgrad.core.modes import mode
from dgrad.core.node import Node
from dgrad.errors import AnomalyError

__all__ = ["check_backward", "check_forward", "first_bad", "remember_source", "source_of"]


def remember_source(node: Node) -> None:
    """Note on the node the line that called it, or the backward that did."""
    parent = mode.running
    if parent is None:
        node.source = caller_line()
    else:
        node.source = f"the backward of {parent.name}{_called(parent)}"


def source_of(node: Any) -> str | None:
    """`file:line` of the call that made a node while detect_anomaly was on; else None."""
    return getattr(node, "source", None)


def _called(node: Any) -> str:
    if not hasattr(node, "source"):
        return ", with no information on its forward, which ran outside detect_anomaly"
    return "" if node.source is None else f", called at {node.source}"


def check_forward(op: Any, inputs: Sequence[Any], out: Any, params: dict[str, Any]) -> None:
    """Raise AnomalyError if a result is NaN, or infinite though every input is finite."""
    names = [f"{op.inputs[0]}[{i}]" for i in range(len(inputs))] if op.variadic else op.inputs
    arrays = [(name, np.asarray(x)) for name, x in zip(names, inputs, strict=True) if _numeric(x)]
    given = [x for _, x in arrays] + [np.asarray(x) for x in params.values() if _numeric(x)]
    finite = all(np.isfinite(x).all() for x in given)
    for i, array in enumerate(out if isinstance(out, tuple) else (out,)):
        bad = first_bad(array, infinite=finite)
        if bad is not None:
            which = f" {op.outputs[i]!r}" if op.outputs else ""
            ranges = "; ".join(f"{name}: {_range(x)}" for name, x in arrays)
            line = caller_line()
            called = "" if line is None else f", called at {line}"
            raise AnomalyError(
                f"{op.name}{called}: its result{which} of shape {array.shape} "
                f"is {array[bad]} at index {bad}; inputs {ranges}"
            )


def check_backward(node: Any, g: Any, results: Sequence[Any]) -> None:
    """Raise AnomalyError if a gradient that `node` hands on is NaN or infinite."""
    for i, result in enumerate(results):
        if result is None:
            continue
        array = _raw(result)
        bad = first_bad(array, infinite=True)
        if bad is None:
            continue
        inputs = getattr(node.op, "inputs", ())
        several = len(inputs) != len(results)
        label = repr(inputs[i]) if not several else f"number {i}"
        incoming = g if isinstance(g, list | tuple) else (g,)
        shown = "; ".join(_range(_raw(each)) for each in incoming if each is not None)
        raise AnomalyError(
            f"backward of {node.name}{_called(node)}: the gradient of its input {label}, shape "
            f"{array.shape}, is {array[bad]} at index {bad}; the gradient of its output: {shown}"
        )


def _raw(value: Any) -> np.ndarray:
    """The array of a gradient: it is one, or a Tensor's."""
    return np.asarray(value if isinstance(value, np.ndarray | np.generic) else value.data)


def _numeric(x: Any) -> bool:
    return isinstance(x, np.ndarray | float | int) and np.asarray(x).dtype.kind in "fc"


def first_bad(array: np.ndarray, infinite: bool) -> tuple[int, ...] | None:
    """Index of the first NaN, or of the first value that is not finite."""
    if array.dtype.kind not in "fc":
        return None
    bad = ~np.isfinite(array) if infinite else np.isnan(array)
    if not bad.any():
        return None
    place = np.unravel_index(int(np.argmax(bad)), array.shape)
    return tuple(int(i) for i in place)


def _range(x: np.ndarray) -> str:
    """Shape and range of an array in words."""
    finite = x[np.isfinite(x)]
    count = x.size - finite.size
    span = (
        f"{np.abs(finite).min():.3g}..{np.abs(finite).max():.3g} in absolute value"
        if (finite.size and x.dtype.kind == "c")
        else f"{finite.min():.3g}..{finite.max():.3g}"
        if finite.size
        else "nothing finite"
    )
    return f"{x.shape} {span}" + (f", {count} not finite" if count else "")
