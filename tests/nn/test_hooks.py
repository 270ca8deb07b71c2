"""Forward, pre-forward and full backward hooks of modules."""

import numpy as np
import pytest

import dgrad
from dgrad import nn
from dgrad.errors import ShapeError


class Product(nn.Module):
    """Two inputs, two outputs: x y, x + y."""

    def forward(self, x, y, *, scale=1.0):
        return x * y * scale, x + y


def leaf(*values):
    return dgrad.tensor(list(values), dtype=np.float64, requires_grad=True)


def test_forward_hooks_run_in_order_and_may_replace():
    layer, seen = nn.Identity(), []
    handles = [
        layer.register_forward_pre_hook(lambda m, args: seen.append((m, args))),
        layer.register_forward_pre_hook(lambda m, args: args[0] + 1),
        layer.register_forward_pre_hook(lambda m, args: (args[0] * 2,)),
        layer.register_forward_hook(lambda m, args, out: seen.append((args, out))),
        layer.register_forward_hook(lambda m, args, out: out * 10),
    ]
    assert layer(3) == 80
    assert seen == [(layer, (3,)), ((8,), 8)]
    for handle in handles[:3]:
        handle.remove()
    assert layer(3) == 30
    for handle in handles:
        handle.remove()
    assert layer(3) == 3
    with layer.register_forward_hook(lambda m, args, out: -out):
        assert layer(3) == -3
    assert layer(3) == 3


def test_backward_hook_sees_gradients_of_arguments_and_outputs():
    layer, seen = Product(), []
    layer.register_full_backward_hook(lambda m, gi, go: seen.append((m, gi, go)))
    x, y = leaf(2.0), dgrad.tensor([5.0], dtype=np.float64)
    product, total = layer(x, y, scale=3.0)
    (product * 7 + total * 11).sum().backward()
    ((module, grad_input, grad_output),) = seen
    assert module is layer
    assert [g.tolist() for g in grad_output] == [[7.0], [11.0]]
    assert grad_input[0].tolist() == [7 * 15 + 11]
    assert grad_input[1] is None
    assert x.grad.tolist() == [7 * 15 + 11]


def test_backward_hook_gets_zeros_for_an_output_that_is_not_used():
    layer, seen = Product(), []
    layer.register_full_backward_hook(lambda m, gi, go: seen.append(go))
    layer(leaf(2.0), leaf(5.0))[0].sum().backward()
    assert [g.tolist() for g in seen[0]] == [[1.0], [0.0]]


def test_backward_hooks_replace_in_order():
    layer = nn.Identity()
    layer.register_full_backward_hook(lambda m, gi, go: (gi[0] * 10,))
    layer.register_full_backward_hook(lambda m, gi, go: gi[0] + 1)
    x = leaf(1.0)
    layer(x).sum().backward()
    assert x.grad.tolist() == [11.0]


def test_backward_hook_without_input_gradients_is_called_at_the_output():
    layer, seen = nn.Linear(2, 1), []
    layer.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
    layer(np.ones((1, 2), np.float32)).sum().backward()
    ((grad_input, grad_output),) = seen
    assert grad_input == (None,)
    assert grad_output[0].tolist() == [[1.0]]
    assert layer.weight.grad is not None
    with dgrad.no_grad():
        layer(np.ones((1, 2), np.float32))
    assert len(seen) == 1


def test_backward_hook_is_called_once_per_call_of_the_module():
    layer, seen = nn.Tanh(), []
    handle = layer.register_full_backward_hook(lambda m, gi, go: seen.append(go[0].item()))
    x = leaf(0.0)
    layer(layer(x) * 2).sum().backward()
    assert seen == [1.0, 2.0]
    handle.remove()
    layer(x).sum().backward()
    assert len(seen) == 2


def test_backward_hook_is_not_called_again_by_a_double_backward():
    layer, calls = nn.MSELoss(), []
    layer.register_full_backward_hook(lambda m, gi, go: calls.append(1))
    x = leaf(3.0, 1.0)
    loss = layer(x, np.array([1.0, 1.0]))
    (g,) = dgrad.grad(loss, x, create_graph=True)
    assert calls == [1]
    (second,) = dgrad.grad(g.sum(), x)
    assert second.tolist() == [1.0, 1.0]
    assert calls == [1]


def test_backward_hook_of_the_wrong_length_is_refused():
    layer = Product()
    layer.register_full_backward_hook(lambda m, gi, go: (gi[0],))
    with pytest.raises(ShapeError, match="returned 1 gradients for 2 arguments"):
        layer(leaf(2.0), leaf(5.0))[0].sum().backward()


def test_backward_hook_keeps_the_kind_of_output():
    class Listing(nn.Module):
        def forward(self, x):
            return [x * 2, "text"]

    layer = Listing()
    layer.register_full_backward_hook(lambda m, gi, go: None)
    out = layer(leaf(1.0))
    assert type(out) is list
    assert out[1] == "text"
