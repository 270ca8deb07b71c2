"""Hard cases that once gave wrong numbers, or none: each stays as it was found, in a few lines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import dgrad
from dgrad import Tensor, checkpoint, grad
from dgrad.errors import DtypeError, GraphError, OpDefinitionError, ShapeError

OVERWRITTEN = "overwritten since"


def leaf(*data: float) -> Tensor:
    return Tensor(np.array(data, np.float64), requires_grad=True)


def windows(t: Any) -> Any:
    return dgrad.sliding_window_view(t, window_shape=2)


def test_P13_windows_that_numpy_makes_by_strides_belong_to_their_base() -> None:
    a = leaf(1.0, 2.0, 3.0, 4.0)
    x = a * 1
    y = (windows(x) * windows(x)).sum()
    x[0] = 100.0
    with pytest.raises(GraphError, match=OVERWRITTEN):
        grad(y, a)
    x = a * 1
    w = windows(x)
    x[0] = 100.0
    assert grad(w.sum(), a)[0].tolist() == [0.0, 2.0, 2.0, 1.0]
    x = a * 1
    w = windows(x)
    x *= x
    assert grad(w.sum(), a)[0].tolist() == [2.0, 8.0, 12.0, 8.0]
    with pytest.raises(GraphError, match=r"write to a clone\(\)"):
        w += 1


def test_P43_a_checkpoint_notices_what_it_depends_on() -> None:
    x, w, c = leaf(1.0, 2.0), leaf(3.0, 4.0), Tensor(np.array([1.0, 2.0]))
    h = x * 1
    programs: list[tuple[Any, Tensor]] = [
        (lambda: checkpoint(lambda t: np.exp(t * w), x), w),
        (lambda: checkpoint(lambda t, v: np.exp(t * v), x, w), w),
        (lambda: checkpoint(lambda t, v: np.exp(t * v), x, c), c),
        (lambda: checkpoint(np.exp, h), h),
    ]
    for program, changed in programs:
        y = program()
        with dgrad.no_grad():
            changed *= 2
        with pytest.raises(GraphError, match=r"depends on an array that was overwritten since by"):
            y.sum().backward()
    y = checkpoint(lambda t: np.exp(t * w), x)  # written before, not since
    y.sum().backward()


def test_a_checkpointed_function_that_writes_into_its_argument_is_refused() -> None:
    x = leaf(1.0, 2.0)

    def writes(t: Any, h: Any) -> Any:
        h *= 3
        return np.exp(h * t)

    for h in (Tensor(np.array([0.1, 0.2])), x * 1):
        with pytest.raises(GraphError, match=r"writes depends on an array .* \*= at"):
            grad(checkpoint(writes, x, h).sum(), x)


class Tail(dgrad.Function):
    """A view of its input, which is none of its result's."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Any:
        return x[1:]

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return dgrad.pad(g, pad_width=((1, 0),))


def test_a_function_that_returns_a_view_of_its_input_gives_memory_of_its_own() -> None:
    a = leaf(1.0, 2.0, 3.0)
    b = a * 1
    y = Tail.apply(b)
    b *= 10
    assert y.tolist() == [2.0, 3.0]
    assert grad(y.sum(), a)[0].tolist() == [0.0, 1.0, 1.0]
    y = Tail.apply(a * 1)
    y *= 3
    assert grad(y.sum(), a)[0].tolist() == [0.0, 3.0, 3.0]


class Doubled(dgrad.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Any:
        x.mul_(2)
        ctx.mark_dirty(x)
        return x

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return g * 2


def test_P44_a_leaf_is_not_written_by_a_functions_forward() -> None:
    a = leaf(1.0, 2.0)
    with pytest.raises(GraphError, match="a leaf in a Function's forward"):
        Doubled.apply(a)
    assert a.tolist() == [1.0, 2.0]
    b = a * 1
    c = Doubled.apply(b)
    assert c is b
    assert grad((c * c).sum(), a)[0].tolist() == [8.0, 16.0]


def test_P23_item_assignment_casts_only_what_keeps_its_meaning() -> None:
    counts, floats = Tensor(np.array([1, 2, 3])), leaf(1.0, 2.0) * 1
    for target, value in (
        (counts, leaf(2.7)[0]),
        (counts, 2.7),
        (Tensor(np.array([True])), leaf(1.0)[0]),
        (floats, 3 + 4j),
        (floats, None),
        (floats, "5"),
    ):
        with pytest.raises(DtypeError, match="cannot be written into"):
            target[0] = value
    counts[0] = True
    floats[0] = 5
    assert (counts.tolist(), floats.tolist()) == ([1, 2, 3], [5.0, 2.0])


def test_a_failed_assignment_is_no_write() -> None:
    a = leaf(1.0, 2.0)
    y = a * 1
    w = y * y
    with pytest.raises((ShapeError, DtypeError)):
        y[np.array([0, 7])] = 1.0
    assert grad(w.sum(), a)[0].tolist() == [2.0, 4.0]


def test_P14_recorded_gradients_share_memory_with_nothing() -> None:
    x, y, seed = leaf(1.0, 2.0), leaf(3.0, 4.0), np.ones(2)
    g, h = grad(x + y, [x, y], Tensor(seed), create_graph=True)
    g += 5
    assert (h.tolist(), seed.tolist()) == ([1.0, 1.0], [1.0, 1.0])


def test_requires_grad_off_and_on_again_keeps_the_leaf() -> None:
    a = leaf(1.0, 2.0)
    y = (a * a).sum()
    a.requires_grad = False
    assert not (a * 2).requires_grad
    a.requires_grad = True
    y.backward()
    assert a.grad.tolist() == [2.0, 4.0]


def test_B34_a_retained_gradient_of_a_view_survives_a_write_to_its_base() -> None:
    a = leaf(1.0, 2.0)
    y = a * a
    v = y[0]
    v.retain_grad()
    y *= 3
    (v * 1).sum().backward()
    assert v.grad.item() == 1.0


def test_B62_all_that_inference_mode_makes_is_marked() -> None:
    x = leaf(1.0, 2.0)
    with dgrad.inference_mode():
        made = [x * 2, x * 2 * 3, Tensor(np.ones(2)) * 2, dgrad.topk(Tensor(np.ones(2)), k=1)[0]]
        shown = Tensor(np.ones(2))[:1]
    assert [t.is_inference() for t in made] == [True] * 4
    assert not shown.is_inference()
    with pytest.raises(GraphError, match=r"clone\(\)"):
        x * made[1]


def test_B61_an_async_generator_runs_in_the_mode_and_its_caller_does_not() -> None:
    seen: list[bool] = []

    @dgrad.no_grad
    async def ask() -> AsyncIterator[bool]:
        try:
            while True:
                await asyncio.sleep(0)
                yield dgrad.is_grad_enabled()
        finally:
            seen.append(dgrad.is_grad_enabled())

    async def run() -> None:
        answers = ask()
        async for answer in answers:
            seen.append(answer)
            assert dgrad.is_grad_enabled()
            if len(seen) == 2:
                break
        await answers.aclose()

    asyncio.run(run())
    assert seen == [False, False, False]
    assert dgrad.is_grad_enabled()


def test_results_that_are_no_numbers_are_not_recorded() -> None:
    with pytest.raises(DtypeError, match="results of dtype object"):
        leaf(1.0) * Fraction(1, 2)
    with pytest.raises(DtypeError, match="results of dtype timedelta"):
        leaf(1.0) * np.timedelta64(3, "s")


def test_B64_a_mask_of_infinity_is_no_anomaly() -> None:
    x = leaf(1.0, 2.0)
    with dgrad.detect_anomaly():
        masked = dgrad.masked_fill(x, mask=np.array([True, False]), value=-np.inf)
        assert dgrad.softmax(masked).tolist() == [0.0, 1.0]


def test_what_is_marked_dirty_must_be_returned() -> None:
    class Lost(Doubled):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Any:
            ctx.mark_dirty(x)
            return x * 2

    with pytest.raises(OpDefinitionError, match="must be input and result"):
        Lost.apply(leaf(1.0) * 1)
