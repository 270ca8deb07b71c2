"""What losses refuse, their kinks, their extremes, and what their options mean."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import dgrad
from dgrad import Tensor, ops
from dgrad.errors import DtypeError, GraphError, ParameterError, ShapeError

INF = np.inf


def t(*shape: int) -> Tensor:
    return Tensor(np.full(shape, 0.5), requires_grad=True)


def gradients(loss: Any, *args: Any, seed: Any = None, **params: Any) -> list[np.ndarray]:
    """The gradients of a loss with respect to its arguments of floats."""
    inputs = [
        Tensor(a, requires_grad=True) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a
        for a in args
    ]
    wanted = [a for a in inputs if isinstance(a, Tensor)]
    out = loss(*inputs, **params)
    return [g.data for g in dgrad.grad(out, wanted, np.ones(out.shape) if seed is None else seed)]


PAIRS = [
    "bce",
    "bce_with_logits",
    "cosine_similarity",
    "hinge_embedding_loss",
    "hinge_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "mse_loss",
    "poisson_nll_loss",
    "sigmoid_focal_loss",
    "smooth_l1_loss",
    "soft_margin_loss",
]


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize(
    ("one", "other"), [((3, 1), (3,)), ((3,), (3, 1)), ((3,), ()), ((1,), (3,))]
)
def test_losses_never_broadcast(name: str, one: Any, other: Any) -> None:
    label = "y" if name == "cosine_similarity" else "target"
    message = f"{name}: input has shape {one}, {label} {other}; they must be equal, reshape"
    with pytest.raises(ShapeError, match=re.escape(message)):
        getattr(ops, name)(t(*one), np.full(other, 0.5))


SHAPES: list[tuple[Any, str]] = [
    (lambda: ops.gaussian_nll_loss(t(3), t(3), t(3, 1)), "input has shape (3,), var (3, 1)"),
    (lambda: ops.gaussian_nll_loss(t(3), t(1), t(3)), "input has shape (3,), target (1,)"),
    (lambda: ops.margin_ranking_loss(t(3), t(1), np.ones(3)), "input has shape (3,), y (1,)"),
    (lambda: ops.margin_ranking_loss(t(3), t(3), np.ones(1)), "(3,), target (1,)"),
    (lambda: ops.triplet_margin_loss(t(2, 3), t(3), t(2, 3)), "(2, 3), positive (3,)"),
    (lambda: ops.triplet_margin_loss(t(2, 3), t(2, 3), t(3)), "(2, 3), negative (3,)"),
    (
        lambda: ops.cosine_embedding_loss(t(2, 3), t(2, 3), np.ones((2, 1))),
        "cosine_embedding_loss: input (2, 3) needs a target of shape (2,), one for each vector, "
        "got (2, 1)",
    ),
    (
        lambda: ops.cosine_embedding_loss(t(2, 3), t(3), np.ones(2)),
        "input has shape (2, 3), y (3,)",
    ),
    (
        lambda: ops.nll_loss(t(3, 4), np.zeros((3, 1), int)),
        "nll_loss: scores (3, 4) need a target of shape (3,), got (3, 1)",
    ),
    (
        lambda: ops.cross_entropy(t(3, 4), np.zeros(3, int), weight=np.ones(3)),
        "cross_entropy: weight has shape (3,), needs one number for each of the 4 classes",
    ),
    (
        lambda: ops.cross_entropy(t(3, 4), np.full((3, 1), 0.5)),
        "cross_entropy: logits (3, 4) need a target of shape (3,), got (3, 1)",
    ),
    (
        lambda: ops.bce_with_logits(t(2, 3), np.zeros((2, 3)), weight=np.ones(2)),
        "bce_with_logits: weight has shape (2,), which does not broadcast to the input's (2, 3)",
    ),
    (
        lambda: ops.bce_with_logits(t(3), np.zeros(3), pos_weight=np.ones((2, 3))),
        "bce_with_logits: pos_weight has shape (2, 3), which does not broadcast",
    ),
    (lambda: ops.bce(t(3), np.zeros(3), weight=np.ones(2)), "bce: weight has shape (2,)"),
]


@pytest.mark.parametrize(("call", "message"), SHAPES)
def test_shape_errors_say_both_shapes(call: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=re.escape(message)):
        call()


PARAMETERS: list[tuple[Any, str]] = [
    (lambda: ops.l1_loss(t(2), t(2), reduction="average"), "l1_loss: reduction must be mean, sum"),
    (lambda: ops.mse_loss(t(2), t(2), reduction="batchmean"), "none, got 'batchmean'"),
    (lambda: ops.huber_loss(t(2), t(2), delta=0.0), "huber_loss: delta must be > 0"),
    (lambda: ops.smooth_l1_loss(t(2), t(2), beta=-1.0), "smooth_l1_loss: beta must be >= 0"),
    (lambda: ops.sigmoid_focal_loss(t(2), t(2), gamma=-1.0), "gamma must be >= 0"),
    (lambda: ops.triplet_margin_loss(t(2), t(2), t(2), p=0.5), "p must be >= 1 and finite"),
    (lambda: ops.multi_margin_loss(t(2), np.array(0), p=3), "p must be 1 or 2"),
    (
        lambda: ops.cross_entropy(t(2, 3), np.zeros(2, int), label_smoothing=1.5),
        "label_smoothing must be >= 0 and <= 1",
    ),
    (
        lambda: ops.bce(np.array([0.5, -0.1]), np.zeros(2)),
        r"bce: x must be within [0, 1] (bce_with_logits takes raw scores), got -0.1",
    ),
    (lambda: ops.bce(np.array([0.5, 1.5]), np.zeros(2)), "got 1.5"),
]


@pytest.mark.parametrize(("call", "message"), PARAMETERS)
def test_parameters_out_of_range_are_refused(call: Any, message: str) -> None:
    with pytest.raises(ParameterError, match=re.escape(message)):
        call()


@pytest.mark.parametrize("name", ["cross_entropy", "multi_margin_loss", "nll_loss"])
@pytest.mark.parametrize("label", [-1, 4])
def test_D08_labels_outside_the_classes_are_refused(name: str, label: int) -> None:
    with pytest.raises(ShapeError, match=rf"{name}: .*{label}.*only 0 to 3") as caught:
        getattr(ops, name)(t(3, 4), np.array([0, label, 3]))
    assert caught.value.fault == "D08"


def test_labels_and_weights_have_no_gradient() -> None:
    with pytest.raises(GraphError, match=r"hinge_embedding_loss has no gradient .* 'target'"):
        ops.hinge_embedding_loss(t(2), t(2))
    with pytest.raises(DtypeError, match="weight is a static parameter"):
        ops.cross_entropy(t(2, 3), np.zeros(2, int), weight=t(3))


@pytest.mark.parametrize(
    ("loss", "x", "expected"),
    [
        (lambda x: ops.l1_loss(x, x * 0 + 1, reduction="sum"), [0.0, 1.0, 2.0], [-1, 0, 1]),
        (lambda x: ops.smooth_l1_loss(x, x * 0 + 1, "sum", 0.0), [0.0, 1.0, 2.0], [-1, 0, 1]),
        (lambda x: ops.hinge_loss(x, np.ones(3), "sum"), [0.0, 1.0, 2.0], [-1, 0, 0]),
        (lambda x: ops.hinge_embedding_loss(x, -np.ones(3), "sum"), [0.0, 1.0, 2.0], [-1, 0, 0]),
        (
            lambda x: ops.margin_ranking_loss(x, np.zeros(3), np.ones(3), "sum", 1.0),
            [0.0, 1.0, 2.0],
            [-1, 0, 0],
        ),
        (
            lambda x: ops.multi_margin_loss(x, np.array(1), "sum"),
            [0.0, 1.0, 0.5],
            [0, -1 / 3, 1 / 3],
        ),
        (lambda x: ops.huber_loss(x, np.zeros(3), "sum"), [-1.0, 0.0, 1.0], [-1, 0, 1]),
        (
            lambda x: ops.triplet_margin_loss(x, np.zeros(1), x * 0 + 2, "sum", 0.0, eps=0.0),
            [1.0],
            [0],
        ),
        (
            lambda x: ops.cosine_embedding_loss(x, np.array([1.0, 0.0]), np.array(-1)),
            [0.0, 2.0],
            [0, 0],
        ),
    ],
)
def test_kinks_have_the_gradient_0(loss: Any, x: list[float], expected: list[float]) -> None:
    (g,) = gradients(loss, np.array(x))
    np.testing.assert_allclose(g, expected, atol=1e-15)


@pytest.mark.parametrize("target", [0.0, 1.0])
@pytest.mark.parametrize("pos_weight", [None, np.array(3.0)])
def test_T04_bce_with_logits_is_finite_to_second_order(target: float, pos_weight: Any) -> None:
    x = Tensor(np.array([-1e4, -800.0, -60.0, 60.0, 800.0, 1e4]), requires_grad=True)
    fixed = np.full(6, target)
    out = ops.bce_with_logits(x, fixed, reduction="sum", pos_weight=pos_weight)
    (first,) = dgrad.grad(out, x, create_graph=True)
    scale = 1.0 if pos_weight is None or not target else 3.0
    np.testing.assert_allclose(first.data, scale * ((x.data > 0) - target), atol=1e-20)
    (second,) = dgrad.grad(first, x, np.ones(6))
    np.testing.assert_allclose(second.data, 0.0, atol=1e-20)


def test_a_wrong_certainty_still_gives_bce_a_gradient() -> None:
    x, target = np.array([0.0, 1.0, 0.0, 1.0]), np.array([0.0, 1.0, 1.0, 0.0])
    loss = ops.bce(x, target, reduction="none")
    np.testing.assert_array_equal(loss, [0.0, 0.0, 100.0, 100.0])
    by_x, by_target = gradients(ops.bce, x, target, reduction="sum")
    np.testing.assert_allclose(by_x, [0.0, 0.0, -1e12, 1e12])
    np.testing.assert_array_equal(by_target, [100.0, -100.0, 100.0, -100.0])


def test_P52_masked_logits_of_probability_0_add_nothing() -> None:
    logits, target = np.array([[-INF, 1.0, 2.0]]), np.array([[0.0, 0.25, 0.75]])
    inner = ops.cross_entropy(logits[:, 1:], target[:, 1:])
    assert ops.cross_entropy(logits, target) == inner
    x = Tensor(logits, requires_grad=True)
    (first,) = dgrad.grad(ops.cross_entropy(x, target), x, create_graph=True)
    (second,) = dgrad.grad(first, x, np.array([[1.0, 2.0, 3.0]]))
    (alone,) = gradients(ops.cross_entropy, logits[:, 1:], target[:, 1:])[:1]
    np.testing.assert_allclose(first.data, [[0.0, *alone[0]]], rtol=1e-14)
    assert second.data[0, 0] == 0.0
    assert np.isfinite(second.data).all()
    (zero,) = gradients(lambda q: ops.cross_entropy(logits, q), target, seed=np.array(0.0))
    np.testing.assert_array_equal(zero, 0.0)


def test_kl_div_of_nothing_is_nothing() -> None:
    x, target = np.array([-INF, -1.0]), np.array([0.0, 1.0])
    assert ops.kl_div(x, target, reduction="sum") == 1.0
    by_x, by_target = gradients(ops.kl_div, x, target, reduction="none", seed=np.array([0.0, 1.0]))
    np.testing.assert_array_equal(by_x, [0.0, -1.0])
    np.testing.assert_array_equal(by_target, [0.0, 2.0])
    (_, infinite) = gradients(ops.kl_div, x, target, reduction="sum")
    np.testing.assert_array_equal(infinite, [-INF, 2.0])
    by_log = gradients(ops.kl_div, x, np.array([-INF, 0.0]), reduction="sum", log_target=True)
    np.testing.assert_array_equal(by_log, [[0.0, -1.0], [0.0, 2.0]])


@pytest.mark.parametrize("weight", [None, np.array([0.5, 2.0, 1.0])])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("ignored", [-100, 1])
def test_ignored_rows_count_as_not_there(weight: Any, smoothing: float, ignored: int) -> None:
    logits = np.random.default_rng(0).normal(size=(4, 3))
    target = np.array([2, ignored, 0, ignored])
    rest = [0, 2]
    params = {"weight": weight, "label_smoothing": smoothing}
    (g,) = gradients(ops.cross_entropy, logits, target, ignore_index=ignored, **params)
    (expected,) = gradients(ops.cross_entropy, logits[rest], target[rest], **params)
    np.testing.assert_allclose(g[rest], expected, rtol=1e-14)
    np.testing.assert_array_equal(g[[1, 3]], 0.0)


@pytest.mark.parametrize("reduction", ["sum", "none"])
def test_an_ignored_row_changes_no_bit_of_the_others(reduction: str) -> None:
    logits = np.random.default_rng(0).normal(size=(4, 3))
    logits[1] = [INF, 0.0, -INF]
    target, rest = np.array([2, -100, 0, -100]), [0, 2]
    with np.errstate(invalid="ignore"):
        ours = Tensor(logits, requires_grad=True)
        out = ops.cross_entropy(ours, target, reduction=reduction)
    alone = Tensor(logits[rest], requires_grad=True)
    expected = ops.cross_entropy(alone, target[rest], reduction=reduction)
    np.testing.assert_array_equal(out.sum().data, expected.sum().data)
    out.sum().backward()
    expected.sum().backward()
    np.testing.assert_array_equal(ours.grad.data[rest], alone.grad.data)
    np.testing.assert_array_equal(ours.grad.data[3], 0.0)


@pytest.mark.parametrize("loss", [ops.cross_entropy, ops.nll_loss])
def test_a_batch_of_ignored_rows_has_no_mean_and_no_gradient(loss: Any) -> None:
    logits, target = np.zeros((2, 3)), np.array([-100, -100])
    assert np.isnan(loss(logits, target))
    np.testing.assert_array_equal(gradients(loss, logits, target)[0], 0.0)


@pytest.mark.parametrize("weight", [None, np.array([0.5, 2.0, 1.0])])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_one_hot_probabilities_are_class_indices(weight: Any, smoothing: float) -> None:
    logits, target = np.random.default_rng(1).normal(size=(4, 3)), np.array([2, 0, 1, 1])
    params = {"weight": weight, "label_smoothing": smoothing, "reduction": "sum"}
    by_index = ops.cross_entropy(logits, target, **params)
    by_chance = ops.cross_entropy(logits, np.eye(3)[target], **params)
    np.testing.assert_allclose(by_index, by_chance, rtol=1e-14)


def test_nll_loss_of_log_softmax_is_cross_entropy() -> None:
    logits, target = np.random.default_rng(2).normal(size=(4, 3)), np.array([2, 0, 1, 1])
    params = {"weight": np.array([0.5, 2.0, 1.0]), "ignore_index": 0}
    found = gradients(lambda x: ops.nll_loss(ops.log_softmax(x), target, **params), logits)
    expected = gradients(ops.cross_entropy, logits, target, **params)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_focal_loss_without_focus_is_bce() -> None:
    x, target = np.array([-3.0, 0.5, 2.0]), np.array([0.0, 1.0, 0.3])
    plain = gradients(ops.bce_with_logits, x, target)
    found = gradients(ops.sigmoid_focal_loss, x, target, alpha=None, gamma=0.0)
    np.testing.assert_allclose(found, plain, rtol=1e-13)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_focal_loss_is_finite_where_it_is_certain(gamma: float) -> None:
    x = Tensor(np.array([-1e4, -50.0, 50.0, 1e4]), requires_grad=True)
    for target in (np.zeros(4), np.ones(4)):
        loss = ops.sigmoid_focal_loss(x, target, reduction="sum", gamma=gamma)
        (first,) = dgrad.grad(loss, x, create_graph=True)
        (second,) = dgrad.grad(first, x, np.ones(4))
        assert np.isfinite(first.data).all()
        assert np.isfinite(second.data).all()


@pytest.mark.parametrize("name", ["hinge_loss", "soft_margin_loss", "hinge_embedding_loss"])
def test_float32_stays_float32_beside_labels_of_integers(name: str) -> None:
    x = Tensor(np.array([0.3, -0.2], np.float32), requires_grad=True)
    out = getattr(ops, name)(x, np.array([1, -1]))
    assert out.dtype == np.float32
    (g,) = dgrad.grad(out, x, create_graph=True)
    assert g.dtype == np.float32


def test_the_zero_vector_has_a_cosine_and_a_finite_gradient() -> None:
    x, y = np.zeros(3), np.array([3.0, 0.0, 4.0])
    assert ops.cosine_similarity(x, y) == 0.0
    by_x, by_y = gradients(ops.cosine_similarity, x, y, eps=0.1)
    np.testing.assert_allclose(by_x, y / 5 / 0.1)
    np.testing.assert_array_equal(by_y, 0.0)


def test_equal_points_have_a_distance_without_slope() -> None:
    x = np.ones((1, 3))
    for p in (1.0, 1.5, 2.0, 3.0):
        found = gradients(ops.triplet_margin_loss, x, x, x, p=p, eps=0.0)
        np.testing.assert_array_equal(found, 0.0)
