"""Cases of dgrad/ops/transposed_convolution.py."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *
from tests.cases.convolution import axes_of, channels_last

__all__ = ["CASES", "REFERENCES", "TORCH"]


def transposed(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """Every pixel of x puts the kernel, times itself, into the output at its place."""
    axes = weight.ndim - 2
    if x.ndim == axes + 1:
        sizes = stride, padding, output_padding, groups, dilation
        return transposed(x[None], weight, bias, *sizes)[0]
    steps, pads, more, spread = (
        axes_of(v, axes) for v in (stride, padding, output_padding, dilation)
    )
    size = [
        (n - 1) * s + d * (k - 1) + 1 + m
        for n, s, d, k, m in zip(x.shape[2:], steps, spread, weight.shape[2:], more, strict=True)
    ]
    inputs, outputs = len(weight) // groups, weight.shape[1]
    out = np.zeros((len(x), outputs * groups, *size), np.result_type(x, weight))
    for place in itertools.product(*map(range, x.shape[2:])):
        for element in itertools.product(*map(range, weight.shape[2:])):
            to = tuple(
                p * s + e * d for p, s, e, d in zip(place, steps, element, spread, strict=True)
            )
            for group in range(groups):
                source = slice(group * inputs, (group + 1) * inputs)
                out[(slice(None), slice(group * outputs, (group + 1) * outputs), *to)] += (
                    x[(slice(None), source, *place)] @ weight[(source, slice(None), *element)]
                )
    inside = tuple(slice(p, n - p) for p, n in zip(pads, size, strict=True))
    out = out[(..., *inside)]
    return out if bias is None else out + bias.reshape(-1, *[1] * axes)


CASES: dict[str, list[Case]] = {
    "conv_transpose1d": [
        Case(normal(2, 3, 4), normal(3, 2, 3), normal(2)),
        Case(normal(2, 3, 4), normal(3, 2, 3), stride=2, padding=1, output_padding=1),
        Case(normal(3, 4), normal(3, 2, 2), normal(2), order=3),
        Case(normal(2, 4, 3), normal(4, 2, 2), normal(4), groups=2, dilation=2),
        Case(normal(2, 2, 3), normal(2, 1, 2), None, dilation=3, output_padding=2),
        Case(normal(0, 2, 3), normal(2, 1, 2), normal(1)),
        Case(normal(4, 3, 2).T, normal(3, 2, 3)[::-1], normal(2)[::-1], stride=(3,)),
        Case(normal(1, 1, 1), normal(1, 1, 1), normal(1)),
        Case(complex_normal(1, 2, 3), complex_normal(2, 1, 2), complex_normal(1), stride=2),
    ],
    "conv_transpose2d": [
        Case(normal(2, 2, 3, 2), normal(2, 2, 3, 2), normal(2)),
        Case(normal(1, 2, 3, 2), normal(2, 1, 3, 3), stride=2, padding=1, output_padding=1),
        Case(normal(3, 3, 2), normal(3, 2, 2, 2), normal(2), order=3),
        Case(normal(1, 4, 2, 2), normal(4, 1, 2, 3), normal(2), groups=2, stride=(3, 1)),
        Case(normal(1, 2, 3, 3), normal(2, 1, 2, 2), None, dilation=3, output_padding=(2, 0)),
        Case(normal(2, 3, 3, 3), normal(3, 2, 1, 1), normal(2)),
        Case(normal(0, 3, 3, 3), normal(3, 2, 2, 2), normal(2)),
        Case(channels_last(normal(2, 3, 3, 3)), normal(3, 2, 2, 2)[::-1], normal(2)[::-1]),
        Case(normal(1, 1, 1, 1), normal(1, 1, 1, 1), normal(1)),
        Case(complex_normal(1, 2, 2, 2), complex_normal(2, 1, 2, 2), complex_normal(1)),
    ],
}

REFERENCES: dict[str, Callable[..., Any]] = {
    "conv_transpose1d": transposed,
    "conv_transpose2d": transposed,
}

TORCH: dict[str, Any] = {
    "conv_transpose1d": "nn.functional.conv_transpose1d",
    "conv_transpose2d": "nn.functional.conv_transpose2d",
}
