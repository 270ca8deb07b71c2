"""Layers that rearrange: what they refuse when they meet it, and rows that stay apart."""

from __future__ import annotations

import numpy as np
import pytest

import dgrad
from dgrad import nn
from dgrad.errors import ShapeError

X = np.arange(24.0).reshape(2, 3, 4)


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (nn.Reshape((5, 2)), r"12 elements cannot be laid out as \[5, 2\]"),
        (nn.Reshape((5, -1)), r"12 elements cannot be laid out as \[5, -1\]"),
        (nn.Unflatten(2, (3, -1)), r"4 elements cannot be laid out as \[3, -1\]"),
        (nn.Unflatten(3, (2, 2)), "has no axis 3"),
        (nn.Permute((1, 2, 3)), r"3 axes after the batch are named, got \(batch, 3, 4\)"),
        (nn.Pad((1, 1, 1, 1, 1, 1)), "3 axes after the batch are padded"),
        (nn.Upsample(scale_factor=(2, 2)), "1 axes to resize"),
        (nn.GlobalAvgPool(), r"needs \(batch, channels, ...\), got \(4, 3\)"),
    ],
)
def test_C23_what_does_not_fit_is_told(layer: nn.Module, words: str) -> None:
    x = X[0].T if isinstance(layer, nn.GlobalAvgPool) else X
    with pytest.raises(ShapeError, match=words):
        layer(dgrad.Tensor(x))


def test_an_empty_batch_keeps_the_shape_of_its_rows() -> None:
    assert nn.Reshape((2, -1))(dgrad.Tensor(X[:0])).shape == (0, 2, 6)
    assert nn.Flatten()(dgrad.Tensor(X[:0])).shape == (0, 12)
