"""Overwritten saved values: what raises, what does not, and what the error says."""

from __future__ import annotations

import gc
import re

import numpy as np
import pytest

import dgrad
from dgrad import Tensor, optim
from dgrad.core.versions import MANY, writes
from dgrad.errors import GraphError
from dgrad.nn import Linear
from dgrad.ops import exp, sin


def leaf(*data: float) -> Tensor:
    return Tensor(np.array(data, np.float64), requires_grad=True)


def test_B53_a_saved_value_that_was_overwritten_raises_at_backward() -> None:
    x = leaf(1.0, 2.0)
    y = exp(x)
    z = y.sum()
    y += 1
    text = (
        r"exp saved its 'out' of shape \(2,\).*overwritten since by \+= at .*test_versions\.py:\d+"
    )
    with pytest.raises(GraphError, match=text):
        z.backward()
    assert x.grad is None


def test_B53_P39_what_was_not_saved_may_be_overwritten() -> None:
    x = leaf(1.0, 2.0)
    y = x + 1  # add saves nothing, sin its input, exp its output
    z = exp(y)
    y += 5
    assert dgrad.grad(z.sum(), x)[0].tolist() == np.exp([2.0, 3.0]).tolist()
    y = x * 1
    z = sin(y)
    z += 1
    np.testing.assert_allclose(dgrad.grad(z.sum(), x)[0].data, np.cos([1.0, 2.0]))


def test_B53_P41_also_under_no_grad_and_through_detach() -> None:
    x = leaf(1.0, 2.0)
    for overwrite in (lambda t: t.detach().add_(1), lambda t: t.detach()[0:1].zero_()):
        y = exp(x)
        z = y * 2
        overwrite(y)
        with pytest.raises(GraphError, match="exp saved its 'out'"):
            z.sum().backward()
    y = exp(x)
    z = y * 2
    with dgrad.no_grad():
        y.mul_(2)
    with pytest.raises(GraphError, match=r"overwritten since by mul_ at"):
        z.sum().backward()


def test_P40_B30_saved_outputs_make_no_cycle() -> None:
    gc.collect()
    gc.disable()
    try:
        before = len(gc.get_objects())
        for _ in range(50):
            y = exp(leaf(1.0, 2.0))
            y.retain_grad()
            y += 1
            del y
        assert len(gc.get_objects()) - before < 50
    finally:
        gc.enable()


def test_B59_the_version_counts_writes_and_is_shared() -> None:
    base = leaf(1.0, 2.0, 3.0) * 1
    view, detached, other = base[1:], base.detach(), base.clone()
    assert base.version == 0
    view += 1
    detached.mul_(2)
    base[0] = 7.0
    assert [t.version for t in (base, view, detached, base.T[0:1])] == [3, 3, 3, 3]
    assert other.version == 0


def test_a_write_beside_what_was_saved_raises_nothing() -> None:
    """Exact by element: rows, and columns that lie between each other in memory."""
    x = leaf(0.5, 1.5)
    for at in (lambda i: i, lambda i: (slice(None), i)):
        out = Tensor(np.zeros((2, 2)))
        out[at(0)] = x
        out[at(1)] = sin(out[at(0)])
        np.testing.assert_allclose(dgrad.grad(out.sum(), x)[0].data, 1 + np.cos(x.data))
        out = Tensor(np.zeros((2, 2)))
        out[at(0)] = x
        z = sin(out[at(0)])
        out[at(0)] = 3.0
        with pytest.raises(GraphError, match="sin saved its 'x'"):
            dgrad.grad(z.sum(), x)


def test_many_regions_of_one_owner_are_joined() -> None:
    x = leaf(*range(600))
    y = x * 1
    z = sin(y[0:1])
    for i in range(1, 600):
        y[i] = 0.0
    assert max(len(m.regions) for m in writes.memory.values()) <= MANY
    with pytest.raises(GraphError, match="overwritten"):  # not so, but nobody counts that far
        z.backward()


def test_P43_an_optimizer_step_between_forward_and_a_second_backward_raises() -> None:
    layer = Linear(3, 2)
    optimizer = optim.SGD(layer.parameters(), lr=0.1)
    x = leaf(1.0, 2.0, 3.0)
    for _ in range(2):  # the first step moves small parameters into one array
        loss = sin(layer(x.astype(np.float32))).sum()
        loss.backward(retain_graph=True)
        optimizer.step()
        with pytest.raises(GraphError, match=r"linear saved its 'weight'.*an optimizer's step"):
            loss.backward()
    sin(layer(x.astype(np.float32))).sum().backward()


def test_other_writers_are_known_too() -> None:
    layer = Linear(2, 2)
    x = Tensor(np.ones((1, 2), np.float32), requires_grad=True)
    state = layer.state_dict()
    out = layer(x).sum()
    layer.load_state_dict(state)
    with pytest.raises(GraphError, match="load_state_dict"):
        out.backward()
    out = layer(x).sum()
    dgrad.nn.init.zeros_(layer.weight)
    with pytest.raises(GraphError, match="initialisation"):
        out.backward()


def test_memory_that_is_gone_is_forgotten() -> None:
    count = len(writes.memory)
    for _ in range(100):
        y = leaf(1.0) * 1
        y += 1
    del y
    assert len(writes.memory) == count


def test_the_line_is_the_users() -> None:
    x = leaf(1.0)
    y = exp(x)
    z = y * 1
    y += 1
    with dgrad.no_grad(), pytest.raises(GraphError) as caught:
        z.backward()
    source = re.search(r"\+= at (.*):(\d+);", str(caught.value))
    assert source is not None
    assert source[1] == __file__


def test_a_gradient_that_was_added_to_or_clipped_is_noticed() -> None:
    x, w = leaf(2.0, 3.0), leaf(1.0, 1.0)
    for change in (
        lambda: (x * x).sum().backward(),
        lambda: optim.clip_grad_norm_([x], 0.1),
    ):
        x.grad = None
        (x * x).sum().backward()
        total = (x.grad * w).sum()
        change()
        with pytest.raises(GraphError, match=r"added to a \.grad|clipping of gradients"):
            dgrad.grad(total, w)
