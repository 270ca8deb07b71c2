"""A list of layers as a config writes it: components with `id`, `from` and `tie`, and `reuse`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from collections.abc import Mapping as Dict
from dataclasses import dataclass, field, replace
from typing import Any, overload

from dgrad.config.blocks import expanded
from dgrad.config.marks import Mark, problem, quote, suggest
from dgrad.config.scalars import FAILED, Spot
from dgrad.config.schema import read_component, reads
from dgrad.config.signature import parameters
from dgrad.config.tree import Entry, Mapping, Node, Scalar, Sequence
from dgrad.config.values import Component
from dgrad.errors import Problem
from dgrad.registry import LayerList as LayerListHint
from dgrad.registry import layers

__all__ = ["INPUT", "PREVIOUS", "Layer", "LayerList", "Name", "Wiring", "read_layers"]

INPUT, PREVIOUS = "input", "previous"
"""What `from` calls the first input of its list, and the result of the layer before."""

_KEYS = ("id", "from", "tie", "reuse")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,99}", re.ASCII)


@dataclass(frozen=True)
class Name:
    """A name that a config gives to a layer, or calls one by."""

    text: str
    mark: Mark = field(compare=False, repr=False)

    def problem(self, where: str, message: str, hint: str = "", *, fault: str = "C22") -> Problem:
        """A Problem at the name."""
        return problem(fault, self.mark, f"{where}: {message}", hint)


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One item of a list of layers.

    component: what it is, None when it is the layer `reuse` once more. sources: what `from` lists,
    empty for the layer before. tie: the layer whose `weight` it shares.
    """

    component: Component | None
    id: Name | None = None
    sources: tuple[Name, ...] = ()
    tie: Name | None = None
    reuse: Name | None = None
    mark: Mark = field(compare=False, repr=False)
    where: str = field(compare=False)

    @property
    def name(self) -> str:
        """The kind of layer; a block goes by its own name."""
        label = getattr(self.component and self.component.target, "label", None)
        return (label(self.arguments) if label else "") or self.kind

    @property
    def kind(self) -> str:
        """The registered name of its class, or "reuse"."""
        return "reuse" if self.component is None else self.component.name

    @property
    def arguments(self) -> dict[str, Any]:
        """Those of its component."""
        return {} if self.component is None else self.component.arguments

    def problem(
        self, message: str, argument: str | None = None, *, fault: str = "C08", hint: str = ""
    ) -> Problem:
        """A Problem at the layer, or at one of its arguments where the config writes it."""
        if self.component is None:
            return problem(fault, self.mark, f"{self.where}: {message}", hint)
        return self.component.problem(message, argument, fault=fault, hint=hint)

    def plain(self) -> dict[str, Any]:
        """The item as a config writes it."""
        written = {} if self.component is None else self.component.plain()
        named = {"reuse": self.reuse, "id": self.id, "tie": self.tie}
        written |= {key: name.text for key, name in named.items() if name is not None}
        if self.sources:
            written["from"] = [name.text for name in self.sources]
        return written


@dataclass(frozen=True)
class Wiring:
    """What the layers of a list take, by names.

    labels: the name of each layer in its list. sources: for each, labels, inputs of the list, or
    `captured`: names from outside of it that it, or a list inside one of its layers, uses.
    """

    labels: tuple[str, ...]
    sources: tuple[tuple[str, ...], ...]
    captured: tuple[str, ...]


@dataclass(frozen=True)
class LayerList:
    """Layers, first to last; `wiring` says what each takes, once `wire` has found out."""

    layers: tuple[Layer, ...]
    wiring: Wiring | None = field(default=None, compare=False, repr=False)

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    @overload
    def __getitem__(self, index: int) -> Layer: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Layer, ...]: ...
    def __getitem__(self, index: int | slice) -> Layer | tuple[Layer, ...]:
        return self.layers[index]

    def plain(self) -> list[Any]:
        """The list as a config writes it."""
        return [layer.plain() for layer in self.layers]

    def with_values(self, change: Callable[[Any], Any]) -> LayerList:
        """The same list, every component as `change` makes it."""
        changed = tuple(
            layer if layer.component is None else replace(layer, component=change(layer.component))
            for layer in self.layers
        )
        return replace(self, layers=changed)


@reads(LayerListHint)
def read_layers(node: Node, hint: LayerListHint, at: Spot) -> Any:
    """The LayerList that a node writes, not wired yet."""
    if not isinstance(node, Sequence):
        return at.expected("C03", node, "a list", "write the layers as a list: [linear: 64, relu]")
    if not node.items and not hint.may_be_empty:
        return at.fail("C22", node.mark, "it needs at least one layer")
    found = [_read(item, at.inside(f"[{i}]")) for i, item in enumerate(node.items)]
    if any(layer is FAILED for layer in found):
        return FAILED
    return LayerList(tuple(found))


def _read(node: Node, at: Spot) -> Any:
    """One Layer."""
    own: dict[str, Entry] = {}
    if isinstance(node, Mapping):
        own = {key: entry for key, entry in node.entries.items() if key in _KEYS}
        node = Mapping({k: e for k, e in node.entries.items() if k not in _KEYS}, node.mark)
    names = _names(own, at)
    if "reuse" in own:
        fits = _is_reuse_alone(node, own, at)
        if names is None or not fits:
            return FAILED
        return Layer(component=None, mark=own["reuse"].key_mark, where=f"{at.where}.reuse", **names)
    component = _component(node, at)
    if names is None or component is None:
        return FAILED
    return Layer(component=component, mark=component.mark, where=component.where, **names)


def _names(own: Dict[str, Entry], at: Spot) -> dict[str, Any] | None:
    """The fields of a Layer that stand beside its component; None when one is wrong."""
    found = {
        key: _name(entry.value, at.inside(key), is_new=key == "id")
        for key, entry in own.items()
        if key != "from"
    }
    if "from" in own:
        found["sources"] = _sources(own["from"].value, at.inside("from"))
    return None if any(value is FAILED for value in found.values()) else found


def _is_reuse_alone(node: Node, own: Dict[str, Entry], at: Spot) -> bool:
    """Whether nothing stands beside `reuse` that makes another layer of it."""
    mark = own["reuse"].key_mark
    if isinstance(node, Mapping) and node.entries:
        kind = quote(next(iter(node.entries)), name=True)
        message = f"a layer is either {kind} or the reuse of another one"
        at.fail("C22", mark, message, "write only one of the two")
        return False
    if "tie" in own:
        message = "reuse shares all parameters already"
        at.fail("C22", own["tie"].key_mark, message, "leave out tie")
        return False
    return True


def _component(node: Node, at: Spot) -> Component | None:
    """The component of an item, which may be a use of a block."""
    if isinstance(node, Mapping) and _is_misplaced(node, at):
        return None
    block = expanded(node, at)
    if block is FAILED:
        return None
    if block is not None:
        node, at = block
    return read_component(layers, node, at)


def _is_misplaced(node: Mapping, at: Spot) -> bool:
    """Whether something stands beside a layer that belongs inside, or the other way round."""
    kinds = [kind for kind in node.entries if kind in layers or kind in (at.blocks or ())]
    if len(kinds) != 1:
        return False
    (kind,) = kinds
    before, value = len(at.problems), node.entries[kind].value
    for key in node.entries.keys() - {kind}:
        message = f"unknown key {quote(key, name=True)} beside {kind}"
        takes = f"beside a layer stand id, from, tie; its arguments inside: {{{kind}: {{...}}}}"
        hint = f"{suggest(key, _KEYS)}   {takes}".strip()
        at.fail("C01", node.entries[key].key_mark, message, hint)
    inside = value.entries if isinstance(value, Mapping) and kind in layers else {}
    for key in inside.keys() & {*_KEYS} - parameters(layers[kind]).keys() if inside else ():
        message = f"{quote(key)} stands beside the layer, not among its arguments"
        hint = f"write   - {{{kind}: ..., {key}: ...}}"
        at.inside(kind).fail("C02", inside[key].key_mark, message, hint)
    if kind in layers and _names_layers(value) and getattr(layers[kind], "arity", (1,))[0] > 1:
        hint = f"write   - {{{kind}, from: [...]}}"
        at.inside(kind).fail("C02", value.mark, "what it takes stands under from", hint)
    return len(at.problems) > before


def _names_layers(node: Node) -> bool:
    """Whether it is a list of words."""
    items = node.items if isinstance(node, Sequence) else []
    return bool(items) and all(isinstance(i, Scalar) and isinstance(i.value, str) for i in items)


def _name(node: Node, at: Spot, *, is_new: bool) -> Any:
    text = node.value if isinstance(node, Scalar) else None
    if not isinstance(text, str) or not _NAME.fullmatch(text):
        wanted = "a name: a letter, then letters, digits, _ or -"
        return at.expected("C03", node, wanted if is_new else "the id of one layer")
    if is_new and text in (INPUT, PREVIOUS):
        message = f"{quote(text)} is a name that every list has already"
        return at.fail("C22", node.mark, message, "choose another one")
    return Name(text, node.mark)


def _sources(node: Node, at: Spot) -> Any:
    """The names under `from`: one, or a list."""
    if not isinstance(node, Sequence):
        name = _name(node, at, is_new=False)
        return FAILED if name is FAILED else (name,)
    if not node.items:
        return at.fail("C22", node.mark, "it lists nothing", "leave it out, or name a layer's id")
    found = [_name(item, at.inside(f"[{i}]"), is_new=False) for i, item in enumerate(node.items)]
    return FAILED if any(name is FAILED for name in found) else tuple(found)
