"""What sequences say of themselves; the oracles are written from the docstrings."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.nn.cases.case import Case

LENGTHS = np.array([2, 4, 1])
PADDING = np.array([[False, True, False, True], [False] * 4, [True, True, True, False]])
X = ((3, 4, 5),)


def with_ends(ends: np.ndarray) -> Callable[..., Any]:
    """Sequences whose other steps are not to be seen."""

    def inputs(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        x = rng.normal(size=X[0])
        x[ends if ends.dtype == bool else np.arange(4) >= ends[:, None]] = np.nan
        return x, ends

    return inputs


def tokens(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Some padding at the end, some within, nothing but padding, none."""
    return (np.array([[1, 2, 0, 0], [3, 0, 1, 0], [0, 0, 0, 0], [2, 2, 2, 2]]),)


def written(function: Callable[..., Any]) -> Callable[..., Any]:
    """theirs: a module that is `function` of the arguments and the inputs."""

    def theirs(nn: Any, arguments: dict[str, Any]) -> Any:
        forward = lambda self, *inputs: function(arguments, *inputs)  # noqa: E731
        return type("Written", (nn.Module,), {"forward": forward})()

    return theirs


def pooled(arguments: dict[str, Any], x: Any, ends: Any = None) -> Any:
    """Each sequence by itself."""
    import torch

    rows = []
    for i, row in enumerate(x):
        if ends is not None and ends.dtype == torch.bool:
            row = row[~ends[i]]
        elif ends is not None:
            row = row[: ends[i]]
        whole = {"mean": row.mean(0), "max": row.amax(0), "last": row[-1]}
        rows.append(whole[arguments["mode"]])
    return torch.stack(rows)


def counted(arguments: dict[str, Any], x: Any) -> Any:
    """Up to the last that is kept."""
    kept = [
        [i + 1 for i, token in enumerate(row) if token != arguments["padding_idx"]] for row in x
    ]
    return x.new_tensor([max(each, default=0) for each in kept])


CASES = {
    "padding_mask": [
        Case("padding_mask", tokens, written(lambda arguments, x: x == 0)),
        Case("{padding_mask: 2}", tokens, written(lambda arguments, x: x == 2)),
    ],
    "lengths": [
        Case("lengths", tokens, written(counted)),
        Case("{lengths: {padding_idx: 2}}", tokens, written(counted)),
    ],
    "sequence_pool": [
        Case("sequence_pool", X, written(pooled)),
        *(
            Case(f"{{sequence_pool: {mode}}}", inputs, written(pooled))
            for mode in ("mean", "max", "last")
            for inputs in (X, with_ends(LENGTHS), with_ends(PADDING))
        ),
    ],
}
SHAPES = [("sequence_pool", ((4,),), r"\(batch, steps, features\), got \(batch, 4\)")]
