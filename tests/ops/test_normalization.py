"""Normalisations: what they make of data, statistics outside the graph, singular rows, errors."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import dgrad
from dgrad import Tensor, ops
from dgrad.errors import ParameterError, ShapeError


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(3.0, 2.0, size=shape)


def t(*shape: int) -> Tensor:
    return Tensor(normal(*shape), requires_grad=True)


@pytest.mark.parametrize(
    ("function", "shape", "axes"),
    [
        (ops.layer_norm, (4, 5), (1,)),
        (ops.batch_norm, (6, 3, 4), (0, 2)),
        (ops.instance_norm, (2, 3, 7), (2,)),
        (lambda x, **params: ops.group_norm(x, groups=1, **params), (2, 3, 4), (1, 2)),
    ],
)
def test_the_mean_is_0_and_the_variance_1(function: Any, shape: Any, axes: Any) -> None:
    out = function(normal(*shape), eps=0.0)
    np.testing.assert_allclose(np.mean(out, axis=axes), 0.0, atol=1e-14)
    np.testing.assert_allclose(np.var(out, axis=axes), 1.0, rtol=1e-13)


ORDERS = {
    "as made": (0, 1, 2, 3),
    "rows of channels": (2, 1, 3, 0),
    "batch last": (1, 2, 3, 0),
    "channels last": (0, 2, 3, 1),
}


BY_CHANNEL: list[Any] = [
    ops.batch_norm,
    lambda x, w, b: ops.batch_norm(x, w, b, statistics=ops.batch_statistics(x.data)),
    lambda x, w, b: ops.batch_norm_inference(x, normal(4), normal(4) ** 2, w, b),
]
BY_EXAMPLE: list[Any] = [lambda x, w, b: ops.group_norm(x, w, b, groups=2), ops.instance_norm]


@pytest.mark.parametrize("gap", [0, 3])
@pytest.mark.parametrize("axes", ORDERS.values(), ids=ORDERS)
@pytest.mark.parametrize("function", BY_CHANNEL + BY_EXAMPLE)
def test_memory_order_is_kept_and_changes_nothing(function: Any, axes: Any, gap: int) -> None:
    plain, weight, bias = normal(3, 4, 2, 5), t(4), t(4)
    laid = np.transpose(plain, axes)
    memory = np.zeros([*laid.shape[:-1], laid.shape[-1] + gap])[..., : laid.shape[-1]]
    memory[...] = laid
    results = []
    for array in (plain, np.transpose(memory, np.argsort(axes))):
        x = Tensor(array, requires_grad=True)
        out = function(x, weight, bias)
        g = normal(*out.shape, seed=1)
        results.append([out.data, *(v.data for v in dgrad.grad(out, [x, weight, bias], g))])
    for expected, got in zip(*results, strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-13)
    if function in BY_CHANNEL or axes[-1] != 1:
        assert np.transpose(results[1][0], axes).flags.c_contiguous


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(
    "function",
    [
        ops.layer_norm,
        ops.rms_norm,
        ops.batch_norm,
        ops.instance_norm,
        lambda x: ops.group_norm(x, groups=1),
    ],
)
def test_equal_numbers_have_a_finite_gradient(function: Any, order: int) -> None:
    for value in (0.0, 4.0):
        x = Tensor(np.full((2, 2, 3), value), requires_grad=True)
        (g,) = dgrad.grad(function(x).sum(), x, create_graph=order == 2)
        if order == 2:
            (g,) = dgrad.grad((g * np.arange(12.0).reshape(2, 2, 3)).sum(), x)
        assert np.isfinite(g.data).all()


@pytest.mark.parametrize("shape", [(6, 3), (4, 3, 5), (2, 3, 4, 4)])
def test_P47_running_statistics_are_made_outside_the_graph(shape: Any) -> None:
    x, weight, bias = t(*shape), t(3), t(3)
    plain = ops.batch_norm(x, weight, bias)
    mean, var = ops.batch_statistics(x.data)
    assert isinstance(mean, np.ndarray)
    assert isinstance(var, np.ndarray)
    spared = ops.batch_norm(x, weight, bias, statistics=(mean, var))
    np.testing.assert_allclose(spared.data, plain.data, rtol=1e-14)
    seed = normal(*shape, seed=1)
    for create_graph in (False, True):
        found = dgrad.grad(
            spared, (x, weight, bias), seed, retain_graph=True, create_graph=create_graph
        )
        wanted = dgrad.grad(plain, (x, weight, bias), seed, retain_graph=True)
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_allclose(one.data, other.data, rtol=1e-11, atol=1e-13)
    fixed = ops.batch_norm_inference(x.data, mean, var, weight.data, bias.data)
    np.testing.assert_allclose(fixed, plain.data, rtol=1e-13)


def test_statistics_have_gradients_too() -> None:
    x = t(4, 3)
    mean, var = ops.batch_statistics(x)
    composed = ops.batch_norm_inference(x, mean, var)
    seed = normal(4, 3, seed=1)
    (found,) = dgrad.grad(composed, x, seed)
    (wanted,) = dgrad.grad(ops.batch_norm(x), x, seed)
    np.testing.assert_allclose(found.data, wanted.data, rtol=1e-12, atol=1e-14)


def test_images_with_the_channels_last_in_memory_give_the_same() -> None:
    rows = normal(2, 4, 5, 3)
    last = Tensor(rows.transpose(0, 3, 1, 2), requires_grad=True)
    first = Tensor(np.ascontiguousarray(last.data), requires_grad=True)
    weight, bias = t(3), t(3)
    seed = normal(2, 4, 5, 3, seed=1).transpose(0, 3, 1, 2)
    one = ops.batch_norm(last, weight, bias)
    np.testing.assert_allclose(one.data, ops.batch_norm(first, weight, bias).data, rtol=1e-13)
    found = dgrad.grad(one, (last, weight, bias), seed)
    wanted = dgrad.grad(ops.batch_norm(first, weight, bias), (first, weight, bias), seed)
    for g, expected in zip(found, wanted, strict=True):
        np.testing.assert_allclose(g.data, expected.data, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("name", ["layer_norm", "batch_norm", "instance_norm"])
def test_a_large_mean_costs_no_more_digits_than_it_must(name: str) -> None:
    x, seed = normal(8, 4, 6).astype(np.float32), normal(8, 4, 6, seed=1)
    results = []
    for dtype in (np.float64, np.float32):
        at = Tensor((x + np.float32(512)).astype(dtype), requires_grad=True)
        results.append(dgrad.grad(getattr(ops, name)(at), at, seed.astype(dtype))[0].data)
    np.testing.assert_allclose(results[1], results[0], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("p", [1.0, 1.5, 2.0, 3.0])
def test_normalize_leaves_the_zero_vector_alone(p: float, order: int) -> None:
    x = Tensor(np.array([[0.0, 0.0], [3.0, 4.0]]), requires_grad=True)
    out = ops.normalize(x, p=p, eps=0.5)
    np.testing.assert_array_equal(out.data[0], 0.0)
    np.testing.assert_allclose(np.sum(np.abs(out.data[1]) ** p), 1.0)
    (g,) = dgrad.grad(out, x, np.ones((2, 2)), create_graph=order == 2)
    np.testing.assert_allclose(g.data[0], 2.0)  # x / eps there
    if order == 2:
        (g,) = dgrad.grad(g, x, np.ones((2, 2)))
        np.testing.assert_array_equal(g.data[0], 0.0)
        assert np.isfinite(g.data).all()


def test_normalize_by_sums_along_the_first_axis() -> None:
    x = Tensor(np.array([[1.0, 2.0, -3.0], [3.0, -2.0, 1.0]]), requires_grad=True)
    (g,) = dgrad.grad(ops.normalize(x, p=1.0, axis=0), x, np.array([[1.0] * 3, [0.0] * 3]))
    # x / (|x| + |y|) has the slopes |y| / (|x| + |y|)^2 and -x sign(y) / (|x| + |y|)^2
    np.testing.assert_allclose(g.data * 16, [[3.0, 2.0, 1.0], [-1.0, 2.0, 3.0]], rtol=1e-14)


def test_normalize_divides_a_vector_as_long_as_eps_by_a_constant() -> None:
    x = Tensor(np.array([3.0, 4.0]), requires_grad=True)
    (g,) = dgrad.grad(ops.normalize(x, eps=5.0), x, np.array([1.0, 0.0]))
    np.testing.assert_array_equal(g.data, [0.2, 0.0])


@pytest.mark.parametrize("p", [1.0, 1.5, 2.0, 3.0])
def test_normalize_along_an_axis_of_coordinates_is_a_division(p: float) -> None:
    x = Tensor(np.array([0.0, -2.0]), requires_grad=True)
    (g,) = dgrad.grad(ops.normalize(x, p=p), x, np.array([1.0, 1.0]))
    np.testing.assert_array_equal(g.data, [0.5, 0.0])


SHAPES: list[tuple[Any, str]] = [
    (
        lambda: ops.layer_norm(t(2, 3), t(4)),
        "layer_norm: x (2, 3) must end with the normalised shape (4,)",
    ),
    (lambda: ops.layer_norm(t(2, 3), t(3), t(2)), "layer_norm: bias has shape (2,), needs (3,)"),
    (
        lambda: ops.layer_norm(t(2, 3), t(3), normalized_shape=(2, 3)),
        "weight has shape (3,), needs (2, 3)",
    ),
    (lambda: ops.layer_norm(t()), "layer_norm: x () must end with the normalised shape ()"),
    (lambda: ops.rms_norm(t(2, 3), normalized_shape=2), "rms_norm: x (2, 3) must end with"),
    (lambda: ops.batch_norm(t(3)), "batch_norm: x must be (n, channels, ...), got (3,)"),
    (
        lambda: ops.batch_norm(t(2, 3), t(2)),
        "batch_norm: weight has shape (2,), needs (3,), one number for each channel of x (2, 3)",
    ),
    (lambda: ops.batch_norm(t(2, 3), None, t(2)), "batch_norm: bias has shape (2,), needs (3,)"),
    (
        lambda: ops.batch_norm(t(2, 3), statistics=(np.zeros(3), np.ones(1))),
        "batch_norm: var has shape (1,), needs (3,)",
    ),
    (lambda: ops.batch_norm_inference(t(2, 3), t(2), t(3)), "mean has shape (2,), needs (3,)"),
    (lambda: ops.batch_statistics(t(3)), "batch_statistics: x must be (n, channels, ...)"),
    (lambda: ops.instance_norm(t(3)), "instance_norm: x must be (n, channels, ...), got (3,)"),
    (
        lambda: ops.instance_norm(t(2, 3, 4), t(4)),
        "instance_norm: weight has shape (4,), needs (3,)",
    ),
    (
        lambda: ops.group_norm(t(2, 4), None, t(3), groups=2),
        "group_norm: bias has shape (3,), needs (4,)",
    ),
]


@pytest.mark.parametrize(("call", "message"), SHAPES)
def test_shape_errors_name_the_op_and_the_shapes(call: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=re.escape(message)):
        call()


@pytest.mark.parametrize("groups", [0, 3, -1])
def test_groups_must_divide_the_channels(groups: int) -> None:
    with pytest.raises(ParameterError, match="groups must be a divisor of the 4 channels"):
        ops.group_norm(t(2, 4), groups=groups)


@pytest.mark.parametrize("p", [0.5, np.inf, np.nan])
def test_normalize_takes_a_finite_norm(p: float) -> None:
    with pytest.raises(ParameterError, match="normalize: p must be >= 1 and finite"):
        ops.normalize(t(2), p=p)
