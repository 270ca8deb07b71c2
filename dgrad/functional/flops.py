"""How many floating-point operations an op's forward takes: an estimate from shapes.

A multiplication and an addition count one each, so a matrix product of (n, k) and (k, m) counts
2 n k m. What only moves or selects numbers counts 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from dgrad.core.op import Op
from dgrad.functional.watching import watching

__all__ = ["counting_flops", "flops"]

Shape = tuple[int, ...]
Formula = Callable[[Sequence[Shape], Shape], int]


def counting_flops(tell: Callable[[int], object]) -> AbstractContextManager[None]:
    """Within, in this thread, every op that runs tells how many operations its forward took."""

    def count(op: Op, inputs: Sequence[Any], result: Any, seconds: float) -> None:
        tell(flops(op.name, inputs, result))

    return watching(count)


def flops(op: str, inputs: Sequence[Any], result: Any) -> int:
    """Of one call of the op called `op`. inputs, result: arrays; others count nothing.

    One for each element of the result where nothing better is known of the op.
    """
    out = result[0] if isinstance(result, tuple) else result
    if op in _MOVES or not isinstance(out, np.ndarray | np.generic):
        return 0
    shapes: list[Shape] = [np.shape(each) for each in inputs if each is not None]
    if op in _PRODUCTS:
        return _PRODUCTS[op](shapes, out.shape)
    if op in _REDUCTIONS:
        return int(math.prod(shapes[0])) * _REDUCTIONS[op]
    return int(math.prod(out.shape)) * _PER_ELEMENT.get(op, 1)


_MOVES = frozenset(
    [
        *("astype", "broadcast_to", "clone", "concatenate", "diag", "diagonal", "embedding"),
        *("expand_dims", "flatten", "flip", "gather", "getitem", "moveaxis", "one_hot", "pad"),
        *("ravel", "repeat", "reshape", "roll", "squeeze", "stack", "swapaxes", "take"),
        *("take_along_axis", "tile", "transpose", "tril", "triu", "where"),
    ]
)
_PER_ELEMENT = {  # of the result: subtract the maximum, exp, sum, divide; centre, square, ...
    **dict.fromkeys(("softmax", "log_softmax", "softmin"), 4),
    **dict.fromkeys(("layer_norm", "group_norm", "instance_norm", "batch_norm"), 8),
    "rms_norm": 5,
    **dict.fromkeys(("gelu", "silu", "mish", "softplus", "elu", "selu"), 4),
    "dropout": 2,
}
_REDUCTIONS = {  # of the first input
    **dict.fromkeys(("sum", "mean", "max", "min", "prod", "norm", "any", "all"), 1),
    **dict.fromkeys(("mse_loss", "l1_loss", "huber_loss", "smooth_l1_loss"), 3),
    **dict.fromkeys(("cross_entropy", "nll_loss", "logsumexp", "var", "std"), 4),
    **dict.fromkeys(("max_pool1d", "max_pool2d", "avg_pool1d", "avg_pool2d"), 1),
}


def _product(inputs: Sequence[Shape], out: Shape) -> int:
    return 2 * math.prod(out) * inputs[0][-1]


def _affine(inputs: Sequence[Shape], out: Shape) -> int:
    """Every output is a sum over what one kernel (out, in / groups, ...) covers, and the bias."""
    return math.prod(out) * (2 * math.prod(inputs[1][1:]) + (len(inputs) > 2))


def _transposed(inputs: Sequence[Shape], out: Shape) -> int:
    """Every input is spread by one kernel (in, out / groups, ...)."""
    spread = math.prod(inputs[0]) * 2 * math.prod(inputs[1][1:])
    return spread + math.prod(out) * (len(inputs) > 2)


def _attention(inputs: Sequence[Shape], out: Shape) -> int:
    """Scores q k^T, their softmax, and the weighted sum of v."""
    queries, keys, values = inputs[:3]
    scores = math.prod(queries[:-1]) * keys[-2]
    return scores * (2 * queries[-1] + 5 + 2 * values[-1])


def _self_attention(inputs: Sequence[Shape], out: Shape) -> int:
    """Both products of each query with all keys; shapes do not tell the heads, nor the softmax."""
    return 4 * math.prod(out) * out[-2]


def _recurrent(inputs: Sequence[Shape], out: Shape) -> int:
    """For every row and time a product with each weight (gates, ...), and five per gate."""
    rows = math.prod(inputs[0][:-1])
    weights = [shape for shape in inputs[1:] if len(shape) == 2 and shape[0] % out[-1] == 0]
    return rows * sum(2 * math.prod(shape) + 5 * shape[0] for shape in weights[-2:])


_PRODUCTS: dict[str, Formula] = {
    **dict.fromkeys(("matmul", "dot", "inner"), _product),
    "scaled_dot_product_attention": _attention,
    "self_attention": _self_attention,
    **dict.fromkeys(("linear", "conv1d", "conv2d"), _affine),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d"), _transposed),
    **dict.fromkeys(("rnn_cell", "gru_cell", "lstm_cell", "rnn", "gru", "lstm"), _recurrent),
}
