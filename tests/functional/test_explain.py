"""explain_grad: every way a gradient can be missing or zero is told apart, with the line."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dgrad
from dgrad import Function, Tensor, explain_grad
from dgrad.core.hooks import register_multi_grad_hook
from dgrad.core.modes import detect_anomaly
from dgrad.errors import DtypeError, GraphError


def leaf(*values: float) -> Tensor:
    return Tensor(np.array(values), requires_grad=True)


def reason(t: Tensor, loss: Any = None) -> str:
    found = explain_grad(t, loss)
    assert str(found) == found.text
    return found.reason


def line_of(function: Callable[..., Any], text: str) -> str:
    """`file:line` of the first line of the function that holds `text`."""
    lines, first = inspect.getsourcelines(function)
    offset = next(i for i, line in enumerate(lines) if text in line)
    return f"{__file__}:{first + offset}"


# ------------------------------------------------------------------------- by the Tensor alone


def test_integers_have_no_gradient() -> None:
    for loss in (None, (leaf(1.0) * 2).sum()):
        found = explain_grad(Tensor([1, 2]), loss)
        assert found.reason == "no gradient for this dtype"
        assert "int64" in found.text


def test_what_does_not_require_grad() -> None:
    x = Tensor(np.ones(2))
    assert reason(x) == "does not require grad"
    assert "multiply" not in str(explain_grad(x, (leaf(1.0, 2.0) + 1).sum()))
    assert "in multiply (output (2,))" in str(explain_grad(x, (leaf(1.0, 2.0) * x).sum()))


def test_a_gradient_that_is_there() -> None:
    x = leaf(1.0, -3.0)
    (x * x).sum().backward()
    found = explain_grad(x)
    assert found.reason == "has a gradient"
    assert "at most 6 in" in found.text


def test_a_result_without_retain_grad() -> None:
    x = leaf(1.0)
    h = np.exp(x)
    loss = (h * 2).sum()
    for given in (None, loss):
        found = explain_grad(h, given)
        assert found.reason == "not retained"
        assert "the result of exp" in found.text
        assert "retain_grad()" in found.text
    h.retain_grad()
    assert reason(h) == "backward not called"
    assert reason(h, loss) == "backward not called"
    loss.backward()
    assert reason(h, loss) == "has a gradient"


def test_backward_that_was_not_called() -> None:
    x = leaf(1.0, 2.0)
    assert reason(x) == "backward not called"
    found = explain_grad(x, (x * x).sum())
    assert found.reason == "backward not called"
    assert "at most 4 in" in found.text
    assert x.grad is None


# -------------------------------------------------------------------------------- by the graph


def test_a_loss_without_a_graph() -> None:
    x = leaf(1.0)
    with dgrad.no_grad():
        loss = (x * 2).sum()
    assert reason(x, loss) == "the loss has no graph"


def test_a_leaf_that_the_loss_does_not_use() -> None:
    x, y = leaf(1.0), leaf(2.0)
    x * 3  # of which nothing is made
    assert reason(x, (y * 2).sum()) == "not reached"


@pytest.mark.parametrize(
    "cut", [Tensor.detach, lambda t: Tensor(t.data), lambda t: t.detach().requires_grad_()]
)
def test_values_that_the_loss_uses_without_their_tensor(cut: Any) -> None:
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    held = cut(x)
    with detect_anomaly():
        loss = (held * y).sum()
    found = explain_grad(x, loss)
    assert found.reason == "detached"
    line = line_of(test_values_that_the_loss_uses_without_their_tensor, "loss = (held")
    assert f"multiply (output (2,), called at {line})" in found.text
    assert ("another leaf" in found.text) == held.requires_grad


def test_a_gradient_that_was_cleared() -> None:
    x = leaf(1.0)
    loss = (x * x).sum()
    loss.backward()
    x.grad = None
    assert reason(x, loss) == "cleared"
    loss = (x * x).sum()
    loss.backward(retain_graph=True)
    x.grad = Tensor(np.zeros(1))
    found = explain_grad(x, loss)
    assert found.reason == "cleared"
    assert "set to zero" in found.text


def test_a_zero_gradient_and_where_it_becomes_zero() -> None:
    x = leaf(-1.0, -2.0)
    with detect_anomaly():
        h = x * 2
        h = np.maximum(h, 0.0)
        loss = (h * 3).sum()
    for given in (False, True):
        found = explain_grad(x, loss)
        assert found.reason == "zero"
        line = line_of(test_a_zero_gradient_and_where_it_becomes_zero, "np.maximum")
        assert f"it becomes zero in maximum (output (2,), called at {line}), whose" in found.text
        if not given:
            loss.backward(retain_graph=True)
            assert not x.grad.data.any()  # type: ignore[union-attr]
    loss.backward()
    assert reason(x) == "zero"
    found = explain_grad(x, loss)
    assert found.reason == "zero"
    assert "retain_graph=True" in found.text


def test_gradients_that_cancel() -> None:
    x = leaf(1.0)
    h = x * 2
    found = explain_grad(x, (h - h).sum())
    assert found.reason == "zero"
    assert "subtract" in found.text or "multiply" in found.text


class Stop(Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x * 1, x * 2

    @staticmethod
    def backward(ctx: Any, g: Any, h: Any) -> Any:
        return None


def test_an_op_that_hands_on_no_gradient() -> None:
    x = leaf(1.0)
    found = explain_grad(x, (Stop.apply(x * 2)[1] * 3).sum())
    assert found.reason == "stopped by an op"
    assert "Stop" in found.text


def test_a_loss_of_several_elements_is_refused() -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(GraphError, match=r"shape \(2,\), not a single element"):
        explain_grad(x, x * 2)
    with pytest.raises(GraphError, match="the loss is float, not a Tensor"):
        explain_grad(x, lambda: 1.0)  # type: ignore[arg-type, return-value]


def test_nothing_is_changed_by_asking() -> None:
    x = leaf(1.0, 2.0)
    loss = (np.exp(x) * x).sum()
    explain_grad(x, loss)
    explain_grad(x, loss)
    assert x.grad is None
    loss.backward()
    np.testing.assert_allclose(x.grad.data, np.exp(x.data) * (1 + x.data))  # type: ignore[union-attr]


def test_hooks_do_not_run_and_are_named_where_they_matter() -> None:
    x = leaf(1.0, 2.0)
    h = np.exp(x)
    seen: list[str] = []
    register_multi_grad_hook([x, h], lambda g: seen.append("any"), mode="any")
    register_multi_grad_hook([x, h], lambda g: seen.append("all"))
    x.register_hook(lambda g: seen.append("tensor") or g * 0.0)
    h.grad_fn.register_prehook(lambda g: seen.append("before"))
    h.grad_fn.register_hook(lambda given, g: seen.append("after"))
    loss = h.sum()
    hooks = h.node.hooks
    found = explain_grad(x, loss)
    assert found.reason == "backward not called"
    assert found.text.endswith("without the hooks on exp (output (2,)); it")
    assert (seen, h.node.hooks is hooks) == ([], True)
    loss.backward(retain_graph=True)
    assert sorted(seen) == ["after", "all", "any", "before", "tensor"]
    found = explain_grad(x, loss)
    assert found.reason == "cleared"
    assert "by a hook" in found.text
    assert len(seen) == 5


def test_what_is_no_tensor_is_refused() -> None:
    with pytest.raises(DtypeError, match="explain_grad: takes a Tensor, got int"):
        explain_grad(3)  # type: ignore[arg-type]
    with pytest.raises(DtypeError, match=r"the loss must be a Tensor, or a function .* got int"):
        explain_grad(leaf(1.0), 3)  # type: ignore[arg-type]


def test_several_outputs_are_walked_as_well() -> None:
    x = leaf(1.0, 2.0)
    q, r = np.linalg.qr(np.exp(x).reshape(2, 1))
    found = explain_grad(x, (r * 1.0).sum() + q.sum() * 0.0)
    assert found.reason == "backward not called"


def test_P08_a_deep_graph_needs_no_recursion() -> None:
    x = leaf(0.5)
    t = x
    for _ in range(3000):
        t = t * 1.0
    assert reason(x, t.sum()) == "backward not called"


# ---------------------------------------------------------------------- by running the loss again

Y = leaf(3.0, 4.0)


def detached_late(x: Tensor) -> Tensor:
    h = x * 2
    h = np.exp(h).detach()
    return (h * Y).sum()


def detached_at_once(x: Tensor) -> Tensor:
    return (x.detach() * Y).sum()


def in_no_grad(x: Tensor) -> Tensor:
    with dgrad.no_grad():
        h = x + 1
    return (h * Y).sum()


def wholly_in_no_grad(x: Tensor) -> Tensor:
    with dgrad.no_grad():
        return (x * Y).sum()


def through_argmax(x: Tensor) -> Tensor:
    k = np.argmax(x * 2)
    return (k * Y).sum()


def through_numpy(x: Tensor) -> Tensor:
    h = np.exp(x)
    return (Tensor(np.tanh(h.data)) * Y).sum()


def not_at_all(x: Tensor) -> Tensor:
    return (Y * 2).sum()


CUTS = [
    (detached_late, "detached", ["h = x * 2", "return"]),
    (detached_at_once, "detached", ["return"]),
    (in_no_grad, "no_grad", ["h = x + 1"]),
    (wholly_in_no_grad, "no_grad", ["return"]),
    (through_argmax, "not differentiable", ["np.argmax"]),
    (through_numpy, "not reached", ["np.exp"]),
    (not_at_all, "never used", []),
]


@pytest.mark.parametrize(("compute", "expected", "lines"), CUTS)
def test_the_line_where_the_way_from_the_loss_breaks(
    compute: Callable[[Tensor], Tensor], expected: str, lines: list[str]
) -> None:
    x = leaf(1.0, 2.0)
    found = explain_grad(x, lambda: compute(x))
    assert found.reason == expected
    for text in lines:
        assert f"called at {line_of(compute, text)}" in found.text
    assert found.text.count("called at") == len(lines)


def test_a_function_whose_loss_does_depend_on_it() -> None:
    x = leaf(1.0, 2.0)
    assert reason(x, lambda: (x * Y).sum()) == "backward not called"
    found = explain_grad(x, lambda: (np.maximum(-x, 0.0) * Y).sum())
    assert found.reason == "zero"
    assert "maximum (output (2,), called at " in found.text
