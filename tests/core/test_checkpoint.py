"""checkpoint and saved_tensors_hooks: same gradients, less kept, what must be the same twice."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dgrad
from dgrad import Tensor, checkpoint, is_recomputing, saved_tensors_hooks
from dgrad.core import stream
from dgrad.errors import GraphError
from dgrad.nn import Dropout, Module
from dgrad.ops import exp, matmul, sin, tanh


def leaf(*shape: int, seed: int = 0) -> Tensor:
    return Tensor(np.random.default_rng(seed).normal(size=shape), requires_grad=True)


W = leaf(4, 4, seed=9)


def block(x: Any, scale: float = 1.0) -> Any:
    return tanh(exp(sin(matmul(x, W)) * scale) * x)


def everything(x: Tensor, function: Any) -> list[np.ndarray]:
    """Value, gradients and second gradients."""
    out = function(x * 1)
    grads = dgrad.grad(out.sum(), [x, W], create_graph=True)
    second = dgrad.grad(sum((g * g).sum() for g in grads), [x, W])
    return [t.data for t in (out, *grads, *second)]


def test_B64_checkpointing_gives_the_same_to_second_order() -> None:
    x = leaf(3, 4)
    plain = everything(x, lambda h: block(block(h, scale=0.5)))
    for function in (
        lambda h: checkpoint(block, checkpoint(block, h, scale=0.5)),
        lambda h: checkpoint(lambda a: block(block(a, 0.5)), h),
        lambda h: checkpoint(lambda a: checkpoint(block, checkpoint(block, a, 0.5)), h),
    ):
        for mine, other in zip(plain, everything(x, function), strict=True):
            np.testing.assert_array_equal(mine, other)


def alive() -> int:
    """Bytes in arrays that own their memory, found through the graph's nodes and Tensors."""
    gc.collect()
    seen: dict[int, int] = {}
    for thing in gc.get_objects():
        values = getattr(thing, "saved", ()) if type(thing).__name__ == "Node" else ()
        for value in values:
            if isinstance(value, np.ndarray):
                whole = value if value.base is None else value.base
                seen[id(whole)] = whole.nbytes
    return sum(seen.values())


def test_B64_less_is_kept() -> None:
    x = leaf(50, 4)
    before = alive()
    plain = block(block(x * 1))
    kept = alive() - before
    plain = checkpoint(block, checkpoint(block, x * 1))
    assert alive() - before < kept / 3
    assert kept > 5 * x.data.nbytes
    plain.sum().backward()


def test_P46_the_draws_are_repeated_and_the_stream_goes_on() -> None:
    x = leaf(100)
    drop = Dropout(0.5)
    dgrad.manual_seed(5)
    plain = drop(sin(x)) * drop(x)
    expected, (g,) = stream.current().number, dgrad.grad(plain.sum(), x)
    dgrad.manual_seed(5)
    again = checkpoint(lambda a: drop(sin(a)) * drop(a), x)
    (h,) = dgrad.grad(again.sum(), x)
    np.testing.assert_array_equal(again.data, plain.data)
    np.testing.assert_array_equal(h.data, g.data)
    assert stream.current().number == expected


class Counting(Module):
    """Statistics of what it has seen, kept outside the graph, as batch norm's are."""

    def __init__(self) -> None:
        self.seen = 0.0

    def forward(self, x: Tensor) -> Tensor:
        if not is_recomputing():
            self.seen += float(x.data.sum())
        return sin(x)


def test_P47_statistics_are_not_updated_twice() -> None:
    x, layer = leaf(5), Counting()
    checkpoint(layer, x).sum().backward()
    assert layer.seen == pytest.approx(x.data.sum())
    assert not is_recomputing()


def test_B64_a_second_run_that_does_otherwise_is_detected() -> None:
    x = leaf(4)
    runs: list[int] = []

    def more_each_time(a: Any) -> Any:
        runs.append(1)
        for _ in runs:
            a = sin(a)
        return a

    with pytest.raises(GraphError, match=r"more_each_time saved 1 arrays at first and 2 when"):
        checkpoint(more_each_time, x).sum().backward()

    def other_shape(a: Any) -> Any:
        runs.append(1)
        return sin(a[: 4 - len(runs) % 2]).sum()

    runs.clear()
    with pytest.raises(GraphError, match=r"float64\[3\] as array 0 at first and float64\[4\]"):
        checkpoint(other_shape, x).backward()
    assert x.grad is None


def test_programs_written_for_pytorch_may_name_the_way() -> None:
    x = leaf(3, 4)
    for named in (True, False):
        out = checkpoint(block, x, use_reentrant=named, scale=0.5)
        np.testing.assert_array_equal(out.data, block(x, scale=0.5).data)


def test_retaining_the_graph_runs_the_part_again() -> None:
    x = leaf(3)
    runs: list[int] = []

    def counted(a: Any) -> Any:
        runs.append(1)
        return sin(exp(a))

    out = checkpoint(counted, x).sum()
    (a,) = dgrad.grad(out, x, retain_graph=True)
    (b,) = dgrad.grad(out, x)
    np.testing.assert_array_equal(a.data, b.data)
    assert len(runs) == 3
    with pytest.raises(GraphError, match="retain_graph"):
        out.backward()


# -- saved_tensors_hooks ------------------------------------------------------------------------


def test_B63_what_is_saved_may_lie_on_disk(tmp_path: Path) -> None:
    x = leaf(3, 4)
    plain = everything(x, block)
    count = 0

    def pack(t: Tensor) -> Path:
        nonlocal count
        count += 1
        np.save(tmp_path / f"{count}.npy", t.data)
        return tmp_path / f"{count}.npy"

    def unpack(path: Path) -> Tensor:
        return Tensor(np.load(path))

    def on_disk(h: Tensor) -> Tensor:
        with saved_tensors_hooks(pack, unpack):
            return block(h)

    for a, b in zip(plain, everything(x, on_disk), strict=True):
        np.testing.assert_array_equal(a, b)
    assert count >= 5


def test_B63_the_inner_pair_wins_and_functions_are_packed_too() -> None:
    x = leaf(3)
    packed: list[str] = []

    def pair(name: str) -> saved_tensors_hooks:
        return saved_tensors_hooks(lambda t: (packed.append(name), t)[1], lambda t: t)

    class Square(dgrad.Function):
        @staticmethod
        def forward(ctx: Any, a: Any) -> Any:
            ctx.save_for_backward(a)
            return a * a

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2 * ctx.saved_tensors[0]

    with pair("outer"):
        y = sin(x)
        with pair("inner"):
            y = Square.apply(y)
        z = exp(y)
    assert packed == ["outer", "inner", "outer"]
    (g,) = dgrad.grad(z.sum(), x)
    s = np.sin(x.data)
    np.testing.assert_allclose(g.data, np.exp(s * s) * 2 * s * np.cos(x.data))


def test_B63_errors_keep_their_type_and_wrong_returns_are_named() -> None:
    x = leaf(3)

    def fail(_: Any) -> Any:
        raise KeyError("lost")

    with saved_tensors_hooks(fail, fail), pytest.raises(KeyError, match="lost"):
        sin(x)
    with saved_tensors_hooks(lambda t: t, fail):
        y = sin(x)
    with pytest.raises(KeyError, match="lost"):
        y.sum().backward()
    with saved_tensors_hooks(lambda t: t, lambda t: t[:2]):
        y = sin(x)
    with pytest.raises(GraphError, match=r"sin: the unpack hook returned float64\[2\]"):
        y.sum().backward()
    assert x.grad is None
    sin(x).sum().backward()


def test_B63_a_pack_hook_that_writes_raises() -> None:
    x = leaf(3)
    writers: list[Any] = [lambda t: t.mul_(2), lambda t: t.data.fill(0)]
    for pack in writers:
        with (
            saved_tensors_hooks(pack, lambda t: t),
            pytest.raises((GraphError, ValueError), match="read-only"),
        ):
            sin(x)


# -- inference mode -----------------------------------------------------------------------------


def test_B62_inference_tensors_cannot_be_saved_for_backward() -> None:
    x = leaf(3)
    with dgrad.inference_mode():
        y = x * 2
        constant = dgrad.tensor([1.0, 2.0, 3.0], np.float64)
        assert not dgrad.is_grad_enabled()
    assert y.is_inference()
    assert constant.is_inference()
    assert not y.requires_grad
    for other in (y, constant, y[:], y.detach()):
        with pytest.raises(GraphError, match=r"multiply: .* inference_mode .* clone\(\)"):
            x * other
    assert (x * y.clone()).requires_grad
    assert (x + y).requires_grad  # add saves nothing
    assert not (y * 2).requires_grad
    with pytest.raises(GraphError, match=r"inference_mode; write to a clone\(\)"):
        y += 1


def test_inference_mode_as_decorator_undone_inside_and_forgotten_after() -> None:
    from dgrad.core.modes import special

    x = leaf(3)

    @dgrad.inference_mode()
    def evaluate() -> Tensor:
        with dgrad.inference_mode(False):
            assert (x * 2).requires_grad
        return x * 2

    before = len(special)
    out = evaluate()
    assert out.is_inference()
    assert len(special) == before + 1
    del out
    assert len(special) == before
    assert not x.T.is_inference()


def square_in_place(t: Any) -> Any:
    y = t * 1
    y *= y
    return y


def overwrites_what_it_saved(t: Any) -> Any:
    y = t * 1
    z = y * y
    y[0] = 0.0
    return z


def test_writes_in_place_under_hooks_and_checkpoints_are_right_or_refused() -> None:
    x = Tensor(np.array([2.0, 3.0]), requires_grad=True)

    def hooked(function: Any) -> Any:
        def call(t: Any) -> Any:
            with saved_tensors_hooks(lambda saved: saved, lambda packed: packed):
                return function(t)

        return call

    for wrap in (hooked, lambda f: lambda t: checkpoint(f, t)):
        (g,) = dgrad.grad(wrap(square_in_place)(x).sum(), x)
        assert g.tolist() == [4.0, 6.0]
        with pytest.raises(GraphError, match=r"overwritten since by item assignment at .*\.py"):
            dgrad.grad(wrap(overwrites_what_it_saved)(x).sum(), x)


def test_P47_a_recomputation_is_known_in_walks_within_walks() -> None:
    """Deep ones run in other threads, which are told."""

    class Nested(dgrad.Function):
        @staticmethod
        def forward(ctx: Any, a: Any, depth: int) -> Any:
            ctx.depth = depth
            return a * 1

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            seen.append(is_recomputing())
            if ctx.depth:
                a = leaf(1)
                with dgrad.enable_grad():
                    out = Nested.apply(a, ctx.depth - 1).sum()
                out.backward()
            return g, None

    def part(a: Any) -> Any:
        if is_recomputing():
            b = leaf(1)
            Nested.apply(b, 45).sum().backward()
        return sin(a)

    seen: list[bool] = []
    checkpoint(part, leaf(2)).sum().backward()
    assert seen == [True] * 46
