"""vjp, jvp, jacobian, hessian, hvp, vhp: against PyTorch, and against formulas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dgrad
from dgrad import Tensor
from dgrad.errors import DtypeError, GraphError, ShapeError
from dgrad.functional import hessian, hvp, jacobian, jvp, vhp, vjp

RNG = np.random.default_rng(5)
A = RNG.normal(size=(3, 4))
X, Y = RNG.normal(size=4), RNG.uniform(0.5, 1.5, size=(2, 4))


def arrays(value: Any) -> Any:
    """Results of dgrad or torch, as nested lists of arrays."""
    if isinstance(value, tuple | list):
        return [arrays(each) for each in value]
    return value.detach().numpy()


def same(found: Any, expected: Any) -> None:
    if isinstance(expected, list):
        assert isinstance(found, list)
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            same(a, b)
    else:
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-13)


# f, written for a module `m` that is dgrad or torch, and its inputs
FUNCTIONS: dict[str, tuple[Callable[..., Any], Any]] = {
    "vector to vector": (lambda m, x: m.tanh(x) * x.sum(), X),
    "vector to scalar": (lambda m, x: (m.exp(x) * x).sum(), X),
    "two to two": (lambda m, x, y: (m.exp(x) * y, (x * y).sum(0)), (X, Y)),
    "two to one": (lambda m, x, y: (m.log(y) * x * x).sum(), (X, Y)),
    "one in a tuple": (lambda m, x: (x * x * x,), (X,)),
    "unused": (lambda m, x, y: (x * x).sum(), (X, Y)),
    "an input itself": (lambda m, x, y: (x, y * 2), (X, Y)),
    "linear": (lambda m, x, y: 3 * x + y, (X, Y)),
    "scalar": (lambda m, x: x**3, np.array(1.3)),
    "constant": (lambda m, x, y: m.ones((2,), dtype=y.dtype), (X, Y)),
}


class Numbers:
    """What the functions call, on Tensors of dgrad."""

    tanh, exp, log = staticmethod(np.tanh), staticmethod(np.exp), staticmethod(np.log)

    @staticmethod
    def ones(shape: tuple[int, ...], dtype: Any) -> Tensor:
        return Tensor(np.ones(shape, dtype))


def tensors(values: Any, make: Callable[[np.ndarray], Any]) -> Any:
    return tuple(map(make, values)) if isinstance(values, tuple) else make(values)


def scalar(name: str) -> bool:
    """Whether the function returns a single element."""
    f, values = FUNCTIONS[name]
    out = f(Numbers, *(values if isinstance(values, tuple) else (values,)))
    return not isinstance(out, tuple) and np.size(out) == 1


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_everything_has_the_shapes_and_values_of_torch(name: str, create_graph: bool) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    them = torch.autograd.functional
    f, values = FUNCTIONS[name]
    ours = tensors(values, lambda a: Tensor(a, requires_grad=create_graph))
    theirs = tensors(values, lambda a: torch.tensor(a, requires_grad=create_graph))
    rng = np.random.default_rng(1)
    option = {"create_graph": create_graph}

    def mine(*x: Any) -> Any:
        return f(Numbers, *x)

    def other(*x: Any) -> Any:
        return f(torch, *x)

    def check(transform: Any, reference: Any, v: Any = None) -> None:
        given = () if v is None else (tensors(v, Tensor),)
        target = () if v is None else (tensors(v, torch.tensor),)
        found = transform(mine, ours, *given, **option)
        same(arrays(found), arrays(reference(other, theirs, *target, **option)))

    check(jacobian, them.jacobian)
    check(jvp, them.jvp, tensors(values, lambda a: rng.normal(size=a.shape)))
    outputs = arrays(f(Numbers, *(ours if isinstance(ours, tuple) else (ours,))))
    seeds = (
        tuple(rng.normal(size=a.shape) for a in outputs)
        if isinstance(outputs, list)
        else rng.normal(size=outputs.shape)
    )
    check(vjp, them.vjp, seeds)
    if scalar(name):
        check(hessian, them.hessian)
        for ours_of, theirs_of in ((hvp, them.hvp), (vhp, them.vhp)):
            check(ours_of, theirs_of, tensors(values, lambda a: rng.normal(size=a.shape)))


def test_without_torch_the_formulas() -> None:
    x = Tensor(X)
    out, g = vjp(lambda x: A @ x, x, np.array([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(out.data, A @ X)
    np.testing.assert_allclose(g.data, A.T @ [1.0, 2.0, 3.0])
    np.testing.assert_allclose(jvp(lambda x: A @ x, x, X)[1].data, A @ X)
    np.testing.assert_allclose(jacobian(lambda x: A @ x, x).data, A)
    np.testing.assert_allclose(hessian(lambda x: (x**3).sum(), x).data, np.diag(6 * X))
    np.testing.assert_allclose(hvp(lambda x: (x**3).sum(), x, X)[1].data, 6 * X * X)


def test_results_have_no_graph_unless_it_is_asked_for() -> None:
    x = Tensor(X, requires_grad=True)
    for transform in (vjp, jvp, hvp, vhp):
        v = None if transform is vjp else X
        results = transform(lambda x: (x**3).sum(), x, v)
        assert not any(r.requires_grad for r in results)
        results = transform(lambda x: (x**3).sum(), x, v, create_graph=True)
        assert all(r.requires_grad for r in results)
    for matrix in (jacobian, hessian):
        assert not matrix(lambda x: (x**3).sum(), x).requires_grad
        assert matrix(lambda x: (x**3).sum(), x, create_graph=True).requires_grad
    assert x.grad is None


def test_create_graph_differentiates_further_by_inputs_and_by_v() -> None:
    x, v = Tensor(X, requires_grad=True), Tensor(A[0], requires_grad=True)
    _, g = jvp(lambda x: x**4, x, v, create_graph=True)  # 4 x^3 v
    by_x, by_v = dgrad.grad(g.sum(), [x, v])
    np.testing.assert_allclose(by_x.data, 12 * X**2 * A[0])
    np.testing.assert_allclose(by_v.data, 4 * X**3)
    h = hessian(lambda x: (x**4).sum(), x, create_graph=True)  # diag(12 x^2)
    (third,) = dgrad.grad(h.sum(), [x])
    np.testing.assert_allclose(third.data, 24 * X)
    j = jacobian(lambda x: hessian(lambda x: (x**3).sum(), x, create_graph=True), x)
    np.testing.assert_allclose(j.data.sum(), 6 * X.size)


def test_they_record_under_no_grad_and_leave_the_mode_as_it_was() -> None:
    with dgrad.no_grad():
        np.testing.assert_allclose(jacobian(lambda x: x * x, Tensor(X)).data, np.diag(2 * X))
        np.testing.assert_allclose(jvp(lambda x: x * x, Tensor(X), X)[1].data, 2 * X * X)
        assert not dgrad.is_grad_enabled()


def test_other_leaves_keep_their_grad() -> None:
    w = Tensor(X, requires_grad=True)
    jacobian(lambda x: x * w, Tensor(X))
    assert w.grad is None


def test_a_jvp_at_a_pole_is_not_hidden_by_cotangents_that_cancel() -> None:
    # Rules answer 0 to a cotangent of exactly 0 at a pole; sums of ones would be such.
    x = Tensor(np.array([0.0, 4.0]))
    with np.errstate(all="ignore"):
        _, (up, down) = jvp(lambda x: (np.sqrt(x), -np.sqrt(x)), x, np.ones(2))
        _, both = jvp(lambda x: np.sqrt(x) * np.array([[1.0], [-1.0]]), x, np.ones(2))
    np.testing.assert_array_equal(up.data, [np.inf, 0.25])
    np.testing.assert_array_equal(down.data, [-np.inf, -0.25])
    np.testing.assert_array_equal(both.data, [[np.inf, 0.25], [-np.inf, -0.25]])


def test_where_safe_in_every_transform() -> None:
    x = Tensor(np.array([0.0, 4.0]))

    def f(x: Any) -> Any:
        return np.where(np.greater(x, 1), np.sqrt(x), 0.0 * x)

    np.testing.assert_array_equal(jacobian(f, x).data, [[0.0, 0.0], [0.0, 0.25]])
    np.testing.assert_array_equal(jvp(f, x, np.ones(2))[1].data, [0.0, 0.25])
    found = hessian(lambda x: f(x).sum(), x).data
    np.testing.assert_allclose(found, [[0.0, 0.0], [0.0, -1 / 32]])


def test_outputs_that_have_no_gradient_give_zeros() -> None:
    _, (a, b) = jvp(lambda x: (x * 2, np.argmax(x)), Tensor(X), X)
    np.testing.assert_allclose(a.data, 2 * X)
    assert (b.shape, float(b.data)) == ((), 0.0)
    assert jacobian(lambda x: (x * 2, np.greater(x, 0)), Tensor(X))[1].shape == (4, 4)


def test_empty_outputs_and_inputs() -> None:
    assert jacobian(lambda x: x[:0], Tensor(X)).shape == (0, 4)
    assert jacobian(lambda x: x.sum() + x, Tensor(np.ones(0))).shape == (0, 0)
    assert jvp(lambda x: x * 2, Tensor(np.ones((0, 2))), np.ones((0, 2)))[1].shape == (0, 2)


def test_float32_stays_float32() -> None:
    x = Tensor(X.astype(np.float32))
    results = [
        vjp(lambda x: x * x, x, np.ones(4))[1],
        jvp(lambda x: x * x, x, np.ones(4))[1],
        jacobian(lambda x: x * x, x),
        hessian(lambda x: (x * x).sum(), x),
        hvp(lambda x: (x * x).sum(), x, np.ones(4))[1],
    ]
    assert {r.dtype.name for r in results} == {"float32"}


C = np.array([1.0 + 2.0j, -0.5j, 3.0, 1.0 - 1.0j])


@pytest.mark.parametrize(("real", "number"), [("float64", "complex128"), ("float32", "complex64")])
def test_a_complex_output_of_a_real_input_has_a_complex_jacobian(real: str, number: str) -> None:
    x, c = Tensor(X.astype(real)), C.astype(number)

    def f(x: Any) -> Any:
        return np.exp(x * c)

    found = jacobian(f, x)
    assert found.dtype == number
    np.testing.assert_allclose(found.data, np.diag(c * np.exp(x.data * c)), rtol=1e-5)
    v = A[0].astype(real)
    np.testing.assert_allclose(jvp(f, x, v)[1].data, found.data @ v, rtol=1e-5)
    assert jacobian(lambda x: f(x)[:0], x).dtype == number


def test_a_complex_jacobian_beside_a_complex_input_and_further_derivatives() -> None:
    x, z = Tensor(X, requires_grad=True), Tensor(C)
    by_x, by_z = jacobian(lambda x, z: x * z, (x, z))
    np.testing.assert_allclose(by_x.data, np.diag(C))
    np.testing.assert_allclose(by_z.data, np.diag(X))
    j = jacobian(lambda x: x * x * x * z, x, create_graph=True)  # diag(3 x^2 c)
    (g,) = dgrad.grad((abs(j) ** 2).sum(), [x])
    np.testing.assert_allclose(g.data, 36 * X**3 * abs(C) ** 2)


def test_hvp_and_vhp_can_be_differentiated_further() -> None:
    for transform in (hvp, vhp):
        x, v = Tensor(X, requires_grad=True), Tensor(A[0], requires_grad=True)
        _, h = transform(lambda x: (x**4).sum(), x, v, create_graph=True)  # 12 x^2 v
        by_x, by_v = dgrad.grad(h.sum(), [x, v])
        np.testing.assert_allclose(by_x.data, 24 * X * A[0])
        np.testing.assert_allclose(by_v.data, 12 * X**2)


TWO = (Tensor(X), Tensor(Y))
WRONG: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (
        lambda: vjp(lambda x: x, Tensor(X), np.ones(3)),
        ShapeError,
        r"vjp: v has shape \(3,\), its output \(4,\)",
    ),
    (
        lambda: jvp(lambda x: x, Tensor(X), np.ones((4, 1))),
        ShapeError,
        r"jvp: v has shape \(4, 1\), its input \(4,\)",
    ),
    (lambda: jvp(lambda x, y: x, TWO, (X, X)), ShapeError, r"its input 1 \(2, 4\)"),
    (lambda: jvp(lambda x, y: x, TWO, X), ShapeError, "1 vectors in v, but 2 inputs"),
    (lambda: vjp(lambda x: x, Tensor(X)), ShapeError, r"v can be left out .* not \(4,\)"),
    (lambda: hessian(lambda x: x, Tensor(X)), ShapeError, r"element, it returned \(4,\)"),
    (lambda: hvp(lambda x: (x.sum(), x.sum()), TWO[0], X), ShapeError, "a single element"),
    (lambda: vjp(lambda x: 1.0, Tensor(X)), GraphError, "must return a Tensor .* got float"),
    (lambda: jacobian(lambda x: x.data, Tensor(X)), GraphError, "got ndarray"),
    (lambda: jacobian(lambda x: x, Tensor([1, 2])), DtypeError, r"inputs\[0\] is int64"),
    (lambda: jacobian(lambda: 1.0, ()), GraphError, "inputs is empty"),
    (lambda: vjp(lambda x, y: x, TWO, X, strict=True), GraphError, r"vjp: .* inputs\[1\]"),
    (lambda: jvp(lambda x, y: x, TWO, (X, Y), strict=True), GraphError, r"jvp: .* inputs\[1\]"),
    (
        lambda: jacobian(lambda x: x.detach(), Tensor(X), strict=True),
        GraphError,
        r"jacobian: .* inputs\[0\]",
    ),
    (
        lambda: hessian(lambda x: x.sum(), Tensor(X), strict=True),
        GraphError,
        r"hessian: .* inputs\[0\]",
    ),
    (
        lambda: vhp(lambda x: x.sum(), Tensor(X), X, strict=True),
        GraphError,
        r"vhp: .* inputs\[0\]",
    ),
]


@pytest.mark.parametrize(("call", "error", "message"), WRONG)
def test_what_does_not_fit_is_refused(
    call: Callable[[], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call()
