"""Between convolutions nothing is transposed: what stands there keeps their order of memory."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest

import dgrad
from dgrad import Tensor, nn, ops
from dgrad.autograd import Function

ROWS = (2, 1, 3, 0)  # (n, c, h, w) lies as (h, c, w, n)
BETWEEN: dict[str, Any] = {
    "nothing": lambda x: x,
    "relu": ops.relu,
    "gelu": ops.gelu,
    "dropout": nn.Dropout(0.3),
    "dropout2d": nn.Dropout2d(0.3),
    "rrelu": nn.RReLU(),
    "batch norm": nn.BatchNorm2d(4),
    "batch norm, eval": nn.BatchNorm2d(4).eval(),
    "group norm": lambda x: ops.group_norm(x, groups=2),
    "instance norm": ops.instance_norm,
    "residual": lambda x: ops.relu(x * 2) + x,
    "gate": lambda x: x * ops.sigmoid(ops.adaptive_avg_pool2d(x, output_size=1)),
    "max pooling": lambda x: ops.max_pool2d(x, kernel_size=2),
    "overlapping": lambda x: ops.max_pool2d(x, kernel_size=3, stride=1, padding=1),
    "transposed": lambda x: ops.conv_transpose2d(x, np.ones((4, 4, 2, 2)), stride=2),
}


class Watched(Function):
    """x itself; notes the order of memory of its gradient."""

    orders: ClassVar[list[tuple[int, ...]]] = []

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x * 1

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        Watched.orders.append(order(g))
        return g


def order(x: Any) -> tuple[int, ...]:
    """The axes from the longest stride to the shortest."""
    return tuple(sorted(range(x.ndim), key=lambda axis: -np.asarray(x).strides[axis]))


@pytest.mark.parametrize("between", BETWEEN.values(), ids=BETWEEN)
def test_what_stands_between_convolutions_keeps_their_memory_order(between: Any) -> None:
    rng = np.random.default_rng(0)
    first, second = (rng.normal(size=(4, c, 3, 3)) for c in (3, 4))
    weight = Tensor(first, requires_grad=True)
    x = Watched.apply(ops.conv2d(rng.normal(size=(5, 3, 8, 8)), weight, padding=1))
    y = between(x)
    assert order(y.detach()) == ROWS
    Watched.orders.clear()
    dgrad.grad((ops.conv2d(y, second) ** 2).sum(), weight)
    assert Watched.orders == [ROWS]
