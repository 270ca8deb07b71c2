"""Activation functions."""

from tests.nn.cases.case import Case

X = ((3, 4),)

CASES = {
    "gelu": [Case("gelu", X), Case("{gelu: tanh}", X)],
    "leaky_relu": [Case("leaky_relu", X), Case("{leaky_relu: 0.3}", X)],
    "log_softmax": [Case("log_softmax", X), Case("{log_softmax: 0}", X)],
    "relu": [Case("relu", X)],
    "sigmoid": [Case("sigmoid", X)],
    "silu": [Case("silu", X)],
    "softmax": [Case("softmax", X), Case("{softmax: {dim: 0}}", X)],
    "softplus": [Case("softplus", X), Case("{softplus: {beta: 2.5}}", X)],
    "tanh": [Case("tanh", X)],
}
RANGES = [("{softplus: 0}", "beta")]
