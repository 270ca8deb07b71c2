"""ReLU and its relatives, shrinkage."""

from tests.nn.cases.case import Case

X = ((3, 4),)


def wide(rng):
    return (rng.uniform(-8, 8, (4, 5)),)


def hardsigmoid(nn, arguments):
    """PyTorch's own multiplies by 1/6 rounded to float32: 3e-8 off in float64."""

    class Hardsigmoid(nn.Module):
        def forward(self, x):
            return nn.functional.relu6(x + 3) / 6

    return Hardsigmoid()


CASES = {
    "celu": [Case("celu", X), Case("{celu: 0.25}", X)],
    "elu": [Case("elu", X), Case("{elu: {alpha: 1.7}}", X)],
    "hardshrink": [Case("hardshrink", X), Case("{hardshrink: 0.1}", X)],
    "hardsigmoid": [Case("hardsigmoid", wide, hardsigmoid)],
    "hardswish": [Case("hardswish", wide)],
    "hardtanh": [Case("hardtanh", X), Case("{hardtanh: {min_val: -0.2, max_val: 0.5}}", X)],
    "leaky_relu": [Case("leaky_relu", X), Case("{leaky_relu: 0.3}", X)],
    "prelu": [
        Case("prelu", X),
        Case("{prelu: 4}", X),
        Case("{prelu: {num_parameters: 3, init: 0.1}}", ((2, 3, 4, 2),)),
    ],
    "relu": [Case("relu", X)],
    "relu6": [Case("relu6", wide)],
    "rrelu": [
        Case("rrelu", X, modes=(False,)),
        Case("{rrelu: {lower: 0.05, upper: 0.1}}", X, modes=(False,)),
        Case("{rrelu: {lower: 0.2, upper: 0.2}}", X),
    ],
    "selu": [Case("selu", X)],
    "softshrink": [Case("softshrink", X), Case("{softshrink: 0.1}", X)],
    "threshold": [Case("{threshold: {threshold: 0.1, value: 20}}", X)],
}
RANGES = [
    ("{celu: 0.0}", "alpha"),
    ("{celu: -1}", "alpha"),
    ("{hardtanh: {min_val: 1, max_val: 1}}", "max_val"),
    ("{softshrink: -0.1}", "lambd"),
    ("{hardshrink: -0.1}", "lambd"),
    ("{prelu: 0}", "num_parameters"),
    ("{rrelu: {lower: 0.4}}", "upper"),
]
