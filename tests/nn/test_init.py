"""Initial values: distributions against their papers' formulas, and PyTorch's gains."""

import math
import re

import numpy as np
import pytest

import dgrad
from dgrad import nn, registry
from dgrad.errors import GraphError, ParameterError, ShapeError
from dgrad.nn import init

SHAPE = (60, 20, 2, 3)  # fan_in 120, fan_out 360
# scheme -> (standard deviation, largest absolute value or None)
SCHEMES = {
    "uniform_": (1 / math.sqrt(12), 1.0),
    "normal_": (1.0, None),
    "xavier_uniform_": (math.sqrt(2 / 480), math.sqrt(6 / 480)),
    "xavier_normal_": (math.sqrt(2 / 480), None),
    "kaiming_uniform_": (math.sqrt(2 / 120), math.sqrt(6 / 120)),
    "kaiming_normal_": (math.sqrt(2 / 120), None),
}


def drawn(name, dtype=np.float64, **arguments):
    dgrad.manual_seed(1)
    p = nn.Parameter(np.full(SHAPE, np.nan, dtype))
    assert getattr(init, name)(p, **arguments) is p
    return p.data


@pytest.mark.parametrize("name", SCHEMES)
def test_scheme_has_its_spread(name):
    std, bound = SCHEMES[name]
    values = drawn(name)
    assert values.std() == pytest.approx(std, rel=0.03)
    if bound is not None:
        assert 0.98 * bound < np.abs(values).max() <= bound
    if name != "uniform_":
        assert abs(values.mean()) < 4 * std / math.sqrt(values.size)


@pytest.mark.parametrize("name", [*SCHEMES, "orthogonal_"])
def test_scheme_draws_the_same_numbers_for_a_seed_and_every_dtype(name):
    values = drawn(name)
    np.testing.assert_array_equal(values, drawn(name))
    np.testing.assert_array_equal(values.astype(np.float32), drawn(name, np.float32))


def test_arguments_scale_the_spread():
    np.testing.assert_allclose(drawn("xavier_normal_", gain=3.0), 3 * drawn("xavier_normal_"))
    np.testing.assert_allclose(
        drawn("kaiming_normal_", mode="fan_out") * math.sqrt(3), drawn("kaiming_normal_")
    )
    np.testing.assert_allclose(
        drawn("kaiming_uniform_", nonlinearity="linear") * math.sqrt(2), drawn("kaiming_uniform_")
    )
    np.testing.assert_allclose(drawn("normal_", mean=5, std=2), 5 + 2 * drawn("normal_"))
    np.testing.assert_allclose(drawn("uniform_", a=-1, b=1), 2 * drawn("uniform_") - 1)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (3, 2, 5)])
def test_orthogonal_rows_or_columns(shape):
    dgrad.manual_seed(0)
    w = init.orthogonal_(nn.Parameter(np.empty(shape)), gain=2.0).data.reshape(shape[0], -1)
    small = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(small, 4 * np.eye(len(small)), atol=1e-12)


def test_orthogonal_signs_are_random():
    dgrad.manual_seed(0)
    corners = [init.orthogonal_(nn.Parameter(np.empty((2, 2)))).data[0, 0] for _ in range(20)]
    assert 4 < sum(corner > 0 for corner in corners) < 16


def test_constants():
    p = nn.Parameter(np.empty((2, 3)))
    assert (init.ones_(p).data == 1).all()
    assert (init.zeros_(p).data == 0).all()
    assert (init.constant_(p, 0.3).data == 0.3).all()


@pytest.mark.parametrize(
    ("shape", "groups"), [((4, 2, 3), 1), ((6, 2, 3, 4), 2), ((2, 5, 1, 2, 3), 1)]
)
def test_dirac_and_eye_are_pytorchs(shape, groups):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    ours = init.dirac_(nn.Parameter(np.empty(shape)), groups)
    theirs = torch.nn.init.dirac_(torch.empty(shape), groups)
    np.testing.assert_array_equal(ours.data, theirs.numpy())
    matrix = torch.nn.init.eye_(torch.empty(shape[:2]))
    np.testing.assert_array_equal(init.eye_(nn.Parameter(np.empty(shape[:2]))).data, matrix.numpy())


def test_trunc_normal_stays_inside_with_its_own_spread():
    values = drawn("trunc_normal_", mean=1.0, std=2.0, a=0.0, b=3.0)
    assert values.min() >= 0
    assert values.max() <= 3
    # N(0, 1) between -1/2 and 1: its mean and standard deviation, by the density's integral
    at = np.linspace(-0.5, 1.0, 100_001)
    weight = np.exp(-(at**2) / 2)
    weight /= weight.sum()
    mean = weight @ at
    assert values.mean() == pytest.approx(1 + 2 * mean, abs=0.03)
    assert values.std() == pytest.approx(2 * math.sqrt(weight @ at**2 - mean**2), rel=0.02)


@pytest.mark.parametrize("sparsity", [0.0, 0.25, 1.0])
def test_sparse_has_its_zeros_in_every_column(sparsity):
    dgrad.manual_seed(0)
    values = init.sparse_(nn.Parameter(np.empty((10, 30))), sparsity, std=2.0).data
    zeros = math.ceil(sparsity * 10)
    assert ((values == 0).sum(axis=0) == zeros).all()
    if sparsity == 0.25:
        assert values[values != 0].std() == pytest.approx(2.0, rel=0.1)
        assert len({tuple(column) for column in (values == 0).T}) > 15


@pytest.mark.parametrize(
    ("name", "param"),
    [("linear", None), ("tanh", None), ("relu", None), ("selu", None), ("leaky_relu", 0.2)],
)
def test_gain_is_pytorchs(name, param):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    assert init.calculate_gain(name, param) == torch.nn.init.calculate_gain(name, param)


def test_wrong_arguments_are_named():
    with pytest.raises(ParameterError, match="leaky_relu, linear"):
        init.calculate_gain("rleu")
    for arguments, parameter in (({"a": 2, "b": 2}, "b"), ({"mean": 9.0}, "mean")):
        with pytest.raises(ParameterError) as caught:
            init.trunc_normal_(nn.Parameter(np.empty(2)), **arguments)
        assert caught.value.parameter == parameter
    with pytest.raises(ParameterError, match="divisor of 3"):
        init.dirac_(nn.Parameter(np.empty((3, 1, 1))), groups=2)
    for scheme, shape in ((init.eye_, (2,)), (init.dirac_, (2, 2)), (init.sparse_, (2, 2, 2))):
        with pytest.raises(ShapeError, match=re.escape(str(shape))):
            scheme(nn.Parameter(np.empty(shape)), *([0.5] if scheme is init.sparse_ else []))
    for scheme in (init.xavier_normal_, init.kaiming_uniform_, init.orthogonal_):
        with pytest.raises(ShapeError, match="two axes"):
            scheme(nn.Parameter(np.empty(3)))


REQUIRED = {"constant": {"val": 0.5}, "sparse": {"sparsity": 0.3}}


@pytest.mark.parametrize("name", registry.initialisers)
def test_every_initialiser_fills_all_of_the_array_that_is_there(name):
    shape = (6, 5, 3) if name == "dirac" else (6, 5)
    weight = nn.Parameter(np.full(shape, np.nan, np.float32))
    array = weight.data
    out = dgrad.Tensor(np.ones(shape, np.float32), requires_grad=True) * weight
    registry.initialisers[name](weight, **REQUIRED.get(name, {}))
    assert weight.data is array
    assert np.isfinite(array).all()
    assert getattr(init, f"{name}_") is registry.initialisers[name]
    with pytest.raises(GraphError, match="an initialisation"):
        out.sum().backward()
