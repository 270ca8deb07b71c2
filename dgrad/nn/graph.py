"""Graph: modules wired by name, so that any acyclic network can be written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dgrad.errors import ParameterError, ShapeError, UnsupportedError
from dgrad.nn.container import NamedModules
from dgrad.nn.module import Module

__all__ = ["Graph"]


class Graph(NamedModules):
    """Its layers in order, each on results of earlier ones; the last result is the output.

    layers: modules by name; the same module may stand under several names. sources: for a layer,
    the names of the layers and inputs that it takes; by default the layer before it (the first
    input, for the first). inputs: the names of what `forward` is given, in order.

        Graph({"a": Linear(4, 4), "b": ReLU(), "c": Add()}, {"c": ("input", "b")})

    Raises ParameterError for a name that is taken, or is not known before the layer that uses it.
    """

    def __init__(
        self,
        layers: Mapping[str, Module],
        sources: Mapping[str, Sequence[str]] | None = None,
        inputs: Sequence[str] = ("input",),
    ) -> None:
        super().__init__(dict(layers))
        self.inputs = tuple(inputs)
        self.sources = {
            name: tuple((sources or {}).get(name, (before,)))
            for name, before in zip(layers, [self.inputs[0], *layers], strict=False)
        }
        self._check(sources or {})
        self._plan = self._planned()

    def _check(self, sources: Mapping[str, Sequence[str]]) -> None:
        known = dict.fromkeys(self.inputs)
        if not self._layers or len(known) < len(self.inputs) or known.keys() & self._layers.keys():
            expected = "at least one, under names of their own"
            raise ParameterError("Graph", "layers", expected, [*self.inputs, *self._layers])
        for name, taken in self.sources.items():
            for each in taken:
                if each not in known:
                    expected = f"inputs or layers before {name!r} ({', '.join(known)})"
                    raise ParameterError("Graph", f"sources of {name!r}", expected, each)
            known[name] = None
        for name in sources:
            if name not in self._layers:
                raise ParameterError("Graph", "sources", "by the names of layers", name)

    def _planned(self) -> list[tuple[str, tuple[int, ...], tuple[int, ...]]]:
        """For each layer its name, the numbers of the values it takes, and of those done with."""
        numbers = {name: i for i, name in enumerate([*self.inputs, *self._layers])}
        taken = [tuple(numbers[each] for each in source) for source in self.sources.values()]
        last_use = {number: step for step, used in enumerate(taken) for number in used}
        done: list[list[int]] = [[] for _ in taken]
        for number, step in last_use.items():
            done[step].append(number)
        return [(n, t, tuple(d)) for n, t, d in zip(self._layers, taken, done, strict=True)]

    def forward(self, *inputs: Any) -> Any:
        """The inputs through all layers, in order; a value is let go after its last use."""
        if len(inputs) != len(self.inputs):
            wanted = f"{len(self.inputs)} inputs ({', '.join(self.inputs)})"
            raise ShapeError(f"graph: takes {wanted}, got {len(inputs)}")
        values = [*inputs]
        for name, taken, done in self._plan:
            result = self._layers[name](*[values[number] for number in taken])
            for number in done:
                values[number] = None
            values.append(result)
        return values[-1]

    def append(self, layer: Module) -> Graph:
        """Add a layer that takes the result of the last one, under the next number."""
        last = list(self._layers)[-1]
        super().append(layer)
        self.sources[list(self._layers)[-1]] = (last,)
        self._plan = self._planned()
        return self

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            raise UnsupportedError("a Graph has no slices: its layers are not one after the other")
        return super().__getitem__(index)

    def extra_repr(self) -> str:
        """The wires that do not come from the layer before."""
        before = [self.inputs[0], *self._layers]
        return ", ".join(
            f"{name} <- {' + '.join(taken)}"
            for (name, taken), usual in zip(self.sources.items(), before, strict=False)
            if taken != (usual,)
        )
