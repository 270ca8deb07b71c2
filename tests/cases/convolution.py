"""Cases of dgrad/ops/convolution.py."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *

__all__ = ["CASES", "REFERENCES", "TORCH"]


def channels_last(x: np.ndarray) -> np.ndarray:
    """The same values, the channels running fastest in memory."""
    return np.moveaxis(np.moveaxis(x, 1, -1).copy(), -1, 1)


def axes_of(value: Any, axes: int) -> list[Any]:
    return [value] * axes if np.ndim(value) == 0 else list(value)


def margins(padding: Any, spans: list[int]) -> list[tuple[int, int]]:
    """The padding before and after, for each axis."""
    if padding == "same":
        return [((s - 1) // 2, s // 2) for s in spans]
    pads = axes_of(0 if padding == "valid" else padding, len(spans))
    return [p if isinstance(p, tuple) else (p, p) for p in pads]


def lifted(
    x_size: Any, kernel: Any, stride: Any, padding: Any, dilation: Any
) -> tuple[list[Any], list[Any]]:
    """For each output place: its pixels in the padded image; and the padding."""
    axes = len(kernel)
    steps, spread = axes_of(stride, axes), axes_of(dilation, axes)
    spans = [d * (k - 1) + 1 for d, k in zip(spread, kernel, strict=True)]
    pads = margins(padding, spans)
    tables = []
    for n, k, s, d, span, (a, b) in zip(x_size, kernel, steps, spread, spans, pads, strict=True):
        out = (n + a + b - span) // s + 1
        tables.append(np.arange(out)[:, None] * s + np.arange(k) * d)
    return tables, pads


def convolution(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """Output place by output place: the products of the window there, summed by einsum."""
    axes = weight.ndim - 2
    if x.ndim == axes + 1:
        return convolution(x[None], weight, bias, stride, padding, dilation, groups)[0]
    tables, pads = lifted(x.shape[2:], weight.shape[2:], stride, padding, dilation)
    x = np.pad(x, [(0, 0), (0, 0), *pads])
    out = np.zeros((len(x), len(weight), *map(len, tables)), np.result_type(x, weight))
    inputs, outputs = weight.shape[1], len(weight) // groups
    for place in itertools.product(*(range(len(table)) for table in tables)):
        met = x[(..., *np.ix_(*(t[i] for t, i in zip(tables, place, strict=True))))]
        for group in range(groups):
            source = met[:, group * inputs : (group + 1) * inputs]
            target = slice(group * outputs, (group + 1) * outputs)
            kernels = weight[target]
            out[(slice(None), target, *place)] = (
                source.reshape(len(x), inputs * kernels[0, 0].size) @ kernels.reshape(outputs, -1).T
            )
    return out if bias is None else out + bias.reshape(-1, *[1] * axes)


def adjoint(shape: tuple[int, ...], y: Any, apply: Callable[[Any], Any]) -> Any:
    """The adjoint of a linear map at y, from what it does to each unit array of `shape`."""
    size = int(np.prod(shape))
    units = np.eye(size).reshape(size, *shape)
    return np.array([np.sum(apply(unit) * y) for unit in units]).reshape(shape)


def input_grad(y: Any, weight: Any, shape: Any, **sizes: Any) -> Any:
    return adjoint(shape, y, lambda x: convolution(x, weight, **sizes))


def weight_grad(x: Any, y: Any, shape: Any, **sizes: Any) -> Any:
    return adjoint(shape, y, lambda weight: convolution(x, weight, **sizes))


CASES: dict[str, list[Case]] = {
    "conv1d": [
        Case(normal(2, 3, 7), normal(4, 3, 3), normal(4)),
        Case(normal(2, 3, 7), normal(4, 3, 3)),
        Case(normal(3, 7), normal(2, 3, 2), normal(2), stride=2, order=3),
        Case(normal(2, 4, 8), normal(6, 2, 3), normal(6), groups=2, padding=1, dilation=2),
        Case(normal(2, 2, 6), normal(2, 2, 4), None, padding="same"),
        Case(normal(2, 2, 6), normal(2, 2, 3), None, padding=(2,), stride=(2,)),
        Case(normal(2, 2, 5), normal(3, 2, 3), None, padding=((2, 0),), torch=False),
        Case(normal(0, 2, 5), normal(3, 2, 3), normal(3)),
        Case(normal(7, 2, 2).T, normal(3, 2, 3)[::-1], normal(3)[::-1]),
        Case(normal(1, 1, 1), normal(1, 1, 1), normal(1)),
        Case(complex_normal(1, 2, 4), complex_normal(2, 2, 2), complex_normal(2), stride=2),
    ],
    "conv2d": [
        Case(normal(2, 2, 4, 3), normal(3, 2, 3, 2), normal(3)),
        Case(normal(1, 2, 5, 4), normal(2, 2, 3, 2), padding=1, stride=2),
        Case(normal(3, 4, 4), normal(2, 3, 2, 2), normal(2), order=3),
        Case(normal(1, 4, 4, 3), normal(2, 2, 3, 2), normal(2), groups=2, padding=(2, 1)),
        Case(normal(1, 3, 4, 4), normal(6, 1, 2, 2), None, groups=3),
        Case(normal(1, 1, 6, 7), normal(2, 1, 2, 3), None, dilation=(3, 2), stride=(1, 2)),
        Case(normal(1, 2, 4, 5), normal(2, 2, 2, 3), None, padding="same", dilation=2),
        Case(normal(1, 2, 4, 5), normal(2, 2, 2, 3), None, padding="valid"),
        Case(normal(2, 1, 4, 4), normal(2, 1, 2, 2), None, padding=((1, 0), (0, 2)), torch=False),
        Case(normal(2, 3, 4, 4), normal(2, 3, 1, 1), normal(2)),
        Case(normal(2, 3, 4, 4), normal(2, 3, 1, 1), normal(2), stride=3),
        Case(normal(0, 2, 4, 4), normal(3, 2, 3, 3), normal(3)),
        Case(channels_last(normal(2, 3, 3, 3)), normal(3, 3, 2, 2)[:, ::-1], normal(3)[::-1]),
        Case(np.broadcast_to(normal(2, 1, 3, 1), (2, 2, 3, 3)), normal(2, 2, 2, 2)),
        Case(normal(1, 1, 1, 1), normal(1, 1, 1, 1), normal(1)),
        Case(complex_normal(1, 2, 3, 3), complex_normal(2, 2, 2, 2), complex_normal(2)),
        Case(normal(1, 2, 3, 3), complex_normal(2, 1, 2, 2), None, groups=2, torch=False),
        Case(normal(1, 2, 4, 4) * 1e150, normal(2, 2, 3, 3), order=0),
    ],
    "conv2d_input_grad": [
        Case(normal(2, 4, 3, 3), normal(4, 3, 3, 2), shape=(2, 3, 5, 4)),
        Case(normal(2, 2, 3, 2), normal(2, 3, 3, 3), shape=(2, 3, 5, 4), stride=2, padding=1),
        Case(normal(2, 3, 2), normal(2, 2, 2, 2), shape=(2, 4, 3), order=3, torch=False),
        Case(normal(2, 4, 2, 2), normal(4, 1, 3, 2), shape=(2, 2, 4, 3), groups=2),
        Case(normal(2, 3, 3, 3), normal(3, 2, 1, 1), shape=(2, 2, 3, 3)),
        Case(normal(1, 2, 2, 3), normal(2, 1, 2, 2), shape=(1, 1, 4, 5), dilation=2),
        Case(normal(1, 2, 2, 2), normal(2, 1, 2, 2), shape=(1, 1, 6, 6), stride=3),  # a rest
        Case(
            normal(1, 2, 2, 2),
            normal(2, 1, 2, 2),
            shape=(1, 1, 4, 3),
            padding=((0, -1), (0, 0)),
            torch=False,
            reference=lambda y, weight, **_: np.pad(
                input_grad(y, weight, (1, 1, 3, 3)), ((0, 0), (0, 0), (0, 1), (0, 0))
            ),
        ),
        Case(normal(0, 3, 3, 3), normal(3, 2, 2, 2), shape=(0, 2, 4, 4), torch=False),
        Case(normal(3, 3, 2, 1).T, normal(2, 1, 2, 2)[::-1], shape=(1, 1, 4, 4)),
        Case(
            complex_normal(1, 2, 2, 2), complex_normal(2, 1, 2, 2), shape=(1, 1, 3, 3), torch=False
        ),
    ],
    "conv2d_weight_grad": [
        Case(normal(2, 3, 5, 4), normal(2, 4, 3, 3), shape=(4, 3, 3, 2)),
        Case(normal(2, 3, 5, 4), normal(2, 2, 3, 2), shape=(2, 3, 3, 3), stride=2, padding=1),
        Case(normal(2, 4, 3), normal(2, 3, 2), shape=(2, 2, 2, 2), order=3, torch=False),
        Case(normal(2, 2, 4, 3), normal(2, 4, 2, 2), shape=(4, 1, 3, 2), groups=2),
        Case(normal(2, 2, 3, 3), normal(2, 3, 3, 3), shape=(3, 2, 1, 1)),
        Case(normal(1, 1, 4, 5), normal(1, 2, 2, 3), shape=(2, 1, 2, 2), dilation=2),
        Case(normal(1, 1, 6, 6), normal(1, 2, 2, 2), shape=(2, 1, 2, 2), stride=3),
        Case(normal(0, 2, 4, 4), normal(0, 3, 3, 3), shape=(3, 2, 2, 2), torch=False),
        Case(normal(4, 4, 2, 1).T, normal(1, 2, 3, 3)[:, ::-1], shape=(2, 2, 2, 2)),
        Case(
            complex_normal(1, 2, 3, 3), complex_normal(1, 2, 2, 2), shape=(2, 2, 2, 2), torch=False
        ),
    ],
}

REFERENCES: dict[str, Callable[..., Any]] = {
    "conv1d": convolution,
    "conv2d": convolution,
    "conv2d_input_grad": input_grad,
    "conv2d_weight_grad": weight_grad,
}

TORCH: dict[str, Any] = {
    "conv1d": "nn.functional.conv1d",
    "conv2d": "nn.functional.conv2d",
    "conv2d_input_grad": lambda torch: (
        lambda y, weight, shape, **sizes: torch.nn.grad.conv2d_input(shape, weight, y, **sizes)
    ),
    "conv2d_weight_grad": lambda torch: (
        lambda x, y, shape, **sizes: torch.nn.grad.conv2d_weight(x, shape, y, **sizes)
    ),
}
