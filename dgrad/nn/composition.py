"""Layers made of lists of layers: residual, repeat, parallel, block."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np

from dgrad.core.tensor import Tensor
from dgrad.errors import ParameterError, ShapeError
from dgrad.nn.activation import Tanh
from dgrad.nn.container import ModuleList, Sequential
from dgrad.nn.input_shapes import with_batch
from dgrad.nn.linear import Identity, Linear
from dgrad.nn.merge import Add, Concat, Multiply
from dgrad.nn.module import Example, Module
from dgrad.registry import Count, LayerList, layers

__all__ = ["Block", "Build", "Composite", "Parallel", "Repeat", "Residual"]

Build = Callable[..., tuple[Module, Tensor]]
"""build(layers, *inputs) -> (the module of a config's list of layers, what it makes of inputs)."""

_Layers = Annotated[Any, LayerList()]
_Branch = Annotated[Any, LayerList(may_be_empty=True)]


class Composite(Module):
    """Base of layers whose constructor takes modules that a config writes as lists of layers.

    A list may use results of layers outside of it; these come as further inputs of `forward`,
    which hands them on, in order, to every module. sees_outside: whether lists may do that.
    """

    sees_outside: ClassVar[bool] = True

    @classmethod
    def named_inputs(cls, arguments: Mapping[str, Any]) -> tuple[str, ...]:
        """What the lists call the values that the layer is given."""
        return ("input",)

    @classmethod
    def label(cls, arguments: Mapping[str, Any]) -> str:
        """What a layer of such arguments is called among its neighbours; "" for its kind."""
        return ""

    @classmethod
    @abstractmethod
    def compose(cls, build: Build, *inputs: Tensor, **arguments: Any) -> Self:
        """The layer for inputs such as these; in arguments a list of layers stands for a module.

        Raises ShapeError when what the lists make does not fit together.
        """


@layers.register("residual")
class Residual(Composite):
    """y = x + layers(x), or shortcut(x) + layers(x) where the shapes differ.   He et al. 2015.

    x: any shape that layers and shortcut bring to one shape; an empty shortcut is x itself.
    """

    def __init__(self, layers: _Layers, shortcut: _Branch | None = None) -> None:
        super().__init__()
        self.layers = layers
        self.shortcut = Identity() if shortcut is None else shortcut

    @classmethod
    def compose(cls, build: Build, *inputs: Tensor, **arguments: Any) -> Self:
        """Build both ways. Raises ShapeError unless their results have one shape."""
        body, out = build(arguments["layers"], *inputs)
        way: Module = Identity()
        kept = inputs[0]
        if arguments["shortcut"] is not None:
            way, kept = build(arguments["shortcut"], *inputs)
        if out.shape != kept.shape:
            made, there = with_batch(out.shape[1:]), with_batch(kept.shape[1:])
            raise ShapeError(
                f"residual: its layers make {made}, but what they are added to is {there}; end "
                f"them with a layer that makes {there}, or give it a shortcut that makes {made}"
            )
        return cls(body, way)

    def forward(self, x: Any, *others: Any) -> Any:
        """x: any shape -> the shape that layers make of it."""
        kept = x if type(self.shortcut) is Identity else self.shortcut(x, *others)
        return kept + self.layers(x, *others)

    @classmethod
    def example(cls, rng: np.random.Generator) -> Example:
        """tanh of four features, and a linear map of the same around it."""
        return (rng.normal(size=(3, 4)),), {"layers": Sequential(Linear(4, 4), Tanh())}


@layers.register("repeat")
class Repeat(Composite):
    """The layers `times` times, one after the other, each time with weights of their own.

    x: any shape that the layers take, again and again.
    """

    def __init__(self, times: Count, layers: _Layers) -> None:
        super().__init__()
        self.times = times
        if not isinstance(layers, ModuleList) or len(layers) != times:
            raise ParameterError("repeat", "layers", f"a ModuleList of {times}", layers)
        self.layers = layers

    @classmethod
    def compose(cls, build: Build, *inputs: Tensor, **arguments: Any) -> Self:
        """Build the layers again for what the time before made."""
        made = []
        x, *others = inputs
        for _ in range(arguments["times"]):
            module, x = build(arguments["layers"], x, *others)
            made.append(module)
        return cls(arguments["times"], ModuleList(made))

    def forward(self, x: Any, *others: Any) -> Any:
        """x: any shape -> what the layers make of it, the last time."""
        for layer in self.layers:
            x = layer(x, *others)
        return x

    def extra_repr(self) -> str:
        """How often."""
        return f"times={self.times}"

    @classmethod
    def example(cls, rng: np.random.Generator) -> Example:
        """Two linear maps."""
        made = ModuleList([Linear(4, 4), Linear(4, 4)])
        return (rng.normal(size=(3, 4)),), {"times": 2, "layers": made}


@layers.register("parallel")
class Parallel(Composite):
    """Several lists of layers on the same x, their results merged.   Szegedy et al. 2014.

    merge "add" and "multiply" take results of one shape, "concat" joins them along axis dim
    (1: channels or features). An empty branch is x itself.
    """

    _MERGES: ClassVar[dict[str, type[Module]]] = {"add": Add, "multiply": Multiply}

    def __init__(
        self,
        branches: list[_Branch],
        merge: Literal["add", "concat", "multiply"],
        dim: int = 1,
    ) -> None:
        super().__init__()
        if len(branches) < 2:
            raise ParameterError("parallel", "branches", "two lists of layers or more", branches)
        self.branches = ModuleList(branches)
        self.merge = Concat(dim) if merge == "concat" else self._MERGES[merge]()

    @classmethod
    def compose(cls, build: Build, *inputs: Tensor, **arguments: Any) -> Self:
        """Build every branch. Raises ShapeError when their results cannot be merged."""
        built = [build(branch, *inputs) for branch in arguments["branches"]]
        made = cls(**{**arguments, "branches": [module for module, _ in built]})
        outs = [out for _, out in built]
        made.merge.infer(*(out.shape[1:] for out in outs))
        made.merge(*outs)
        return made

    def forward(self, x: Any, *others: Any) -> Any:
        """x: any shape -> the merged results of the branches."""
        return self.merge(*[branch(x, *others) for branch in self.branches])

    @classmethod
    def example(cls, rng: np.random.Generator) -> Example:
        """A linear map beside x."""
        arguments = {"branches": [Linear(4, 2), Identity()], "merge": "concat"}
        return (rng.normal(size=(3, 4)),), arguments


@layers.register("block")
class Block(Composite):
    """A list of layers as one layer: what a use of one of the model's `blocks` becomes.

    inputs: what the list calls the values it is given; `name` names it among its neighbours.
    """

    arity: ClassVar[tuple[int, int | None]] = (1, None)
    sees_outside: ClassVar[bool] = False  # so that it is the same wherever it is used

    @classmethod
    def named_inputs(cls, arguments: Mapping[str, Any]) -> tuple[str, ...]:
        """As `inputs` says."""
        return tuple(arguments["inputs"])

    @classmethod
    def label(cls, arguments: Mapping[str, Any]) -> str:
        """As `name` says."""
        return str(arguments["name"])

    def __init__(
        self, layers: _Layers, inputs: tuple[str, ...] = ("input",), name: str = "block"
    ) -> None:
        super().__init__()
        self.layers = layers
        self.inputs = inputs
        self.name = name

    @classmethod
    def compose(cls, build: Build, *inputs: Tensor, **arguments: Any) -> Self:
        """Build the list."""
        module, _ = build(arguments["layers"], *inputs)
        return cls(**{**arguments, "layers": module})

    def forward(self, *inputs: Any) -> Any:
        """As many inputs as it names -> what the layers make of them."""
        return self.layers(*inputs)

    @classmethod
    def example(cls, rng: np.random.Generator) -> Example:
        """A linear map."""
        return (rng.normal(size=(3, 4)),), {"layers": Linear(4, 2)}
