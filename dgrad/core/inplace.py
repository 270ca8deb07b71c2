"""Writing into a Tensor's memory, with the graph told: the base of a view, and its other views.

A recorded write gives the Tensor a node of its new value. Through a view it gives the base one,
"the base with that part replaced", and every living view is led from it again. What else saved
the memory is known by core/versions.py when backward comes to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from dgrad.core.modes import mode
from dgrad.core.node import Leaf
from dgrad.core.recording import record
from dgrad.core.tensor import Tensor, from_parts
from dgrad.core.versions import arrays_in, mark_written, owner
from dgrad.core.views import base_of, lead_again, move, places
from dgrad.errors import DtypeError, GraphError, ShapeError

__all__ = ["apart", "become", "check_writable", "replace_part", "write"]

FITTING = {"b": "biu", "i": "biu", "u": "biu", "f": "biuf", "c": "biufc"}  # kinds of dtypes
replacing: Any = None  # the op put(x, value, *, index), which dgrad/ops fills in


def check_writable(tensor: Tensor, name: str) -> None:
    """Raise GraphError, before anything is changed, if `name` may not write into `tensor` now."""
    if not tensor.data.flags.writeable or _repeats(tensor.data):
        raise GraphError(
            f"{name}: elements of this Tensor share memory, or are read-only (a broadcast result, "
            f"a read-only array, a leaf in a Function's forward); write to a clone()"
        )
    if not mode.recording:
        return
    if tensor.is_inference():
        raise GraphError(f"{name}: the Tensor was made in inference_mode; write to a clone()")
    base, view = base_of(tensor)
    if type(base.node) is Leaf:
        what = (
            "a leaf that requires grad" if view is None else "a view of a leaf that requires grad"
        )
        raise GraphError(
            f"{name}: this Tensor is {what}, which cannot be written to while "
            f"recording; update it under no_grad, or write to a clone()"
        )


def _repeats(array: np.ndarray) -> bool:
    """Whether two indices may show one element, as after broadcasting or in sliding windows."""
    extent = array.itemsize
    for step, n in sorted((abs(s), n) for s, n in zip(array.strides, array.shape, strict=True)):
        if n > 1:
            if step < extent:
                return bool(array.size)
            extent += step * (n - 1)
    return False


def apart(tensor: Tensor, values: Iterable[Any]) -> list[Any]:
    """The operands of a write into `tensor`, not in its memory where what they save is packed.

    Elsewhere `write` looks after what the operation has saved.
    """
    if mode.packing is None:
        return list(values)
    whole = owner(tensor.data)
    return [
        from_parts(v.data.copy(), v.node) if isinstance(v, Tensor) and owner(v.data) is whole else v
        for v in values
    ]


def write(tensor: Tensor, result: Any, name: str) -> Tensor:
    """tensor's elements become those of `result`, an out-of-place operation on it.

    The graph is told when `result` is recorded. Raises ShapeError, DtypeError, GraphError before
    anything is changed.
    """
    data = result.data if isinstance(result, Tensor) else np.asarray(result)
    node = result.node if isinstance(result, Tensor) else None
    if data.shape != tensor.shape:
        raise ShapeError(
            f"{name}: the result has shape {data.shape}, but is to be written into "
            f"{tensor.shape}, which cannot grow"
        )
    if not np.can_cast(data.dtype, tensor.dtype, "same_kind"):
        raise DtypeError(
            f"{name}: the result is {data.dtype} and cannot be written into {tensor.dtype}"
        )
    if node is not None:
        if data.dtype != tensor.dtype:
            node = result.astype(tensor.dtype).node
        _private_saved(node, tensor.data)
    mark_written(tensor.data, name)
    np.copyto(tensor.data, data, casting="same_kind")
    if mode.recording:
        become(tensor, node)
    return tensor


def _private_saved(node: Any, memory: np.ndarray) -> None:
    """Give `node` copies of what it saved of `memory`, which is about to be overwritten."""
    whole = owner(memory)
    if any(owner(array) is whole for _, array in arrays_in(node.saved)):
        node.saved = tuple(
            tuple(_copied(each, whole) for each in value)
            if type(value) is tuple
            else _copied(value, whole)
            for value in node.saved
        )


def _copied(value: Any, whole: np.ndarray) -> Any:
    return value.copy() if isinstance(value, np.ndarray) and owner(value) is whole else value


def replace_part(tensor: Tensor, value: Any, index: Any, name: str) -> None:
    """tensor[index] = value, `index` any NumPy index that nobody else changes."""
    data = value.data if isinstance(value, Tensor) else np.asarray(value)
    before = value.node if isinstance(value, Tensor) else None
    if data.dtype.kind not in FITTING[tensor.dtype.kind]:
        raise DtypeError(f"{name}: {data.dtype} cannot be written into {tensor.dtype}")
    part = tensor.data[index]
    tensor.data[index] = data  # raises before anything is changed
    shown = isinstance(part, np.ndarray) and owner(part) is owner(tensor.data)
    mark_written(part if shown else tensor.data, name)
    if mode.recording:
        become(tensor, _replaced(tensor, value, before, index))


def _replaced(tensor: Tensor, value: Any, edge: Any, index: Any) -> Any:
    """The node of `tensor` with a part replaced; None when neither has a gradient."""
    if tensor.node is None and edge is None:
        return None
    data = value.data if isinstance(value, Tensor) else np.asarray(value)
    return record(
        replacing.op, (tensor.node, edge), (tensor.data, data), tensor.data, {"index": index}
    )


def become(tensor: Tensor, node: Any) -> None:
    """tensor's memory now holds what `node` computes: tell its base, and all views."""
    base, view = base_of(tensor)
    if view is None:
        move(base, node)
    elif base.node is not None or node is not None:
        index: Any = np.unravel_index(places(base, view), base.shape) if base.ndim else ()
        value = from_parts(tensor.data, node)
        move(base, _replaced(base, value, node, index))
    lead_again(base)
