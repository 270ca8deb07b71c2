"""Convolutions: known answers, what is refused, layouts, blocks, and gradients of any order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dgrad
from dgrad.core.openblas import packs_small_matrices
from dgrad.errors import DtypeError, ParameterError, ShapeError
from dgrad.ops import (
    _patches,
    _windows,
    conv1d,
    conv2d,
    conv2d_input_grad,
    conv2d_weight_grad,
    conv_transpose1d,
    conv_transpose2d,
)
from tests.cases import reference

RNG = np.random.default_rng(8)


def draw(*shape: int, dtype: Any = np.float64) -> np.ndarray:
    return RNG.normal(size=shape).astype(dtype)


def test_a_kernel_of_one_element_moves_the_image() -> None:
    x = np.arange(12.0).reshape(1, 1, 3, 4)
    kernel = np.zeros((1, 1, 3, 3))
    kernel[0, 0, 0, 2] = 1  # out[i, j] = x[i - 1, j + 1]
    moved = np.zeros_like(x)
    moved[..., 1:, :-1] = x[..., :-1, 1:]
    np.testing.assert_array_equal(conv2d(x, kernel, padding=1), moved)


@pytest.mark.parametrize("block", [1, 4000, 1 << 30])
@pytest.mark.parametrize("batch", [1, 3, 20])
@pytest.mark.parametrize(
    ("kernels", "sizes"),
    [
        (6, {"stride": (2, 1), "padding": 1, "groups": 2}),
        (6, {"stride": (1, 2), "padding": (2, 0), "groups": 2}),
        (6, {"stride": 4, "padding": 3, "groups": 2}),
        (6, {"padding": (0, 3), "groups": 2}),
        (6, {"dilation": (2, 3), "padding": 4, "groups": 2}),
        (26, {"padding": 1, "groups": 2}),  # far more than the channels
    ],
)
def test_results_do_not_depend_on_the_blocks(
    block: int, batch: int, kernels: int, sizes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, weight = draw(batch, 4, 9, 8), draw(kernels, 2, 3, 2)
    expected = reference("conv2d")(x, weight, **sizes)
    y = draw(*expected.shape)
    in_x = conv2d_input_grad(y, weight, shape=x.shape, **sizes)
    in_weight = conv2d_weight_grad(x, y, shape=weight.shape, **sizes)
    monkeypatch.setattr(_windows, "BLOCK", block)
    np.testing.assert_allclose(conv2d(x, weight, **sizes), expected, atol=1e-12)
    np.testing.assert_allclose(
        conv2d_input_grad(y, weight, shape=x.shape, **sizes), in_x, atol=1e-12
    )
    np.testing.assert_allclose(
        conv2d_weight_grad(x, y, shape=weight.shape, **sizes), in_weight, atol=1e-12
    )
    for adjoint, unit in ((in_x, x), (in_weight, weight)):  # <y, A x> = <A' y, x>
        np.testing.assert_allclose(np.sum(adjoint * unit), np.sum(y * expected))


@pytest.mark.parametrize("groups", [1, 2])
def test_small_products_give_the_same_bits_as_large_ones(
    groups: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = draw(64, 16, 5, 6, dtype=np.float32)
    weight = draw(6, 16 // groups, 3, 3, dtype=np.float32)
    results, asked = [], []
    for packs in (True, False):
        monkeypatch.setattr(_patches, "packs_small_matrices", lambda packs=packs: packs)
        monkeypatch.setattr(_patches, "blas_threads", lambda: asked.append(1) or 1)
        results.append(conv2d(x, weight, groups=groups))
    assert asked
    expected = conv2d(x.astype(np.float64), weight, groups=groups)
    for result in results:
        np.testing.assert_allclose(result, expected, atol=1e-4)
    if not packs_small_matrices():
        np.testing.assert_array_equal(*results)


def test_rows_that_would_start_at_one_place_of_a_page_have_a_gap() -> None:
    x, weight = draw(64, 2, 8, 8), draw(3, 2, 1, 1)  # a row of 64 * 8 doubles is a page
    out = conv2d(x, weight)
    assert out.strides[1] % _windows.PAGE
    np.testing.assert_allclose(out, np.einsum("nchw,oc->nohw", x, weight[..., 0, 0]), atol=1e-12)
    again = conv2d(out, draw(2, 3, 3, 3))  # an image with gaps between its channels
    assert again.shape == (64, 2, 6, 6)
    assert conv2d(draw(5, 2, 8, 8), weight).strides[1] == 5 * 8 * 8


def test_a_result_lies_as_the_next_convolution_takes_it() -> None:
    out = conv2d(draw(3, 2, 5, 4), draw(4, 2, 3, 3))
    assert np.shares_memory(_windows.to_rows(out), out)
    assert out.transpose(2, 1, 3, 0).flags.c_contiguous


@pytest.mark.parametrize("bias", [True, False])
def test_third_order_mixed_derivative_is_exact(bias: bool) -> None:
    """s = sum(conv(x, w)^2 / 2): its derivatives along x, w and x again, in closed form."""
    x, w = dgrad.tensor(draw(2, 2, 4, 4)), dgrad.tensor(draw(3, 2, 3, 3))
    u, v, r = draw(*x.shape), draw(*w.shape), draw(*x.shape)
    x.requires_grad = w.requires_grad = True
    b = dgrad.tensor(draw(3), requires_grad=True) if bias else None
    out = conv2d(x, w, b, padding=1, stride=2)
    (in_x,) = dgrad.grad((out * out).sum() / 2, x, create_graph=True)
    (in_w,) = dgrad.grad((in_x * u).sum(), w, create_graph=True)
    (third,) = dgrad.grad((in_w * v).sum(), x)

    def conv(a: Any, k: Any) -> Any:
        return conv2d(a, k, padding=1, stride=2)

    # d/dx along r of <conv(u, v), conv(x, w)> + <conv(u, w), conv(x, v)>
    exact = np.sum(conv(u, v) * conv(r, w.data)) + np.sum(conv(u, w.data) * conv(r, v))
    np.testing.assert_allclose(np.sum(third.data * r), exact, rtol=1e-12)


def test_complex_numbers_are_convolved_without_conjugation() -> None:
    x, y = draw(1, 2, 4, 4) + 1j * draw(1, 2, 4, 4), draw(3, 2, 2, 2) * 1j
    out = conv2d(x, y)
    np.testing.assert_allclose(out.real, -conv2d(x.imag, y.imag), atol=1e-12)
    np.testing.assert_allclose(out.imag, conv2d(x.real, y.imag), atol=1e-12)


def test_integers_and_mixed_floats_promote_as_numpy_does() -> None:
    x, weight = np.arange(9).reshape(1, 1, 3, 3), np.ones((1, 1, 2, 2), np.int64)
    np.testing.assert_array_equal(conv2d(x, weight), [[[[8, 12], [20, 24]]]])
    assert conv2d(draw(1, 1, 3, 3, dtype=np.float32), weight.astype(np.float64)).dtype == np.float64
    single = conv2d(*(draw(*s, dtype=np.float32) for s in ((1, 1, 3, 3), (2, 1, 2, 2), (2,))))
    assert single.dtype == np.float32


IMAGE, KERNEL = np.zeros((2, 4, 5, 6)), np.zeros((3, 4, 3, 3))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: conv2d(IMAGE, np.zeros((3, 2, 3, 3))), ShapeError, "2 channels, got 4"),
        (lambda: conv2d(IMAGE, np.zeros((3, 4, 6, 3))), ShapeError, r"spans \(6, 3\).*\(5, 6\)"),
        (lambda: conv2d(IMAGE, KERNEL, dilation=3), ShapeError, "dilation"),
        (lambda: conv2d(IMAGE, np.zeros((3, 2, 3, 3)), groups=2), ShapeError, "2 groups do not"),
        (lambda: conv2d(IMAGE, KERNEL, groups=0), ParameterError, "groups"),
        (lambda: conv2d(IMAGE, KERNEL, np.zeros(4)), ShapeError, r"bias of shape \(3,\), got"),
        (lambda: conv2d(IMAGE, KERNEL[0]), ShapeError, "weight with 4 axes"),
        (lambda: conv2d(IMAGE[0, 0], KERNEL), ShapeError, "batch, channels, height, width"),
        (lambda: conv2d(IMAGE.tolist(), KERNEL), DtypeError, "list"),
        (lambda: conv2d(IMAGE, KERNEL, stride=0), ParameterError, "stride"),
        (lambda: conv2d(IMAGE, KERNEL, stride=(1, 1, 1)), ParameterError, "stride"),
        (lambda: conv2d(IMAGE, KERNEL, stride=1.5), ParameterError, "integer"),
        (lambda: conv2d(IMAGE, KERNEL, padding=-1), ParameterError, "padding"),
        (lambda: conv2d(IMAGE, KERNEL, padding="full"), ParameterError, "'same' or 'valid'"),
        (lambda: conv2d(IMAGE, KERNEL, padding="same", stride=2), ParameterError, "stride"),
        (lambda: conv1d(IMAGE[0], KERNEL), ShapeError, "conv1d.*length.*3 axes"),
        (lambda: conv1d(IMAGE[0], np.zeros((1, 5, 9))), ShapeError, r"conv1d.*\(1, 9\)"),
        (
            lambda: conv2d_input_grad(IMAGE, KERNEL, shape=(2, 4, 9, 9)),
            ShapeError,
            "needs x with 3",
        ),
        (
            lambda: conv2d_input_grad(IMAGE[:, :3], KERNEL, shape=(2, 4, 9, 9)),
            ShapeError,
            r"\(7, 7\) windows",
        ),
        (
            lambda: conv2d_input_grad(IMAGE[:, :3], KERNEL, shape=(2, 5, 7, 8)),
            ShapeError,
            "come of an x",
        ),
        (
            lambda: conv2d_weight_grad(IMAGE, IMAGE, shape=(3, 4, 3, 3)),
            ShapeError,
            "make a y",
        ),
        (
            lambda: conv2d_weight_grad(IMAGE, IMAGE[:, :3], shape=(3, 4, 3, 3)),
            ShapeError,
            r"\(3, 4\) windows",
        ),
        (
            lambda: conv_transpose2d(IMAGE, KERNEL),
            ShapeError,
            "3 channels, got 4",
        ),
        (
            lambda: conv_transpose2d(IMAGE[:, :3], KERNEL, padding=4),
            ShapeError,
            "lessen the padding",
        ),
        (
            lambda: conv_transpose2d(IMAGE[:, :3], KERNEL, output_padding=1),
            ParameterError,
            "smaller than stride or dilation",
        ),
        (
            lambda: conv_transpose1d(IMAGE[0, :, :, 0], KERNEL[..., 0]),
            ShapeError,
            "conv_transpose1d",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_name(call: Any, error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        call()
