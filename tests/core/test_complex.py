"""Complex Tensors: PyTorch's convention outside, plain transposes inside, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dgrad
from dgrad import Tensor
from dgrad.errors import DtypeError, GraphError
from dgrad.ops import exp, matmul, relu, sin

Z = np.array([[0.3 + 0.7j, -1.1 + 0.2j], [0.5 - 0.4j, 0.9 + 1.3j]])
X = np.array([[0.4, -0.8], [1.7, 0.6]])


def program(z: Any, x: Any, m: Any) -> Any:
    """Real inputs and complex ones, holomorphic ops and such that are not."""
    w = m.matmul(z * x, z.T) / (z + 2j) + m.exp(z) * x
    return (m.abs(w) ** 2).sum() + m.real(w * w * z).sum() + m.imag(m.conj(w) * x).sum()


class Ours:
    matmul, exp = staticmethod(matmul), staticmethod(exp)
    abs, real, imag, conj = map(staticmethod, (np.absolute, np.real, np.imag, np.conjugate))


def test_P24_gradients_are_pytorchs_to_second_order() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    z, x = Tensor(Z, requires_grad=True), Tensor(X, requires_grad=True)
    a, b = torch.tensor(Z, requires_grad=True), torch.tensor(X, requires_grad=True)
    ours, theirs = program(z, x, Ours), program(a, b, torch)
    assert ours.item() == pytest.approx(theirs.item())
    g, h = dgrad.grad(ours, [z, x], create_graph=True)
    c, d = torch.autograd.grad(theirs, [a, b], create_graph=True)
    assert (g.dtype, h.dtype) == (np.complex128, np.float64)
    np.testing.assert_allclose(g.data, c.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(h.data, d.detach().numpy(), rtol=1e-12)
    ours = (np.absolute(g) ** 2).sum() + (h * h).sum()
    theirs = (c.abs() ** 2).sum() + (d * d).sum()
    for mine, other in zip(
        dgrad.grad(ours, [z, x]), torch.autograd.grad(theirs, [a, b]), strict=True
    ):
        np.testing.assert_allclose(mine.data, other.numpy(), rtol=1e-10)


def test_a_step_against_the_gradient_goes_downhill() -> None:
    z = Tensor(Z.copy(), requires_grad=True)
    losses = []
    for _ in range(50):
        loss = (np.absolute(z * (1 + 2j) - 3j) ** 2).sum()
        z.grad = None
        loss.backward()
        losses.append(loss.item())
        with dgrad.no_grad():
            z -= 0.05 * z.grad
    assert losses[-1] < 1e-6 * losses[0]


def test_P24_a_real_input_gets_the_real_part() -> None:
    x = Tensor(X, requires_grad=True)
    out = np.imag(x * 2j + x * (3 + 1j)).sum()
    (g,) = dgrad.grad(out, x)
    assert g.dtype == np.float64
    np.testing.assert_array_equal(g.data, np.full((2, 2), 3.0))


def test_hooks_and_seeds_are_in_the_convention_of_gradients() -> None:
    z = Tensor(Z, requires_grad=True)
    y = sin(z)
    seen: list[Any] = []
    y.register_hook(lambda g: seen.append(g.data))
    seed = Z[::-1] * 2j
    (g,) = dgrad.grad(y, z, seed)
    np.testing.assert_allclose(seen[0], seed)
    np.testing.assert_allclose(g.data, seed * np.conj(np.cos(Z)))


def test_complex64_stays_and_python_numbers_get_it() -> None:
    z = Tensor(Z.astype(np.complex64), requires_grad=True)
    (g,) = dgrad.grad(np.real(z * 2j).sum(), z)
    assert g.dtype == np.complex64
    assert Tensor([1j, 2.0]).dtype == np.complex64


def test_refusals() -> None:
    z = Tensor(Z, requires_grad=True)
    with pytest.raises(DtypeError, match="relu has no gradient for complex numbers"):
        relu(z)
    with pytest.raises(GraphError, match="is complex; pass its gradient"):
        (z * 1).sum().backward()
