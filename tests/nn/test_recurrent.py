"""Recurrent layers and cells: what they start from, states handed on, lengths, what they refuse."""

import numpy as np
import pytest

import dgrad
from dgrad import nn
from dgrad.errors import DtypeError, ShapeError
from tests.nn.cases.case import made

KINDS = [nn.RNN, nn.GRU, nn.LSTM]
CELLS = [nn.RNNCell, nn.GRUCell, nn.LSTMCell]
X = np.random.default_rng(0).normal(size=(3, 6, 4))


def states_of(made):
    """h, or h and c, of what a cell or a layer returns as its state."""
    return list(made) if isinstance(made, tuple) else [made]


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_is_handed_on(kind):
    layer = kind(4, 5, num_layers=2, bidirectional=False, output="both").double()
    whole, end = layer(X)
    first, state = layer(X[:, :2])
    second, last = layer(X[:, 2:], None, state)
    np.testing.assert_allclose(np.concatenate([first, second], axis=1).data, whole.data, rtol=1e-12)
    for a, b in zip(states_of(last), states_of(end), strict=True):
        np.testing.assert_allclose(a.data, b.data, rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_that_reads_forwards_does_not_see_the_future(kind):
    layer = kind(4, 5, num_layers=2).double()
    x = dgrad.Tensor(X, requires_grad=True)
    for step in range(6):
        (g,) = dgrad.grad(layer(x)[:, step].sum(), x)
        assert g.data[:, : step + 1].all()
        assert not g.data[:, step + 1 :].any()


@pytest.mark.parametrize("kind", KINDS)
def test_what_follows_the_end_may_be_nan(kind):
    layer = kind(4, 5, num_layers=2, bidirectional=True).double()
    lengths = np.array([2, 6, 0])
    after = np.arange(6) >= lengths[:, None]
    x = dgrad.Tensor(np.where(after[..., None], np.nan, X), requires_grad=True)
    out = layer(x, lengths)
    assert not out.data[after].any()
    out.sum().backward()
    assert not x.grad.data[after].any()
    assert all(np.isfinite(p.grad.data).all() for p in layer.parameters())
    alone = layer(X[:1, :2])
    np.testing.assert_allclose(out.data[:1, :2], alone.data, rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_E03_dropout_is_between_layers_and_in_training(kind):
    layer = kind(4, 50, num_layers=2, dropout=0.5).double()
    plain = kind(4, 50, num_layers=2).double()
    plain.load_state_dict(layer.state_dict())
    np.testing.assert_array_equal(layer.eval()(X).data, plain(X).data)
    dgrad.manual_seed(0)
    first = layer.train()(X).data
    dgrad.manual_seed(0)
    np.testing.assert_array_equal(layer(X).data, first)
    assert (first != plain(X).data).all()
    assert first.all()  # what the last layer gives is not dropped


@pytest.mark.parametrize("kind", ["rnn", "gru", "lstm"])
def test_a_config_says_where_the_weights_start(kind):
    layer = made(
        f"{{{kind}: {{hidden_size: 64, num_layers: 2, init: {{normal: {{std: 3}}}}}}}}", (3, 8)
    )
    for name, value in layer.state_dict().items():
        assert value.any() == name.startswith("weight")
        assert name.startswith("bias") or abs(value.std() - 3) < 0.3


@pytest.mark.parametrize(
    ("cell", "arguments"), [*((cell, {}) for cell in CELLS), (nn.RNNCell, {"nonlinearity": "relu"})]
)
@pytest.mark.parametrize("bias", [True, False])
def test_a_cell_agrees_with_pytorch(cell, arguments, bias):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    theirs = getattr(torch.nn, cell.__name__)(4, 5, bias=bias, **arguments).double()
    ours = cell(4, 5, bias=bias, **arguments).double()
    ours.load_state_dict({name: value.numpy() for name, value in theirs.state_dict().items()})
    found, expected = None, None
    for step in range(6):
        found, expected = ours(X[:, step], found), theirs(torch.tensor(X[:, step]), expected)
    for a, b in zip(states_of(found), states_of(expected), strict=True):
        np.testing.assert_allclose(a.data, b.detach().numpy(), rtol=1e-9)
    sum((h * h).sum() for h in states_of(found)).backward()
    sum((h * h).sum() for h in states_of(expected)).backward()
    for (name, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.grad.data, q.grad.numpy(), rtol=1e-9, err_msg=name)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((X[0],), ShapeError, r"GRU: needs x \(batch, steps, 4\), got \(6, 4\)"),
        ((X[..., :3],), ShapeError, r"got \(3, 6, 3\)"),
        (
            (X, np.array([1, 7, 2])),
            ShapeError,
            "3 numbers from 0 to 6, one .* got some from 1 to 7",
        ),
        ((X, np.array([1, -1, 2])), ShapeError, "got some from -1 to 2"),
        ((X, np.array([1, 2])), ShapeError, r"got shape \(2,\)"),
        ((X, np.array([1.0, 2.0, 3.0])), DtypeError, "whole numbers, got float64"),
        ((X, None, np.zeros((2, 3, 5))), ShapeError, r"shape \(1, 3, 5\), got \(2, 3, 5\)"),
    ],
)
def test_C23_what_does_not_fit_is_told(arguments, error, words):
    with pytest.raises(error, match=words):
        nn.GRU(4, 5).double()(*arguments)
