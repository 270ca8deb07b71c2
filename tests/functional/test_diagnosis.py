"""What a wrong gradient looks like, in the words of the verdict's note."""

from __future__ import annotations

import numpy as np
import pytest

import dgrad
from dgrad.functional import gradcheck
from dgrad.functional.diagnosis import diagnose_shape

RNG = np.random.default_rng(5)
X = RNG.normal(size=(3, 4))
SQUARE = RNG.normal(size=(3, 3))


def note(function, inputs, **options):
    report = gradcheck(function, inputs, raise_exception=False, **options)
    (check,) = report.wrong
    return check.note


def spoilt(forward, change):
    """forward, its gradient changed."""

    def function(x):
        class Made(dgrad.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return forward(x)

            @staticmethod
            def backward(ctx, g):
                with dgrad.enable_grad():
                    inner = dgrad.Tensor(ctx.saved_tensors[0].data, requires_grad=True)
                    (right,) = dgrad.grad(forward(inner), inner, g.data)
                return change(right.data)

        return Made.apply(x)

    return function


SMOOTH = [dgrad.exp, dgrad.softmax, lambda x: dgrad.sum(x * x), lambda x: x * 2, dgrad.sigmoid]


@pytest.mark.parametrize("forward", SMOOTH)
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda g: -g, "looks like the sign is wrong"),
        (lambda g: g * 2, "looks off by a constant factor 2"),
        (lambda g: g * 1.0001, "looks off by a constant factor 1.0001"),
        (lambda g: g * -3.5, "looks off by a constant factor -3.5"),
        (lambda g: g / 2, "factor 0.5: one share of an input that is used twice?"),
        (lambda g: g * 0, "the gradient is 0 everywhere"),
        (lambda g: np.swapaxes(g, -1, -2), "looks transposed: axes 0 and 1 exchanged"),
        (lambda g: g[::-1], "looks reversed along axis 0"),
        (lambda g: g[:, [1, 2, 0]], "the right numbers, at wrong places"),
        (lambda g: g - 0.1, "differs by the same all along axis 0: a term"),
        (
            lambda g: g - g.mean(axis=1, keepdims=True) - [[0.1], [0], [-0.2]],
            "along axis 1: a term",
        ),
        (lambda g: g + np.eye(3)[1] * g, "looks off by a constant factor 2 where it is wrong"),
        (
            lambda g: g + np.outer([0, 1, 0], [1, 0.2, 3]),
            "where the index along axis 0 is 1, alone",
        ),
        (lambda g: g + np.outer([0, 1, 0], [0, 0, 3]), "at index (1, 2) alone"),
    ],
)
def test_one_fault_has_one_description(forward, change, words):
    assert words in note(spoilt(forward, change), SQUARE)


def test_transposed_into_another_shape():
    assert "transposed" in note(spoilt(dgrad.exp, lambda g: g.T.reshape(g.shape)), X)


def test_a_slice_where_a_broadcast_sum_is_due():
    small = RNG.normal(size=(1, 4))
    for change, words in (
        (lambda g: g[:1], "looks like a missing broadcast sum"),
        (lambda g: g.mean(axis=0, keepdims=True), "1/3: a mean over a broadcast axis, where"),
    ):

        class Times(dgrad.Function):
            @staticmethod
            def forward(ctx, y):
                return y * X

            @staticmethod
            def backward(ctx, g, change=change):
                return change(g.data * X)

        assert words in note(Times.apply, small)


def test_shares_that_are_not_added_up(scratch):
    places = np.array([0, 2, 2, 1, 0])

    @dgrad.op
    def picked(x):
        return x[places] * 3

    def overwritten(g, x_shape):
        out = np.zeros(x_shape)
        out[places] = g * 3
        return out

    picked.vjp(x=overwritten)
    assert "looks like a missing accumulation" in note(picked, RNG.normal(size=3))


def test_terms_off_the_diagonal_left_out():
    lost = dgrad.softmax(X)

    class Diagonal(dgrad.Function):
        @staticmethod
        def forward(ctx, x):
            return dgrad.softmax(x)

        @staticmethod
        def backward(ctx, g):
            return g.data * lost * (1 - lost)

    assert "is missing" in note(Diagonal.apply, X)


def test_direction_alone_shows_the_factor():
    large = RNG.normal(size=3000)
    said = note(spoilt(dgrad.exp, lambda g: g * 1.001), large, entries=0)
    assert "factor 1.001" in said


@pytest.mark.parametrize(
    ("got", "own", "words"),
    [
        ((3, 4), (4,), "; looks like a missing broadcast sum, over axes [0]"),
        ((2, 3, 4), (3, 1), "; looks like a missing broadcast sum, over axes [0, 2]"),
        ((1, 4), (4,), "; looks like a missing broadcast sum, over axes [0]"),
        ((4, 3), (3, 4), "; looks transposed"),
        ((5,), (4,), ""),
    ],
)
def test_gradient_of_a_wrong_shape(got, own, words, scratch):
    @dgrad.op
    def same(x):
        return np.array(x)

    same.vjp(x=lambda g: np.ones(got))
    report = gradcheck(same, RNG.normal(size=own), raise_exception=False)
    (check,) = report.wrong
    assert check.verdict == "wrong shape"
    assert check.note.endswith(words)
    assert diagnose_shape(check.note) == words
