"""Pooling over steps: sequences without any, and what does not fit."""

import numpy as np
import pytest

import dgrad
from dgrad import nn
from dgrad.errors import DtypeError, ShapeError

X = np.random.default_rng(0).normal(size=(2, 3, 4))
PADDING = np.array([[True] * 3, [False, False, True]])


@pytest.mark.parametrize("mode", ["mean", "max", "last"])
@pytest.mark.parametrize(
    "ends",
    [np.array([0, 2]), np.array([[True] * 3, [False, False, True]])],
    ids=["lengths", "mask"],
)
def test_a_sequence_without_steps_gives_0_and_no_gradient(mode, ends):
    x = dgrad.Tensor(X, requires_grad=True)
    out = nn.SequencePool(mode)(x, ends)
    out.sum().backward()
    assert not out.data[0].any()
    assert not x.grad.data[0].any()
    assert out.data[1].all()
    assert x.grad.data[1].any()


def test_tokens_give_their_mask_and_their_lengths():
    tokens = dgrad.tensor([[5, 0, 6], [7, 0, 0], [0, 0, 0]])
    mask, lengths = nn.PaddingMask()(tokens), nn.Lengths()(tokens)
    assert mask.tolist() == [[False, True, False], [False, True, True], [True, True, True]]
    assert lengths.tolist() == [3, 1, 0]
    assert nn.Lengths()(np.zeros((2, 0), int)).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: nn.SequencePool()(X, np.array([1, 4])), ShapeError, "2 numbers from 0 to 3"),
        (lambda: nn.SequencePool()(X, np.array([1.0, 2.0])), DtypeError, "whole numbers"),
        (lambda: nn.SequencePool()(X, np.ones((2, 4), bool)), ShapeError, r"has shape \(2, 3\)"),
        (lambda: nn.PaddingMask()(X), DtypeError, "padding_mask: needs tokens, .* got float64"),
        (lambda: nn.Lengths()(np.zeros(3, int)), ShapeError, r"\(batch, steps\), got \(3,\)"),
    ],
)
def test_C23_what_does_not_fit_is_told(call, error, words):
    with pytest.raises(error, match=words):
        call()
