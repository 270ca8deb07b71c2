"""The model of a config: every layer built for, and tried on, what the ones before make of rows."""

from __future__ import annotations

import copy
import functools
from collections import ChainMap
from collections.abc import Sequence
from typing import Any

import numpy as np

from dgrad.config.document import Config
from dgrad.config.layer_list import Layer, LayerList
from dgrad.config.marks import refuse
from dgrad.config.places import place
from dgrad.config.values import Component
from dgrad.config.wiring import captured_by, inputs_of, lists_in
from dgrad.core import stream
from dgrad.core.backward import grad
from dgrad.core.modes import no_grad
from dgrad.core.tensor import Tensor
from dgrad.errors import ConfigError, DtypeError, Problem, ResourceError, ShapeError
from dgrad.nn.composition import Composite
from dgrad.nn.container import Sequential
from dgrad.nn.graph import Graph
from dgrad.nn.input_shapes import with_batch
from dgrad.nn.linear import Identity
from dgrad.nn.module import Module, Parameter, evaluating

__all__ = ["ModelBuilder", "build_model", "refuse_lone_row", "without_gradient"]

MOST_LAYERS = 5_000  # repeats within repeats multiply; 96 blocks of GPT-3 have about 1,000


def build_model(config: Config, rows: np.ndarray) -> tuple[Module, Tensor]:
    """The model, and what it makes of `rows` in evaluation mode, recorded for a backward.

    config: without references. rows: (n, ...), a few inputs as training will give them; every
    layer is built for, and tried on, what the ones before make of them. Parameters depend on
    config.seed alone. Raises ConfigError at the layer that cannot be built (C23, C24, T41).
    """
    layers = config.model.layers
    # Values that are not finite are found in training.
    with stream.at(config.seed), np.errstate(all="ignore"):
        with no_grad():
            builder = ModelBuilder(config.train.dtype)
            model, _ = builder.make(layers, ("input",), [Tensor(rows)], ChainMap())
        with evaluating(model):
            return model, model(Tensor(rows))


class ModelBuilder:
    """Makes modules of lists of layers, with parameters of `dtype`."""

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype
        self.made = 0  # layers, so far

    def make(
        self,
        listed: LayerList,
        names: Sequence[str],
        inputs: Sequence[Tensor],
        modules: ChainMap[str, Module],
    ) -> tuple[Module, Tensor]:
        """The module of a list, and what it makes of inputs, which it calls names.

        modules: the layers that `tie` and `reuse` may mean, by id; those of the list are added.
        """
        wiring = listed.wiring
        assert wiring is not None
        values = dict(zip(names, inputs, strict=True))
        layers: dict[str, Module] = {}
        wires = zip(listed, wiring.labels, wiring.sources, strict=True)
        for layer, label, sources in wires:
            taken = [values[name] for name in sources]
            layers[label], values[label] = self._layer(layer, taken, modules)
            if layer.id is not None:
                modules[layer.id.text] = layers[label]
        if not layers:
            layers["identity"], values["identity"] = Identity(), inputs[0]
        out = list(values.values())[-1]
        before = [names[0], *wiring.labels]
        chain = all(s == (b,) for s, b in zip(wiring.sources, before, strict=False))
        if chain and len(names) == 1:
            return Sequential(layers), out
        return Graph(layers, dict(zip(wiring.labels, wiring.sources, strict=True)), names), out

    def _layer(
        self,
        layer: Layer,
        inputs: Sequence[Tensor],
        modules: ChainMap[str, Module],
    ) -> tuple[Module, Tensor]:
        """The layer for such inputs, and what it makes of them."""
        taken = " and ".join(with_batch(x.shape[1:]) for x in inputs)
        self.made += 1
        if self.made > MOST_LAYERS:
            text = f"the model has more than {MOST_LAYERS:,} layers"
            raise ConfigError([layer.problem(text, fault="C24", hint="repeat less often")])
        try:
            if layer.component is not None:
                module = self.module(layer.component, inputs, modules)
            else:
                assert layer.reuse is not None
                module = modules[layer.reuse.text]
            if layer.tie is not None:
                _tie(layer, module, modules[layer.tie.text])
            with evaluating(module):
                run = functools.partial(module, *inputs)  # an op may refuse an argument as well
                out: Tensor = layer.component.made(run) if layer.component else run()
            if not isinstance(out, Tensor):
                raise ConfigError([_not_a_tensor(layer, out)])
            rows = inputs[0].shape[:1]
            if out.shape[:1] != rows:
                raise ShapeError(f"it must keep the {rows[0]} rows apart, but made {out.shape}")
            return module, out
        except ConfigError:
            raise
        except (ShapeError, DtypeError) as error:
            found = layer.problem(f"input is {taken}: {error}", fault="C23")
            raise ConfigError([found]) from error
        except (MemoryError, ResourceError) as error:
            text = f"not enough memory: {error}"
            found = layer.problem(text, fault="C24", hint="make the layer smaller")
            raise ConfigError([found]) from error
        except Exception as error:  # a plugin may raise anything
            text = f"cannot be built for {taken}: {type(error).__name__}: {error}"
            hint = "--traceback shows where this was raised"
            raise ConfigError([layer.problem(text, fault="T41", hint=hint)]) from error

    def module(
        self, component: Component, inputs: Sequence[Tensor], modules: ChainMap[str, Module]
    ) -> Module:
        """The module of a component, for such inputs. Raises what its constructor raises."""
        if any(lists_in(component)):
            return self._composed(component, inputs, modules)
        target: Any = component.target
        inferred = target.infer(*(x.shape[1:] for x in inputs))
        module: Module = component.make(**inferred)
        return module.astype(self.dtype)

    def _composed(
        self, component: Component, inputs: Sequence[Tensor], modules: ChainMap[str, Module]
    ) -> Module:
        """A layer made of lists of layers, each of which sees the ids outside of it."""
        own = inputs_of(component)
        names = (*own, *captured_by(component))
        if len(names) != len(inputs):
            given = len(inputs) - len(names) + len(own)
            raise ShapeError(f"it takes {len(own)} inputs ({', '.join(own)}), not {given}")

        def build(listed: LayerList, *values: Tensor) -> tuple[Module, Tensor]:
            return self.make(listed, names, values, modules.new_child())

        target: Any = component.target
        if not (isinstance(target, type) and issubclass(target, Composite)):
            raise ShapeError(f"{component.name} takes lists of layers but is no Composite")
        made: Module = component.made(lambda: target.compose(build, *inputs, **component.arguments))
        return made


def _tie(layer: Layer, module: Module, other: Module) -> None:
    """Let `module` use the weight of `other`. Raises ConfigError when either has none, or C23."""
    assert layer.tie is not None
    for each, name in ((module, layer.name), (other, layer.tie.text)):
        if not isinstance(getattr(each, "weight", None), Parameter):
            message = f"{name} has no parameter called weight, so there is nothing to tie"
            raise ConfigError([layer.tie.problem(layer.where, message)])
    own, shared = module.weight, other.weight  # type: ignore[attr-defined]
    if own.shape != shared.shape:
        message = f"its weight is {own.shape}, that of {layer.tie.text} is {shared.shape}"
        raise ConfigError([layer.tie.problem(layer.where, message, fault="C23")])
    module.weight = shared  # type: ignore[attr-defined]


def _not_a_tensor(layer: Layer, out: object) -> Problem:
    component = layer.component
    if component is not None and component.arguments.get("output") == "both":
        message = 'output: a layer of a config makes one array, "both" makes a pair'
        hint = 'take "sequence" or "last"; "both" is for Python'
        return component.problem(message, "output", fault="C22", hint=hint)
    message = f"{layer.name} returned an object of type {type(out).__name__}"
    hint = "return a Tensor, or the graph is cut: compute with ops, not with numpy on .data"
    return layer.problem(message, fault="T41", hint=hint)


def refuse_lone_row(config: Config, model: Module, rows: np.ndarray, count: int) -> None:
    """Raise ConfigError D11 if the last batch of `count` rows is one that cannot be trained on.

    That is a single row for a batch norm of one value per channel; a copy of the model is tried.
    """
    size = config.train.batch_size
    if (count % size or size) > 1:
        return
    try:
        with stream.at(config.seed), no_grad(), np.errstate(all="ignore"):
            copy.deepcopy(model).train()(Tensor(rows[:1]))
    except ShapeError as error:
        if error.fault != "D11":
            raise
        text = f"train.batch_size: the last of {count:,} training rows is a batch alone: {error}"
        refuse("D11", place(config, "train", "batch_size"), text, "choose another batch_size")


def without_gradient(
    config: Config, model: Module, loss: Module, out: Tensor, targets: np.ndarray
) -> list[str]:
    """The names of the parameters that the gradient of the loss does not reach.

    out: from `build_model`; it is walked back here. targets: of the same rows. Raises ConfigError:
    T06 when no parameter is reached, T41 when the loss or a gradient cannot be computed.
    """
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    try:
        with np.errstate(all="ignore"):
            value = loss(out, Tensor(targets))
            parameters = [p for _, p in named]
            found = grad(value, parameters, allow_unused=True) if value.requires_grad else ()
    except Exception as error:  # a plugin's loss or rule may raise anything
        text = f"it, or its gradient, cannot be computed: {type(error).__name__}: {error}"
        hint = "--traceback shows where this was raised"
        raise ConfigError([config.loss.problem(text, fault="T41", hint=hint)]) from error
    reached = {name for (name, _), g in zip(named, found, strict=False) if g is not None}
    if not reached:
        last = config.model.layers[-1]
        text = "no parameter receives a gradient from the loss, so there is nothing to train"
        hint = "something on the way is not differentiable, or every parameter is frozen"
        raise ConfigError([last.problem(text, fault="T06", hint=hint)])
    return [name for name, _ in model.named_parameters() if name not in reached]
