"""Function: custom operations with a ctx, as the seed document spells them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dgrad import Function, Tensor, enable_grad, grad, is_grad_enabled, no_grad, ops
from dgrad.core.backward import backward
from dgrad.core.function import once_differentiable
from dgrad.errors import GraphError, OpDefinitionError, ShapeError


def leaf(*values: float) -> Tensor:
    return Tensor(np.array(values), requires_grad=True)


class Cube(Function):
    """x^3, saving its input."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return g * 3 * x * x


class Exp(Function):
    """e^x, saving its own output."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        out = np.exp(x)
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return g * ctx.saved_tensors[0]


class Product(Function):
    """a b scale, with a plain argument in the middle and an integer result beside it."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, scale: float, b: Tensor) -> tuple[Any, ...]:
        ctx.scale = scale
        ctx.save_for_backward(a, None, b)
        return scale, a * b * scale, None, a > 0, "text", a

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Any, ...]:
        assert [g is None for g in grads] == [True, False, True, False, True, False]
        a, nothing, b = ctx.saved_tensors
        assert nothing is None  # B49
        g = grads[1] * ctx.scale
        return g * b + grads[5], None, g * a


def test_a_function_gives_value_and_every_order() -> None:
    x = leaf(2.0)
    y = Cube.apply(x)
    values = [y.item()]
    for _ in range(3):
        (y,) = grad(y, x, create_graph=True)
        values.append(y.item())
    assert values == [8.0, 12.0, 12.0, 6.0]


def test_B27_an_own_output_can_be_saved_to_any_order_and_used_again() -> None:
    x = leaf(0.5)
    y = Exp.apply(x)
    (first,) = grad(y, x, create_graph=True)
    (again,) = grad(y, x, create_graph=True)
    (third,) = grad(grad(first, x, create_graph=True)[0], x)
    for g in (first, again, third):
        np.testing.assert_allclose(g.data, np.exp(0.5))


def test_B46_B49_other_values_pass_through_in_place() -> None:
    a, b = leaf(2.0), leaf(5.0)
    scale, product, none, positive, text, same = Product.apply(a, 3.0, b)
    assert (scale, none, text) == (3.0, None, "text")
    assert positive.tolist() == [True]
    assert not positive.requires_grad
    backward([product, same])
    assert a.grad.item() == 16.0
    assert b.grad.item() == 6.0
    with no_grad():
        values = Product.apply(a, 3.0, b)
    assert [isinstance(v, Tensor) for v in values] == [False, True, False, True, False, True]
    assert not any(v.requires_grad for v in values if isinstance(v, Tensor))


def test_B43_a_result_that_got_no_gradient_gives_zeros() -> None:
    seen = []

    class Two(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
            return x * 2, ops.concatenate(x, x)

        @staticmethod
        def backward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
            seen.append((a.tolist(), b.tolist(), b.dtype))
            return a

    x = Tensor(np.ones(2, np.float32), requires_grad=True)
    Two.apply(x)[0].sum().backward()
    grad(Two.apply(x)[1].sum(), x, create_graph=True)
    assert seen == [
        ([1.0, 1.0], [0.0] * 4, np.float32),
        ([0.0, 0.0], [1.0] * 4, np.float32),
    ]


def test_B42_none_means_no_gradient_and_ends_the_path() -> None:
    class Nothing(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> None:
            return None

    x, seen = leaf(1.0), []
    y = x * 3
    y.register_hook(seen.append)
    Nothing.apply(y).backward()
    assert x.grad is None
    assert seen == []


def returning(*gradients: Any) -> type[Function]:
    class Returns(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
            return x * y

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Any:
            return gradients

    return Returns


def test_B41_extra_nones_are_tolerated() -> None:
    x = leaf(1.0)
    returning(np.ones(1), 2.0 * np.ones(1), None, None).apply(x, x).backward()
    assert x.grad.item() == 3.0


@pytest.mark.parametrize(
    ("gradients", "text"),
    [
        ((np.ones(1),), "Returns.backward returned 1 gradients for 2 arguments"),
        ((), "Returns.backward returned 0 gradients for 2 arguments"),
        ((np.ones(1),) * 3, "Returns.backward returned 3 gradients for 2 arguments"),
        ((np.ones(2), None), r"Returns returned .* \(2,\) for an input of shape \(1,\)"),
        ((None, 1.0), r"Returns returned .* \(\) for an input of shape \(1,\)"),
    ],
)
@pytest.mark.parametrize("create_graph", [False, True])
def test_B41_wrong_gradients_name_the_function(
    gradients: tuple[Any, ...], text: str, create_graph: bool
) -> None:
    x = leaf(1.0)
    with pytest.raises(ShapeError, match=text):
        returning(*gradients).apply(x, x).backward(create_graph=create_graph)
    assert x.grad is None


def test_gradients_may_be_tensors_arrays_numbers_or_of_another_dtype() -> None:
    for g in (Tensor(np.ones(())), np.ones((), np.float32), 1.0, 1, np.int64(1), True):
        x = Tensor(np.float64(1.0), requires_grad=True)
        returning(g, None).apply(x, x).backward()
        assert x.grad.dtype == np.float64
        assert x.grad.item() == 1.0


def test_B44_returning_an_input_gives_a_new_node() -> None:
    class Same(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Tensor:
            return g * 10

    x = leaf(1.0)
    y = Same.apply(x)
    seen = []
    y.register_hook(lambda g: seen.append(g.item()))
    assert y is not x
    assert y.grad_fn.name == "Same"
    (y * 2 + x * 5).backward()
    assert seen == [2.0]
    assert x.grad.item() == 25.0


def test_B45_returning_one_tensor_twice_works_to_second_order() -> None:
    class Twice(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
            out = np.exp(x)
            ctx.save_for_backward(out)
            return out, out

        @staticmethod
        def backward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
            return (a + b) * ctx.saved_tensors[0]

    x = leaf(0.5)
    a, b = Twice.apply(x)
    (gx,) = grad(a * 2 + b * 3, x, create_graph=True)
    np.testing.assert_allclose(gx.data, 5 * np.exp(0.5))
    np.testing.assert_allclose(grad(gx, x)[0].data, 5 * np.exp(0.5))


def test_saving_one_of_two_tensors_that_share_memory_links_the_right_one() -> None:
    class Half(Function):
        """a * b, b a constant: its derivative by a is b, which depends on nothing."""

        @staticmethod
        def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
            ctx.save_for_backward(a, b)
            return a * b

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor]:
            a, b = ctx.saved_tensors
            return g * b, g * a

    x = leaf(3.0)
    for args, second in (((x, x.detach()), None), ((x.detach(), x), None), ((x, x), 2.0)):
        (gx,) = grad(Half.apply(*args), x, create_graph=True)
        (ggx,) = grad(gx * 1 + x * 0, x)
        assert ggx.item() == (second or 0.0)


def test_a_saved_constant_stays_one_when_it_is_also_the_result() -> None:
    class Pick(Function):
        @staticmethod
        def forward(ctx: Any, w: Tensor, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return x

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
            return g * ctx.saved_tensors[0], None

    w = leaf(3.0)
    (gw,) = grad(Pick.apply(w, Tensor(np.array([5.0]))), w, create_graph=True)
    assert gw.item() == 5.0
    assert not gw.requires_grad


def test_B47_once_differentiable_gives_one_order_and_refuses_two() -> None:
    recording = []

    class Once(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once_differentiable
        def backward(ctx: Any, g: Tensor) -> np.ndarray:
            recording.append(is_grad_enabled())
            return g.data * 2 * ctx.saved_tensors[0].data

    x = leaf(3.0)
    assert grad(Once.apply(x), x)[0].item() == 6.0
    (gx,) = grad(Once.apply(x), x, create_graph=True)
    assert gx.item() == 6.0
    assert recording == [False, False]
    with pytest.raises(GraphError, match=r"Once.backward is once_differentiable"):
        grad(gx, x)


def test_B50_a_missing_forward_or_backward_names_the_class() -> None:
    class OnlyBackward(Function):
        backward = Cube.backward

    class OnlyForward(Function):
        forward = Cube.forward

    with pytest.raises(OpDefinitionError, match=r"OnlyBackward must define forward\(ctx, ...\)"):
        OnlyBackward.apply(leaf(1.0))
    with pytest.raises(OpDefinitionError, match=r"OnlyForward must define backward\(ctx, ...\)"):
        OnlyForward.apply(leaf(1.0))


@pytest.mark.parametrize("result", [None, 3.0, [1.0], "x"])
def test_a_forward_must_return_a_tensor(result: Any) -> None:
    class Bad(Cube):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Any:
            return result

    with pytest.raises(OpDefinitionError, match=r"Bad.forward must return .*, got"):
        Bad.apply(leaf(1.0))


def test_a_forward_may_return_arrays_numpy_scalars_or_nothing_in_a_tuple() -> None:
    class Arrays(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor, kind: str) -> Any:
            return {"array": x.data * 2, "scalar": x.data.sum(), "empty": ()}[kind]

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Any:
            return g.reshape(1) * 2, None

    x = leaf(3.0)
    for kind in ("array", "scalar"):
        x.grad = None
        out = Arrays.apply(x, kind)
        out.backward()
        assert x.grad.item() == 2.0
    assert Arrays.apply(x, "empty") == ()


def test_ctx_tells_what_needs_a_gradient_and_forward_does_not_record() -> None:
    seen = []

    class Look(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor, y: Tensor, n: int) -> Tensor:
            seen.append((ctx.needs_input_grad, is_grad_enabled(), x.requires_grad))
            return x * y * n

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Any:
            seen.append((ctx.needs_input_grad, is_grad_enabled(), g.requires_grad))
            return g, None, None

    x, y = leaf(1.0), Tensor(np.ones(1))
    grad(Look.apply(x, y, 3), x)
    grad(Look.apply(x, y, 3), x, create_graph=True)
    wants = (True, False, False)
    forward, raw, recorded = (wants, False, False), (wants, False, False), (wants, True, False)
    assert seen == [forward, raw, forward, recorded]
    seen.clear()
    assert not Look.apply(Tensor(np.ones(1)), y, 3).requires_grad
    assert seen == [((False, False, False), False, False)]


def test_save_for_backward_takes_tensors_only() -> None:
    class Saves(Cube):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x.data)
            return x

    with pytest.raises(OpDefinitionError, match="takes Tensors and None, got ndarray"):
        Saves.apply(leaf(1.0))


def test_B28_saved_tensors_are_there_only_during_backward() -> None:
    held = []

    class Holds(Cube):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            held.append(ctx)
            return Cube.forward(ctx, x)

    x = leaf(1.0)
    y = Holds.apply(x)
    for _ in range(2):
        with pytest.raises(GraphError, match="saved_tensors can be read only while backward"):
            _ = held[0].saved_tensors
        if x.grad is None:
            y.backward()
    with pytest.raises(GraphError, match="saved values of Holds were freed"):
        y.backward()


def test_B25_a_function_that_saves_nothing_can_be_walked_twice() -> None:
    class Double(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Tensor:
            return g * 2

    x = leaf(1.0)
    y = Double.apply(x)
    y.backward()
    y.backward()
    assert x.grad.item() == 4.0


@pytest.mark.parametrize("depth", [1, 2, 30])
def test_B52_backward_inside_backward(depth: int) -> None:
    class Nested(Function):
        """x^(2^n), whose backward differentiates the level below on a graph of its own."""

        @staticmethod
        def forward(ctx: Any, x: Tensor, n: int) -> Tensor:
            ctx.n = n
            ctx.save_for_backward(x)
            return x * 1

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
            (x,) = ctx.saved_tensors
            with enable_grad():
                inner = x.detach().requires_grad_()
                y = Nested.apply(inner, ctx.n - 1) if ctx.n else inner * inner
                y.backward()
            assert ctx.saved_tensors[0] is x
            return g * inner.grad, None

    x = leaf(3.0)
    Nested.apply(x, depth).backward()
    assert x.grad.item() == 6.0
    assert is_grad_enabled()


def test_B52_a_walk_inside_a_walk_of_the_same_node_gives_the_saved_values_back() -> None:
    class Again(Function):
        inner: Any = None

        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Tensor:
            if Again.inner is not None:
                root, Again.inner = Again.inner, None
                root.backward(retain_graph=True)
            return g * 2 * ctx.saved_tensors[0]

    x = leaf(3.0)
    y = Again.apply(x)
    Again.inner = y
    y.backward()
    assert x.grad.item() == 12.0


def test_B51_an_error_in_a_nested_backward_reaches_the_caller() -> None:
    class Inner(Cube):
        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Any:
            raise ZeroDivisionError("deep inside")

    class Outer(Cube):
        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Any:
            with enable_grad():
                Inner.apply(leaf(1.0)).backward()

    x = leaf(2.0)
    y = Outer.apply(x)
    for create_graph in (False, True):
        with pytest.raises(ZeroDivisionError, match="deep inside"):
            y.backward(create_graph=create_graph)
        assert is_grad_enabled()
    assert x.grad is None
    Cube.apply(x).backward()
    assert x.grad.item() == 12.0


def test_a_function_of_a_function_through_broadcasting_ops() -> None:
    x = Tensor(np.array([[0.1, 0.2], [0.3, 0.4]]), requires_grad=True)
    y = (Cube.apply(Exp.apply(x) + np.ones(2)) * x.sum(axis=0)).sum()
    (gx,) = grad(y, x, create_graph=True)
    e = np.exp(x.data) + 1
    expected = 3 * e**2 * np.exp(x.data) * x.data.sum(0) + (e**3).sum(0)
    np.testing.assert_allclose(gx.data, expected, rtol=1e-12)
