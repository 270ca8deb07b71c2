"""detect_anomaly: NaN and infinity forward and backward, lines, parents, nesting."""

from __future__ import annotations

import numpy as np
import pytest

import dgrad
from dgrad import Tensor, detect_anomaly
from dgrad.core.anomaly import source_of
from dgrad.errors import AnomalyError, DivergedError, GraphError
from dgrad.ops import exp, log, softmax, sqrt, where

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def leaf(*data: float) -> Tensor:
    return Tensor(np.array(data, np.float64), requires_grad=True)


def test_forward_nan_names_op_ranges_index_and_line() -> None:
    x = leaf(1.0, -2.0, 3.0)
    text = (
        r"log, called at .*test_anomaly\.py:\d+: its result of shape \(3,\) is nan at index "
        r"\(1,\); inputs x: \(3,\) -2\.\.3"
    )
    with detect_anomaly(), pytest.raises(AnomalyError, match=text):
        log(x)
    assert issubclass(AnomalyError, DivergedError)
    assert np.isnan(log(x).data[1])


def test_infinity_is_an_anomaly_only_where_it_arises() -> None:
    x = leaf(1.0, 2.0)
    with detect_anomaly():
        with pytest.raises(AnomalyError, match=r"divide.*inf at index \(0,\).*y: \(2,\) 0\.\.1"):
            x / np.array([0.0, 1.0])
        masked = where(np.array([True, False]), x, -np.inf)  # a mask: infinite on purpose
        assert softmax(masked).tolist() == [1.0, 0.0]


def test_nan_that_came_in_is_reported_by_the_first_op_that_sees_it() -> None:
    x = leaf(np.nan, 1.0)
    with detect_anomaly(), pytest.raises(AnomalyError, match=r"exp.*1 not finite"):
        exp(x)


def test_B64_backward_nan_names_op_input_and_the_line_of_the_forward() -> None:
    x = leaf(0.0, 4.0)
    with detect_anomaly():
        y = sqrt(x)
        text = r"backward of sqrt, called at .*test_anomaly\.py:\d+: .*'x'.* inf at index \(0,\)"
        with pytest.raises(AnomalyError, match=text):
            y.sum().backward()
    assert x.grad is None


def test_B64_without_anomaly_mode_in_forward_there_is_no_line() -> None:
    y = sqrt(leaf(0.0))
    with detect_anomaly(), pytest.raises(AnomalyError, match="no information on its forward"):
        y.backward()


def test_B64_which_output_and_the_parent_of_a_double_backward() -> None:
    x = leaf(1e-300, 4.0)
    with detect_anomaly():
        (g,) = dgrad.grad(sqrt(x).sum(), x, create_graph=True)
        with pytest.raises(AnomalyError, match=r"the backward of sqrt, called at .*\.py:\d+"):
            (g**2).sum().backward()


def test_B64_check_nan_false_and_nesting() -> None:
    x = leaf(0.0)
    with detect_anomaly(check_nan=False):
        y = sqrt(x)
        y.backward()
        with detect_anomaly(), pytest.raises(AnomalyError):
            sqrt(x).backward()
        sqrt(x).backward()
    assert x.grad.item() == np.inf
    sqrt(x).backward()


def test_errors_of_backward_name_the_line_of_the_forward() -> None:
    x = leaf(1.0)
    with detect_anomaly():
        y = exp(x)
        y.backward()
        with pytest.raises(GraphError, match=r"exp, called at .*test_anomaly\.py:\d+, were freed"):
            y.backward()
        y = exp(x)
        z = y * 1
        y += 1
        with pytest.raises(GraphError, match=r"exp, called at .*test_anomaly\.py:\d+, saved"):
            z.backward()


def test_lines_are_kept_in_the_mode_alone() -> None:
    x = leaf(1.0)
    with detect_anomaly():
        inside = exp(x).node
    assert __file__ in (source_of(inside) or "")
    assert source_of(exp(x).node) is None
    assert source_of(x.node) is None


@detect_anomaly()
def decorated(x: Tensor) -> Tensor:
    return log(x)


def test_as_a_decorator() -> None:
    with pytest.raises(AnomalyError):
        decorated(leaf(-1.0))
