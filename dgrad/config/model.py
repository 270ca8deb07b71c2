"""The model of a config: layers named by kind, sizes inferred by trying them on a few rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from dgrad.config.document import Config
from dgrad.config.values import Component
from dgrad.core import stream
from dgrad.core.backward import grad
from dgrad.core.tensor import Tensor
from dgrad.errors import ConfigError, DtypeError, Problem, ResourceError, ShapeError
from dgrad.nn.container import Sequential
from dgrad.nn.module import Module, evaluating

__all__ = ["build_model", "layer_names", "with_batch", "without_gradient"]


def build_model(config: Config, rows: np.ndarray) -> tuple[Sequential, Tensor]:
    """The model, and what it makes of `rows` in evaluation mode, recorded for a backward.

    config: without references. rows: (n, ...), a few inputs as training will give them; every
    layer is built for, and tried on, what the ones before make of them. Parameters depend on
    config.seed alone. Raises ConfigError at the layer that cannot be built (C23, C24, T41).
    """
    x = Tensor(rows)
    layers = {}
    components = config.model.layers
    names = layer_names(component.name for component in components)
    # Values that are not finite are found in training.
    with stream.at(config.seed), np.errstate(all="ignore"):
        for name, component in zip(names, components, strict=True):
            layers[name], x = _layer(component, x, config.train.dtype)
    return Sequential(layers), x


def layer_names(kinds: Iterable[str]) -> list[str]:
    """`linear`, `relu`, `linear_2`, ...: another kind in between changes none of them."""
    counts: Counter[str] = Counter()
    names: dict[str, None] = {}
    for kind in kinds:
        counts[kind] += 1
        name = kind if counts[kind] == 1 else f"{kind}_{counts[kind]}"
        while name in names:  # a plugin's layer may be called linear_2
            counts[kind] += 1
            name = f"{kind}_{counts[kind]}"
        names[name] = None
    return list(names)


def _layer(component: Component, x: Tensor, dtype: str) -> tuple[Module, Tensor]:
    """The layer for inputs such as `x`, and what it makes of them."""
    taken = with_batch(x.shape[1:])
    try:
        inferred = component.target.infer(x.shape[1:])  # type: ignore[attr-defined]
        layer: Module = component.make(**inferred).astype(dtype)
        with evaluating(layer):
            out: Tensor = layer(x)
        if not isinstance(out, Tensor):
            raise ConfigError([_not_a_tensor(component, out)])
        if out.shape[:1] != x.shape[:1]:
            rows = len(x.data)
            raise ShapeError(f"it must keep the rows apart, but made {out.shape} of {rows} rows")
        return layer, out
    except ConfigError:
        raise
    except (ShapeError, DtypeError) as error:
        raise ConfigError([component.problem(f"input is {taken}: {error}", fault="C23")]) from error
    except (MemoryError, ResourceError) as error:
        text = f"not enough memory: {error}"
        found = component.problem(text, fault="C24", hint="make the layer smaller")
        raise ConfigError([found]) from error
    except Exception as error:  # a plugin may raise anything
        text = f"cannot be built for {taken}: {type(error).__name__}: {error}"
        hint = "--traceback shows where this was raised"
        raise ConfigError([component.problem(text, fault="T41", hint=hint)]) from error


def _not_a_tensor(component: Component, out: object) -> Problem:
    message = f"{component.name} returned an object of type {type(out).__name__}"
    hint = "return a Tensor, or the graph is cut: compute with ops, not with numpy on .data"
    return component.problem(message, fault="T41", hint=hint)


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


def with_batch(shape: tuple[int, ...]) -> str:
    """`shape`, of one row, in words: (8, 8) -> "(batch, 8, 8)"."""
    return f"({', '.join(['batch', *map(str, shape)])})"
