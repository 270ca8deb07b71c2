"""summarize: shapes, parameters, FLOPs and kept bytes of every layer."""

from __future__ import annotations

import numpy as np
import pytest

import dgrad
from dgrad import nn, ops
from dgrad.functional import graph, summarize
from dgrad.functional.flops import flops


def draw(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


PRODUCTS = {
    "linear": [draw(5, 4), draw(3, 4)],
    "matmul": [draw(2, 5, 4), draw(4, 3)],
    "conv1d": [draw(2, 4, 9), draw(6, 4, 3)],
    "conv2d": [draw(2, 4, 9, 8), draw(6, 4, 3, 2)],
    "conv_transpose1d": [draw(2, 4, 9), draw(4, 6, 3)],
    "conv_transpose2d": [draw(2, 4, 9, 8), draw(4, 6, 3, 2)],
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_products_count_what_pytorch_counts(name):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    from torch.utils.flop_counter import FlopCounterMode

    function = getattr(torch, name) if name == "matmul" else getattr(torch.nn.functional, name)
    with FlopCounterMode(display=False) as counter:
        function(*map(torch.tensor, PRODUCTS[name]))
    out = getattr(ops, name)(*PRODUCTS[name])
    assert flops(name, PRODUCTS[name], out) == counter.get_total_flops()


def test_the_rest_is_counted_as_it_says():
    x = draw(2, 3, 4)
    assert flops("tanh", [x], np.tanh(x)) == 24
    assert flops("reshape", [x], x.reshape(6, 4)) == 0
    assert flops("sum", [x], np.sum(x)) == 24
    assert flops("softmax", [x], ops.softmax(x)) == 4 * 24
    biased = [draw(5, 4), draw(3, 4), draw(3)]
    assert flops("linear", biased, ops.linear(*biased)) == 2 * 5 * 3 * 4 + 15
    q = draw(2, 6, 4)
    out = ops.scaled_dot_product_attention(q, q, q)
    assert flops("scaled_dot_product_attention", [q, q, q], out) == 2 * 6 * 6 * (8 + 5 + 8)
    qkv = draw(2, 6, 12)
    out = ops.self_attention(qkv, num_heads=2)
    assert flops("self_attention", [qkv], out) == 2 * 6 * 6 * (8 + 8)
    cell = [draw(2, 5), draw(2, 3), draw(9, 5), draw(9, 3)]
    assert flops("gru_cell", cell, ops.gru_cell(*cell)) == 2 * (2 * 9 * (5 + 3) + 5 * 18)
    whole = [draw(2, 7, 5), draw(2, 3), draw(3, 5), draw(3, 3)]
    assert flops("rnn", whole, ops.rnn(*whole)) == 2 * 7 * (2 * 3 * (5 + 3) + 5 * 6)


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
