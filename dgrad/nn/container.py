"""Modules that hold others: one after the other, or as a list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from dgrad.errors import ParameterError
from dgrad.nn.module import Module

__all__ = ["ModuleList", "NamedModules", "Sequential"]


class NamedModules(Module):
    """Base of containers: modules by name, in order; numbered from 0 unless names are given."""

    def __init__(self, layers: Iterable[Module] | dict[str, Module]) -> None:
        super().__init__()
        named = layers if isinstance(layers, dict) else dict(_numbered(layers))
        for name, layer in named.items():
            _check_layer(self, name, layer)
        self._layers: dict[str, Module] = dict(named)

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """(name, module), in order."""
        yield from self._layers.items()

    def __getattr__(self, name: str) -> Module:  # only for what is no attribute: a layer's name
        layers: dict[str, Module] = vars(self).get("_layers", {})
        if name not in layers:
            raise AttributeError(f"{type(self).__name__} has no attribute or layer {name!r}")
        return layers[name]

    def _name(self, index: int) -> str:
        return list(self._layers)[index]

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return type(self)(dict(list(self._layers.items())[index]))
        return self._layers[self._name(index)]

    def __setitem__(self, index: int, layer: Module) -> None:
        _check_layer(self, str(index), layer)
        self._layers[self._name(index)] = layer

    def append(self, layer: Module) -> Any:
        """Add a layer at the end, under the next number; returns the container."""
        _check_layer(self, str(len(self)), layer)
        self._layers[str(len(self))] = layer
        return self

    def __len__(self) -> int:
        return len(self._layers)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._layers.values())


class Sequential(NamedModules):
    """y = f_n(... f_1(x)): its layers, each on the result of the one before.

    Sequential(layer, ...) or Sequential({"name": layer, ...}); indexed and sliced like a list.
    """

    def __init__(self, *layers: Module | dict[str, Module]) -> None:
        first = layers[0] if len(layers) == 1 and isinstance(layers[0], dict) else layers
        super().__init__(first)  # type: ignore[arg-type]

    def forward(self, x: Any) -> Any:
        """x through all layers, in order."""
        for layer in self._layers.values():
            x = layer(x)
        return x


class ModuleList(NamedModules):
    """A list of modules whose parameters are found; it has no forward of its own."""

    def __init__(self, modules: Iterable[Module] | dict[str, Module] = ()) -> None:
        super().__init__(modules)


def _numbered(layers: Iterable[Module]) -> Iterator[tuple[str, Module]]:
    return ((str(i), layer) for i, layer in enumerate(layers))


def _check_layer(owner: Module, name: str, layer: object) -> None:
    if not isinstance(layer, Module):
        hint = " instance: call the class" if isinstance(layer, type) else ""
        raise ParameterError(type(owner).__name__, f"layer {name}", f"a Module{hint}", layer)
    if not name or "." in name:
        raise ParameterError(type(owner).__name__, "layer name", "text without dots", name)
