"""Every registered layer: built from its signature, and against PyTorch."""

import numpy as np
import pytest

import dgrad
from dgrad import nn, registry
from dgrad.config.signature import parameters
from dgrad.errors import ConfigError, ParameterError, ShapeError
from tests.nn.cases import CASES, RANGES, SHAPES, Case
from tests.nn.cases.case import component, made

EVERY = [case for cases in CASES.values() for case in cases]
MODES = [(case, training) for case in EVERY for training in case.modes]


def label(value):
    """Cases are shown by their YAML."""
    return value.text if isinstance(value, Case) else None


def several(made):
    """The outputs of a layer as a list."""
    return list(made) if isinstance(made, tuple | list) else [made]


def weighted(outputs, make):
    """The sum of all outputs times fixed numbers, to walk back from; make: array -> tensor."""
    rng = np.random.default_rng(2)
    weights = [rng.normal(size=tuple(out.shape)) for out in outputs]
    return sum((out * make(w)).sum() for out, w in zip(outputs, weights, strict=True))


def ours(case, layer, dtype=np.float64):
    """All that a call of our layer and the walk back leave, name -> array."""
    inputs = [x.astype(dtype) if x.dtype.kind == "f" else x for x in case.arrays()]
    inputs = [dgrad.Tensor(x, requires_grad=x.dtype.kind == "f") for x in inputs]
    outputs = several(case.call(layer, *inputs))
    total = weighted(outputs, lambda w: w.astype(dtype))
    if total.requires_grad:
        total.backward()
    found = {f"output {i}": out for i, out in enumerate(outputs)}
    found |= {f"gradient of input {i}": x.grad for i, x in enumerate(inputs)}
    found |= {f"gradient of {name}": p.grad for name, p in layer.named_parameters()}
    found = {name: t.data for name, t in found.items() if t is not None}
    trained = {name for name, _ in layer.named_parameters()}
    return found | {k: v for k, v in layer.state_dict().items() if k not in trained}


def theirs(case, layer, state, torch):
    """The same of PyTorch's layer, started from `state`; gradients by our parameters' names."""
    trained = {name for name, _ in layer.named_parameters()}
    leaves = {k: torch.tensor(v, requires_grad=k in trained) for k, v in state.items()}
    buffers = {k: v for k, v in leaves.items() if k not in trained}
    inputs = [torch.tensor(x, requires_grad=x.dtype.kind == "f") for x in case.arrays()]
    module, given = case.torch_layer(torch).train(layer.training), case.state(dict(leaves))
    assert given.keys() == module.state_dict().keys()

    def called(*inputs):
        return torch.func.functional_call(module, given, inputs)

    outputs = several(case.call(called, *inputs))
    total = weighted(outputs, torch.tensor)
    if total.requires_grad:
        total.backward()
    found = {f"output {i}": out.detach() for i, out in enumerate(outputs)}
    found |= {f"gradient of input {i}": x.grad for i, x in enumerate(inputs)}
    found |= {f"gradient of {name}": leaves[name].grad for name in trained}
    return {name: t.numpy() for name, t in (found | buffers).items() if t is not None}


def test_every_layer_has_a_case():
    assert registry.layers.names() == sorted(CASES)
    for name, cases in CASES.items():
        assert {component(case.text).name for case in cases} == {name}


def test_every_argument_of_a_layer_is_set_by_a_case():
    for name, cases in CASES.items():
        cls = registry.layers[name]
        known = parameters(cls)
        defaults = {k: p.default() for k, p in known.items() if p.default}
        written = [component(case.text).arguments.items() for case in cases]
        set_by = {k for each in written for k, v in each if v != defaults.get(k)}
        assert set_by == known.keys() - {*cls.inferred}, name


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")  # torch's
@pytest.mark.parametrize(("case", "training"), MODES, ids=label)
def test_layer_agrees_with_pytorch(case, training):
    """Outputs, gradients of inputs and parameters, and what the call leaves in the buffers."""
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    layer = case.layer().train(training)
    state = layer.state_dict()
    found = ours(case, layer)
    expected = theirs(case, layer, state, torch)
    assert found.keys() == expected.keys()
    for name, value in found.items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-9, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("case", EVERY, ids=label)
def test_layer_keeps_its_state(case):
    layer, other = case.layer().eval(), made(case.text, *(x.shape[1:] for x in case.arrays()))
    other.double().eval().load_state_dict(layer.state_dict())
    mine, copied = ours(case, layer), ours(case, other)
    assert mine.keys() == copied.keys()
    for name, value in mine.items():
        np.testing.assert_array_equal(value, copied[name], err_msg=name)
    assert repr(layer).startswith(f"{type(layer).__name__}(")


@pytest.mark.parametrize("case", EVERY, ids=label)
def test_layer_in_float32_stays_there(case):
    """Outputs, gradients and buffers, all of them near those in float64."""
    exact = ours(case, case.layer().train(case.modes[0]))
    single = ours(case, case.layer().train(case.modes[0]).float(), np.float32)
    assert single.keys() == exact.keys()
    for name, value in single.items():
        assert value.dtype == (np.float32 if exact[name].dtype == np.float64 else value.dtype)
        np.testing.assert_allclose(value, exact[name], rtol=1e-4, atol=1e-4, err_msg=name)


@pytest.mark.parametrize(("text", "shapes", "words"), SHAPES)
def test_C23_inputs_that_do_not_fit_are_told(text, shapes, words):
    with pytest.raises(ShapeError, match=words):
        made(text, *shapes)


@pytest.mark.parametrize(("text", "parameter"), RANGES)
def test_C08_a_config_out_of_range_is_told(text, parameter):
    with pytest.raises(ConfigError) as caught:
        component(text).make()
    (problem,) = caught.value.problems
    assert problem.fault == "C08"
    assert parameter in problem.message


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-10), (np.float32, 1e-5)])
def test_mlp_gradients_agree_with_pytorch(dtype, tolerance):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    dgrad.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 3)).astype(dtype)
    theirs = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(12, 16), torch.nn.ReLU(), torch.nn.Linear(16, 3)
    ).to(torch.tensor(np.zeros(1, dtype)).dtype)
    theirs.load_state_dict({k: torch.tensor(v) for k, v in net.state_dict().items()})
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(32, 3, 4)).astype(dtype), rng.integers(0, 3, 32)
    ours_loss = nn.CrossEntropyLoss()(net(dgrad.Tensor(x)), y)
    theirs_loss = torch.nn.CrossEntropyLoss()(theirs(torch.tensor(x)), torch.tensor(y))
    ours_loss.backward()
    theirs_loss.backward()
    assert abs(ours_loss.item() - theirs_loss.item()) <= tolerance * theirs_loss.item()
    for p, q in zip(net.parameters(), theirs.parameters(), strict=True):
        assert p.grad.dtype == dtype
        scale = np.abs(q.grad.numpy()).max()
        np.testing.assert_allclose(p.grad.data, q.grad.numpy(), rtol=0, atol=tolerance * scale)


STARTS = [  # class, arguments: large, so that spreads are seen
    ("Linear", (100, 400)),
    ("Bilinear", (16, 50, 40)),
    ("Conv1d", (40, 60, 5)),
    ("Conv2d", (12, 60, 3)),
    ("Conv2d", (12, 60, 3, 1, 0, 1, 4)),
    ("ConvTranspose1d", (40, 60, 5)),
    ("ConvTranspose2d", (12, 60, 3, 1, 0, 0, 4)),
    ("PReLU", (7,)),
    ("BatchNorm2d", (7,)),
    ("GroupNorm", (2, 8)),
    ("LayerNorm", (7,)),
    ("RMSNorm", (7,)),
    ("Embedding", (400, 50, -3)),
    ("MultiheadAttention", (64, 4)),
    ("RNN", (4, 64)),
    ("GRU", (4, 64, 2)),
    ("LSTM", (4, 64)),
    ("RNNCell", (4, 64)),
    ("GRUCell", (4, 64)),
    ("LSTMCell", (4, 64)),
]


@pytest.mark.parametrize(("name", "arguments"), STARTS)
def test_weights_start_as_in_pytorch(name, arguments):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    torch.manual_seed(0)
    with dgrad.core.stream.at(0):
        mine = getattr(nn, name)(*arguments).state_dict()
    state = getattr(torch.nn, name)(*arguments).state_dict()
    assert list(mine) == list(state)
    for key, value in mine.items():
        expected = state[key].double().numpy()
        largest = np.abs(expected).max()
        assert (value.shape, value.dtype) == (expected.shape, state[key].numpy().dtype)
        np.testing.assert_array_equal(value.any(axis=-1), expected.any(axis=-1))
        if value.size > 1000:
            assert value.std() == pytest.approx(expected.std(), rel=0.1), key
        assert np.abs(value).max() == pytest.approx(largest, rel=0.1), key
        assert value.mean() == pytest.approx(expected.mean(), abs=0.3 * largest), key


def test_weights_start_by_the_seed():
    made = []
    for seed in (3, 3, 4):
        dgrad.manual_seed(seed)
        made.append(nn.Linear(10, 40).state_dict())
    for name, value in made[0].items():
        np.testing.assert_array_equal(value, made[1][name])
        assert not np.array_equal(value, made[2][name])


INITS = [  # as a config writes it, and the same in Python
    ("orthogonal", nn.init.orthogonal_),
    ("xavier_uniform: {gain: 2}", lambda t: nn.init.xavier_uniform_(t, 2.0)),
    ("normal: {std: 0.02}", lambda t: nn.init.normal_(t, std=0.02)),
    ("constant: 0.5", lambda t: nn.init.constant_(t, 0.5)),
    (
        "kaiming_normal: {mode: fan_out, nonlinearity: relu}",
        lambda t: nn.init.kaiming_normal_(t, mode="fan_out", nonlinearity="relu"),
    ),
]


@pytest.mark.parametrize(
    ("layer", "shape"),
    [("linear: {out_features: 5", (6,)), ("conv2d: {out_channels: 5, kernel_size: 3", (6, 4, 4))],
)
@pytest.mark.parametrize(("text", "scheme"), INITS)
def test_weights_start_as_the_config_says(layer, shape, text, scheme):
    init = f"{{{text}}}" if ":" in text else text
    built = made(f"{{{layer}, init: {init}}}}}", shape)
    with dgrad.core.stream.at(0):
        expected = scheme(nn.Parameter(np.empty(built.weight.shape, np.float32)))
    np.testing.assert_array_equal(built.weight.data, expected.data)
    assert not built.bias.data.any()


def test_an_init_is_a_name_or_a_function():
    ones = nn.Linear(3, 2, init=nn.init.ones_)
    np.testing.assert_array_equal(ones.weight.data, nn.Linear(3, 2, init="ones").weight.data)
    with pytest.raises(ConfigError, match=r"std: expected a number >= 0"):
        component("{linear: {out_features: 2, init: {normal: {std: -1}}}}")
    with pytest.raises(ConfigError) as caught:
        component("{linear: {out_features: 2, init: norml}}")
    assert caught.value.problems[0].hint.startswith('did you mean "normal"')


@pytest.mark.parametrize(
    ("make", "parameter"),
    [
        (lambda: nn.Linear(0, 3), "in_features"),
        (lambda: nn.Linear(3, 3, init="xavier"), "init"),
        (lambda: nn.Dropout(1.5), "p"),
        (lambda: nn.Dropout(float("nan")), "p"),
        (lambda: nn.Softplus(0.0), "beta"),
        (lambda: nn.Conv2d(4, 6, 3, groups=4), "groups"),
        (lambda: nn.Conv2d(6, 4, 3, groups=4), "groups"),
        (lambda: nn.Conv2d(1, 1, 3, stride=2, padding="same"), "stride"),
        (lambda: nn.GroupNorm(3, 4), "num_groups"),
        (lambda: nn.ConvTranspose2d(2, 2, 3, stride=2, output_padding=2), "output_padding"),
        (lambda: nn.ConvTranspose1d(2, 3, 3, groups=2), "groups"),
        (lambda: nn.Sequential(nn.ReLU), "layer 0"),
        (lambda: nn.Sequential({"a.b": nn.ReLU()}), "layer name"),
    ],
)
def test_C08_a_wrong_argument_is_named(make, parameter):
    with pytest.raises(ParameterError) as caught:
        make()
    assert caught.value.parameter == parameter


def test_E03_dropout_drops_in_training_only():
    layer = nn.Dropout(0.25)
    x = dgrad.Tensor(np.ones((200, 50), np.float32), requires_grad=True)
    dgrad.manual_seed(0)
    first, second = layer(x).data, layer(x).data
    dgrad.manual_seed(0)
    out = layer(x)
    np.testing.assert_array_equal(out.data, first)
    assert not np.array_equal(first, second)
    assert set(np.unique(first)) == {0, np.float32(1 / 0.75)}
    assert abs((first == 0).mean() - 0.25) < 0.02
    out.backward(np.ones(x.shape))
    np.testing.assert_array_equal(x.grad.data, first)
    assert layer.eval()(x) is x
    assert not nn.Dropout(1.0)(x).data.any()


def test_dropout2d_drops_whole_channels():
    layer, x = nn.Dropout2d(0.25), np.ones((60, 20, 2, 3), np.float32)
    dgrad.manual_seed(0)
    out = layer(dgrad.Tensor(x)).data
    assert set(np.unique(out)) == {0, np.float32(1 / 0.75)}
    assert (out == out[:, :, :1, :1]).all()
    assert abs((out == 0).mean() - 0.25) < 0.03


def test_E03_rrelu_draws_a_slope_for_each_element_in_training():
    layer = nn.RReLU(0.1, 0.3)
    x = dgrad.Tensor(np.full((200, 50), -1.0, np.float32), requires_grad=True)
    dgrad.manual_seed(0)
    first, second = -layer(x).data, -layer(x).data
    dgrad.manual_seed(0)
    out = layer(x)
    np.testing.assert_array_equal(-out.data, first)
    assert not np.array_equal(first, second)
    assert first.dtype == np.float32
    assert 0.1 <= first.min() < 0.101 < 0.299 < first.max() <= np.float32(0.3)
    assert abs(first.mean() - 0.2) < 0.002
    out.backward(np.ones(x.shape))
    np.testing.assert_array_equal(x.grad.data, first)
    positive = dgrad.tensor([0.0, 2.0])
    np.testing.assert_array_equal(layer(positive).data, positive.data)


def test_a_layer_takes_arrays_as_ops_do():
    x = np.ones((2, 3), np.float32)
    assert type(nn.ReLU()(x)) is np.ndarray
    assert type(nn.Dropout()(x)) is np.ndarray
    assert isinstance(nn.Linear(3, 2)(x), dgrad.Tensor)
