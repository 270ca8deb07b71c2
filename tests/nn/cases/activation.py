"""Smooth activation functions, gates and softmax."""

from tests.nn.cases.case import Case

X = ((3, 4),)

CASES = {
    "gelu": [Case("gelu", X), Case("{gelu: tanh}", X)],
    "glu": [Case("glu", X), Case("{glu: 1}", ((3, 4, 5),))],
    "log_sigmoid": [Case("log_sigmoid", X)],
    "log_softmax": [Case("log_softmax", X), Case("{log_softmax: 0}", X)],
    "mish": [Case("mish", X)],
    "sigmoid": [Case("sigmoid", X)],
    "silu": [Case("silu", X)],
    "softmax": [Case("softmax", X), Case("{softmax: {dim: 0}}", X)],
    "softmin": [Case("softmin", X), Case("{softmin: {dim: 0}}", X)],
    "softplus": [Case("softplus", X), Case("{softplus: {beta: 2.5}}", X)],
    "softsign": [Case("softsign", X)],
    "tanh": [Case("tanh", X)],
    "tanhshrink": [Case("tanhshrink", X)],
}
RANGES = [("{softplus: 0}", "beta")]
