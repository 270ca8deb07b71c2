"""Formulas of how many floating-point operations products, solvers and transforms take.

Those of decompositions are Golub & Van Loan's 2013, to the leading order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from dgrad.ops.einstein_sum import index_sizes

__all__ = ["FORMULAS"]

Shape = tuple[int, ...]
Params = Mapping[str, Any]
Formula = Callable[[Sequence[Shape], Shape, Params], int]


def _contraction(inputs: Sequence[Shape], out: Shape, params: Params) -> int:
    """Two arrays over pairs of axes: |x| |y| is |out| times the square of what is summed over."""
    if () in inputs:  # a number multiplies
        return math.prod(out)
    return 2 * math.isqrt(math.prod((*inputs[0], *inputs[1], *out)))


def _matmul(inputs: Sequence[Shape], out: Shape, params: Params) -> int:
    return 2 * math.prod(out) * inputs[0][-1]


def _vecdot(inputs: Sequence[Shape], out: Shape, params: Params) -> int:
    return 2 * math.prod(np.broadcast_shapes(*inputs))


def _einsum(inputs: Sequence[Shape], out: Shape, params: Params) -> int:
    """As many as the operands for every set of indices; a path of products takes fewer."""
    return len(inputs) * math.prod(index_sizes(params["subscripts"], inputs).values())


def _multi_dot(inputs: Sequence[Shape], out: Shape, params: Params) -> int:
    """Of the best order: the least over where the last product splits the chain."""
    ends = [1, *inputs[0]] if len(inputs[0]) == 1 else [*inputs[0]]
    ends += [shape[1] if len(shape) > 1 else 1 for shape in inputs[1:]]
    least = {(i, i + 1): 0 for i in range(len(inputs))}
    for width in range(2, len(ends)):
        for i in range(len(ends) - width):
            j = i + width
            least[i, j] = min(
                least[i, k] + least[k, j] + 2 * ends[i] * ends[k] * ends[j] for k in range(i + 1, j)
            )
    return least[0, len(ends) - 1]


def _affine(inputs: Sequence[Shape], out: Shape, params: Params) -> int:
    """Every output is a sum over what one kernel (out, in / groups, ...) covers, and the bias."""
    return math.prod(out) * (2 * math.prod(inputs[1][1:]) + (len(inputs) > 2))


def _transposed(inputs: Sequence[Shape], out: Shape, params: Params) -> int:
    """Every input is spread by one kernel (in, out / groups, ...)."""
    spread = math.prod(inputs[0]) * 2 * math.prod(inputs[1][1:])
    return spread + math.prod(out) * (len(inputs) > 2)


def _attention(inputs: Sequence[Shape], out: Shape, params: Params) -> int:
    """Scores q k^T, their softmax, and the weighted sum of v."""
    queries, keys, values = inputs[:3]
    scores = math.prod(queries[:-1]) * keys[-2]
    return scores * (2 * queries[-1] + 5 + 2 * values[-1])


def _self_attention(inputs: Sequence[Shape], out: Shape, params: Params) -> int:
    """Both products of each query with all keys; shapes do not tell the heads, nor the softmax."""
    return 4 * math.prod(out) * out[-2]


def _recurrent(inputs: Sequence[Shape], out: Shape, params: Params) -> int:
    """For every row and time a product with each weight (gates, ...), and five per gate."""
    rows = math.prod(inputs[0][:-1])
    weights = [shape for shape in inputs[1:] if len(shape) == 2 and shape[0] % out[-1] == 0]
    return rows * sum(2 * math.prod(shape) + 5 * shape[0] for shape in weights[-2:])


def _conv2d_input_grad(inputs: Sequence[Shape], out: Shape, params: Params) -> int:
    return 2 * math.prod(inputs[0]) * math.prod(inputs[1][1:])


def _conv2d_weight_grad(inputs: Sequence[Shape], out: Shape, params: Params) -> int:
    return 2 * math.prod(inputs[1]) * math.prod(out[1:])


def _of_matrices(count: Callable[[int, int], int]) -> Formula:
    """For every matrix (m, n) of the first input."""

    def formula(inputs: Sequence[Shape], out: Shape, params: Params) -> int:
        *batch, m, n = inputs[0]
        return math.prod(batch) * count(m, n)

    return formula


def _qr(m: int, n: int) -> int:
    """R, and then Q."""
    k = min(m, n)
    return 2 * k * k * (3 * max(m, n) - k) // 3 + 2 * k * k * (3 * m - k) // 3


def _svd(m: int, n: int) -> int:
    k = min(m, n)
    return 6 * max(m, n) * k * k + 20 * k**3


def _svdvals(m: int, n: int) -> int:
    k = min(m, n)
    return 4 * k * k * (3 * max(m, n) - k) // 3


def _solve(inputs: Sequence[Shape], out: Shape, params: Params) -> int:
    """An LU decomposition of every a (n, n), and two triangles for every column of b."""
    *batch, _, n = inputs[0]
    return math.prod(batch) * (2 * n**3 // 3) + 2 * n * math.prod(out)


def _matrix_power(inputs: Sequence[Shape], out: Shape, params: Params) -> int:
    """Squares and products by the bits of n, of the inverse when it is negative."""
    n: int = abs(params["n"])
    products: int = max(n.bit_length() + n.bit_count() - 2, 0) + (params["n"] < 0)
    return 2 * math.prod(out) * out[-1] * products


def _resample(inputs: Sequence[Shape], out: Shape, params: Params) -> int:
    return 2 * math.prod(out) * len(params["weights"])


def _transform(name: str) -> Formula:
    """5 n log2 n for n complex terms, half of it for real ones (Cooley & Tukey 1965)."""
    is_real = name.lstrip("i")[0] in "rh"
    usual = {"2": (-2, -1), "n": None}.get(name[-1], (-1,))

    def formula(inputs: Sequence[Shape], out: Shape, params: Params) -> int:
        given, n = params.get("s"), params.get("n")
        axes = (params["axis"],) if "axis" in params else params.get("axes", usual)
        if axes is None:
            axes = range(-len(given or out), 0)
        lengths: list[int] = [out[axis] for axis in axes]
        others: int = math.prod(out) // max(math.prod(lengths), 1)
        if name in ("rfft", "rfft2", "rfftn", "ihfft"):  # the result is the first half
            lengths[-1] = n or (given[-1] if given else inputs[0][axes[-1]])
        terms: int = math.prod(lengths)
        return int(5 * others * terms * math.log2(max(terms, 1))) // (1 + is_real)

    return formula


_TRANSFORMS = (
    *("fft", "ifft", "fft2", "ifft2", "fftn", "ifftn", "rfft", "irfft", "rfft2", "irfft2"),
    *("rfftn", "irfftn", "hfft", "ihfft"),
)
FORMULAS: dict[str, Formula] = {
    **dict.fromkeys(("dot", "inner", "tensordot", "vdot"), _contraction),
    "matmul": _matmul,
    "vecdot": _vecdot,
    "einsum": _einsum,
    "multi_dot": _multi_dot,
    "scaled_dot_product_attention": _attention,
    "self_attention": _self_attention,
    **dict.fromkeys(("linear", "conv1d", "conv2d"), _affine),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d"), _transposed),
    "conv2d_input_grad": _conv2d_input_grad,
    "conv2d_weight_grad": _conv2d_weight_grad,
    **dict.fromkeys(("rnn_cell", "gru_cell", "lstm_cell", "rnn", "gru", "lstm"), _recurrent),
    **dict.fromkeys(("solve", "solve_triangular"), _solve),
    "inv": _of_matrices(lambda m, n: 2 * n**3),
    "cholesky": _of_matrices(lambda m, n: n**3 // 3),
    **dict.fromkeys(("det", "slogdet"), _of_matrices(lambda m, n: 2 * n**3 // 3)),
    "eigh": _of_matrices(lambda m, n: 9 * n**3),
    "eigvalsh": _of_matrices(lambda m, n: 4 * n**3 // 3),
    "qr": _of_matrices(_qr),
    "svd": _of_matrices(_svd),
    "svdvals": _of_matrices(_svdvals),
    "pinv": _of_matrices(lambda m, n: _svd(m, n) + 2 * m * n * min(m, n)),
    "cofactor": _of_matrices(lambda m, n: _svd(m, n) + 2 * n**3),
    "matrix_power": _matrix_power,
    "resample": _resample,
    **{name: _transform(name) for name in _TRANSFORMS},
}
