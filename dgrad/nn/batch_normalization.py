"""Batch normalisation: each channel by its statistics in the batch, or by running ones."""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar

import numpy as np

from dgrad import ops
from dgrad.core.checkpoint import is_recomputing
from dgrad.core.tensor import Tensor, get_default_dtype
from dgrad.errors import ShapeError
from dgrad.nn.input_shapes import channels_of, show_sizes
from dgrad.nn.layer_normalization import weight_and_bias
from dgrad.nn.module import Module
from dgrad.registry import Count, Epsilon, Range, layers

__all__ = ["BatchNorm", "BatchNorm1d", "BatchNorm2d"]


@layers.register("batch_norm")
class BatchNorm(Module):
    """y = (x - mean) / sqrt(var + eps) * weight + bias, each channel by itself.

    x: (n, c), (n, c, l) or (n, c, h, w) -> same shape; weight, bias: (c,). In training, mean and
    biased variance are those of the batch, and the running ones go to them:
    running <- (1 - momentum) running + momentum of the batch (its variance unbiased); momentum
    null: the average over all batches so far. In eval mode the running ones are used. Training on
    one value per channel is a ShapeError (D11). track_running_stats false: always the batch's.
    Ioffe & Szegedy 2015; PyTorch's BatchNorm1d and 2d.
    """

    inferred: ClassVar[tuple[str, ...]] = ("num_features",)
    places: ClassVar[tuple[int, ...]] = (0, 1, 2)  # how many axes may follow the channels

    running_mean: np.ndarray | None
    running_var: np.ndarray | None
    num_batches_tracked: np.ndarray | None

    def __init__(
        self,
        num_features: Count,
        eps: Epsilon = 1e-5,
        momentum: Annotated[float, Range(0, 1)] | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        dtype = get_default_dtype()
        self.weight, self.bias = weight_and_bias((num_features,), affine, affine)
        tracked = track_running_stats
        self.register_buffer("running_mean", np.zeros(num_features, dtype) if tracked else None)
        self.register_buffer("running_var", np.ones(num_features, dtype) if tracked else None)
        self.register_buffer("num_batches_tracked", np.array(0) if tracked else None)

    def forward(self, x: Any) -> Any:
        """x: (n, c, ...) -> same shape."""
        mean, var = self.running_mean, self.running_var
        if not self.training and mean is not None:
            return ops.batch_norm_inference(x, mean, var, self.weight, self.bias, eps=self.eps)
        shape = np.shape(x)
        if self.training and len(shape) > 1 and shape[0] * math.prod(shape[2:]) == 1:
            raise ShapeError(
                f"batch_norm: x {shape} has one value per channel, which has no variance to train "
                f"on; give it batches of two rows or more",
                fault="D11",
            )
        if mean is None or not self.training:
            return ops.batch_norm(x, self.weight, self.bias, eps=self.eps)
        batch_mean, batch_var = ops.batch_statistics(x.data if isinstance(x, Tensor) else x)
        if not is_recomputing():
            self._track(batch_mean, batch_var, shape[0] * math.prod(shape[2:]))
        statistics = batch_mean, batch_var
        return ops.batch_norm(x, self.weight, self.bias, eps=self.eps, statistics=statistics)

    def _track(self, mean: np.ndarray, var: np.ndarray, count: int) -> None:
        """Move the running statistics to the batch's; as new arrays, since graphs keep the old."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked = np.asarray(self.num_batches_tracked + 1)
        share = 1 / int(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean = (1 - share) * self.running_mean
        self.running_mean += share * mean
        self.running_var = (1 - share) * self.running_var
        self.running_var += share * count / (count - 1) * var

    def extra_repr(self) -> str:
        """The channels, and what is not as by default."""
        shown = show_sizes(self, "num_features", eps=1e-5, momentum=0.1)
        shown += "" if self.weight is not None else ", affine=False"
        return shown + ("" if self.running_mean is not None else ", track_running_stats=False")

    @classmethod
    def infer(cls, *shapes: tuple[int, ...]) -> dict[str, Any]:
        """num_features: the length of the first axis after the batch. Raises ShapeError."""
        return {"num_features": channels_of("batch_norm", shapes[0], *cls.places)}

    @classmethod
    def example(cls, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Two channels."""
        return (rng.normal(size=(4, 2, 3)),), {}


class BatchNorm1d(BatchNorm):
    """BatchNorm of (n, c) or (n, c, l), by PyTorch's name; a config says `batch_norm`."""

    places = (0, 1)


class BatchNorm2d(BatchNorm):
    """BatchNorm of images (n, c, h, w), by PyTorch's name; a config says `batch_norm`."""

    places = (2,)
