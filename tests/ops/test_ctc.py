"""ctc_loss: against PyTorch behind log_softmax, impossible targets, long ones, what it refuses."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import dgrad
from dgrad import Tensor, ops
from dgrad.errors import DtypeError, ParameterError, ShapeError

TARGETS = np.array([[1, 2, 2], [3, 9, 9], [2, 1, 9]])
INPUTS, LENGTHS = np.array([6, 4, 5]), np.array([3, 1, 2])


def scores(*shape: int) -> np.ndarray:
    return np.random.default_rng(4).normal(size=shape)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("joined", [False, True])
def test_values_and_gradients_are_pytorchs(reduction: Any, joined: bool) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    targets = np.array([1, 2, 2, 3, 2, 1]) if joined else TARGETS
    ours = Tensor(scores(6, 3, 4), requires_grad=True)
    theirs = torch.tensor(scores(6, 3, 4), requires_grad=True)
    loss = ops.ctc_loss(ops.log_softmax(ours), targets, INPUTS, LENGTHS, reduction=reduction)
    expected = torch.nn.functional.ctc_loss(
        torch.log_softmax(theirs, -1), *map(torch.tensor, (targets, INPUTS, LENGTHS)),
        reduction=reduction,
    )  # fmt: skip
    np.testing.assert_allclose(loss.data, expected.detach().numpy(), rtol=1e-12)
    seed = np.random.default_rng(5).normal(size=loss.shape)
    (found,) = dgrad.grad(loss, ours, seed)
    (wanted,) = torch.autograd.grad(expected, theirs, torch.tensor(seed))
    np.testing.assert_allclose(found.data, wanted.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_target_that_cannot_be_is_infinite_without_gradient(create_graph: bool) -> None:
    x = Tensor(ops.log_softmax(scores(2, 2, 3)), requires_grad=True)
    targets, lengths = np.array([[1, 1], [1, 2]]), np.array([2, 2])  # 1, 1 takes three steps
    loss = ops.ctc_loss(x, targets, lengths, lengths, reduction="none")
    assert loss.data[0] == np.inf
    assert np.isfinite(loss.data[1])
    (g,) = dgrad.grad(loss, x, np.ones(2), create_graph=create_graph)
    np.testing.assert_array_equal(g.data[:, 0], 0.0)
    assert np.isfinite(g.data).all()
    assert g.data[:, 1].any()
    hidden = ops.ctc_loss(x, targets, lengths, lengths, reduction="none", zero_infinity=True)
    np.testing.assert_array_equal(hidden.data, [0.0, loss.data[1]])


@pytest.mark.parametrize("create_graph", [False, True])
def test_P52_classes_of_probability_0_poison_nothing(create_graph: bool) -> None:
    log_p = ops.log_softmax(scores(4, 1, 4))
    log_p[:, :, 3] = -np.inf
    x = Tensor(log_p, requires_grad=True)
    loss = ops.ctc_loss(x, np.array([[1, 2]]), np.array([4]), np.array([2]))
    (g,) = dgrad.grad(loss, x, create_graph=create_graph)
    assert np.isfinite(loss.data)
    assert np.isfinite(g.data).all()
    np.testing.assert_array_equal(g.data[:, :, 3], 0.0)


def test_long_sequences_neither_overflow_nor_vanish() -> None:
    steps = 400
    x = Tensor(np.zeros((steps, 1, 5), np.float32), requires_grad=True)
    targets = np.random.default_rng(0).integers(1, 5, size=(1, 100))
    loss = ops.ctc_loss(ops.log_softmax(x), targets, np.array([steps]), np.array([100]))
    (g,) = dgrad.grad(loss, x)
    assert loss.dtype == np.float32
    assert 0 < loss.item() < np.inf
    assert np.isfinite(g.data).all()
    # Every step is at one class: the gradient of the scores sums to 0, that of log_probs to -1.
    np.testing.assert_allclose(g.data.sum(axis=-1), 0.0, atol=1e-6)


def test_steps_and_labels_beyond_the_lengths_do_not_count() -> None:
    x = ops.log_softmax(scores(6, 3, 4))
    loss = ops.ctc_loss(x, TARGETS, INPUTS, LENGTHS, reduction="none")
    for i in range(3):
        part = x[: INPUTS[i], i : i + 1]
        alone = ops.ctc_loss(
            part, TARGETS[i : i + 1, : LENGTHS[i]], INPUTS[i : i + 1], LENGTHS[i : i + 1],
            reduction="sum",
        )  # fmt: skip
        np.testing.assert_allclose(loss[i], alone, rtol=1e-13)
    t = Tensor(x, requires_grad=True)
    (g,) = dgrad.grad(ops.ctc_loss(t, TARGETS, INPUTS, LENGTHS), t)
    np.testing.assert_array_equal(g.data[4:, 1], 0.0)
    np.testing.assert_array_equal(g.data[5:, 2], 0.0)
    assert g.data[3, 1].any()


def call(**changed: Any) -> Any:
    args = {
        "log_probs": scores(6, 3, 4),
        "targets": TARGETS,
        "input_lengths": INPUTS,
        "target_lengths": LENGTHS,
        **changed,
    }
    return ops.ctc_loss(**args)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"log_probs": scores(6, 4)}, ShapeError, "log_probs must be (t, n, classes), got (6, 4)"),
        ({"input_lengths": [6, 4]}, ShapeError, "input_lengths has shape (2,), needs (3,)"),
        ({"input_lengths": [7, 4, 5]}, ShapeError, "input_lengths must be 1 to 6, got [7, 4, 5]"),
        ({"input_lengths": [0, 4, 5]}, ShapeError, "input_lengths must be 1 to 6"),
        ({"input_lengths": [6.0, 4.0, 5.0]}, DtypeError, "input_lengths must be integers"),
        ({"target_lengths": [-1, 1, 1]}, ShapeError, "target_lengths must be at least 0"),
        ({"target_lengths": [4, 1, 1]}, ShapeError, "must be (3, 4 or more) or (6,), got (3, 3)"),
        ({"targets": np.ones(5, int)}, ShapeError, "must be (3, 3 or more) or (6,), got (5,)"),
        ({"targets": TARGETS * 1.0}, DtypeError, "targets holds class indices, got float64"),
        ({"targets": TARGETS * 2}, ShapeError, "targets has classes 2 to 6, log_probs only 0 to 3"),
        ({"targets": TARGETS - 1}, ShapeError, "targets contains the blank, class 0"),
        ({"blank": 4}, ParameterError, "blank must be a class, 0 to 3, got 4"),
        ({"reduction": "max"}, ParameterError, "mean, sum or none"),
    ],
)
def test_what_does_not_fit_is_refused(changed: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        call(**changed)
