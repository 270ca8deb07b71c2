"""Every registered layer and loss: built from its signature, and against PyTorch."""

import numpy as np
import pytest

import dgrad
from dgrad import nn, registry
from dgrad.errors import ParameterError, ShapeError

# layer -> arguments to try besides none; the PyTorch class has the same name and arguments.
LAYERS = {
    "dropout": [{"p": 0.0}],
    "flatten": [{"start_dim": 0}, {"start_dim": 1, "end_dim": 2}],
    "gelu": [{"approximate": "tanh"}],
    "identity": [],
    "leaky_relu": [{"negative_slope": 0.3}],
    "linear": [{"bias": False}],
    "log_softmax": [{"dim": 0}],
    "relu": [],
    "sigmoid": [],
    "silu": [],
    "softmax": [{"dim": 0}],
    "softplus": [{"beta": 2.5}],
    "tanh": [],
}
CASES = [(name, extra) for name, more in LAYERS.items() for extra in ({}, *more)]
LOSSES = {
    "cross_entropy": lambda rng: (rng.normal(size=(5, 3)), rng.integers(0, 3, 5)),
    "mse": lambda rng: (rng.normal(size=(5, 3)), rng.normal(size=(5, 3))),
    "bce_with_logits": lambda rng: (rng.normal(size=(5, 3)) * 9, rng.random((5, 3))),
}


def arguments_of(cls, extra):
    """Inputs and arguments of its example, and those to try besides."""
    (x,), arguments = cls.example(np.random.default_rng(0))
    if extra and cls is nn.Flatten:
        x = np.stack([x, -x], axis=-1)
    return x, {**cls.infer(x.shape[1:]), **arguments, **extra}


def build(name, extra):
    """A float64 layer in eval mode, and the input of its example."""
    cls = registry.layers[name]
    x, arguments = arguments_of(cls, extra)
    return cls(**arguments).double().eval(), x


def test_every_layer_and_loss_has_a_case():
    assert registry.layers.names() == sorted(LAYERS)
    assert registry.losses.names() == sorted(LOSSES)


@pytest.mark.parametrize(("name", "extra"), CASES)
def test_layer_agrees_with_pytorch(name, extra):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    layer, x = build(name, extra)
    _, arguments = arguments_of(type(layer), extra)
    if name == "softmax" or name == "log_softmax":
        arguments = {"dim": -1, **arguments}
    theirs = getattr(torch.nn, type(layer).__name__)(**arguments).double().eval()
    theirs.load_state_dict({k: torch.tensor(v) for k, v in layer.state_dict().items()})
    ours_in = dgrad.Tensor(x, requires_grad=True)
    theirs_in = torch.tensor(x, requires_grad=True)
    ours_out, theirs_out = layer(ours_in), theirs(theirs_in)
    np.testing.assert_allclose(ours_out.data, theirs_out.detach().numpy(), rtol=1e-10, atol=1e-12)
    g = np.random.default_rng(1).normal(size=ours_out.shape)
    ours_out.backward(g)
    theirs_out.backward(torch.tensor(g))
    np.testing.assert_allclose(ours_in.grad.data, theirs_in.grad.numpy(), rtol=1e-10, atol=1e-12)
    for (path, p), q in zip(layer.named_parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.grad.data, q.grad.numpy(), rtol=1e-10, err_msg=path)


@pytest.mark.parametrize(("name", "extra"), CASES)
def test_layer_keeps_its_state_and_dtype(name, extra):
    layer, x = build(name, extra)
    other, _ = build(name, extra)
    other.load_state_dict(layer.state_dict())
    x = dgrad.Tensor(x)
    np.testing.assert_array_equal(layer(x).data, other(x).data)
    layer.float()
    assert all(p.dtype == np.float32 for p in layer.parameters())
    out = layer(dgrad.Tensor(x.data.astype(np.float32)))
    assert out.dtype == np.float32
    assert repr(layer).startswith(f"{type(layer).__name__}(")


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_loss_agrees_with_pytorch(name, reduction):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    outputs, targets = LOSSES[name](np.random.default_rng(0))
    criterion = registry.losses[name](reduction=reduction)
    assert criterion.targets == ("classes" if targets.dtype.kind == "i" else "numbers")
    theirs_in = torch.tensor(outputs, requires_grad=True)
    theirs = getattr(torch.nn, type(criterion).__name__)(reduction=reduction)(
        theirs_in, torch.tensor(targets)
    )
    ours_in = dgrad.Tensor(outputs, requires_grad=True)
    ours = criterion(ours_in, targets)
    np.testing.assert_allclose(ours.data, theirs.detach().numpy(), rtol=1e-10, atol=1e-14)
    ours.backward(np.ones(ours.shape))
    theirs.sum().backward()
    np.testing.assert_allclose(ours_in.grad.data, theirs_in.grad.numpy(), rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-10), (np.float32, 1e-5)])
def test_mlp_gradients_agree_with_pytorch(dtype, tolerance):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    dgrad.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 3)).astype(dtype)
    theirs = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(12, 16), torch.nn.ReLU(), torch.nn.Linear(16, 3)
    ).to(torch.tensor(np.zeros(1, dtype)).dtype)
    theirs.load_state_dict({k: torch.tensor(v) for k, v in net.state_dict().items()})
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(32, 3, 4)).astype(dtype), rng.integers(0, 3, 32)
    ours_loss = nn.CrossEntropyLoss()(net(dgrad.Tensor(x)), y)
    theirs_loss = torch.nn.CrossEntropyLoss()(theirs(torch.tensor(x)), torch.tensor(y))
    ours_loss.backward()
    theirs_loss.backward()
    assert abs(ours_loss.item() - theirs_loss.item()) <= tolerance * theirs_loss.item()
    for p, q in zip(net.parameters(), theirs.parameters(), strict=True):
        assert p.grad.dtype == dtype
        scale = np.abs(q.grad.numpy()).max()
        np.testing.assert_allclose(p.grad.data, q.grad.numpy(), rtol=0, atol=tolerance * scale)


def test_linear_starts_as_in_pytorch_and_by_the_seed():
    made = []
    for seed in (3, 3, 4):
        dgrad.manual_seed(seed)
        made.append(nn.Linear(100, 400).state_dict())
    assert np.array_equal(made[0]["weight"], made[1]["weight"])
    assert np.array_equal(made[0]["bias"], made[1]["bias"])
    assert not np.array_equal(made[0]["weight"], made[2]["weight"])
    for values in made[0].values():
        assert values.dtype == np.float32
        assert 0.09 < np.abs(values).max() <= np.float32(0.1)
        assert abs(values.std() - 0.1 / np.sqrt(3)) < 0.004


@pytest.mark.parametrize(
    "scheme",
    ["xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal", "orthogonal"],
)
def test_linear_takes_a_scheme(scheme):
    dgrad.manual_seed(0)
    layer = nn.Linear(6, 5, init=scheme)
    dgrad.manual_seed(0)
    expected = getattr(nn.init, f"{scheme}_")(nn.Parameter(np.empty((5, 6), np.float32)))
    np.testing.assert_array_equal(layer.weight.data, expected.data)
    assert not layer.bias.data.any()


def test_linear_infers_its_input_size():
    assert nn.Linear.infer((8, 7)) == {"in_features": 7}
    with pytest.raises(ShapeError, match="features"):
        nn.Linear.infer(())


@pytest.mark.parametrize(
    ("make", "parameter"),
    [
        (lambda: nn.Linear(0, 3), "in_features"),
        (lambda: nn.Linear(3, 3, init="xavier"), "init"),
        (lambda: nn.Dropout(1.5), "p"),
        (lambda: nn.Dropout(float("nan")), "p"),
        (lambda: nn.Softplus(0.0), "beta"),
        (lambda: nn.MSELoss(reduction="avg"), "reduction"),
        (lambda: nn.Sequential(nn.ReLU), "layer 0"),
        (lambda: nn.Sequential({"a.b": nn.ReLU()}), "layer name"),
    ],
)
def test_C08_a_wrong_argument_is_named(make, parameter):
    with pytest.raises(ParameterError) as caught:
        make()
    assert caught.value.parameter == parameter


def test_E03_dropout_drops_in_training_only():
    layer = nn.Dropout(0.25)
    x = dgrad.Tensor(np.ones((200, 50), np.float32), requires_grad=True)
    dgrad.manual_seed(0)
    first, second = layer(x).data, layer(x).data
    dgrad.manual_seed(0)
    out = layer(x)
    np.testing.assert_array_equal(out.data, first)
    assert not np.array_equal(first, second)
    assert set(np.unique(first)) == {0, np.float32(1 / 0.75)}
    assert abs((first == 0).mean() - 0.25) < 0.02
    out.backward(np.ones(x.shape))
    np.testing.assert_array_equal(x.grad.data, first)
    assert layer.eval()(x) is x
    assert not nn.Dropout(1.0)(x).data.any()


def test_a_layer_takes_arrays_as_ops_do():
    x = np.ones((2, 3), np.float32)
    assert type(nn.ReLU()(x)) is np.ndarray
    assert type(nn.Dropout()(x)) is np.ndarray
    assert isinstance(nn.Linear(3, 2)(x), dgrad.Tensor)
