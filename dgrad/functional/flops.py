"""How many floating-point operations an op's forward takes: an estimate from shapes.

A multiplication and an addition count one each, so a matrix product of (n, k) and (k, m) counts
2 n k m. What only moves or selects numbers counts 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from dgrad.core.op import Op
from dgrad.functional.flop_formulas import FORMULAS
from dgrad.functional.watching import watching

__all__ = ["counted_by_formula", "counting_flops", "flops"]


def counting_flops(tell: Callable[[int], object]) -> AbstractContextManager[None]:
    """Within, in this thread, every op that runs tells how many operations its forward took."""

    def count(
        op: Op, inputs: Sequence[Any], params: Mapping[str, Any], result: Any, seconds: float
    ) -> None:
        tell(flops(op.name, inputs, result, params))

    return watching(count)


def flops(
    op: str, inputs: Sequence[Any], result: Any, params: Mapping[str, Any] | None = None
) -> int:
    """Of one call of the op called `op`. inputs, result: arrays; others count nothing.

    params: the static parameters that were given. One for each element of the result where
    nothing better is known of the op.
    """
    out = result
    while isinstance(out, tuple):  # (outputs, values kept for backward), outputs maybe several
        out = out[0]
    if op in _MOVES or not isinstance(out, np.ndarray | np.generic):
        return 0
    shapes: list[tuple[int, ...]] = [np.shape(each) for each in inputs if each is not None]
    if op in FORMULAS:
        return FORMULAS[op](shapes, out.shape, params or {})
    if op in _REDUCTIONS:
        return int(math.prod(shapes[0])) * _REDUCTIONS[op]
    return int(math.prod(out.shape)) * _PER_ELEMENT.get(op, 1)


def counted_by_formula(op: str) -> bool:
    """Whether something better than one for each element of the result is known of the op."""
    return any(op in known for known in (_MOVES, _PER_ELEMENT, _REDUCTIONS, FORMULAS))


_MOVES = frozenset(
    [
        *("append", "astype", "broadcast_to", "clone", "column_stack", "concatenate", "delete"),
        *("diag", "diagonal", "dstack", "embed_diagonal", "embedding", "expand_dims", "fftshift"),
        *("flatten", "flip", "fliplr", "flipud", "gather", "getitem", "hstack", "ifftshift"),
        *("imag", "make_complex", "masked_fill", "masked_select", "moveaxis", "one_hot", "pad"),
        *("positive", "put", "put_along_axis", "ravel", "real", "repeat", "reshape", "roll"),
        *("rot90", "sliding_window_view", "squeeze", "stack", "swapaxes", "take"),
        *("take_along_axis", "tile", "transpose", "tril", "triu", "vstack", "where"),
    ]
)
_PER_ELEMENT = {  # of the result: subtract the maximum, exp, sum, divide; centre, square, ...
    **dict.fromkeys(("softmax", "log_softmax", "softmin", "logcumsumexp", "glu"), 4),
    **dict.fromkeys(("layer_norm", "group_norm", "instance_norm", "batch_norm"), 8),
    "rms_norm": 5,
    **dict.fromkeys(("batch_norm_inference", "normalize"), 4),
    **dict.fromkeys(("gelu", "silu", "mish", "softplus", "elu", "celu", "selu", "sigmoid"), 4),
    **dict.fromkeys(("logsigmoid", "logaddexp", "logaddexp2", "softsign", "tanhshrink"), 4),
    **dict.fromkeys(("cross", "rotary_embedding"), 3),
    **dict.fromkeys(("dropout", "linear_recurrence"), 2),
}
_REDUCTIONS = {  # of the first input
    **dict.fromkeys(("sum", "mean", "max", "min", "prod", "norm", "any", "all"), 1),
    **dict.fromkeys(("nansum", "nanmean", "argmax", "argmin", "count_nonzero"), 1),
    **dict.fromkeys(("max_with_index", "min_with_index", "median", "percentile", "quantile"), 1),
    **dict.fromkeys(("average", "ptp", "vector_norm"), 2),
    **dict.fromkeys(("mse_loss", "l1_loss", "huber_loss", "smooth_l1_loss"), 3),
    **dict.fromkeys(("hinge_loss", "hinge_embedding_loss", "margin_ranking_loss"), 3),
    **dict.fromkeys(("cross_entropy", "nll_loss", "logsumexp", "var", "std"), 4),
    **dict.fromkeys(("batch_statistics", "kl_div", "multi_margin_loss", "poisson_nll_loss"), 4),
    **dict.fromkeys(("bce", "bce_with_logits", "gaussian_nll_loss", "soft_margin_loss"), 6),
    **dict.fromkeys(("cosine_similarity", "cosine_embedding_loss", "triplet_margin_loss"), 6),
    **dict.fromkeys(("ctc_loss", "sigmoid_focal_loss"), 10),
    **dict.fromkeys(("max_pool1d", "max_pool2d", "avg_pool1d", "avg_pool2d"), 1),
    **dict.fromkeys(("adaptive_avg_pool1d", "adaptive_avg_pool2d", "overlap_add"), 1),
    **dict.fromkeys(("adaptive_max_pool1d", "adaptive_max_pool2d"), 1),
}
