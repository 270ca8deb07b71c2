"""One row of the layer table: a layer as a config writes it, its inputs, PyTorch's counterpart."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from dgrad import registry
from dgrad.config import yaml
from dgrad.config.layer_list import read_layers
from dgrad.config.marks import Problems
from dgrad.config.model import ModelBuilder
from dgrad.config.scalars import Spot
from dgrad.config.values import Component
from dgrad.config.wiring import wire
from dgrad.core import stream
from dgrad.core.modes import no_grad
from dgrad.core.tensor import Tensor
from dgrad.registry import LayerList

__all__ = ["Case", "component", "made"]

Inputs = tuple[tuple[int, ...], ...] | Callable[[np.random.Generator], tuple[np.ndarray, ...]]
State = dict[str, Any]


def _same_names(state: State) -> State:
    return state


def _call(module: Any, *inputs: Any) -> Any:
    return module(*inputs)


@dataclass(frozen=True)
class Case:
    """A layer, from its YAML, that PyTorch's layer of the same class name must agree with.

    inputs: shapes, batch axis included, of arrays of normal numbers; or a function of an rng that
    returns the arrays. theirs: makes PyTorch's layer of torch.nn and of all our arguments, those
    inferred too; by default its class has the same name and takes them by the same names, without
    what dgrad alone has. state: our state's tensors by name -> theirs; gradients pass through it.
    call: what our and their outputs are compared by; a tuple's parts each. modes: of training.
    """

    text: str
    inputs: Inputs
    theirs: Callable[[ModuleType, dict[str, Any]], Any] | None = None
    state: Callable[[State], State] = _same_names
    call: Callable[..., Any] = _call
    modes: tuple[bool, ...] = (True, False)

    def arrays(self, seed: int = 0) -> tuple[np.ndarray, ...]:
        """The inputs in float64 (or whole numbers)."""
        rng = np.random.default_rng(seed)
        if callable(self.inputs):
            return self.inputs(rng)
        return tuple(rng.normal(size=shape) for shape in self.inputs)

    def arguments(self) -> dict[str, Any]:
        """Everything that the layer's class is called with."""
        found = component(self.text)
        inferred = found.target.infer(*(x.shape[1:] for x in self.arrays()))
        return {**found.arguments, **inferred}

    def layer(self) -> Any:
        """The layer in float64; what would start as 0 or 1 is moved away from there."""
        layer = made(self.text, *(x.shape[1:] for x in self.arrays())).double()
        rng = np.random.default_rng(1)
        state = layer.state_dict()
        for name, value in state.items():
            if value.dtype.kind == "f":
                state[name] = value + 0.3 * rng.random(value.shape)
        layer.load_state_dict(state)
        return layer

    def torch_layer(self, torch: ModuleType) -> Any:
        """PyTorch's counterpart in float64."""
        arguments = self.arguments()
        if self.theirs is not None:
            return self.theirs(torch.nn, arguments).double()
        arguments.pop("init", None)
        name = registry.layers[component(self.text).name].__name__
        return getattr(torch.nn, name)(**arguments).double()


def component(text: str) -> Component:
    """What a config's `- text` in `model.layers` is read as. Raises ConfigError."""
    problems = Problems()
    node = yaml.parse(f"x: [{text}]", "run.yaml", None).entries["x"].value
    listed = read_layers(node, LayerList(), Spot(problems, "model.layers"))
    problems.raise_if_any()
    found = wire(listed, Problems())[0].component  # a layer of two inputs alone is not wired right
    assert found is not None
    return found


def made(text: str, *shapes: tuple[int, ...]) -> Any:
    """The layer that `text` writes, for inputs of these shapes, batch axes left out."""
    rows = [np.zeros((2, *shape)) for shape in shapes]
    with stream.at(0), no_grad():
        return ModelBuilder("float32").module(component(text), list(map(Tensor, rows)), ChainMap())
