"""Every registered optimizer: two functions to minimise, exact resuming, groups, errors."""

import copy
import tracemalloc

import numpy as np
import pytest

import dgrad
from dgrad import nn, optim, registry
from dgrad.config.signature import parameters
from dgrad.errors import CheckpointError, DtypeError, ParameterError, ShapeError
from tests.optim.cases import CASES, OPTIMIZERS, SHAPES, STEPWISE, gradients, run, values


def test_every_optimizer_has_a_case():
    assert registry.optimizers.names() == sorted(OPTIMIZERS)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_argument_of_an_optimizer_is_set_by_a_case(name):
    """But for lr, which every case sets."""
    known = parameters(registry.optimizers[name])
    defaults = {k: p.default() for k, p in known.items() if p.default}
    defaults = {k: list(v) if isinstance(v, tuple) else v for k, v in defaults.items()}
    written = [settings.items() for settings in OPTIMIZERS[name].settings]
    set_by = {k for each in written for k, v in each if v != defaults[k]}
    assert set_by | {"params", "lr"} == {*known}


@pytest.fixture(params=["together", "apart", "in slices"])
def joined(request, monkeypatch):
    """All parameters in one block, each in its own, or each cut into slices."""
    size = {"together": 2**19, "apart": 1, "in slices": 5}[request.param]
    monkeypatch.setattr("dgrad.optim.block.BLOCK", size)
    return request.param


@pytest.mark.parametrize(("name", "settings"), STEPWISE)
def test_together_and_apart_give_the_same_bits(name, settings, monkeypatch):
    found = []
    for size, small in ((2**19, 8192), (2**19, 0), (16, 8192), (5, 8192), (1, 8192)):
        monkeypatch.setattr("dgrad.optim.block.BLOCK", size)
        monkeypatch.setattr("dgrad.optim.block.SMALL", small)
        params = [nn.Parameter(v) for v in values(np.float32)]
        run(registry.optimizers[name](params, lr=0.05, **settings), params, range(6))
        found.append([p.data.copy() for p in params])
    for others in found[1:]:
        for a, b in zip(found[0], others, strict=True):
            assert a.dtype == np.float32
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_minimises_a_parabola_and_rosenbrock(name):
    case = OPTIMIZERS[name]

    def bowl(w):
        x, y = w[0, 0], w[0, 1]
        return (x - 1) * (x - 1) * 3 + (y + 2) * (y + 2)

    def valley(w):
        a, b = 1 - w[0, 0], w[0, 1] - w[0, 0] * w[0, 0]
        return a * a + b * b * 100

    for function, (settings, steps), minimum in (
        (bowl, case.bowl, [[1, -2]]),
        (valley, case.valley, [[1, 1]]),
    ):
        w = dgrad.tensor([[-1.2, 1.0]], dtype=np.float64, requires_grad=True)
        optimizer = registry.optimizers[name]([w], **settings)

        def closure(optimizer=optimizer, function=function, w=w):
            optimizer.zero_grad()
            loss = function(w)
            loss.backward()
            return loss

        first = function(w).item()
        for step in range(steps):
            optimizer.scale_lr(1 - step / steps)
            optimizer.step(closure)
        with optimizer.averaged():
            assert function(w).item() < 1e-3 < first
            np.testing.assert_allclose(w.data, minimum, atol=0.05)


@pytest.mark.parametrize("way", ["state_dict", "arrays"])
@pytest.mark.parametrize("stop", [0, 1, 7])
@pytest.mark.parametrize(("name", "settings"), CASES)
def test_resumed_is_not_resumed_bit_for_bit(name, settings, stop, way):
    cls = registry.optimizers[name]
    skip = {(0, 1), (5, 0)}  # counts of steps differ between parameters
    named = [str(i) for i in range(len(SHAPES))]
    settings = {"lr": 0.05, **settings}

    def made():
        params = [nn.Parameter(v) for v in values(np.float32)]
        groups = [{"params": params[:2]}, {"params": params[2:], "lr": 0.01}]
        return params, cls(params if cls.needs_closure else groups, **settings)

    whole, optimizer = made()
    run(optimizer, whole, range(12), skip=skip)
    before, optimizer = made()
    run(optimizer, before, range(stop), skip=skip)
    after, resumed = made()
    for p, q in zip(after, before, strict=True):
        p.data = q.data.copy()
    if way == "arrays":
        arrays = optimizer.state_arrays(zip(named, before, strict=True))
        resumed.load_state_arrays(arrays, zip(named, after, strict=True))
    else:
        resumed.load_state_dict(optimizer.state_dict())
    run(optimizer, before, range(stop, 12), skip=skip)
    run(resumed, after, range(stop, 12), skip=skip)
    for p, q, r in zip(whole, after, before, strict=True):
        np.testing.assert_array_equal(p.data, q.data)
        np.testing.assert_array_equal(p.data, r.data)
    counts = [
        [entry["step"] for entry in each.state_dict()["state"].values()]
        for each in (optimizer, resumed)
    ]
    assert counts[0] == counts[1]
    if not cls.needs_closure:
        assert counts[0] == [11, 11, *[12] * (len(SHAPES) - 2)]


@pytest.mark.usefixtures("joined")
@pytest.mark.parametrize(("name", "settings"), STEPWISE)
def test_gradients_are_only_read_and_parameters_stay_where_they_are(name, settings):
    params = [nn.Parameter(v) for v in values(np.float32)]
    optimizer = registry.optimizers[name](params, **settings)
    run(optimizer, params, range(2))
    arrays = [p.data for p in params]
    kept = gradients(2, np.float32)
    for p, g in zip(params, kept, strict=True):
        p.grad = g
    optimizer.step()
    for p, array, g, same in zip(params, arrays, kept, gradients(2, np.float32), strict=True):
        assert p.data is array
        assert p.grad.data is g
        np.testing.assert_array_equal(g, same)


@pytest.mark.usefixtures("joined")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_update_is_given_arrays_of_one_shape_and_dtype(dtype):
    class Recorder(optim.Optimizer):
        scratch = 3

        def __init__(self, params, lr=1.0):
            super().__init__(params, {"lr": lr})

        def slots(self, group):
            return ("sum",)

        def update(self, p, g, state, group):
            arrays = [p, g, state["sum"], *state.scratch]
            assert {(a.shape, a.dtype) for a in arrays} == {(p.shape, np.dtype(dtype))}
            assert len(state.scratch) == 3
            state["sum"] += g
            p -= group["lr"] * g

    params = [nn.Parameter(v) for v in values(dtype)]
    optimizer = Recorder(params)
    run(optimizer, params, range(3), skip={(1, 0)})
    state = optimizer.state_dict()["state"]
    assert [entry["step"] for entry in state.values()] == [2, *[3] * (len(SHAPES) - 1)]
    expected = gradients(0, dtype)[0] + gradients(2, dtype)[0]
    np.testing.assert_allclose(state[0]["sum"], expected, rtol=1e-6)
    run(optimizer, params, [3])
    np.testing.assert_allclose(state[0]["sum"], expected, rtol=1e-6)  # it was a copy


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_an_elementwise_step_allocates_no_arrays(name, settings):
    if not registry.optimizers[name].elementwise:
        pytest.skip("it may compute with whole matrices")
    params = [nn.Parameter(np.ones(shape)) for shape in ((100, 1000), (4000,), (4000,))]
    optimizer = registry.optimizers[name](params, **settings)
    for p in params:
        p.grad = np.ones(p.shape)
    optimizer.step()
    tracemalloc.start()
    optimizer.step()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * 4000


def test_parameters_stay_where_the_first_step_puts_them():
    w, b = nn.Parameter(np.zeros((100, 100), np.float32)), nn.Parameter(np.zeros(3, np.float32))
    before = w.data
    optimizer = optim.SGD([w, b], lr=0.5)
    for p in (w, b):
        p.grad = np.ones(p.shape, np.float32)
    optimizer.step()
    data = w.data
    optimizer.step()
    assert w.data is data
    assert (before == 0).all()
    assert (data == -1).all()
    assert (b.data == -1).all()


@pytest.mark.usefixtures("joined")
def test_values_put_into_a_parameter_between_steps_count():
    a, b = (nn.Parameter(np.zeros(2, np.float32)) for _ in range(2))
    optimizer = optim.SGD([a, b], lr=1.0)
    a.grad = b.grad = np.ones(2, np.float32)
    optimizer.step()
    a.data = np.array([10, 20], np.float32)
    b.data[...] = 5
    optimizer.step()
    assert a.tolist() == [9, 19]
    assert b.tolist() == [4, 4]
    a.data = a.data.astype(np.float64)
    a.requires_grad_(False).requires_grad_()
    a.grad = np.ones(2)
    with pytest.raises(DtypeError, match="make a new optimizer"):
        optimizer.step()
    a.grad, a.data = None, np.zeros(3, np.float32)
    a.grad = np.ones(3, np.float32)
    with pytest.raises(ShapeError, match="make a new optimizer"):
        optimizer.step()


def test_parameters_of_two_dtypes_keep_them():
    params = [nn.Parameter(np.zeros(3, dtype)) for dtype in (np.float32, np.float64, np.float32)]
    optimizer = optim.Adam(params, lr=0.1)
    for p in params:
        p.grad = np.full(3, 1e-3, p.dtype)
    optimizer.step()
    assert [p.dtype for p in params] == [np.float32, np.float64, np.float32]
    np.testing.assert_allclose([p.data for p in params], np.full((3, 3), -0.1), rtol=1e-4)


def test_a_model_may_change_dtype_before_the_first_step():
    net = nn.Linear(3, 2)
    optimizer = optim.Adam(net.parameters())
    net.double()(dgrad.Tensor(np.ones((1, 3)))).sum().backward()
    optimizer.step()
    assert {
        a.dtype for a in optimizer.state_dict()["state"][0].values() if hasattr(a, "dtype")
    } == {np.dtype(np.float64)}


@pytest.mark.parametrize("way", ["state_dict", "arrays", "load"])
@pytest.mark.parametrize(("name", "settings"), CASES)
def test_asking_for_the_state_does_not_bind_a_model_to_its_dtype(name, settings, way):
    net = nn.Linear(3, 2)
    optimizer = registry.optimizers[name](net.parameters(), **settings)
    if way == "arrays":
        optimizer.state_arrays(net.named_parameters())
    else:
        state = optimizer.state_dict()
        if way == "load":
            optimizer.load_state_dict(state)
    net.double()(dgrad.Tensor(np.ones((1, 3)))).sum().backward()
    optimizer.step(lambda: 0.0)
    arrays = optimizer.state_arrays(net.named_parameters())
    assert {a.dtype for a in arrays.values()} <= {np.dtype(np.float64), np.dtype(np.int64)}
    assert [int(arrays[f"step.{k}"]) for k in ("weight", "bias")] == [1, 1]


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_a_loaded_state_is_what_the_optimizer_has_until_the_first_step(name, settings):
    params = [nn.Parameter(v) for v in values()]
    optimizer = registry.optimizers[name](params, **settings)
    run(optimizer, params, range(3), skip={(1, 0)})
    named = [(str(i), p) for i, p in enumerate(params)]
    arrays = optimizer.state_arrays(named)
    given = {key: array.copy() for key, array in arrays.items()}
    again = registry.optimizers[name](params, **settings)
    again.load_state_arrays(given, named)
    for array in given.values():
        array[...] = 0  # they were copied
    found = again.state_arrays(named)
    assert list(found) == list(arrays)
    for key, array in arrays.items():
        np.testing.assert_array_equal(found[key], array)


def test_groups_have_their_own_settings_and_may_come_late():
    a, b, c = (nn.Parameter(np.zeros(2, np.float32)) for _ in range(3))
    optimizer = optim.SGD([{"params": [a]}, {"params": b, "lr": 0.5}], lr=1.0, momentum=0.5)
    for p in (a, b, c):
        p.grad = np.ones(2, np.float32)
    optimizer.step()
    optimizer.add_param_group({"params": [c], "momentum": 0.0})
    optimizer.step()
    assert a.tolist() == [-2.5, -2.5]  # the velocity went on through the new group
    assert b.tolist() == [-1.25, -1.25]
    assert c.tolist() == [-1, -1]
    optimizer.scale_lr(0.1)
    assert [g["lr"] for g in optimizer.param_groups] == [0.1, 0.05, 0.1]
    optimizer.scale_lr(1.0)
    assert [g["lr"] for g in optimizer.param_groups] == [1.0, 0.5, 1.0]
    assert "group 1: 1 parameters, lr=0.5, momentum=0.5" in repr(optimizer)


def test_a_frozen_parameter_stays_and_the_others_move():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    net[0].requires_grad_(False)
    before = net.state_dict()
    optimizer = optim.AdamW(net.parameters())
    for _ in range(2):
        optimizer.zero_grad()
        net(dgrad.Tensor(np.ones((1, 2), np.float32))).sum().backward()
        optimizer.step()
    after = net.state_dict()
    assert [np.array_equal(after[k], before[k]) for k in before] == [True, True, False, False]
    steps = optimizer.state_arrays(net.named_parameters())
    assert [int(steps[f"step.{k}"]) for k in before] == [0, 0, 2, 2]


def leaf():
    return nn.Parameter([1.0])


@pytest.mark.parametrize(
    ("make", "parameter"),
    [
        (lambda: optim.SGD([]), "params"),
        (lambda: optim.SGD(iter(())), "params"),
        (lambda: optim.SGD([{"params": []}]), "params"),
        (lambda: optim.SGD(leaf()), "params"),
        (lambda: optim.SGD({leaf()}), "params"),
        (lambda: optim.SGD(nn.Linear(1, 1)), "params"),
        (lambda: optim.SGD([nn.Linear(1, 1)]), "params"),
        (lambda: optim.SGD([np.ones(1)]), "params"),
        (lambda: optim.SGD([leaf() * 2]), "params"),
        (lambda: optim.SGD([leaf()] * 2), "params"),
        (lambda: optim.SGD([{"params": [p]} for p in [leaf()] * 2]), "params"),
        (lambda: optim.SGD([{"params": [leaf()], "lrr": 1}]), "a group's setting"),
        (lambda: optim.SGD([{"params": [leaf()], "lr": -1.0}]), "lr"),
        (lambda: optim.SGD([{"params": [leaf()], "nesterov": True}]), "nesterov"),
        (lambda: optim.SGD([leaf()], nesterov=True), "nesterov"),
        (lambda: optim.SGD([leaf()], momentum=0.9, dampening=0.1, nesterov=True), "nesterov"),
        (lambda: optim.SGD([leaf()], lr=-1.0), "lr"),
        (lambda: optim.SGD([leaf()], lr=float("nan")), "lr"),
        (lambda: optim.SGD([leaf()], momentum=1.0), "momentum"),
        (lambda: optim.Adam([leaf()], betas=(0.9, 1.0)), "betas"),
        (lambda: optim.Adam([leaf()], eps=-1e-8), "eps"),
        (lambda: optim.AdamW([leaf()], weight_decay=-0.1), "weight_decay"),
    ],
)
def test_C08_a_wrong_argument_is_named(make, parameter):
    with pytest.raises(ParameterError) as caught:
        make()
    assert caught.value.parameter == parameter


def test_K17_a_state_that_does_not_fit_is_listed_and_nothing_changed():
    net = nn.Linear(3, 2)
    optimizer = optim.Adam(net.parameters(), lr=0.1)
    net(np.ones((1, 3), np.float32)).sum().backward()
    optimizer.step()
    good = optimizer.state_arrays(net.named_parameters())
    assert sorted(good) == sorted(
        f"{slot}.{name}"
        for slot in ("step", "exp_avg", "exp_avg_sq")
        for name in ("weight", "bias")
    )
    bad = {**good, "exp_avg.bias": np.zeros(5, np.float32), "momentum_buffer.bias": np.zeros(2)}
    bad["exp_avg_sq.bias"] = good["exp_avg_sq.bias"].astype(np.float64)
    del bad["step.weight"]
    with pytest.raises(CheckpointError) as caught:
        optimizer.load_state_arrays(bad, net.named_parameters())
    assert caught.value.fault == "K17"
    for part in (
        "missing: step.weight",
        "exp_avg.bias: expected float32[2], got float32[5]",
        "exp_avg_sq.bias: expected float32[2], got float64[2]",
        "unexpected: momentum_buffer.bias",
    ):
        assert part in str(caught.value)
    for key, value in optimizer.state_arrays(net.named_parameters()).items():
        np.testing.assert_array_equal(value, good[key])
    other = optim.SGD(nn.Linear(3, 2).parameters(), momentum=0.9, lr=0.5)
    with pytest.raises(CheckpointError, match="exp_avg"):
        other.load_state_dict(optimizer.state_dict())
    assert other.param_groups[0]["lr"] == 0.5
    with pytest.raises(
        CheckpointError, match=r"groups of \[2\] parameters, this optimizer of \[1\]"
    ):
        optim.Adam([leaf()]).load_state_dict(optimizer.state_dict())
    with pytest.raises(ParameterError, match="names of all"):
        optimizer.state_arrays([("weight", net.weight)])


def test_a_deep_copy_of_an_optimizer_moves_its_own_parameters():
    p, q = nn.Parameter(np.ones(2)), nn.Parameter(np.ones(2))
    first = optim.SGD([p, q], lr=1.0)
    p.grad = q.grad = np.ones(2)
    first.step()
    second = copy.deepcopy(first)
    p2, q2 = second.param_groups[0]["params"]
    p2.grad = q2.grad = np.ones(2)
    second.step()
    assert p.data.tolist() == q.data.tolist() == [0, 0]
    assert p2.data.tolist() == q2.data.tolist() == [-1, -1]


def test_exchanged_and_restored_data_keep_their_values():
    p, q = nn.Parameter(np.array([1.0, 1.0])), nn.Parameter(np.array([2.0, 2.0]))
    optimizer = optim.SGD([p, q], lr=0.1)
    p.grad = q.grad = np.zeros(2)
    optimizer.step()
    p.data, q.data = q.data, p.data
    optimizer.step()
    assert (p.data.tolist(), q.data.tolist()) == ([2, 2], [1, 1])
    backup = p.data
    p.data = np.array([7.0, 7.0])
    optimizer.step()
    assert backup.tolist() == [2, 2]
    p.data = backup
    optimizer.step()
    assert p.data.tolist() == [2, 2]
