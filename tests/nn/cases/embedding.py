"""Embeddings."""

import numpy as np

from tests.nn.cases.case import Case


def words(rng):
    """Two sentences of four words; one word twice, one never."""
    return (np.array([[0, 2, 4, 2], [1, 1, 4, 2]]),)


CASES = {
    "embedding": [
        Case("{embedding: {num_embeddings: 5, embedding_dim: 3}}", words),
        Case("{embedding: {num_embeddings: 5, embedding_dim: 3, padding_idx: 2}}", words),
        Case("{embedding: {num_embeddings: 5, embedding_dim: 3, init: orthogonal}}", words),
        Case("{embedding: {num_embeddings: 5, embedding_dim: 3, padding_idx: -1}}", words),
    ],
}
RANGES = [
    ("{embedding: {num_embeddings: 0, embedding_dim: 3}}", "num_embeddings"),
    ("{embedding: {num_embeddings: 5, embedding_dim: 3, padding_idx: 5}}", "padding_idx"),
]
