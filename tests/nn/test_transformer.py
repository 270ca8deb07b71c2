"""Transformer blocks: what reaches attention, where dropout is, what is refused."""

import numpy as np
import pytest

import dgrad
from dgrad import nn
from tests.nn.cases.case import made

X = np.random.default_rng(0).normal(size=(2, 4, 8))


def test_options_reach_attention_and_weights():
    text = (
        "{transformer_block: {nhead: 4, kv_heads: 2, rotary: true, causal: true, "
        "init: {normal: {std: 0.02}}, out_init: zeros}}"
    )
    layer = made(text, (4, 8))
    attention = layer.self_attn
    assert (attention.kv_heads, attention.rotary, attention.causal) == (2, True, True)
    assert abs(attention.in_proj_weight.data.std() - 0.02) < 0.003
    assert abs(layer.linear1.weight.data.std() - 0.02) < 0.001
    assert not layer.linear2.weight.data.any()
    assert not attention.out_proj.weight.data.any()


@pytest.mark.parametrize("norm_first", [True, False])
def test_a_decoder_does_not_see_its_own_future(norm_first):
    layer = nn.TransformerDecoderLayer(8, 2, 16, 0.0, norm_first=norm_first).double()
    x = dgrad.Tensor(X, requires_grad=True)
    weights = np.random.default_rng(1).normal(size=8)
    for step in range(4):
        (g,) = dgrad.grad((layer(x, X)[:, step] * weights).sum(), x)
        assert g.data[:, : step + 1].any(axis=-1).all()
        assert not g.data[:, step + 1 :].any()


@pytest.mark.parametrize("name", ["transformer_block", "transformer_decoder_block"])
def test_the_number_of_heads_is_all_that_a_config_must_say(name):
    layer = made(f"{{{name}: 2}}", *[(4, 8)] * (1 + ("decoder" in name)))
    assert layer.self_attn.num_heads == 2
    assert layer.linear1.weight.shape == (2048, 8)
    assert layer.dropout.p == 0.1


def test_a_memory_may_have_another_width():
    layer = made("{transformer_decoder_block: 2}", (4, 8), (3, 5))
    assert layer.multihead_attn.k_proj_weight.shape == (8, 5)


def test_E03_dropout_is_in_four_places_and_in_training():
    layer = nn.TransformerEncoderLayer(8, 2, 16, 0.5).double()
    dgrad.manual_seed(0)
    first = layer(X).data
    drawn = dgrad.core.stream.current().number
    assert drawn == 4  # of attention's weights, of its result, inside the network, of its result
    dgrad.manual_seed(0)
    np.testing.assert_array_equal(layer(X).data, first)
    layer.eval()
    assert not np.allclose(layer(X).data, first)
    np.testing.assert_array_equal(layer(X).data, layer(X).data)
