"""Layers that make one array of several."""

import functools
import operator

from tests.nn.cases.case import Case


def function(call):
    """A module of PyTorch without parameters that computes call(*inputs)."""

    def make(nn, arguments):
        made = nn.Module()
        made.forward = lambda *inputs: call(*inputs)
        return made

    return make


def joined(dim):
    def make(nn, arguments):
        import torch

        return function(lambda *inputs: torch.cat(inputs, dim))(nn, arguments)

    return make


def added(*inputs):
    return functools.reduce(operator.add, inputs)


def multiplied(*inputs):
    return functools.reduce(operator.mul, inputs)


CASES = {
    "add": [
        Case("add", ((3, 4),) * 2, function(added)),
        Case("add", ((2, 3, 4),) * 3, function(added)),
    ],
    "multiply": [
        Case("multiply", ((3, 4),) * 2, function(multiplied)),
        Case("multiply", ((2, 3, 4),) * 3, function(multiplied)),
    ],
    "concat": [
        Case("concat", ((3, 4), (3, 2)), joined(1)),
        Case("concat", ((3, 2, 5, 4), (3, 1, 5, 4), (3, 2, 5, 4)), joined(1)),
        Case("{concat: -1}", ((3, 2, 4), (3, 2, 1)), joined(-1)),
        Case("{concat: {dim: 2}}", ((3, 2, 4), (3, 2, 1)), joined(2)),
    ],
}
SHAPES = [
    ("add", ((3,), (4,)), r"one shape, got \(batch, 3\) and \(batch, 4\)"),
    ("multiply", ((3,), (3, 1)), r"one shape, got \(batch, 3\) and \(batch, 3, 1\)"),
]
