"""clip_grad_norm_ and clip_grad_value_ against PyTorch's; gradients that are not finite."""

from __future__ import annotations

import numpy as np
import pytest

import dgrad
from dgrad import nn
from dgrad.optim import (
    clip_grad_norm_,
    clip_grad_value_,
    get_total_norm,
    nonfinite_gradients,
)

SHAPES = [(3, 4), (), (5,), (0, 2)]


def gradients(dtype: type = np.float64, scale: float = 1.0) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    return [np.asarray(scale * rng.normal(size=shape), dtype) for shape in SHAPES]


def parameters(grads: list[np.ndarray]) -> list[nn.Parameter]:
    made = [nn.Parameter(np.zeros_like(g)) for g in grads]
    for p, g in zip(made, grads, strict=True):
        p.grad = g.copy()
    return made


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
@pytest.mark.parametrize("max_norm", [0.0, 0.7, 5.0, 1e4])
def test_norm_and_gradients_are_pytorchs(dtype: type, scale: float, max_norm: float) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    grads = gradients(dtype, scale)
    ours = parameters(grads)
    theirs = [torch.nn.Parameter(torch.zeros(g.shape, dtype=torch.tensor(g).dtype)) for g in grads]
    for q, g in zip(theirs, grads, strict=True):
        q.grad = torch.tensor(g)
    rtol = 1e-5 if dtype == np.float32 else 1e-12
    arrays = [p.grad.data for p in ours if p.grad is not None]
    expected = float(torch.nn.utils.clip_grad_norm_(theirs, max_norm))
    assert clip_grad_norm_(ours, max_norm) == pytest.approx(expected, rel=rtol)
    for p, q, array in zip(ours, theirs, arrays, strict=True):
        assert p.grad is not None
        assert p.grad.data is array  # in place
        assert array.dtype == dtype
        np.testing.assert_allclose(array, q.grad.numpy(), rtol=rtol)


def test_a_norm_below_the_limit_leaves_every_bit() -> None:
    grads = gradients()
    ours = parameters(grads)
    norm = clip_grad_norm_(ours, 100.0)
    assert norm == pytest.approx(np.linalg.norm(np.concatenate([g.ravel() for g in grads])))
    for p, g in zip(ours, grads, strict=True):
        assert p.grad is not None
        np.testing.assert_array_equal(p.grad.data, g)


def test_one_tensor_parameters_without_gradient_and_none_at_all() -> None:
    p, q = (dgrad.tensor([0.0, 0.0], requires_grad=True) for _ in range(2))
    assert clip_grad_norm_([p, q], 1.0) == 0.0
    p.grad = np.array([3.0, 4.0], np.float32)
    assert clip_grad_norm_(iter([p, q]), 10.0) == clip_grad_norm_(p, 1.0) == 5.0
    assert p.grad is not None
    np.testing.assert_allclose(p.grad.data, [0.6, 0.8], rtol=1e-6)
    assert q.grad is None


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_T02_a_norm_that_is_not_finite_is_returned_and_the_gradient_named(value: float) -> None:
    p, q, r = (nn.Parameter(np.zeros(2)) for _ in range(3))
    p.grad, q.grad = np.array([1.0, value]), np.array([3.0, 4.0])
    assert not np.isfinite(clip_grad_norm_([p, q, r], 1.0))
    assert q.grad.tolist() == [3.0, 4.0]
    assert nonfinite_gradients([("p", p), ("q", q), ("r", r)]) == ["p"]


def test_a_norm_whose_squares_overflow_is_finite() -> None:
    p, q = (nn.Parameter(np.zeros(2, np.float32)) for _ in range(2))
    p.grad, q.grad = np.array([3e30, 0], np.float32), np.array([0, 4e30], np.float32)
    assert get_total_norm([p, q]) == pytest.approx(5e30, rel=1e-6)
    assert clip_grad_norm_([p, q], 5.0) == pytest.approx(5e30, rel=1e-6)
    np.testing.assert_allclose([p.grad.data, q.grad.data], [[3, 0], [0, 4]], rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [0.0, 0.3, 5.0])
def test_values_are_clipped_as_pytorch_does(dtype: type, value: float) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    grads = gradients(dtype)
    ours = [*parameters(grads), nn.Parameter(np.zeros(2, dtype))]
    theirs = [torch.nn.Parameter(torch.tensor(np.zeros_like(g))) for g in grads]
    for q, g in zip(theirs, grads, strict=True):
        q.grad = torch.tensor(g)
    torch.nn.utils.clip_grad_value_(theirs, value)
    clip_grad_value_(ours, value)
    for p, q in zip(ours[:-1], theirs, strict=True):
        assert p.grad is not None
        assert p.grad.dtype == dtype
        np.testing.assert_array_equal(p.grad.data, q.grad.numpy())
