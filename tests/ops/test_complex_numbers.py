"""Complex arguments: gradients in PyTorch's convention, dL/dx + i dL/dy, by differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dgrad
from dgrad import Tensor, ops
from dgrad.errors import DtypeError
from tests.ops.differences import jacobian

Z = np.array([0.6 + 0.4j, -0.5 + 0.9j, 0.3 - 0.7j])
W = np.array([1.2 - 0.3j, 0.8 + 0.5j, -0.4 + 1.1j])
R = np.array([0.7, -0.4, 1.3])
SEED = np.array([0.3 - 1.1j, 0.9 + 0.2j, -0.6 + 0.5j])

HOLOMORPHIC: list[tuple[str, Callable[..., Any], tuple[Any, ...]]] = [
    *(
        (name, getattr(ops, name), (Z,))
        for name in (
            *("arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctanh", "cos", "cosh"),
            *("exp", "exp2", "expm1", "log", "log10", "log1p", "log2", "negative", "positive"),
            *("reciprocal", "sin", "sinc", "sinh", "sqrt", "square", "tan", "tanh"),
        )
    ),
    ("add", ops.add, (Z, R)),
    ("subtract", ops.subtract, (R, Z)),
    ("multiply", ops.multiply, (Z, W)),
    ("multiply by real", ops.multiply, (Z, R)),
    ("divide", ops.divide, (Z, W)),
    ("divide by real", ops.divide, (Z, R)),
    ("divide real", ops.divide, (R, Z)),
    ("power", ops.power, (Z, W)),
    ("power of real", ops.power, (np.abs(R), Z)),
    ("float_power", ops.float_power, (Z, R)),
    ("square by power", lambda z: z**2, (Z,)),
    ("power 1.5", lambda z: z**1.5, (Z,)),
    ("power -2", lambda z: z**-2, (Z,)),
    ("where", lambda z, w: ops.where(np.array([True, False, True]), z, w), (Z, W)),
]
PARTS: list[tuple[str, Callable[..., Any], tuple[Any, ...]]] = [
    ("abs", abs, (Z,)),
    ("angle", np.angle, (Z,)),
    ("real", lambda z: z.real, (Z,)),
    ("imag", lambda z: z.imag, (Z,)),
    ("np.real", np.real, (Z,)),
    ("np.imag", np.imag, (Z,)),
    ("conj", np.conj, (Z,)),
    ("sign", lambda z: z / abs(z), (Z,)),
    ("make_complex", ops.make_complex, (R, R[::-1] * 2)),
    ("astype", lambda x: x.astype(np.complex128) * W, (R,)),
]


def loss(function: Callable[..., Any], *inputs: Any) -> Any:
    """A real number that depends on both parts of function's result, not linearly."""
    out = function(*inputs)
    return np.sum(np.real(out * SEED)) + np.sum(np.square(np.real(out)) * np.array([1.0, 2.0, 3.0]))


def gradients(function: Callable[..., Any], args: Any, **options: Any) -> list[Tensor]:
    inputs = [Tensor(a, requires_grad=True) for a in args]
    return list(dgrad.grad(loss(function, *inputs), inputs, **options))


@pytest.mark.parametrize(("name", "function", "args"), HOLOMORPHIC + PARTS)
def test_first_derivatives(name: str, function: Any, args: Any) -> None:
    for i, g in enumerate(gradients(function, args)):
        assert g.dtype == args[i].dtype
        numeric = jacobian(
            lambda *a: loss(function, *(Tensor(x) for x in a)).data, args, i, 1
        ).ravel()
        np.testing.assert_allclose(g.data, numeric, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize(("name", "function", "args"), HOLOMORPHIC + PARTS)
def test_second_derivatives(name: str, function: Any, args: Any) -> None:
    def slope(*arrays: Any) -> Any:
        """The gradients of every input, each part weighted, as one real number."""
        inputs = [x if isinstance(x, Tensor) else Tensor(x, requires_grad=True) for x in arrays]
        grads = dgrad.grad(loss(function, *inputs), inputs, create_graph=True)
        return sum(np.sum(np.real(g * SEED[::-1])) for g in grads)

    inputs = [Tensor(a, requires_grad=True) for a in args]
    for i, g in enumerate(dgrad.grad(slope(*inputs), inputs)):
        numeric = jacobian(lambda *a: slope(*a).data, args, i, 1).ravel()
        np.testing.assert_allclose(g.data, numeric, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(("name", "function", "args"), HOLOMORPHIC + PARTS)
def test_single_precision_stays_single(name: str, function: Any, args: Any) -> None:
    if name == "astype":
        return
    inputs = [
        Tensor(a.astype(np.complex64 if a.dtype.kind == "c" else np.float32), requires_grad=True)
        for a in args
    ]
    out = function(*inputs)
    assert out.dtype in (np.complex64, np.float32)
    grads = dgrad.grad(out, inputs, np.ones(3, out.dtype), create_graph=True)
    assert [g.dtype for g in grads] == [t.dtype for t in inputs]


def test_values_and_gradients_are_pytorchs() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    for name, call in (
        ("abs", abs),
        ("angle", lambda z: np.angle(z) if isinstance(z, Tensor) else torch.angle(z)),
        ("sqrt", lambda z: np.sqrt(z) if isinstance(z, Tensor) else torch.sqrt(z)),
        ("product", lambda z: z * z.conj() + z.real * z.imag),
    ):
        ours, theirs = Tensor(Z, requires_grad=True), torch.tensor(Z, requires_grad=True)
        x, y = abs(call(ours) * 3 + 1).sum(), abs(call(theirs) * 3 + 1).sum()
        np.testing.assert_allclose(x.data, y.detach().numpy(), rtol=1e-12)
        (g,), (expected,) = dgrad.grad(x, ours), torch.autograd.grad(y, theirs)
        np.testing.assert_allclose(g.data, expected.numpy(), rtol=1e-12, err_msg=name)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("function", [ops.abs, ops.angle])
def test_the_origin_is_flat(function: Any, order: int) -> None:
    z = Tensor(np.array([0j, 3 + 4j]), requires_grad=True)
    (g,) = dgrad.grad(function(z).sum(), z, create_graph=True)
    if order == 2:
        (g,) = dgrad.grad(np.real(g).sum(), z)
    assert g.data[0] == 0
    assert np.isfinite(g.data).all()


@pytest.mark.parametrize(
    ("function", "pole"),
    [
        (ops.sqrt, 0j),
        (ops.log, 0j),
        (ops.reciprocal, 0j),
        (ops.arcsin, 1 + 0j),
        (ops.arccosh, -1 + 0j),
        (ops.arctan, 1j),
        (ops.arcsinh, 1j),
        (ops.arctanh, 1 + 0j),
        (lambda z: z**0.5, 0j),
        (lambda z: 1 / z, 0j),
    ],
)
def test_a_branch_not_taken_does_not_poison_the_gradient(function: Any, pole: complex) -> None:
    z = Tensor(np.array([pole, 0.5 + 0.25j]), requires_grad=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        out = np.where(np.array([False, True]), function(z), 0.0)
        (g,) = dgrad.grad(np.real(out).sum(), z)
        (alone,) = dgrad.grad(np.real(function(z[1:])).sum(), z)
    np.testing.assert_allclose(g.data, [0, alone.data[1]], rtol=1e-14)


def test_a_zero_gradient_stays_linear_where_a_power_is_regular() -> None:
    """Also on the negative axis, where real powers are not."""
    z = Tensor(np.array([-0.5 + 0j]), requires_grad=True)
    w = Tensor(np.array([0.5 + 1j]), requires_grad=True)
    v = Tensor(np.array([0j]), requires_grad=True)
    first = dgrad.grad(z**w, (z, w), v, create_graph=True)
    slopes = [dgrad.grad(np.real(g).sum(), v, retain_graph=True)[0].data for g in first]
    full = dgrad.grad(z**w, (z, w), np.array([1 + 0j]))
    np.testing.assert_allclose([np.conj(s) for s in slopes], [g.data for g in full], rtol=1e-12)


def test_parts_of_real_numbers() -> None:
    x = Tensor(R, requires_grad=True)
    assert x.real.dtype == x.imag.dtype == np.conj(x).dtype == np.float64
    np.testing.assert_array_equal(x.imag.data, np.zeros(3))
    np.testing.assert_array_equal(np.angle(x).data, [0, np.pi, 0])
    for part, expected in ((x.real, 1.0), (x.imag, 0.0), (x.conj(), 1.0), (np.angle(x), 0.0)):
        (g,) = dgrad.grad(part.sum(), x)
        np.testing.assert_array_equal(g.data, np.full(3, expected))


def test_parts_have_memory_of_their_own() -> None:
    for part in (ops.real(Z), ops.imag(Z), ops.conj(Z), ops.real(R), ops.conj(R)):
        assert not np.shares_memory(part, Z)
        assert not np.shares_memory(part, R)


def test_make_complex_takes_real_numbers_and_their_precision() -> None:
    single = R.astype(np.float32)
    assert ops.make_complex(single, single).dtype == np.complex64
    assert ops.make_complex(single, 2.0).dtype == np.complex64
    assert ops.make_complex(single, R).dtype == np.complex128
    assert ops.make_complex(1.0, 2) == 1 + 2j
    with pytest.raises(DtypeError, match="make_complex: expected real numbers"):
        ops.make_complex(Z, R)


def test_what_complex_numbers_refuse() -> None:
    z = Tensor(Z, requires_grad=True)
    with pytest.raises(DtypeError, match="sign: expected real numbers"):
        np.sign(z)
    with pytest.raises(DtypeError, match="lose a part"):
        z.astype(np.float64)
    with pytest.raises(DtypeError, match="cbrt"):
        ops.cbrt(z)
