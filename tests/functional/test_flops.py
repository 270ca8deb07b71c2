"""FLOPs of ops: beside PyTorch's counter where it counts, else by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dgrad import Tensor, nn, ops, registry
from dgrad.functional import summarize
from dgrad.functional.flops import counted_by_formula, flops
from tests.cases import CASES


def draw(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def of(name: str, *args: Any, **params: Any) -> int:
    """FLOPs of that op, called so."""
    return flops(name, args, getattr(ops, name)(*args, **params), params)


PRODUCTS: dict[str, list[Any]] = {
    "linear": [draw(5, 4), draw(3, 4)],
    "matmul": [draw(2, 5, 4), draw(4, 3)],
    "inner": [draw(5, 4), draw(3, 4)],
    "conv1d": [draw(2, 4, 9), draw(6, 4, 3)],
    "conv2d": [draw(2, 4, 9, 8), draw(6, 4, 3, 2)],
    "conv_transpose1d": [draw(2, 4, 9), draw(4, 6, 3)],
    "conv_transpose2d": [draw(2, 4, 9, 8), draw(4, 6, 3, 2)],
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_products_count_what_pytorch_counts(name: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    from torch.utils.flop_counter import FlopCounterMode

    function = getattr(torch.nn.functional, name, None) or getattr(torch, name)
    with FlopCounterMode(display=False) as counter:
        function(*map(torch.tensor, PRODUCTS[name]))
    assert of(name, *PRODUCTS[name]) == counter.get_total_flops()


CONTRACTIONS: list[tuple[str, list[np.ndarray]]] = [
    ("ij,jk->ik", [draw(5, 4), draw(4, 3)]),
    ("bij,bjk->bik", [draw(2, 5, 4), draw(2, 4, 3)]),
    ("...i,ji->...j", [draw(2, 5, 4), draw(3, 4)]),
    ("bthd,bshd->bhts", [draw(2, 3, 4, 5), draw(2, 6, 4, 5)]),
]


@pytest.mark.parametrize(("subscripts", "arrays"), CONTRACTIONS)
def test_einsum_counts_what_pytorch_counts(subscripts: str, arrays: list[np.ndarray]) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        torch.einsum(subscripts, *map(torch.tensor, arrays))
    assert of("einsum", *arrays, subscripts=subscripts) == counter.get_total_flops()


def spd(n: int) -> np.ndarray:
    """A positive definite matrix."""
    return np.eye(n) + 0.1 * np.ones((n, n))


SMALL, TALL, WIDE = draw(4, 3), draw(5, 3), draw(2, 3, 5)
BY_HAND: list[tuple[str, Callable[[], int], int]] = [
    ("dot", lambda: of("dot", draw(2, 4, 3), draw(3, 5)), 2 * 8 * 3 * 5),
    ("dot of a number", lambda: of("dot", 2.0, SMALL), 12),
    ("vdot", lambda: of("vdot", SMALL, SMALL), 24),
    ("vecdot", lambda: of("vecdot", draw(2, 1, 4), draw(3, 4)), 2 * 2 * 3 * 4),
    ("tensordot", lambda: of("tensordot", WIDE, WIDE, axes=([1, 2], [1, 2])), 2 * 2 * 2 * 15),
    ("outer", lambda: of("outer", draw(4), draw(3)), 12),
    ("kron", lambda: of("kron", SMALL, draw(2, 2)), 48),
    ("trace of einsum", lambda: of("einsum", spd(4), subscripts="ii->"), 4),
    (
        "three operands",
        lambda: of("einsum", draw(2), draw(3), draw(4), subscripts="i,j,k->"),
        3 * 24,
    ),
    ("chain", lambda: of("multi_dot", draw(10, 2), draw(2, 9), draw(9, 3)), 2 * (2 * 9 * 3 + 60)),
    ("chain of a row", lambda: of("multi_dot", draw(2), draw(2, 9), draw(9)), 2 * (18 + 2)),
    ("solve", lambda: of("solve", spd(6), draw(6, 2)), 2 * 72 + 2 * 36 * 2),
    ("solve a vector", lambda: of("solve", spd(6), draw(6)), 2 * 72 + 2 * 36),
    ("inv", lambda: of("inv", spd(6)), 2 * 216),
    ("inv of several", lambda: of("inv", np.stack([spd(6)] * 3)), 3 * 2 * 216),
    ("cholesky", lambda: of("cholesky", spd(6)), 72),
    ("det", lambda: of("det", spd(6)), 144),
    ("slogdet", lambda: of("slogdet", spd(6)), 144),
    ("eigh", lambda: of("eigh", spd(6)), 9 * 216),
    ("eigvalsh", lambda: of("eigvalsh", spd(6)), 4 * 72),
    ("qr", lambda: of("qr", TALL), 2 * (2 * 5 * 9 - 2 * 9)),
    ("svd", lambda: of("svd", TALL, full_matrices=False), 6 * 5 * 9 + 20 * 27),
    ("svdvals", lambda: of("svdvals", TALL.T), 4 * 5 * 9 - 4 * 9),
    ("pinv", lambda: of("pinv", TALL), 6 * 5 * 9 + 20 * 27 + 2 * 5 * 3 * 3),
    ("matrix_power", lambda: of("matrix_power", spd(3), n=5), 3 * 2 * 27),
    ("matrix_power of an inverse", lambda: of("matrix_power", spd(3), n=-1), 2 * 27),
    ("fft", lambda: of("fft", draw(3, 8)), 5 * 3 * 8 * 3),
    ("fft of another axis", lambda: of("fft", draw(3, 8), n=4, axis=0), 5 * 8 * 4 * 2),
    ("rfft", lambda: of("rfft", draw(3, 8)), 5 * 3 * 8 * 3 // 2),
    ("rfft of a length", lambda: of("rfft", draw(3, 8), n=16), 5 * 3 * 16 * 4 // 2),
    ("irfft", lambda: of("irfft", draw(3, 5)), 5 * 3 * 8 * 3 // 2),
    ("fft2", lambda: of("fft2", draw(2, 4, 8)), 5 * 2 * 32 * 5),
    ("fftn", lambda: of("fftn", draw(2, 4, 8)), 5 * 64 * 6),
    ("rfftn", lambda: of("rfftn", draw(2, 4, 8), s=(4, 16)), 5 * 2 * 64 * 6 // 2),
    ("ifft", lambda: of("ifft", draw(1, 1)), 0),
]


@pytest.mark.parametrize(("run", "expected"), [c[1:] for c in BY_HAND], ids=[c[0] for c in BY_HAND])
def test_what_pytorch_does_not_count_counts_as_its_formula_says(
    run: Callable[[], int], expected: int
) -> None:
    assert run() == expected


def test_a_summary_counts_with_the_parameters_of_every_call() -> None:
    class Both(nn.Module):
        def forward(self, x: Any) -> Any:
            return np.einsum("ni,ni->n", x, x), ops.rfft(x, n=8)

    x = Tensor(draw(5, 4))
    assert summarize(Both(), x).flops == 2 * 4 + 5 * 8 * 3 // 2
    assert summarize(nn.Bilinear(4, 4, 2), x, x).flops == 16 + 2 * (2 * 16 + 1)


ONE_BY_ONE = [
    *("abs", "add", "angle", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2"),
    *("arctanh", "argsort", "bitwise_and", "bitwise_or", "bitwise_xor", "cbrt", "ceil", "clip"),
    *("conj", "copysign", "cos", "cosh", "cummax", "cummin", "cumprod", "cumsum", "deg2rad"),
    *("diff", "digamma", "divide", "equal", "erf", "erfc", "erfinv", "exp", "exp2", "expm1"),
    *("fabs", "float_power", "floor", "floor_divide", "fmax", "fmin", "fmod", "greater"),
    *("greater_equal", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "heaviside", "hypot"),
    *("index_add", "interpolate", "invert", "isfinite", "isinf", "isnan", "kron", "ldexp"),
    *("leaky_relu", "less", "less_equal", "lgamma", "log", "log10", "log1p", "log2", "logical_and"),
    *("logical_not", "logical_or", "logical_xor", "logit", "maximum", "minimum", "multiply"),
    *("nan_to_num", "negative", "normal_cdf", "not_equal", "outer", "polygamma", "power", "prelu"),
    *("rad2deg", "reciprocal", "relu", "relu6", "remainder", "rint", "round", "scatter_add"),
    *("scatter_rows", "searchsorted", "sign", "signbit", "sin", "sinc", "sinh", "softshrink"),
    *("sort", "sqrt", "square", "subtract", "tan", "tanh", "threshold", "topk", "trace", "trunc"),
]


def test_an_op_without_a_formula_is_one_that_counts_one_for_each_element() -> None:
    shipped = [name for name in registry.ops if name in vars(ops)]
    assert [name for name in shipped if not counted_by_formula(name)] == ONE_BY_ONE


@pytest.mark.parametrize("name", CASES)
def test_every_call_can_be_counted(name: str) -> None:
    """Numbers, empty arrays and further spellings of axes among them."""
    for case in CASES[name]:
        with np.errstate(all="ignore"):
            found = of(name, *case.args, **case.params)
        assert isinstance(found, int)
        assert found >= 0


def test_the_rest_is_counted_as_it_says() -> None:
    x = draw(2, 3, 4)
    assert flops("tanh", [x], np.tanh(x)) == 24
    assert flops("reshape", [x], x.reshape(6, 4)) == 0
    assert flops("sum", [x], np.sum(x)) == 24
    assert flops("softmax", [x], ops.softmax(x)) == 4 * 24
    biased = [draw(5, 4), draw(3, 4), draw(3)]
    assert flops("linear", biased, ops.linear(*biased)) == 2 * 5 * 3 * 4 + 15
    q = draw(2, 6, 4)
    out = ops.scaled_dot_product_attention(q, q, q)
    assert flops("scaled_dot_product_attention", [q, q, q], out) == 2 * 6 * 6 * (8 + 5 + 8)
    qkv = draw(2, 6, 12)
    out = ops.self_attention(qkv, num_heads=2)
    assert flops("self_attention", [qkv], out) == 2 * 6 * 6 * (8 + 8)
    cell = [draw(2, 5), draw(2, 3), draw(9, 5), draw(9, 3)]
    assert flops("gru_cell", cell, ops.gru_cell(*cell)) == 2 * (2 * 9 * (5 + 3) + 5 * 18)
    whole = [draw(2, 7, 5), draw(2, 3), draw(3, 5), draw(3, 3)]
    assert flops("rnn", whole, ops.rnn(*whole)) == 2 * 7 * (2 * 3 * (5 + 3) + 5 * 6)
