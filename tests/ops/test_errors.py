"""What ops refuse, and that the message names the op and the shapes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dgrad
from dgrad import Tensor, ops
from dgrad.errors import DgradError, DtypeError, GraphError, ParameterError, ShapeError
from dgrad.randomness import Purpose


def t(*shape: int) -> Tensor:
    return Tensor(np.ones(shape), requires_grad=True)


SHAPES: list[tuple[Callable[[], Any], str]] = [
    (lambda: t(2, 3) + t(4), "add(float64[2, 3], float64[4])"),
    (lambda: ops.where(np.ones(2, bool), t(3), 0.0), "where(bool[2], float64[3], 0.0)"),
    (lambda: t(2, 3) @ t(2, 3), "matmul(float64[2, 3], float64[2, 3])"),
    (lambda: t() @ t(2), "matmul(float64[], float64[2])"),
    (lambda: t(2, 3).sum(axis=2), "sum(float64[2, 3]): axis 2 is out of bounds"),
    (lambda: t(2, 3).mean(axis=(0, 0)), "mean(float64[2, 3]): duplicate value in 'axis'"),
    (lambda: t(2, 3).max(axis=-3), "max(float64[2, 3]): axis -3 is out of bounds"),
    (lambda: t(0, 3).max(axis=0), "max(float64[0, 3])"),
    (lambda: t(0).logsumexp(), "logsumexp(float64[0])"),
    (lambda: t(2, 3).var(axis=2), "var(float64[2, 3]): axis 2"),
    (lambda: t(2, 3).argmax(axis=2), "argmax(float64[2, 3]): axis 2"),
    (lambda: t(2, 3).softmax(axis=2), "softmax(float64[2, 3]): axis 2"),
    (lambda: t(2, 3).reshape(4, 2), "reshape(float64[2, 3]): cannot reshape"),
    (lambda: t(2, 3).transpose(0, 0), "transpose(float64[2, 3])"),
    (lambda: t(2, 3).swapaxes(0, 2), "swapaxes(float64[2, 3])"),
    (lambda: t(2, 3).squeeze(0), "squeeze(float64[2, 3])"),
    (lambda: t(2, 3).flatten(1, 2), "flatten: axes 1 to 2 of an array of shape (2, 3)"),
    (lambda: ops.expand_dims(t(2), axis=3), "expand_dims(float64[2])"),
    (lambda: ops.broadcast_to(t(2), shape=(3,)), "broadcast_to(float64[2])"),
    (lambda: ops.concatenate(t(2, 3), t(2)), "concatenate(float64[2, 3], float64[2])"),
    (lambda: ops.concatenate([]), "concatenate: needs at least one array"),
    (lambda: ops.stack(t(2), t(3)), "stack(float64[2], float64[3])"),
    (lambda: ops.pad(t(2), pad_width=-1), "pad(float64[2])"),
    (
        lambda: ops.index_add(t(3, 4), t(3, 4), index=[0], axis=5),
        "index_add: axis 5 of an array of 2 axes",
    ),
    (lambda: ops.resample(t(3, 4), places=[[0]], weights=[[1.0]], axis=2), "resample: axis 2 of"),
    (lambda: t(2, 3).median(axis=3), "median: axis 3 of an array of 2 axes"),
    (lambda: t(2, 3).unbind(-3), "unbind: axis -3 of an array of 2 axes"),
    (lambda: ops.glu(t(2, 4), axis=2), "glu: axis 2 of an array of 2 axes"),
    (lambda: t(2, 3).cummax(axis=2), "cummax: axis 2 of an array of 2 axes"),
    (lambda: np.linalg.norm(t(2, 3), axis=2), "norm: axis 2 of an array of 2 axes"),
    (lambda: np.fft.fftn(t(2, 3), axes=(2,)), "fftn: axis 2 of an array of 2 axes"),
    (
        lambda: ops.take_along_axis(t(2, 3), indices=np.zeros((2, 1), int), axis=2),
        "take_along_axis: axis 2 of an array of 2 axes",
    ),
    (
        lambda: ops.average(t(2, 3), np.ones(3), axis=3),
        "average: axis 3 of an array of 2 axes",
    ),
    (
        lambda: ops.overlap_add(t(2, 3), window_shape=3, axis=1),
        "overlap_add: axis 1 of an array of 1 axes",
    ),
    (lambda: t(2, 3)[2], "getitem(float64[2, 3]): index 2 is out of bounds"),
    (lambda: t(2, 3)[[0, 5]], "getitem(float64[2, 3]): index 5 is out of bounds"),
    (lambda: t(2, 3)[0, 0, 0], "getitem(float64[2, 3]): too many indices"),
    (lambda: t(2, 3)[np.ones(3, bool)], "getitem(float64[2, 3]): boolean index"),
    (lambda: ops.scatter_add(t(2), index=[0, 7], shape=(3,)), "scatter_add(float64[2])"),
    (
        lambda: ops.scatter_add(t(), index=slice(2), shape=(3,)),
        "scatter_add: the index takes (2,) out of (3,), but x has shape ()",
    ),
    (
        lambda: ops.scatter_add(t(1), index=[0, 1], shape=(3, 2)),
        "scatter_add: the index takes (2, 2) out of (3, 2), but x has shape (1,)",
    ),
    (lambda: ops.linear(t(2, 3), t(4, 2)), "linear: x (2, 3) needs a weight (out, 3), got (4, 2)"),
    (lambda: ops.linear(t(2, 3), t(3)), "linear: x (2, 3) needs a weight (out, 3), got (3,)"),
    (lambda: ops.linear(t(), t(4, 2)), "linear: x () needs a weight (out, in), got (4, 2)"),
    (
        lambda: ops.linear(t(2, 3), t(4, 3), t(1)),
        "linear: weight (4, 3) needs a bias of shape (4,), got (1,)",
    ),
    (
        lambda: ops.mse_loss(t(3, 1), t(3)),
        "mse_loss: input has shape (3, 1), target (3,)",
    ),
    (
        lambda: ops.bce_with_logits(t(3), t(3, 1)),
        "bce_with_logits: input has shape (3,), target (3, 1)",
    ),
    (
        lambda: ops.cross_entropy(t(3, 4), np.zeros((3, 1), int)),
        "cross_entropy: logits (3, 4) need a target of shape (3,), got (3, 1)",
    ),
    (
        lambda: ops.cross_entropy(t(), np.array(0)),
        "cross_entropy: logits () need a target of shape (), got ()",
    ),
]


@pytest.mark.parametrize(("call", "message"), SHAPES)
def test_shape_errors_name_the_op_and_the_shapes(call: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=re.escape(message)):
        call()


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint8, np.uint64])
@pytest.mark.parametrize("label", [-1, 4, 100])
def test_D08_labels_outside_the_classes_are_refused(label: int, dtype: Any) -> None:
    if label < 0 and np.dtype(dtype).kind == "u":
        label = np.iinfo(dtype).max
    target = np.array([0, label, 3], dtype)
    with pytest.raises(ShapeError, match=rf"classes .*{label}.*only 0 to 3") as caught:
        ops.cross_entropy(t(3, 4), target)
    assert caught.value.fault == "D08"


@pytest.mark.parametrize("label", [1.5, True])
def test_D08_labels_that_are_not_integers_are_refused(label: Any) -> None:
    with pytest.raises(DtypeError, match="cross_entropy: target holds class indices, got"):
        ops.cross_entropy(t(1, 4), np.array([label]))


@pytest.mark.parametrize("loss", [ops.mse_loss, ops.bce_with_logits])
def test_losses_know_three_reductions(loss: Any) -> None:
    with pytest.raises(ParameterError, match="mean, sum or none, got 'average'"):
        loss(t(2), t(2), reduction="average")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: t(2) + "text", "add(float64[2], 'text')"),
        (lambda: t(2, 3).sum(axis=True), "sum(float64[2, 3])"),
        (lambda: t(2, 3).sum(axis="rows"), "sum(float64[2, 3])"),
        (lambda: t(2) & t(2), "bitwise_and(float64[2], float64[2])"),
        (lambda: ops.concatenate(t(2), t(2), axis=None), "concatenate(float64[2], float64[2])"),
    ],
)
def test_type_errors_name_the_op(call: Any, message: str) -> None:
    with pytest.raises(DtypeError, match=re.escape(message)):
        call()


@pytest.mark.parametrize(
    ("call", "bound"),
    [
        (lambda x, w: np.clip(x, w, 9), "min"),
        (lambda x, w: np.clip(np.ones(2), w, 9), "min"),
        (lambda x, w: np.clip(np.ones(2), 0, w), "max"),
        (lambda x, w: x.clip(min=w), "min"),
        (lambda x, w: ops.clip(x.data, max=w), "max"),
    ],
)
def test_a_bound_of_clip_is_no_tensor(call: Any, bound: str) -> None:
    with pytest.raises(DtypeError, match=f"clip: {bound} .*is a static parameter"):
        call(t(2), t())


@pytest.mark.parametrize(
    "call",
    [
        lambda: ops.linear([[1.0, 2.0]], t(4, 2)),
        lambda: ops.linear(t(1, 2), [[1.0, 2.0]]),
        lambda: ops.linear(t(1, 2), t(1, 2), [1.0]),
    ],
)
def test_linear_does_not_take_lists(call: Any) -> None:
    with pytest.raises(
        DtypeError, match="linear: x, weight and bias must be arrays or Tensors, got"
    ):
        call()


@pytest.mark.parametrize("p", [-0.1, 1.5, float("nan")])
def test_dropout_takes_a_probability(p: float) -> None:
    with pytest.raises(ParameterError, match="dropout: p must be >= 0 and <= 1"):
        ops.dropout(t(2), p=p, key=(0, Purpose.STEP, 0, 0))


def test_gelu_knows_two_forms() -> None:
    with pytest.raises(ParameterError, match="approximate must be none or tanh, got 'quick'"):
        ops.gelu(t(2), approximate="quick")


def test_a_condition_has_no_gradient() -> None:
    with pytest.raises(GraphError, match="where has no gradient with respect to 'condition'"):
        ops.where(t(2), t(2), t(2))


def test_calls_with_missing_or_extra_arguments() -> None:
    with pytest.raises(TypeError, match="missing its input 'target'"):
        ops.mse_loss(t(2))
    with pytest.raises(TypeError, match="softmax"):
        ops.softmax(t(2), -1, 3)


def test_an_error_leaves_no_trace() -> None:
    x = t(2, 3)
    with pytest.raises(DgradError):
        x.sum(axis=5)
    (g,) = dgrad.grad(x.sum(), x)
    np.testing.assert_array_equal(g.data, np.ones((2, 3)))
