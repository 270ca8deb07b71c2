"""An op of one's own, with its rule, and a layer of it: the plugin of custom_op.yaml."""

import numpy as np

import dgrad
from dgrad import nn
from dgrad.registry import Positive, layers


@dgrad.op(broadcasts=True)
def snake(x, a):
    """x + sin(a x)^2 / a, elementwise (Ziyin, Hartwig & Ueda 2020). x, a: broadcast together."""
    return x + np.square(np.sin(a * x)) / a


def snake_rule_x(g, x, a):
    return g * (1 + np.sin(2 * a * x))


def snake_rule_a(g, x, a):
    return g * (x * np.sin(2 * a * x) - np.square(np.sin(a * x)) / a) / a


snake.vjp(x=snake_rule_x, a=snake_rule_a)


@layers.register("snake")
class Snake(nn.Module):
    """y = x + sin(a x)^2 / a, a learned for each feature.   x: (..., features) -> same shape."""

    inferred = ("features",)

    def __init__(self, features: int, a: Positive = 1.0):
        self.a = nn.Parameter(np.full(features, a, np.float32))

    def forward(self, x):
        return snake(x, self.a)

    @classmethod
    def infer(cls, *shapes):
        return {"features": shapes[0][-1]}
