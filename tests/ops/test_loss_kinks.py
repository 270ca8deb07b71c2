"""Losses at the points where their formula changes: ties, margins that are just met, floors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import dgrad
from dgrad import Tensor, ops


def gradients(loss: Any, *arrays: Any, **params: Any) -> list[np.ndarray]:
    """The gradients of the sum of a loss with respect to all its arrays."""
    inputs = [Tensor(np.array(a, dtype=np.float64), requires_grad=True) for a in arrays]
    return [g.data for g in dgrad.grad(loss(*inputs, reduction="sum", **params), inputs)]


def test_two_negatives_equally_far_share_the_push() -> None:
    """One from the anchor, one from the positive: swap=True takes half of each."""
    found = gradients(
        ops.triplet_margin_loss, [[0.0, 0.0]], [[2.0, 0.0]], [[1.0, 1.0]], eps=0.0, swap=True
    )
    half = math.sqrt(0.5) / 2
    np.testing.assert_allclose(found[0], [[half - 1, half]], rtol=1e-14)
    np.testing.assert_allclose(found[1], [[1 - half, half]], rtol=1e-14)
    np.testing.assert_allclose(found[2], [[0.0, -2 * half]], rtol=1e-14, atol=1e-16)


@pytest.mark.parametrize(("margin", "slope"), [(1.0, 0.0), (1.001, 1.0)])
def test_a_triplet_that_just_meets_the_margin_has_no_slope(margin: float, slope: float) -> None:
    found = gradients(ops.triplet_margin_loss, [[0.0]], [[1.0]], [[2.0]], margin=margin, eps=0.0)
    np.testing.assert_array_equal(found, slope * np.array([[[0.0]], [[1.0]], [[-1.0]]]))


def test_a_ranking_that_just_meets_the_margin_has_no_slope() -> None:
    target = np.ones(2)
    found = gradients(
        lambda x, y, **params: ops.margin_ranking_loss(x, y, target, **params),
        [3.0, 2.999],
        [2.0, 2.0],
        margin=1.0,
    )
    np.testing.assert_array_equal(found, [[0.0, -1.0], [0.0, 1.0]])


def test_stirling_counts_above_one_only() -> None:
    target = np.array([0.0, 0.5, 1.0, 1.5, 2.0])
    (_, found) = gradients(ops.poisson_nll_loss, np.full(5, 0.25), target, full=True)
    added = [math.log(t) + 0.5 / t if t > 1 else 0.0 for t in target]
    np.testing.assert_allclose(found, np.array(added) - 0.25, rtol=1e-14)


def test_a_variance_at_its_floor_has_no_slope() -> None:
    x, target, var = [1.0, 1.0], [0.0, 0.0], [0.5, 1.0]
    by_x, by_target, by_var = gradients(ops.gaussian_nll_loss, x, target, var, eps=0.5)
    np.testing.assert_array_equal(by_x, [2.0, 1.0])
    np.testing.assert_array_equal(by_target, [-2.0, -1.0])
    np.testing.assert_array_equal(by_var, [0.0, 0.0])
    np.testing.assert_array_equal(
        gradients(ops.gaussian_nll_loss, [1.0], [0.0], [0.5], eps=0.25)[2], [-1.0]
    )


def test_chance_given_to_an_impossible_class_costs_without_end() -> None:
    logits, target = np.array([[-np.inf, 1.0, 1.0]]), np.array([[0.0, 0.25, 0.75]])
    by_target = gradients(lambda q, **params: ops.cross_entropy(logits, q, **params), target)[0]
    np.testing.assert_allclose(by_target, [[np.inf, math.log(2), math.log(2)]], rtol=1e-14)


def test_kl_div_pulls_a_chance_of_nothing_up_however_little_comes_in() -> None:
    x, target = np.array([-1.0]), Tensor(np.array([0.0]), requires_grad=True)
    loss = ops.kl_div(x, target, reduction="sum")
    for scale, expected in ((1e-3, -np.inf), (-1.0, np.inf), (0.0, 0.0)):
        (g,) = dgrad.grad(loss, target, np.array(scale), retain_graph=True)
        assert g.data[0] == expected


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize(
    ("loss", "target"),
    [
        (ops.cross_entropy, [2, 0]),
        (ops.nll_loss, [2, 0]),
        (ops.multi_margin_loss, [2, 0]),
        (ops.hinge_loss, [[1, -1, 1], [-1, -1, 1]]),
    ],
)
def test_labels_may_come_as_lists(loss: Any, target: list[Any], create_graph: bool) -> None:
    x = Tensor(np.array([[0.5, -0.25, 1.5], [0.0, 0.75, -1.0]]), requires_grad=True)
    (found,) = dgrad.grad(loss(x, target), x, create_graph=create_graph)
    (expected,) = dgrad.grad(loss(x, np.array(target)), x)
    np.testing.assert_allclose(found.data, expected.data, rtol=1e-14)
