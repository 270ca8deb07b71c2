"""Cases of dgrad/ops/inplace.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *
from tests.cases.indexing import INDICES

__all__ = ["CASES", "REFERENCES", "TORCH"]


def _put(x: Any, value: Any, index: Any) -> Any:
    out = np.array(x)
    out[index] = value
    return out


def whole(index: Any) -> Case:
    """A value for every element of the part."""
    return Case(normal(3, 4, 4), normal(*np.empty((3, 4, 4))[index].shape), index=index)


CASES: dict[str, list[Case]] = {
    "clone": unary(normal, -800.0, 0.0, 800.0),
    "put": [
        *(whole(index) for index in INDICES),
        Case(normal(3, 4), normal(), index=(slice(1, None), 0)),
        Case(normal(3, 4), normal(2, 1), index=(slice(1, None), slice(0, 3))),
        Case(normal(3, 4), normal(4), index=...),
        Case(normal(3, 4), normal(1, 1, 4), index=slice(0, 2)),
        Case(normal(3, 4), normal(1), index=np.arange(12).reshape(3, 4) % 3 == 0),
        Case(normal(4), normal(3), index=np.array([1, 1, 2])),  # the last value stays
        Case(normal(4), normal(2, 1), index=np.array([[1, 1], [3, 1]])),
        Case(normal(3, 4), 2.5, index=0),
        Case(normal(4, 3).T, normal(4)[::-1], index=1),
        Case(repeated(normal(3), 2), repeated(normal(), 3), index=(0, slice(None))),
        Case(normal(), normal(), index=()),
    ],
}

REFERENCES: dict[str, Callable[..., Any]] = {"clone": np.copy, "put": _put}


def _torch_put(torch: Any) -> Callable[..., Any]:
    def put(x: Any, value: Any, index: Any) -> Any:
        out = x.clone()
        out[index] = value
        return out

    return put


TORCH: dict[str, Any] = {"clone": "clone", "put": _torch_put}
