"""Composite functions against PyTorch: gradients of order one to three, hooks, the seed network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dgrad
from dgrad import Function, Tensor, ops

torch = pytest.importorskip("torch", reason="the oracle of these tests is PyTorch")

Arrays = list[np.ndarray]


def arrays(*shapes: tuple[int, ...], seed: int = 0) -> Arrays:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) for shape in shapes]


# name -> (input arrays, the function on Tensors, the same on torch tensors)
FUNCTIONS: dict[str, tuple[Arrays, Callable[..., Any], Callable[..., Any]]] = {
    "tanh MLP": (
        arrays((4, 3), (5, 3), (5,), (2, 5)),
        lambda x, w, b, v: (ops.tanh(ops.linear(ops.tanh(ops.linear(x, w, b)), v)) ** 2).sum(),
        lambda x, w, b, v: (torch.tanh(torch.tanh(x @ w.T + b) @ v.T) ** 2).sum(),
    ),
    "attention": (
        arrays((2, 4, 3), (2, 5, 3), (2, 5, 2)),
        lambda q, k, v: (
            (ops.softmax(ops.matmul(q, k.swapaxes(-1, -2)) / np.sqrt(3.0), axis=-1) @ v)
            .mean(axis=1)
            .sum()
        ),
        lambda q, k, v: (
            (torch.softmax(q @ k.transpose(-1, -2) / np.sqrt(3.0), -1) @ v).mean(1).sum()
        ),
    ),
    "reductions": (
        arrays((3, 4), (4,)),
        lambda x, y: (
            ops.logsumexp(x * y, axis=1).sum() * x.var(axis=0).sum()
            + x.mean(axis=0).max()
            + ops.exp(y).sum() * x.std()
        ),
        lambda x, y: (
            torch.logsumexp(x * y, 1).sum() * x.var(0, correction=0).sum()
            + x.mean(0).max()
            + torch.exp(y).sum() * x.std(correction=0)
        ),
    ),
    "indexing": (
        arrays((5, 3), (3,)),
        lambda x, y: (
            (x[[0, 2, 2, 4]] * y)[:, ::2].sum() * (x[1:, None, -1] ** 2).sum()
            + (x[x.data > 0] ** 3).sum()
        ),
        lambda x, y: (
            (x[[0, 2, 2, 4]] * y)[:, ::2].sum() * (x[1:, None, -1] ** 2).sum()
            + (x[x.detach() > 0] ** 3).sum()
        ),
    ),
    "broadcasting": (
        arrays((2, 1, 4), (3, 1), ()),
        lambda x, y, z: (ops.sin(x * y + z) / (ops.exp(x) + y * y + 1) - z * x).sum(),
        lambda x, y, z: (torch.sin(x * y + z) / (torch.exp(x) + y * y + 1) - z * x).sum(),
    ),
    "shapes": (
        arrays((2, 6), (4, 3)),
        lambda x, y: (
            ops.concatenate(x.reshape(4, 3), y * 2, axis=1).T.sum(axis=0)
            * ops.stack(y[:, 0], y[:, 1] ** 2, axis=1).sum(axis=1)
        ).sum(),
        lambda x, y: (
            torch.cat([x.reshape(4, 3), y * 2], 1).T.sum(0)
            * torch.stack([y[:, 0], y[:, 1] ** 2], 1).sum(1)
        ).sum(),
    ),
    "activations": (
        arrays((3, 4)),
        lambda x: (
            ops.gelu(x) * ops.silu(x) + ops.softplus(x) * ops.sigmoid(x) + ops.log_softmax(x)
        ).sum(),
        lambda x: (
            torch.nn.functional.gelu(x) * torch.nn.functional.silu(x)
            + torch.nn.functional.softplus(x) * torch.sigmoid(x)
            + torch.log_softmax(x, -1)
        ).sum(),
    ),
    "powers": (
        [np.abs(a) + 0.5 for a in arrays((3,), (2, 3))],
        lambda x, y: (x**y * ops.sqrt(x) + ops.log(y) ** 3 + y**-2 + 2.0**x).sum(),
        lambda x, y: (x**y * torch.sqrt(x) + torch.log(y) ** 3 + y**-2 + 2.0**x).sum(),
    ),
}


def orders(grad: Callable[..., Any], inputs: list[Any], y: Any, weigh: Callable[..., Any]) -> Any:
    """Gradients of order 1, 2, 3: each time of a fixed random combination of the last."""
    for order in range(3):
        gradients = grad(y, inputs, create_graph=True, allow_unused=order > 0)
        yield gradients
        y = sum(weigh(g, i) for i, g in enumerate(gradients) if g is not None)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_of_order_one_to_three_equal_pytorchs(name: str) -> None:
    data, ours, theirs = FUNCTIONS[name]
    weights = arrays(*(a.shape for a in data), seed=1)
    torch_weights = [torch.tensor(a) for a in weights]
    mine = [Tensor(a, requires_grad=True) for a in data]
    reference = [torch.tensor(a, requires_grad=True) for a in data]
    y, z = ours(*mine), theirs(*reference)
    np.testing.assert_allclose(y.data, z.detach().numpy(), rtol=1e-12)
    for got, want in zip(
        orders(dgrad.grad, mine, y, lambda g, i: (g * g * weights[i]).sum()),
        orders(torch.autograd.grad, reference, z, lambda g, i: (g * g * torch_weights[i]).sum()),
        strict=True,
    ):
        for g, w in zip(got, want, strict=True):
            scale = float(w.detach().abs().max()) + 1
            np.testing.assert_allclose(g.data, w.detach().numpy(), rtol=1e-9, atol=1e-9 * scale)


def test_hooks_run_in_pytorchs_order() -> None:
    def run(leaf: Any, exp: Callable[..., Any]) -> list[tuple[str, float]]:
        order: list[tuple[str, float]] = []

        def watch(name: str, factor: float | None = None) -> Callable[..., Any]:
            def hook(g: Any) -> Any:
                order.append((name, g.item()))
                return None if factor is None else g * factor

            return hook

        a = leaf * 2
        b = a * leaf
        c = exp(a)
        d = b + c * a
        d.register_hook(watch("d"))
        c.register_hook(watch("c", 2.0))
        b.register_hook(watch("b"))
        a.register_hook(watch("a", 3.0))
        a.retain_grad()
        a.register_hook(watch("a again"))
        leaf.register_hook(watch("x", 0.5))
        leaf.register_hook(watch("x again"))
        d.backward()
        order.append(("a.grad", a.grad.item()))
        order.append(("x.grad", leaf.grad.item()))
        return order

    mine = run(Tensor(np.array([0.3]), requires_grad=True), ops.exp)
    theirs = run(torch.tensor([0.3], dtype=torch.float64, requires_grad=True), torch.exp)
    assert [name for name, _ in mine] == [name for name, _ in theirs]
    np.testing.assert_allclose([v for _, v in mine], [v for _, v in theirs], rtol=1e-12)


def test_a_function_equals_pytorchs_to_third_order() -> None:
    def cube(base: Any) -> Any:
        class Cube(base):  # type: ignore[misc]
            @staticmethod
            def forward(ctx: Any, x: Any) -> Any:
                ctx.save_for_backward(x)
                return x * x * x

            @staticmethod
            def backward(ctx: Any, g: Any) -> Any:
                (x,) = ctx.saved_tensors
                return g * 3 * x * x

        return Cube

    (data,) = arrays((3,))
    x = Tensor(data, requires_grad=True)
    t = torch.tensor(data, requires_grad=True)
    y = (cube(Function).apply(x) * ops.sin(x)).sum()
    z = (cube(torch.autograd.Function).apply(t) * torch.sin(t)).sum()
    for got, want in zip(
        orders(dgrad.grad, [x], y, lambda g, i: (g * g).sum()),
        orders(torch.autograd.grad, [t], z, lambda g, i: (g * g).sum()),
        strict=True,
    ):
        np.testing.assert_allclose(got[0].data, want[0].detach().numpy(), rtol=1e-9)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-5), (np.float64, 1e-10)])
def test_the_gradients_of_the_seed_network_equal_pytorchs(dtype: Any, tolerance: float) -> None:
    images, w1, b1, w2, b2 = (
        (a * scale).astype(dtype)
        for a, scale in zip(
            arrays((16, 28, 28), (128, 784), (128,), (10, 128), (10,)),
            (1.0, 0.05, 0.05, 0.1, 0.1),
            strict=True,
        )
    )
    labels = np.random.default_rng(2).integers(0, 10, 16)
    parameters = [Tensor(a, requires_grad=True) for a in (w1, b1, w2, b2)]
    hidden = ops.relu(ops.linear(ops.flatten(Tensor(images), start_dim=1), *parameters[:2]))
    loss = ops.cross_entropy(ops.linear(hidden, *parameters[2:]), labels)
    loss.backward()

    reference = [torch.tensor(a, requires_grad=True) for a in (w1, b1, w2, b2)]
    linear = torch.nn.functional.linear
    hidden = torch.relu(linear(torch.flatten(torch.tensor(images), 1), *reference[:2]))
    expected = torch.nn.functional.cross_entropy(
        linear(hidden, *reference[2:]), torch.tensor(labels)
    )
    expected.backward()

    np.testing.assert_allclose(loss.item(), expected.item(), rtol=tolerance)
    for p, r in zip(parameters, reference, strict=True):
        assert p.grad.dtype == dtype
        want = r.grad.numpy()
        np.testing.assert_allclose(
            p.grad.data, want, rtol=tolerance, atol=tolerance * np.abs(want).max()
        )
