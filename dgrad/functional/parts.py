"""Complex inputs and outputs as pairs of real ones, which is how they are checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dgrad.core.tensor import Tensor
from dgrad.functional.subject import private
from dgrad.ops import imag, make_complex, real

__all__ = ["has_gradient", "leaves_of", "real_outputs"]


def has_gradient(value: Any) -> bool:
    """Whether value holds floats or complex numbers: an array, a Tensor, or a Python number."""
    return np.asarray(value.data if isinstance(value, Tensor) else value).dtype.kind in "fc"


def leaves_of(
    label: str, value: Any, dtype: Any = np.float64
) -> tuple[dict[str, Tensor], Callable[[], Tensor]]:
    """Private leaves in place of an input, by name, and how to make the input of them.

    A complex one, x, has two: "x.real" and "x.imag".
    """
    array = np.asarray(value.data if isinstance(value, Tensor) else value)
    if array.dtype.kind != "c":
        leaf = private(array, dtype)
        return {label: leaf}, lambda: leaf
    re, im = private(array.real, dtype), private(array.imag, dtype)
    return {f"{label}.real": re, f"{label}.imag": im}, lambda: make_complex(re, im)


def real_outputs(call: Callable[[], Any]) -> Callable[[], Sequence[Any]]:
    """The same call, its result as a sequence, with two parts for what is complex at first.

    What becomes complex later is left alone: that is the complex step.
    """
    which: set[int] | None = None

    def parts() -> Sequence[Any]:
        nonlocal which
        result = call()
        outputs = result if isinstance(result, list | tuple) else (result,)
        if which is None:
            pairs = enumerate(outputs)
            which = {i for i, t in pairs if isinstance(t, Tensor) and t.dtype.kind == "c"}
        if not which:
            return outputs
        split = ((real(t), imag(t)) if i in which else (t,) for i, t in enumerate(outputs))
        return [part for each in split for part in each]

    return parts
