"""summarize: shapes, parameters, FLOPs and kept bytes of every layer."""

from __future__ import annotations

import numpy as np
import pytest

import dgrad
from dgrad import nn
from dgrad.functional import graph, summarize


def draw(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def model():
    dgrad.manual_seed(0)
    inner = nn.Sequential({"linear": nn.Linear(4, 4, bias=False), "tanh": nn.Tanh()})
    layers = {"first": nn.Linear(3, 4), "around": nn.Residual(inner), "last": nn.Linear(4, 2)}
    return nn.Sequential(layers)


def test_every_layer_has_its_row_and_holds_what_is_in_it():
    found = summarize(model(), draw(5, 3))
    rows = [
        (r.kind, r.path, r.depth, r.shape, r.calls, r.parameters, r.flops) for r in found.layers
    ]
    assert rows == [
        ("linear", "first", 0, (4,), 1, 16, 28),
        ("residual", "around", 0, (4,), 1, 16, 40),
        ("linear", "around.layers.linear", 1, (4,), 1, 16, 32),
        ("tanh", "around.layers.tanh", 1, (4,), 1, 0, 4),
        ("linear", "last", 0, (2,), 1, 10, 18),
    ]
    assert (found.batch, found.parameters, found.trained, found.flops) == (5, 42, 42, 86)


def test_kept_bytes_are_those_of_the_graph():
    net, x = model(), dgrad.Tensor(draw(5, 3))
    loss, targets = nn.CrossEntropyLoss(), np.zeros(5, np.int64)
    found = summarize(net, x, loss=loss, targets=targets)
    assert found.kept == graph(loss(net(x), targets), net).kept
    first, around, linear, tanh, last = (row.kept for row in found.layers)
    assert first == 5 * 3 * 4
    assert tanh == last == 5 * 4 * 4
    assert around == linear + tanh
    assert found.kept > first + around + last  # the loss keeps something too


@pytest.mark.parametrize(("layer", "gates"), [(nn.RNN, 1), (nn.GRU, 3), (nn.LSTM, 4)])
def test_recurrent_layers_count_their_products(layer, gates):
    found = summarize(nn.Sequential({"layer": layer(5, 8)}), draw(2, 6, 5))
    products = 6 * 2 * gates * 8 * (5 + 8)  # six steps, both weights
    assert products < found.layers[0].flops < 1.5 * products


def test_a_layer_called_twice_counts_its_parameters_once():
    layer = nn.Linear(3, 3)
    net = nn.Graph({"once": layer, "again": layer, "act": nn.ReLU()})
    found = summarize(net, draw(2, 3))
    assert [(r.path, r.calls, r.parameters, r.flops) for r in found.layers] == [
        ("once", 2, 12, 2 * 21),
        ("act", 1, 0, 3),
    ]
    assert "linear x2" in str(found)
    assert found.parameters == 12


def test_what_is_frozen_is_told_and_nothing_is_left_behind():
    net = model()
    net.first.requires_grad_(False)
    found = summarize(net, draw(5, 3))
    assert str(found).endswith("42 parameters, 16 of them not trained")
    assert all(module._hooks is None or not module._hooks.before for module in net.modules())
    frozen = summarize(net.requires_grad_(False), draw(5, 3))
    assert (frozen.trained, frozen.kept) == (0, 0)


def test_the_table_is_cut_by_depth_and_layers_without_an_array_have_no_shape():
    class Pair(nn.Module):
        def forward(self, x):
            return {"x": x}

    found = summarize(nn.Sequential({"net": model(), "pair": Pair()}), draw(5, 3))
    assert len(found.text(0).split("\n")) == len(str(found).split("\n")) - 2
    assert found.layers[-1].kind == "Pair"
    assert found.layers[-1].shape is None
