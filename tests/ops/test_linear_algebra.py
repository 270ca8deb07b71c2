"""Products, inverses, determinants, factorisations: NumPy's calls, singular points, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dgrad
from dgrad import Tensor, ops
from dgrad.errors import DtypeError, ParameterError, ShapeError, UnsupportedError
from tests.cases.determinant import cofactors, determinant
from tests.ops.differences import jacobian

RNG = np.random.default_rng(41)
SQUARE = RNG.normal(size=(3, 3)) + 3 * np.eye(3)
SYMMETRIC = SQUARE @ SQUARE.T
TALL = RNG.normal(size=(3, 2))
ROW = RNG.normal(size=3)


def leaf(x: Any) -> Tensor:
    return Tensor(np.array(x, np.float64), requires_grad=True)


CALLS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "cholesky": (np.linalg.cholesky, SYMMETRIC),
    "cholesky(upper)": (lambda t: np.linalg.cholesky(t, upper=True), SYMMETRIC),
    "cross": (lambda t: np.cross(t, ROW), SQUARE),
    "cross(ndarray first, axis)": (lambda t: np.cross(TALL, t, axis=0), TALL),
    "cross(axisa)": (lambda t: np.cross(t, SQUARE, axisa=0), TALL[:, 0]),
    "det": (np.linalg.det, SQUARE),
    "dot": (lambda t: np.dot(ROW, t), TALL),
    "eigh": (lambda t: np.linalg.eigh(t).eigenvectors, SYMMETRIC),
    "eigh(UPLO)": (lambda t: np.linalg.eigh(t, "U").eigenvalues, SYMMETRIC),
    "eigvalsh": (lambda t: np.linalg.eigvalsh(t, UPLO="U"), SYMMETRIC),
    "inner": (lambda t: np.inner(t, ROW), SQUARE),
    "inv": (np.linalg.inv, SQUARE),
    "kron": (lambda t: np.kron(t, ROW), TALL),
    "linalg.cross": (lambda t: np.linalg.cross(t, SQUARE), SQUARE),
    "linalg.matmul": (lambda t: np.linalg.matmul(SQUARE, t), TALL),
    "linalg.outer": (lambda t: np.linalg.outer(t, ROW), ROW),
    "linalg.tensordot": (lambda t: np.linalg.tensordot(t, TALL, axes=1), SQUARE),
    "linalg.vecdot": (lambda t: np.linalg.vecdot(t, TALL, axis=0), TALL),
    "matrix_power": (lambda t: np.linalg.matrix_power(t, 3), SQUARE),
    "multi_dot": (lambda t: np.linalg.multi_dot([SQUARE, t, TALL.T]), TALL),
    "outer": (lambda t: np.outer(ROW, t), TALL),
    "pinv": (np.linalg.pinv, TALL),
    "qr Q": (lambda t: np.linalg.qr(t).Q, TALL),
    "qr R": (lambda t: np.linalg.qr(t, "reduced").R, TALL),
    "slogdet": (lambda t: np.linalg.slogdet(t).logabsdet, SQUARE),
    "solve": (lambda t: np.linalg.solve(t, ROW), SQUARE),
    "solve(ndarray first)": (lambda t: np.linalg.solve(SQUARE, t), TALL),
    "svd U": (lambda t: np.linalg.svd(t, full_matrices=False).U, TALL),
    "svd S": (lambda t: np.linalg.svd(t, False).S, TALL),
    "svd Vh": (lambda t: np.linalg.svd(t).Vh, SQUARE),
    "svdvals": (np.linalg.svdvals, TALL),
    "tensordot": (lambda t: np.tensordot(t, SQUARE, ((0,), (1,))), TALL),
    "t.dot": (lambda t: t.dot(TALL), SQUARE),
    "vdot": (lambda t: np.vdot(t, SQUARE), SQUARE.T),
    "vecdot": (lambda t: np.vecdot(ROW, t), SQUARE),
}


@pytest.mark.parametrize("name", CALLS)
def test_numpys_calls_give_tensors_with_gradients(name: str) -> None:
    call, data = CALLS[name]
    t = leaf(data)
    out = call(t)
    assert isinstance(out, Tensor)
    np.testing.assert_allclose(out.data, call(data), rtol=1e-12)
    seed = np.random.default_rng(0).normal(size=out.shape)
    (g,) = dgrad.grad(out, t, seed)
    numeric = jacobian(lambda x: call(Tensor(x)).data, [data], 0, out.size)
    np.testing.assert_allclose(g.data.ravel(), seed.ravel() @ numeric, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize(
    ("function", "fields"),
    [
        (np.linalg.qr, ("Q", "R")),
        (np.linalg.eigh, ("eigenvalues", "eigenvectors")),
        (np.linalg.svd, ("U", "S", "Vh")),
        (np.linalg.slogdet, ("sign", "logabsdet")),
    ],
)
def test_several_results_have_numpys_names(function: Any, fields: tuple[str, ...]) -> None:
    ours, theirs = function(leaf(SYMMETRIC)), function(SYMMETRIC)
    assert ours._fields == theirs._fields == fields
    for field in fields:
        np.testing.assert_allclose(getattr(ours, field).data, getattr(theirs, field), rtol=1e-12)


@pytest.mark.parametrize(
    ("x_shape", "y_shape", "subscripts"),
    [
        ((3,), (3,), "k,k->"),
        ((3,), (3, 2), "k,km->m"),
        ((2, 3), (3,), "nk,k->n"),
        ((2, 3), (3, 4), "nk,km->nm"),
        ((3,), (5, 3, 2), "k,bkm->bm"),
        ((5, 2, 3), (3,), "bnk,k->bn"),
        ((5, 2, 3), (3, 4), "bnk,km->bnm"),
        ((2, 3), (5, 3, 4), "nk,bkm->bnm"),
        ((6, 1, 2, 3), (5, 3, 4), "abnk,bkm->abnm"),
    ],
)
def test_P27_matmul_of_every_rank_is_the_sum_of_products(
    x_shape: Any, y_shape: Any, subscripts: str
) -> None:
    x, y = leaf(RNG.normal(size=x_shape)), leaf(RNG.normal(size=y_shape))
    out, expected = np.matmul(x, y), np.einsum(subscripts, x, y)
    seed = RNG.normal(size=out.shape)
    np.testing.assert_allclose(out.data, expected.data, rtol=1e-12, atol=1e-14)
    for a, b in zip(dgrad.grad(out, (x, y), seed), dgrad.grad(expected, (x, y), seed), strict=True):
        np.testing.assert_allclose(a.data, b.data, rtol=1e-12, atol=1e-14)


# -- singular points ------------------------------------------------------------------------------

SINGULAR = {
    "rank 2 of 3": np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [5.0, 7.0, 9.0]]),
    "rank 1 of 3": np.outer([1.0, -2.0, 3.0], [2.0, 1.0, 1.0]),
    "rank 0 of 3": np.zeros((3, 3)),
    "rank 0 of 2": np.zeros((2, 2)),
    "rank 0 of 1": np.zeros((1, 1)),
    "a row of zeros": np.array([[1.0, 2.0], [0.0, 0.0]]),
    "a batch": np.array([[[1.0, 2.0], [2.0, 4.0]], [[3.0, 1.0], [1.0, 2.0]]]),
}


@pytest.mark.parametrize("name", SINGULAR)
def test_gradient_of_det_is_the_cofactors_of_a_singular_matrix(name: str) -> None:
    x = leaf(SINGULAR[name])
    out = np.linalg.det(x)
    (g,) = dgrad.grad(out, x, np.ones(out.shape))
    np.testing.assert_allclose(g.data, cofactors(x.data), atol=1e-13)
    (g,) = dgrad.grad(ops.det(x), x, np.ones(out.shape), create_graph=True)
    np.testing.assert_allclose(g.data, cofactors(x.data), atol=1e-13)


@pytest.mark.parametrize("name", SINGULAR)
def test_second_gradient_of_det_is_right_for_a_singular_matrix(name: str) -> None:
    x = leaf(SINGULAR[name])
    direction = RNG.normal(size=x.shape)
    first = dgrad.grad(ops.det(x).sum(), x, create_graph=True)[0]
    numeric = jacobian(lambda a: np.sum(cofactors(a) * direction), [x.data], 0, 1)
    for recorded in (True, False):
        (second,) = dgrad.grad(first, x, direction, create_graph=recorded)
        np.testing.assert_allclose(second.data.ravel(), numeric[0], rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("recorded", [False, True])
def test_higher_gradients_of_det_ask_for_an_invertible_matrix(recorded: bool) -> None:
    x = leaf(np.zeros((3, 3)))
    first = dgrad.grad(ops.det(x), x, create_graph=True)[0]
    second = dgrad.grad(first.sum(), x, create_graph=True)[0]
    with pytest.raises(ParameterError, match="inv: x must be of full rank"):
        dgrad.grad(second.sum(), x, create_graph=recorded)


def test_cofactor_neither_overflows_where_the_result_is_finite() -> None:
    x = leaf(np.diag([1e120, 1e120, 1e-200]))
    (g,) = dgrad.grad(ops.cofactor(x)[0, 0], x)
    np.testing.assert_allclose(np.diag(g.data), [0.0, 1e-200, 1e120], rtol=1e-12)
    assert np.isfinite(g.data).all()


def test_slogdet_of_a_singular_matrix() -> None:
    x = leaf(np.stack([np.zeros((2, 2)), np.diag([2.0, -4.0])]))
    sign, logabsdet = ops.slogdet(x)
    np.testing.assert_array_equal(sign.data, [0.0, -1.0])
    np.testing.assert_array_equal(logabsdet.data, [-np.inf, np.log(8)])
    (g,) = dgrad.grad(logabsdet[1], x)
    np.testing.assert_allclose(g.data, [np.zeros((2, 2)), np.diag([0.5, -0.25])])
    (g,) = dgrad.grad(ops.slogdet(x).logabsdet.sum(), x)
    assert np.isnan(g.data[0]).all()
    np.testing.assert_allclose(g.data[1], np.diag([0.5, -0.25]))
    (g,) = dgrad.grad(ops.slogdet(x).sign, x, np.ones(2))
    np.testing.assert_array_equal(g.data, np.zeros((2, 2, 2)))


def test_equal_eigenvalues_have_a_gradient_and_their_vectors_none() -> None:
    x = leaf(np.diag([1.0, 1.0, 2.0]))
    values, vectors = ops.eigh(x)
    (g,) = dgrad.grad(values, x, np.array([1.0, 1.0, 3.0]), retain_graph=True)
    np.testing.assert_allclose(g.data, np.diag([1.0, 1.0, 3.0]))
    (g,) = dgrad.grad(vectors[2, 2], x, retain_graph=True)  # the vector of 2 stands alone
    assert np.isfinite(g.data).all()
    with np.errstate(divide="ignore", invalid="ignore"):
        (g,) = dgrad.grad(vectors[0, 1], x)
    assert not np.isfinite(g.data).all()


@pytest.mark.parametrize("shape", [(3, 3), (4, 3), (3, 4)])
def test_equal_singular_values_and_those_of_0_have_a_gradient(shape: tuple[int, int]) -> None:
    x = leaf(np.eye(*shape) * np.array([[2.0], [2.0], [0.0], [0.0]])[: shape[0]])
    for values in (ops.svd(x, full_matrices=False).S, ops.svdvals(x)):
        (g,) = dgrad.grad(values, x, np.array([1.0, 1.0, 0.0]))
        np.testing.assert_allclose(g.data, (x.data != 0).astype(float), atol=1e-15)


def test_singular_vectors_of_0_beyond_the_square_have_none() -> None:
    x = leaf([[1.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    u = ops.svd(x, full_matrices=False).U
    with np.errstate(divide="ignore", invalid="ignore"):
        (g,) = dgrad.grad(u.sum(), x)
    assert not np.isfinite(g.data).all()


@pytest.mark.parametrize("function", [ops.cholesky, ops.eigvalsh, lambda x: ops.eigh(x)[1]])
def test_gradients_of_symmetric_functions_are_symmetric(function: Any) -> None:
    x = leaf(SYMMETRIC)
    out = function(x)
    (g,) = dgrad.grad(out, x, RNG.normal(size=out.shape))
    np.testing.assert_array_equal(g.data, g.data.T)
    assert g.data.any()


def test_one_triangle_alone_is_read_when_asked_for() -> None:
    for triangle, part in (("L", np.tril), ("U", np.triu)):
        x = leaf(np.where(part(np.ones((3, 3))) == 1, SYMMETRIC, np.nan))
        (g,) = dgrad.grad(ops.eigh(x, UPLO=triangle)[1].sum(), x)
        np.testing.assert_array_equal(g.data, part(g.data))
        np.testing.assert_allclose(
            ops.eigvalsh(x, UPLO=triangle).data, np.linalg.eigvalsh(SYMMETRIC), rtol=1e-12
        )


def test_a_norm_through_the_singular_values_of_any_sign() -> None:
    """A function of U, S and Vh that does not depend on their signs: x itself."""
    for shape in ((4, 3), (3, 4), (3, 3)):
        x = leaf(RNG.normal(size=shape))
        u, s, vh = ops.svd(x, full_matrices=False)
        q, r = ops.qr(x)
        weights = RNG.normal(size=shape)
        for again in ((u * s) @ vh, q @ r):
            (g,) = dgrad.grad((again * weights).sum(), x, create_graph=True)
            np.testing.assert_allclose(g.data, weights, atol=1e-11)
            (second,) = dgrad.grad((g * g * g).sum(), x)
            np.testing.assert_allclose(second.data, 0.0, atol=1e-9)


def test_matrix_power_of_many_times_is_not_a_loop() -> None:
    x = leaf([[0.0, 1.0], [-1.0, 0.0]])
    (g,) = dgrad.grad(np.linalg.matrix_power(x, 1000)[0, 0], x)
    np.testing.assert_allclose(g.data, [[0.0, 500.0], [-500.0, 0.0]], atol=1e-9)


def test_a_vector_is_only_what_has_one_axis() -> None:
    a, b = leaf(np.stack([SQUARE] * 3)), leaf(RNG.normal(size=(3, 3)))
    out = np.linalg.solve(a, b)  # NumPy 2: b is a matrix, not three vectors
    assert out.shape == (3, 3, 3)
    ga, gb = dgrad.grad(out, (a, b), np.ones(out.shape))
    assert (ga.shape, gb.shape) == ((3, 3, 3), (3, 3))


def test_multi_dot_gives_only_the_gradients_asked_for() -> None:
    x, y = leaf(SQUARE), Tensor(SQUARE)
    out = ops.multi_dot(y, x, y)
    (g,) = dgrad.grad(out, x, np.ones((3, 3)))
    np.testing.assert_allclose(g.data, SQUARE.T @ np.ones((3, 3)) @ SQUARE.T)


def test_integers_are_computed_in_floats() -> None:
    whole = np.array([[2, 1], [1, 3]])
    for function in (ops.inv, ops.det, ops.cholesky, ops.eigvalsh, ops.svdvals, ops.pinv):
        out = np.asarray(function(whole))
        assert out.dtype == np.float64
        np.testing.assert_allclose(out, function(whole.astype(float)), rtol=1e-14)


def test_leibniz_formula_of_the_tests() -> None:
    np.testing.assert_allclose(determinant(SQUARE), np.linalg.det(SQUARE))


# -- errors ---------------------------------------------------------------------------------------

COMPLEX = SYMMETRIC + 0j


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: ops.inv(leaf(TALL)), ShapeError, r"inv: .*square.*\(3, 2\)"),
        (lambda: ops.det(leaf(ROW)), ShapeError, r"det: .*square.*\(3,\)"),
        (lambda: ops.cofactor(TALL), ShapeError, r"cofactor: .*square"),
        (lambda: ops.cofactor(SQUARE, TALL), ShapeError, r"cofactor: along .*shape"),
        (lambda: ops.slogdet(TALL), ShapeError, r"slogdet: .*square"),
        (lambda: ops.cholesky(TALL), ShapeError, r"cholesky: .*square"),
        (lambda: ops.eigh(TALL), ShapeError, r"eigh: .*square"),
        (lambda: ops.eigvalsh(TALL), ShapeError, r"eigvalsh: .*square"),
        (lambda: ops.matrix_power(TALL, n=2), ShapeError, r"matrix_power: .*square"),
        (lambda: ops.solve(TALL, ROW), ShapeError, r"solve: .*square"),
        (lambda: ops.solve_triangular(TALL, ROW), ShapeError, r"solve_triangular: .*square"),
        (lambda: ops.solve(leaf(SQUARE), ROW[:2]), ShapeError, r"solve: a \(3, 3\).*\(2,\)"),
        (lambda: ops.solve_triangular(SQUARE, TALL.T), ShapeError, r"_triangular: .*\(2, 3\)"),
        (lambda: ops.qr(ROW), ShapeError, r"qr: .*matrix.*\(3,\)"),
        (lambda: ops.svd(ROW), ShapeError, r"svd: .*matrix"),
        (lambda: ops.svdvals(ROW), ShapeError, r"svdvals: .*matrix"),
        (lambda: ops.pinv(ROW), ShapeError, r"pinv: .*matrix"),
        (lambda: ops.inv(leaf(np.zeros((2, 2)))), ParameterError, r"inv: x.*full rank.*Singular"),
        (lambda: ops.solve(np.zeros((3, 3)), ROW), ParameterError, r"solve: a.*pinv"),
        (lambda: ops.solve_triangular(np.zeros((3, 3)), ROW), ParameterError, r"zeros on its diag"),
        (lambda: ops.matrix_power(np.zeros((2, 2)), n=-1), ParameterError, r"matrix_power: x"),
        (lambda: ops.cholesky(-np.eye(2)), ParameterError, r"cholesky: x .*positive definite"),
        (lambda: ops.svd(np.full((2, 2), np.nan)), ParameterError, r"svd: x must be finite"),
        (lambda: ops.eigh(SYMMETRIC, UPLO="l"), ParameterError, r"eigh: UPLO .*got 'l'"),
        (lambda: ops.qr(TALL, mode="complete"), ParameterError, r"qr: mode .*'reduced'"),
        (
            lambda: ops.svd(leaf(TALL)),
            ParameterError,
            r"svd: full_matrices must be False.*\(3, 2\)",
        ),
        (lambda: ops.cholesky(COMPLEX), DtypeError, r"cholesky: .*real.*complex128"),
        (lambda: ops.eigh(COMPLEX), DtypeError, r"eigh: .*real"),
        (lambda: ops.eigvalsh(COMPLEX), DtypeError, r"eigvalsh: .*real"),
        (lambda: ops.qr(COMPLEX), DtypeError, r"qr: .*real"),
        (lambda: ops.svd(COMPLEX), DtypeError, r"svd: .*real"),
        (lambda: ops.svdvals(COMPLEX), DtypeError, r"svdvals: .*real"),
        (lambda: ops.pinv(COMPLEX), DtypeError, r"pinv: .*real"),
        (lambda: ops.slogdet(COMPLEX), DtypeError, r"slogdet: .*real"),
        (lambda: ops.cross(leaf(TALL), ROW), ShapeError, r"cross: expected 3 .* of x.*\(3, 2\)"),
        (lambda: ops.cross(ROW, TALL), ShapeError, r"cross: expected 3 numbers .* of y"),
        (
            lambda: ops.vecdot(leaf(SQUARE), ROW, axis=0),
            ShapeError,
            r"vecdot: axis 0 .*from the end",
        ),
        (lambda: ops.tensordot(leaf(TALL), TALL, 1), ShapeError, r"tensordot\(float64\[3, 2\]"),
        (lambda: ops.dot(leaf(TALL), ROW), ShapeError, r"dot\(float64\[3, 2\], float64\[3\]\)"),
        (lambda: ops.multi_dot(leaf(TALL)), ShapeError, r"multi_dot\(float64\[3, 2\]\)"),
        (lambda: np.linalg.svd(leaf(TALL), compute_uv=False), UnsupportedError, "'compute_uv'"),
        (lambda: np.linalg.pinv(leaf(TALL), hermitian=True), UnsupportedError, "'hermitian'"),
    ],
)
def test_errors_name_the_op_and_what_came(call: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()


def test_columns_that_depend_on_each_other_have_no_gradient_in_qr() -> None:
    x = leaf([[1.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    with pytest.raises(ParameterError, match="solve: a must be of full rank"):
        dgrad.grad(ops.qr(x).R.sum(), x)


@pytest.mark.parametrize("offset", [3, 5, -2, -4])
def test_a_trace_beside_the_matrix_has_no_slope(offset: int) -> None:
    x = Tensor(np.ones((2, 3)), requires_grad=True)
    out = np.trace(x, offset=offset)
    assert out.data == 0.0
    np.testing.assert_array_equal(dgrad.grad(out, x)[0].data, np.zeros((2, 3)))
