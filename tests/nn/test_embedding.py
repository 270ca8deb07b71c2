"""Embeddings: what they start from, and tokens that they refuse."""

import numpy as np
import pytest

import dgrad
from dgrad import nn
from dgrad.errors import DtypeError, ShapeError
from tests.nn.cases.case import made


def test_D08_a_token_outside_the_table_is_told():
    with pytest.raises(ShapeError, match="index 5 is outside the table") as caught:
        nn.Embedding(5, 3)(dgrad.tensor([[1, 5]]))
    assert caught.value.fault == "D08"


def test_an_embedding_wants_whole_numbers():
    with pytest.raises(DtypeError, match="must be integers, got float32"):
        nn.Embedding(5, 3)(dgrad.tensor([[1.0, 2.0]]))


@pytest.mark.parametrize("shape", [(2, 6, 4), (2, 5, 3)])
def test_C23_positions_that_the_table_lacks_are_told(shape):
    layer = nn.PositionEmbedding(5, 4)
    assert layer(np.ones((2, 5, 4), np.float32)).shape == (2, 5, 4)
    with pytest.raises(ShapeError, match="the table has 5 of width 4"):
        layer(np.ones(shape, np.float32))


@pytest.mark.parametrize(
    "text",
    [
        "{embedding: {num_embeddings: 90, embedding_dim: 128, init: {normal: {std: 0.02}}}}",
        "{position_embedding: {context: 90, init: {normal: {std: 0.02}}}}",
    ],
)
def test_a_config_says_where_the_weight_starts(text):
    weight = made(text, (3, 128)).weight.data
    assert weight.shape == (90, 128)
    assert abs(weight.std() - 0.02) < 0.001
