"""Embeddings: a trained vector for every token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from dgrad import ops
from dgrad.core.tensor import Tensor
from dgrad.errors import ParameterError
from dgrad.nn import init as initialise
from dgrad.nn.init import Init
from dgrad.nn.module import Module, Parameter
from dgrad.registry import Count, layers

__all__ = ["Embedding"]


@layers.register("embedding")
class Embedding(Module):
    """y = weight[x].   x: integers of any shape -> (*x.shape, embedding_dim).

    weight: (num_embeddings, embedding_dim), from N(0, 1) unless init says otherwise. Row
    padding_idx starts at 0 and gets no gradient. A token outside 0 to num_embeddings - 1 is a
    ShapeError D08.
    """

    from_data: ClassVar[Mapping[str, str]] = {"num_embeddings": "vocab"}

    def __init__(
        self,
        num_embeddings: Count,
        embedding_dim: Count,
        padding_idx: int | None = None,
        *,
        init: Init | None = None,
    ) -> None:
        super().__init__()
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            expected = f"a row, from {-num_embeddings} to {num_embeddings - 1}"
            raise ParameterError("embedding", "padding_idx", expected, padding_idx)
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        self.weight = Parameter.empty(num_embeddings, embedding_dim)
        initialise.fill("embedding", self.weight, init or "normal")
        if self.padding_idx is not None:
            self.weight.data[self.padding_idx] = 0.0

    def forward(self, x: Any) -> Tensor:
        """x: integers of any shape -> (*x.shape, embedding_dim)."""
        return ops.embedding(  # type: ignore[no-any-return]
            self.weight, x, padding_idx=self.padding_idx
        )

    def extra_repr(self) -> str:
        """The sizes, and the row that stays as it is."""
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"

    @classmethod
    def example(cls, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Two sentences of three words."""
        words = rng.integers(0, 5, size=(2, 3))
        return (words,), {"num_embeddings": 5, "embedding_dim": 4}
