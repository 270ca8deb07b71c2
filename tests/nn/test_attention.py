"""MultiheadAttention beside PyTorch's: masks, weights, widths, what it sees and refuses."""

import numpy as np
import pytest

import dgrad
from dgrad import nn
from dgrad.errors import ConfigError, DtypeError, ParameterError, ShapeError
from tests.nn.cases.case import made

N, T, S, WIDTH, HEADS = 2, 3, 5, 8, 4
X = np.ones((1, 3, 4), np.float32)
RNG = np.random.default_rng(0)
HIDDEN = RNG.random((T, S)) < 0.4
HIDDEN[:, 0] = False
PADDING = np.array([[False] * 4 + [True], [False] * 5])
ADDED = RNG.normal(size=(T, S))
EACH = RNG.random((N * HEADS, T, S)) < 0.4
EACH[:, :, 0] = False
MASKS = {
    "none": {},
    "padding": {"key_padding_mask": PADDING},
    "boolean": {"attn_mask": HIDDEN},
    "floats": {"attn_mask": ADDED},
    "of each head": {"attn_mask": EACH},
    "floats of each head": {"attn_mask": np.where(EACH, -np.inf, 0.5)},
    "padding and boolean": {"key_padding_mask": PADDING, "attn_mask": HIDDEN},
    "padding and floats": {"key_padding_mask": PADDING, "attn_mask": ADDED},
    "padding and floats of each head": {
        "key_padding_mask": PADDING,
        "attn_mask": np.where(EACH, -np.inf, 0.5),
    },
}


def both(torch, **arguments):
    """PyTorch's layer, and ours with its state."""
    torch.manual_seed(0)
    theirs = torch.nn.MultiheadAttention(WIDTH, HEADS, batch_first=True, **arguments).double()
    ours = nn.MultiheadAttention(WIDTH, HEADS, **arguments).double()
    ours.load_state_dict({name: value.numpy() for name, value in theirs.state_dict().items()})
    return ours, theirs


def inputs(kdim=WIDTH, vdim=WIDTH):
    rng = np.random.default_rng(1)
    return [rng.normal(size=shape) for shape in ((N, T, WIDTH), (N, S, kdim), (N, S, vdim))]


def agree(torch, ours, theirs, arrays, masks, **options):
    """Results, weights, and gradients of the inputs and parameters."""
    mine = [dgrad.Tensor(x, requires_grad=True) for x in arrays]
    other = [torch.tensor(x, requires_grad=True) for x in arrays]
    given = {name: torch.tensor(mask) for name, mask in masks.items()}
    if len(given) == 2 and given["attn_mask"].is_floating_point():  # PyTorch wants one kind
        given["key_padding_mask"] = torch.tensor(np.where(PADDING, -np.inf, 0.0))
    found = [out for out in ours(*mine, **masks, **options) if out is not None]
    expected = [out for out in theirs(*other, **given, **options) if out is not None]
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a.data, b.detach().numpy(), rtol=1e-9, atol=1e-9)
    sum((out * out).sum() for out in found).backward()
    sum((out * out).sum() for out in expected).backward()
    mine += [p for _, p in sorted(ours.named_parameters())]
    other += [p for _, p in sorted(theirs.named_parameters())]
    for a, b in zip(mine, other, strict=True):
        np.testing.assert_allclose(a.grad.data, b.grad.numpy(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("masks", MASKS.values(), ids=MASKS)
@pytest.mark.parametrize(
    "options",
    [{}, {"need_weights": False}, {"average_attn_weights": False}],
    ids=["mean weights", "no weights", "all weights"],
)
def test_it_agrees_with_pytorch(masks, options):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    agree(torch, *both(torch), inputs(), masks, **options)


@pytest.mark.parametrize("widths", [(6, 7), (8, 7), (6, 8), (6, 6)])
@pytest.mark.parametrize("bias", [True, False])
def test_keys_and_values_may_have_other_widths(widths, bias):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    ours, theirs = both(torch, kdim=widths[0], vdim=widths[1], bias=bias)
    agree(torch, ours, theirs, inputs(*widths), {})


def test_a_config_says_where_the_weights_start():
    init = "init: {normal: {std: 0.02}}"
    for options, out_std in (
        (init, 0.02),
        (f"{init}, out_init: {{normal: {{std: 0.007}}}}", 0.007),
    ):
        layer = made(f"{{self_attention: {{num_heads: 2, {options}}}}}", (3, 128))
        assert abs(layer.in_proj_weight.data.std() - 0.02) < 0.001
        assert abs(layer.out_proj.weight.data.std() - out_std) < 0.001
        assert not layer.out_proj.bias.data.any()


@pytest.mark.parametrize("rotary", [False, True])
def test_a_causal_layer_does_not_see_the_future(rotary):
    text = f"{{self_attention: {{num_heads: 2, causal: true, rotary: {str(rotary).lower()}}}}}"
    layer = made(text, (6, 8)).double()
    x = dgrad.Tensor(np.random.default_rng(0).normal(size=(1, 6, 8)), requires_grad=True)
    for step in range(6):
        (g,) = dgrad.grad(layer(x)[:, step].sum(), x)
        assert g.data[:, : step + 1].any(axis=-1).all()
        assert not g.data[:, step + 1 :].any()


def test_rotary_attention_sees_distances_alone():
    layer = made("{self_attention: {num_heads: 2, rotary: true, causal: true}}", (6, 8)).double()
    x = np.random.default_rng(0).normal(size=(1, 6, 8))
    hidden = np.zeros((1, 9), bool)
    hidden[:, :3] = True
    later = layer(np.concatenate([x[:, :3], x], axis=1), hidden).data[:, 3:]
    np.testing.assert_allclose(later, layer(x).data, rtol=1e-9, atol=1e-9)


def test_what_is_padding_changes_nothing():
    layer = made("{self_attention: 2}", (5, 8)).double()
    x = np.random.default_rng(0).normal(size=(2, 5, 8))
    changed = np.where(PADDING[..., None], 1e3, x)
    seen = ~PADDING
    np.testing.assert_array_equal(layer(x, PADDING).data[seen], layer(changed, PADDING).data[seen])


def test_E03_dropout_of_weights_is_in_training_only_and_by_the_seed():
    layer = nn.MultiheadAttention(4, 2, dropout=0.25)
    x = np.ones((4, 100, 4), np.float32)

    def weights():
        dgrad.manual_seed(3)
        return layer(x, x, x, average_attn_weights=False)[1].data

    first = weights()
    np.testing.assert_array_equal(first, weights())
    assert abs((first == 0).mean() - 0.25) < 0.01
    np.testing.assert_allclose(first[first > 0], 0.01 / 0.75, rtol=1e-5)
    layer.eval()
    assert (weights() > 0).all()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{self_attention: 3}", "num_heads must be a divisor of the width 8, got 3"),
        ("{self_attention: {num_heads: 4, kv_heads: 3}}", "kv_heads must be a divisor of"),
        ("{self_attention: {num_heads: 8, rotary: true}}", "an even width for rotary, not 1"),
    ],
)
def test_C08_heads_that_do_not_divide_are_told(text, words):
    with pytest.raises(ConfigError, match=words):
        made(text, (5, 8))


def test_heads_that_do_not_divide_are_told_in_python():
    with pytest.raises(ParameterError, match="a divisor of the width 8"):
        nn.MultiheadAttention(8, 3)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((X, np.array([[1, 1, 0]])), DtypeError, "True where there is padding, got int64"),
        ((X, np.zeros((1, 4), bool)), ShapeError, r"must have shape \(1, 3\), got \(1, 4\)"),
        ((X[0],), ShapeError, r"SelfAttention: needs inputs \(batch, .*got \(3, 4\)"),
        ((X[..., :3],), ShapeError, r"linear: x \(1, 3, 3\) needs a weight"),
    ],
)
@pytest.mark.parametrize("rotary", [False, True])
def test_C23_inputs_that_do_not_fit_are_told(arguments, error, words, rotary):
    with pytest.raises(error, match=words):
        nn.SelfAttention(4, 2, rotary=rotary)(*arguments)
