"""Where every value of a config comes from: a line of a file, the command line, or a default."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dgrad.config.document import Config, Data, Model, Sections
from dgrad.config.layer_list import Layer, LayerList
from dgrad.config.marks import Mark
from dgrad.config.tree import Mapping, Node
from dgrad.config.values import Component, to_plain

__all__ = ["DEFAULT", "Origin", "origins"]

DEFAULT = "default"


@dataclass(frozen=True)
class Origin:
    """One value: its dotted path, itself as plain data, and `file:line:column` or "default"."""

    path: str
    value: Any
    place: str


def origins(config: Config) -> list[Origin]:
    """Every value of a config in the order of `resolved()`."""
    found: list[Origin] = []
    for each in dataclasses.fields(Sections):
        entry = config.tree.entries.get(each.name)
        written = entry is not None and entry.key_mark is not config.tree.mark  # not filled in
        node = entry.value if entry and written else None
        found += _of(getattr(config, each.name), each.name, node)
    return found


def _of(value: Any, path: str, node: Node | None) -> Iterator[Origin]:
    """The values inside of one. node: what the config writes there, None for nothing."""
    if isinstance(value, Component):
        yield from _of_component(value, path)
    elif isinstance(value, LayerList | tuple | list) and any(map(_is_made, value)):
        for i, item in enumerate(value):
            yield from _of(item, f"{path}[{i}]", None)
    elif isinstance(value, Layer):
        yield from _of_layer(value, path)
    elif isinstance(value, Model):
        yield from _of(value.layers, f"{path}.layers", None)
    elif isinstance(value, Data):
        yield from _of(value.reader, path, None)
        yield from _of(value.split, f"{path}.split", _inside(node, "split"))
        yield from _of(value.transforms, f"{path}.transforms", None)
    elif dataclasses.is_dataclass(value) and not hasattr(value, "plain"):
        for each in dataclasses.fields(value):
            part = getattr(value, each.name)
            yield from _of(part, f"{path}.{each.name}", _inside(node, each.name))
    else:
        yield Origin(path, to_plain(value), _place(node.mark if node else None))


def _is_made(value: Any) -> bool:
    return isinstance(value, Component | Layer)


def _of_layer(layer: Layer, path: str) -> Iterator[Origin]:
    if layer.component is not None:
        yield from _of_component(layer.component, path)
    named = {"reuse": layer.reuse, "id": layer.id, "tie": layer.tie}
    for key, name in named.items():
        if name is not None:
            yield Origin(f"{path}.{key}", name.text, _place(name.mark))
    if layer.sources:
        texts = [name.text for name in layer.sources]
        yield Origin(f"{path}.from", texts, _place(layer.sources[0].mark))


def _of_component(component: Component, path: str) -> Iterator[Origin]:
    path = f"{path}.{component.name}"
    if not component.arguments:
        yield Origin(path, {}, _place(component.mark))
    for key, value in component.arguments.items():
        mark, inside = component.marks.get(key), f"{path}.{key}"
        items = value if isinstance(value, LayerList | tuple | list) else (value,)
        if any(isinstance(item, Component | Layer | LayerList) for item in items):
            parts = enumerate(items) if items is value else ((None, value),)
            for i, item in parts:
                yield from _of(item, inside if i is None else f"{inside}[{i}]", None)
        else:
            yield Origin(inside, to_plain(value), _place(mark))


def _inside(node: Node | None, key: str) -> Node | None:
    """What a mapping holds at `key`."""
    entry = node.entries.get(key) if isinstance(node, Mapping) else None
    return entry.value if entry else None


def _place(mark: Mark | None) -> str:
    if mark is None or not mark.line:
        return DEFAULT
    return f"{mark.file}:{mark.line}:{mark.column}"
