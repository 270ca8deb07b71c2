"""Activation functions made of pieces: ReLU and its relatives, shrinkage."""

from __future__ import annotations

from typing import Any

import numpy as np

from dgrad import ops
from dgrad.core.stream import current, generator
from dgrad.core.tensor import Tensor, array_of, get_default_dtype
from dgrad.errors import ParameterError
from dgrad.nn.elementwise import Elementwise
from dgrad.nn.module import Module, Parameter
from dgrad.registry import Count, NonNegative, Positive, layers

__all__ = [
    "CELU",
    "ELU",
    "SELU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "PReLU",
    "RReLU",
    "ReLU",
    "ReLU6",
    "Softshrink",
    "Threshold",
]


@layers.register("relu")
class ReLU(Elementwise):
    """y = max(x, 0).   x: any shape -> same shape."""

    op = ops.relu


@layers.register("relu6")
class ReLU6(Elementwise):
    """y = min(max(x, 0), 6).   x: any shape -> same shape. Howard et al. 2017."""

    op = ops.relu6


@layers.register("leaky_relu")
class LeakyReLU(Elementwise):
    """y = x where x > 0, else negative_slope x.   x: any shape -> same shape. Maas et al. 2013."""

    op = ops.leaky_relu

    def __init__(self, negative_slope: float = 0.01) -> None:
        super().__init__(negative_slope=negative_slope)


@layers.register("prelu")
class PReLU(Module):
    """y = x where x > 0, else weight x, the slope learned. He et al. 2015.

    x: any shape -> same shape. weight: (num_parameters,), filled with init: one slope for all, or
    one for each channel (axis 1).
    """

    def __init__(self, num_parameters: Count = 1, init: float = 0.25) -> None:
        super().__init__()
        self.num_parameters = num_parameters
        self.weight = Parameter(np.full(num_parameters, init, get_default_dtype()))

    def forward(self, x: Any) -> Tensor:
        """x: any shape -> same shape."""
        return ops.prelu(x, self.weight)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        """How many slopes."""
        return f"num_parameters={self.num_parameters}"


@layers.register("rrelu")
class RReLU(Module):
    """y = x where x > 0, else a x, a drawn from U(lower, upper) for each element in training.

    x: any shape -> same shape. In eval mode a = (lower + upper) / 2. Each call draws the next key
    of dgrad's stream. Xu et al. 2015; PyTorch's RReLU.
    """

    def __init__(self, lower: float = 1 / 8, upper: float = 1 / 3) -> None:
        super().__init__()
        if not lower <= upper:
            raise ParameterError("rrelu", "upper", f"at least lower = {lower}", upper)
        self.lower, self.upper = lower, upper

    def forward(self, x: Any) -> Any:
        """x: any shape -> same shape."""
        if not self.training:
            return ops.leaky_relu(x, negative_slope=(self.lower + self.upper) / 2)
        values = array_of(x)
        slopes = np.empty_like(values)  # in memory as x lies, so that y does
        slopes[...] = generator(current().key()).uniform(self.lower, self.upper, values.shape)
        return np.where(values > 0, x, x * slopes)

    def extra_repr(self) -> str:
        """The slopes' bounds."""
        return f"lower={self.lower}, upper={self.upper}"


@layers.register("elu")
class ELU(Elementwise):
    """y = x where x > 0, else alpha (exp(x) - 1).   x: any shape -> same shape.

    Clevert et al. 2015.
    """

    op = ops.elu

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__(alpha=alpha)


@layers.register("celu")
class CELU(Elementwise):
    """y = x where x > 0, else alpha (exp(x / alpha) - 1).   x: any shape -> same shape.

    Barron 2017.
    """

    op = ops.celu

    def __init__(self, alpha: Positive = 1.0) -> None:
        super().__init__(alpha=alpha)


@layers.register("selu")
class SELU(Elementwise):
    """y = s x where x > 0, else s a (exp(x) - 1); s and a keep mean 0 and variance 1.

    x: any shape -> same shape. Klambauer et al. 2017.
    """

    op = ops.selu


@layers.register("hardtanh")
class Hardtanh(Elementwise):
    """y = min(max(x, min_val), max_val), min_val < max_val.   x: any shape -> same shape."""

    op = ops.hardtanh

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0) -> None:
        if not min_val < max_val:
            raise ParameterError("hardtanh", "max_val", f"above min_val = {min_val}", max_val)
        super().__init__(min_val=min_val, max_val=max_val)


@layers.register("hardsigmoid")
class Hardsigmoid(Elementwise):
    """y = min(max(x / 6 + 1 / 2, 0), 1).   x: any shape -> same shape. Howard et al. 2019."""

    op = ops.hardsigmoid


@layers.register("hardswish")
class Hardswish(Elementwise):
    """y = x min(max(x / 6 + 1 / 2, 0), 1).   x: any shape -> same shape. Howard et al. 2019."""

    op = ops.hardswish


@layers.register("softshrink")
class Softshrink(Elementwise):
    """y = x moved towards 0 by lambd, and no further than 0.   x: any shape -> same shape."""

    op = ops.softshrink

    def __init__(self, lambd: NonNegative = 0.5) -> None:
        super().__init__(lambd=lambd)


@layers.register("hardshrink")
class Hardshrink(Elementwise):
    """y = x where |x| > lambd, else 0.   x: any shape -> same shape."""

    op = ops.hardshrink

    def __init__(self, lambd: NonNegative = 0.5) -> None:
        super().__init__(lambd=lambd)


@layers.register("threshold")
class Threshold(Elementwise):
    """y = x where x > threshold, else value.   x: any shape -> same shape."""

    op = ops.threshold

    def __init__(self, threshold: float, value: float) -> None:
        super().__init__(threshold=threshold, value=value)

    @classmethod
    def example(cls, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """What is below 0.1 becomes 20."""
        return (rng.normal(size=(3, 4)),), {"threshold": 0.1, "value": 20.0}
