"""Module: what it finds, modes, state, errors; containers."""

import copy
import gc
import weakref

import numpy as np
import pytest

import dgrad
from dgrad import nn
from dgrad.errors import CheckpointError, DtypeError, ShapeError, UnsupportedError


class Inner(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(np.ones(2, np.float32))
        self.register_buffer("mean", np.zeros(2, np.float32))
        self.register_buffer("count", np.array(3))
        self.register_buffer("mask", np.ones(2), persistent=False)
        self.register_buffer("later", None)

    def forward(self, x):
        return x * self.weight


class Outer(nn.Module):
    """Forgets super().__init__(), shares a parameter and a module."""

    def __init__(self):
        self.first = Inner()
        self.scale = nn.Parameter([1.0, 2.0])
        self.tied = self.first.weight
        self.again = self.first
        self.layers = nn.ModuleList([nn.Linear(2, 3), nn.Dropout()])
        self.plain = dgrad.Tensor([1.0])

    def forward(self, x):
        return self.layers[0](self.first(x) * self.scale)


def test_names_come_in_order_and_shared_ones_once():
    net = Outer()
    assert [n for n, _ in net.named_parameters()] == [
        "scale", "tied", "layers.0.weight", "layers.0.bias",
    ]  # fmt: skip
    assert [n for n, _ in net.named_modules()] == ["", "first", "layers", "layers.0", "layers.1"]
    assert [n for n, _ in net.named_children()] == ["first", "again", "layers"]
    assert [n for n, _ in net.named_buffers()] == ["first.mean", "first.count", "first.mask"]
    assert [n for n, _ in net.named_parameters("net", recurse=False)] == ["net.scale", "net.tied"]
    assert len(list(net.parameters())) == 4
    assert list(net.buffers(recurse=False)) == []
    assert list(net.children()) == [net.first, net.first, net.layers]


def test_a_parameter_requires_grad_unless_told_otherwise():
    assert nn.Parameter([1.0]).requires_grad
    assert nn.Parameter([1.0]).dtype == np.float32
    assert not nn.Parameter([1.0], requires_grad=False).requires_grad
    assert repr(nn.Parameter([1.0])).startswith("Parameter containing:\ntensor([1.")
    assert isinstance(copy.deepcopy(nn.Parameter([1.0])), nn.Parameter)
    with pytest.raises(DtypeError):
        nn.Parameter([1])


def test_modes_reach_every_module():
    net = Outer()
    assert net.training
    assert net.eval() is net
    assert not any(m.training for m in net.modules())
    assert all(m.training for m in net.train().modules())


def test_requires_grad_zero_grad_and_apply():
    net = Outer()
    net(dgrad.Tensor(np.ones((1, 2), np.float32))).sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())
    assert not any(p.requires_grad for p in net.requires_grad_(False).parameters())
    seen = []
    net.requires_grad_().apply(seen.append)
    assert seen[-1] is net
    assert seen[0] is net.first


def test_dtype_conversion_takes_gradients_and_buffers_along():
    net = Outer()
    x = np.ones((1, 2), np.float32)
    net(dgrad.Tensor(x)).sum().backward()
    assert net.double() is net
    assert {p.dtype for p in net.parameters()} == {np.dtype(np.float64)}
    assert net.scale.grad.dtype == net.first.mean.dtype == np.float64
    assert net.first.count.dtype.kind == "i"
    before = net.scale.grad.data.copy()
    net(dgrad.Tensor(x.astype(np.float64))).sum().backward()
    assert net.scale.grad.dtype == np.float64
    np.testing.assert_allclose(net.scale.grad.data, 2 * before)
    assert net.float().scale.dtype == np.float32
    with pytest.raises(DtypeError, match="floats"):
        net.astype(int)


def test_state_dict_round_trip_is_by_copy():
    net, other = Outer(), Outer()
    state = net.state_dict()
    assert list(state) == [
        "scale", "tied", "layers.0.weight", "layers.0.bias", "first.mean", "first.count",
    ]  # fmt: skip
    state["scale"][...] = 7
    state["first.mean"][...] = 8
    assert net.scale.data[0] == 1
    arrays = other.scale.data, other.first.mean
    result = other.load_state_dict({**state, "scale": state["scale"].astype(np.float64)})
    assert result == ([], [])
    assert arrays[0] is other.scale.data
    assert arrays[0].dtype == np.float32
    assert (arrays[0] == 7).all()
    assert (arrays[1] == 8).all()
    np.testing.assert_array_equal(other.layers[0].weight.data, net.layers[0].weight.data)
    state["scale"][...] = 9
    assert other.scale.data[0] == 7


def test_K14_K15_everything_that_does_not_fit_is_listed_and_nothing_changed():
    net = Outer()
    before = net.state_dict()
    state = {**before, "scale": np.zeros(3), "first.count": np.array(1.5), "extra": np.zeros(1)}
    state["layers.0.bias"] = np.zeros(3)
    del state["tied"]
    with pytest.raises(CheckpointError) as caught:
        net.load_state_dict(state)
    text = str(caught.value)
    for part in (
        "missing: tied",
        "unexpected: extra",
        "scale: the model has float32[2], the state float64[3]",
        "first.count: the model has int64[], the state float64[]",
    ):
        assert part in text
    assert caught.value.fault == "K15"
    with pytest.raises(CheckpointError) as caught:
        net.load_state_dict(state, strict=False)
    assert caught.value.fault == "K14"
    assert "missing" not in str(caught.value)
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    loose = net.load_state_dict({"scale": np.array([3.0, 4.0]), "x": np.zeros(1)}, strict=False)
    assert loose.missing_keys == [n for n in before if n != "scale"]
    assert loose.unexpected_keys == ["x"]
    assert net.scale.tolist() == [3, 4]


def test_a_deep_copy_is_apart_and_keeps_its_ties():
    net = Outer()
    twin = copy.deepcopy(net)
    assert twin.tied is twin.first.weight
    assert twin.again is twin.first
    twin.scale.data[...] = 5
    assert net.scale.tolist() == [1, 2]
    assert list(twin.state_dict()) == list(net.state_dict())


def test_a_module_without_forward_says_so():
    class Lazy(nn.Module):
        pass

    with pytest.raises(UnsupportedError, match="Lazy must define forward"):
        Lazy()(1)


def test_C23_an_error_names_the_layer():
    net = nn.Sequential(nn.ReLU(), nn.Sequential({"fc": nn.Linear(4, 3)}))
    with pytest.raises(ShapeError) as caught:
        net(dgrad.Tensor(np.ones((2, 5), np.float32)))
    assert caught.value.__notes__ == [
        "in layer 1.fc: Linear(in_features=4, out_features=3, bias=True)"
    ]
    with pytest.raises(ShapeError) as caught:
        net[1][0](np.ones((2, 5), np.float32))
    assert caught.value.__notes__ == ["in layer Linear(in_features=4, out_features=3, bias=True)"]


def test_repr_shows_the_tree():
    net = nn.Sequential(nn.Linear(4, 3), nn.Sequential(nn.ReLU()), nn.Dropout(0.1))
    assert repr(net) == (
        "Sequential(\n"
        "  (0): Linear(in_features=4, out_features=3, bias=True)\n"
        "  (1): Sequential(\n"
        "    (0): ReLU()\n"
        "  )\n"
        "  (2): Dropout(p=0.1)\n"
        ")"
    )


def test_a_container_is_a_list_of_layers():
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    assert len(net) == 2
    assert list(net) == [net[0], net[-1]]
    assert net.append(nn.Tanh()) is net
    assert isinstance(net[-1], nn.Tanh)
    assert isinstance(net[1:], nn.Sequential)
    assert len(net[1:]) == 2
    net[1] = nn.Sigmoid()
    x = np.ones((1, 2), np.float32)
    h = dgrad.sigmoid(net[0](x).data)
    np.testing.assert_allclose(net(x).data, np.tanh(h), rtol=1e-6)
    named = nn.Sequential({"fc": nn.Linear(2, 2), "act": nn.ReLU()})
    assert named.fc is named[0]
    assert [n for n, _ in named.named_parameters()] == ["fc.weight", "fc.bias"]
    with pytest.raises(AttributeError, match="'fd'"):
        _ = named.fd
    assert nn.Sequential()(x) is x


def test_T32_a_module_is_freed_without_the_collector():
    gc.disable()
    try:
        net = Outer()
        net(dgrad.Tensor(np.ones((1, 2), np.float32))).sum().backward()
        alive = [weakref.ref(p) for p in net.parameters()]
        del net
        assert [ref() for ref in alive] == [None] * 4
    finally:
        gc.enable()


def test_the_readme_of_pytorch_users_runs():
    import dgrad.nn as nn
    import dgrad.optim as optim

    class Net(nn.Module):
        def __init__(self):
            super(Net, self).__init__()  # noqa: UP008 - as people write it
            self.fc1 = nn.Linear(784, 128)
            self.fc2 = nn.Linear(128, 10)

        def forward(self, x):
            x = dgrad.flatten(x, 1)
            x = self.fc1(x)
            x = dgrad.relu(x)
            x = self.fc2(x)
            return x

    def losses(seed):
        dgrad.manual_seed(seed)
        net = Net()
        criterion = nn.CrossEntropyLoss()
        optimizer = optim.SGD(net.parameters(), lr=0.1)
        rng = np.random.default_rng(0)
        x = dgrad.tensor(rng.normal(size=(64, 1, 28, 28)).astype(np.float32))
        y = dgrad.tensor(rng.integers(0, 10, 64))
        found = []
        for _ in range(5):
            optimizer.zero_grad()
            loss = criterion(net(x), y)
            loss.backward()
            optimizer.step()
            found.append(loss.item())
        return found

    first = losses(0)
    assert first[-1] < first[0] < 3
    assert losses(0) == first
    assert losses(1) != first
