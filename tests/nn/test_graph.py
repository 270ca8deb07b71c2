"""Graph: what it computes, what it lets go of, and what it refuses."""

from __future__ import annotations

import weakref

import numpy as np
import pytest

import dgrad
from dgrad import nn
from dgrad.errors import ParameterError, ShapeError, UnsupportedError


def diamond():
    """x -> a -> (b, c) -> b + c + x, with a used twice."""
    layers = {"a": nn.Linear(3, 3), "b": nn.Tanh(), "c": nn.Sigmoid(), "sum": nn.Add()}
    return nn.Graph(layers, {"c": ["a"], "sum": ["b", "c", "input"]})


def test_it_computes_what_its_wires_say():
    graph = diamond()
    x = dgrad.Tensor(np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32))
    a = graph.a(x).data
    np.testing.assert_allclose(graph(x).data, np.tanh(a) + 1 / (1 + np.exp(-a)) + x.data, rtol=1e-6)


def test_a_layer_under_two_names_is_one_layer():
    layer = nn.Linear(3, 3)
    graph = nn.Graph({"once": layer, "again": layer})
    assert [name for name, _ in graph.named_parameters()] == ["once.weight", "once.bias"]
    assert set(graph.state_dict()) == {"once.weight", "once.bias"}


def test_several_inputs_have_names():
    graph = nn.Graph({"sum": nn.Add()}, {"sum": ["x", "y"]}, inputs=["x", "y"])
    assert graph(np.ones(2), np.ones(2)).tolist() == [2, 2]
    with pytest.raises(ShapeError, match=r"takes 2 inputs \(x, y\), got 1"):
        graph(np.ones(2))


def test_a_value_is_let_go_after_its_last_use():
    seen = []

    class Watch(nn.Module):
        def forward(self, x):
            seen.append(weakref.ref(x))
            return x + 1

    class Look(nn.Module):
        def forward(self, x):
            assert seen[0]() is None
            return x

    graph = nn.Graph({"first": nn.Tanh(), "watch": Watch(), "more": nn.Tanh(), "look": Look()})
    with dgrad.no_grad():
        assert graph(dgrad.tensor([1.0])).shape == (1,)


def test_a_layer_may_be_appended_and_replaced():
    graph = diamond().append(nn.Linear(3, 2))
    assert graph(np.ones((1, 3), np.float32)).shape == (1, 2)
    graph[4] = nn.Linear(3, 5)
    assert graph(np.ones((1, 3), np.float32)).shape == (1, 5)
    with pytest.raises(UnsupportedError, match="no slices"):
        graph[1:]


def test_repr_shows_the_wires():
    assert repr(diamond()).startswith("Graph(c <- a, sum <- b + c + input\n")


@pytest.mark.parametrize(
    ("layers", "sources", "inputs", "words"),
    [
        ({}, None, ["input"], "at least one"),
        ({"a": nn.Tanh()}, None, ["a"], "names of their own"),
        ({"a": nn.Tanh()}, None, ["x", "x"], "names of their own"),
        ({"a": nn.Tanh()}, {"a": ["b"]}, ["input"], "sources of 'a' must be inputs or layers"),
        ({"a": nn.Tanh(), "b": nn.Tanh()}, {"a": ["b"]}, ["input"], "got 'b'"),
        ({"a": nn.Tanh()}, {"c": ["a"]}, ["input"], "sources must be by the names of layers"),
        ({"a": nn.Tanh}, None, ["input"], "layer a must be a Module instance"),
    ],
)
def test_C08_wires_that_lead_nowhere_are_refused(layers, sources, inputs, words):
    with pytest.raises(ParameterError, match=words):
        nn.Graph(layers, sources, inputs)
