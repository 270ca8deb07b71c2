"""Layers made of lists of layers."""

from collections import OrderedDict

from tests.nn.cases.case import Case


def module(call, **children):
    """Makes PyTorch's module with these children, each a function of torch.nn, and this forward."""

    def make(nn, arguments):
        made = nn.Module()
        for name, child in children.items():
            made.add_module(name, child(nn))
        made.forward = lambda *inputs: call(made, *inputs)
        return made

    return make


def chain(**layers):
    """A Sequential of named layers, each a function of torch.nn."""
    return lambda nn: nn.Sequential(OrderedDict((k, v(nn)) for k, v in layers.items()))


def linear(size_in, size_out):
    return lambda nn: nn.Linear(size_in, size_out)


def tanh(nn):
    return nn.Tanh()


def merged(merge):
    """A parallel layer's forward: the branches' results, merged by `merge(torch, results)`."""

    def call(made, x):
        import torch

        return merge(torch, [branch(x) for branch in made.branches])

    return call


def branches(*made):
    return lambda nn: nn.ModuleList([each(nn) for each in made])


CASES = {
    "residual": [
        Case(
            "{residual: [{linear: 4}, tanh]}",
            ((3, 4),),
            module(lambda m, x: x + m.layers(x), layers=chain(linear=linear(4, 4), tanh=tanh)),
        ),
        Case(
            "{residual: {layers: [{linear: 2}, tanh], shortcut: [{linear: 2}]}}",
            ((3, 5, 4),),
            module(
                lambda m, x: m.shortcut(x) + m.layers(x),
                layers=chain(linear=linear(4, 2), tanh=tanh),
                shortcut=chain(linear=linear(4, 2)),
            ),
        ),
    ],
    "repeat": [
        Case(
            "{repeat: {times: 3, layers: [{linear: 4}, tanh]}}",
            ((3, 4),),
            module(
                lambda m, x: m.layers[2](m.layers[1](m.layers[0](x))),
                layers=branches(*[chain(linear=linear(4, 4), tanh=tanh)] * 3),
            ),
        ),
        Case(
            "{repeat: {times: 2, layers: [{linear: 3}]}}",
            ((3, 4),),
            module(
                lambda m, x: m.layers[1](m.layers[0](x)),
                layers=branches(chain(linear=linear(4, 3)), chain(linear=linear(3, 3))),
            ),
        ),
    ],
    "parallel": [
        Case(
            "{parallel: {branches: [[{linear: 2}], []], merge: concat}}",
            ((3, 4),),
            module(
                merged(lambda torch, made: torch.cat(made, 1)),
                branches=branches(
                    chain(linear=linear(4, 2)), chain(identity=lambda nn: nn.Identity())
                ),
            ),
        ),
        Case(
            "{parallel: {branches: [[{linear: 2}], [{linear: 2}, tanh]], merge: add}}",
            ((3, 5, 4),),
            module(
                merged(lambda torch, made: made[0] + made[1]),
                branches=branches(
                    chain(linear=linear(4, 2)), chain(linear=linear(4, 2), tanh=tanh)
                ),
            ),
        ),
        Case(
            "{parallel: {branches: [[tanh], [{linear: 4}], []], merge: multiply}}",
            ((3, 4),),
            module(
                merged(lambda torch, made: made[0] * made[1] * made[2]),
                branches=branches(
                    chain(tanh=tanh),
                    chain(linear=linear(4, 4)),
                    chain(identity=lambda nn: nn.Identity()),
                ),
            ),
        ),
        Case(
            "{parallel: {branches: [[tanh], []], merge: concat, dim: -1}}",
            ((3, 2, 4),),
            module(
                merged(lambda torch, made: torch.cat(made, -1)),
                branches=branches(chain(tanh=tanh), chain(identity=lambda nn: nn.Identity())),
            ),
        ),
    ],
    "block": [
        Case(
            "{block: [{linear: 2}, tanh]}",
            ((3, 4),),
            module(lambda m, x: m.layers(x), layers=chain(linear=linear(4, 2), tanh=tanh)),
        ),
        Case(
            "{block: {layers: [{linear: 3, from: b}, {add, from: [previous, a]}], inputs: [a, b], "
            "name: sum}}",
            ((2, 3), (2, 4)),
            module(lambda m, a, b: m.layers(b) + a, layers=chain(linear=linear(4, 3))),
        ),
    ],
}
SHAPES = [
    ("{residual: [{linear: 3}]}", ((4,),), r"make \(batch, 3\), .* \(batch, 4\)"),
    ("{parallel: {branches: [[], [{linear: 3}]], merge: add}}", ((4,),), "inputs of one shape"),
    (
        "{parallel: {branches: [[flatten], []], merge: concat}}",
        ((2, 3),),
        r"\(batch, 6\) and \(batch, 2, 3\)",
    ),
    ("{block: {layers: [tanh], inputs: [a, b]}}", ((4,),), "takes 2 inputs"),
]
RANGES = [
    ("{repeat: {times: 0, layers: [tanh]}}", "times"),
    ("{parallel: {branches: [[tanh]], merge: add}}", "branches"),
]
