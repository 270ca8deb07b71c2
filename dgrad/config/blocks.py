"""The `blocks` of a model: lists of layers with parameters, used like layers."""

from __future__ import annotations

import re
from collections.abc import Mapping as Dict
from dataclasses import dataclass, replace

from dgrad.config.marks import Mark, problem, quote, suggest
from dgrad.config.scalars import FAILED, Spot
from dgrad.config.tree import Broken, Entry, Mapping, Node, Scalar, Sequence
from dgrad.config.values import REFERENCE
from dgrad.registry import layers

__all__ = ["BlockDefinition", "Blocks", "expanded", "read_blocks"]

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}", re.ASCII)
_KEYS = ("params", "inputs", "layers")
MOST_USES = 1000  # in all, as uses within uses multiply
DEEPEST = 32  # blocks within blocks


class Blocks(dict[str, "BlockDefinition"]):
    """The blocks of a model by name, and how often they were used so far."""

    uses = 0


@dataclass(frozen=True, eq=False)
class BlockDefinition:
    """What stands under `blocks.NAME`: defaults by parameter (null: must be given), and nodes."""

    name: str
    params: dict[str, Node]
    inputs: Node | None
    layers: Node

    @property
    def required(self) -> list[str]:
        """The parameters that a use must give."""
        return [
            name
            for name, node in self.params.items()
            if isinstance(node, Scalar) and node.value is None
        ]


def read_blocks(node: Node, at: Spot) -> Blocks:
    """The definitions by name, those that are written correctly."""
    if not isinstance(node, Mapping):
        at.expected("C03", node, "a mapping", "for example   blocks: {name: {layers: [...]}}")
        return Blocks()
    found = Blocks()
    for name, entry in node.entries.items():
        inside = at.inside(name if _NAME.fullmatch(name) else quote(name, name=True))
        if not _NAME.fullmatch(name) or name in layers or name == "reuse":
            reason = "is a layer already" if name in layers else "is no name for a block"
            hint = "choose another name: a letter, then letters, digits or _"
            at.fail("C22", entry.key_mark, f"{quote(name, name=True)} {reason}", hint)
            continue
        block = _definition(name, entry, inside)
        if block is not None:
            found[name] = block
    return found


def _definition(name: str, entry: Entry, at: Spot) -> BlockDefinition | None:
    node = entry.value
    if not isinstance(node, Mapping):
        at.expected("C03", node, "a mapping", f"it takes: {', '.join(_KEYS)}")
        return None
    for key in node.entries.keys() - {*_KEYS}:
        hint = f"{suggest(key, _KEYS)}   a block takes: {', '.join(_KEYS)}".strip()
        at.fail("C01", node.entries[key].key_mark, f"unknown key {quote(key, name=True)}", hint)
    if "layers" not in node.entries:
        at.fail("C03", entry.key_mark, '"layers" is missing', "layers: a list of layers")
        return None
    params: dict[str, Node] | None = {}
    if "params" in node.entries:
        params = _params(node.entries["params"].value, at.inside("params"))
    if params is None:
        return None
    inputs = node.entries["inputs"].value if "inputs" in node.entries else None
    return BlockDefinition(name, params, inputs, node.entries["layers"].value)


def _params(node: Node, at: Spot) -> dict[str, Node] | None:
    """The defaults by name; a list of names has none."""
    if isinstance(node, Sequence) and all(
        isinstance(item, Scalar) and isinstance(item.value, str) for item in node.items
    ):
        return {str(item.value): Scalar(None, "", False, item.mark) for item in node.items}  # type: ignore[union-attr]
    if not isinstance(node, Mapping):
        at.expected("C03", node, "a mapping from names to default values, or a list of names")
        return None
    return {key: entry.value for key, entry in node.entries.items()}


def expanded(node: Node, at: Spot) -> tuple[Node, Spot] | None:
    """For a use of one of the config's blocks, the `block` layer that it stands for, and its spot.

    None when it is no block's use; FAILED when its arguments are wrong.
    """
    name, given, mark = _use(node)
    block = at.blocks.get(name) if at.blocks else None
    if at.blocks is None or block is None:
        return None
    if name in at.expanding:
        way = " -> ".join([*at.expanding[at.expanding.index(name) :], name])
        return at.fail("C22", mark, f"the block contains itself: {way}")  # type: ignore[no-any-return]
    at.blocks.uses += 1
    if at.blocks.uses > MOST_USES + 1:
        return FAILED  # type: ignore[no-any-return] # the one before has told
    if at.blocks.uses > MOST_USES or len(at.expanding) >= DEEPEST:
        reason = f"blocks within blocks: more than {MOST_USES} uses, or {DEEPEST} deep"
        return at.fail("C12", mark, reason, "write less of them")  # type: ignore[no-any-return]
    values = _arguments(block, given, mark, at.inside(name))
    if values is None:
        return FAILED  # type: ignore[no-any-return]
    entries = {
        "layers": Entry(mark, _filled(block.layers, values)),
        "name": Entry(mark, Scalar(name, name, False, mark)),
    }
    if block.inputs is not None:
        entries["inputs"] = Entry(mark, block.inputs)
    made = Mapping({"block": Entry(mark, Mapping(entries, mark))}, mark)
    return made, replace(at, expanding=(*at.expanding, name))


def _use(node: Node) -> tuple[str, Node | None, Mark]:
    """The name that an item calls a layer by, what it gives it, and the name's place."""
    if isinstance(node, Mapping) and len(node.entries) == 1:
        ((name, entry),) = node.entries.items()
        return name, entry.value, entry.key_mark
    text = node.value if isinstance(node, Scalar) else None
    return (text if isinstance(text, str) else ""), None, node.mark


def _arguments(
    block: BlockDefinition, given: Node | None, mark: Mark, at: Spot
) -> dict[str, Node] | None:
    """A node for every parameter."""
    entries: dict[str, Entry] = {}
    if isinstance(given, Mapping):
        entries = given.entries
    elif given is not None and not (isinstance(given, Scalar) and given.value is None):
        if not block.params:
            at.fail("C02", given.mark, "it takes no arguments", "write its name alone")
            return None
        entries = {next(iter(block.params)): Entry(given.mark, given)}
    before = len(at.problems)
    takes = f"{block.name} takes: {', '.join(block.params) or 'no arguments'}"
    for key, entry in entries.items():
        if key not in block.params:
            hint = f"{suggest(key, block.params)}   {takes}".strip()
            at.fail("C01", entry.key_mark, f"unknown key {quote(key, name=True)}", hint)
    if len(at.problems) > before:
        return None
    values = {**block.params, **{key: entry.value for key, entry in entries.items()}}
    for key in block.required:
        if key not in entries:
            at.fail("C03", mark, f"{quote(key)} is missing", takes)
    return values if len(at.problems) == before else None


def _filled(node: Node, values: Dict[str, Node]) -> Node:
    """`node` with the value of every `$params.x` in its place."""
    if isinstance(node, Mapping):
        entries = {
            key: Entry(entry.key_mark, _filled(entry.value, values))
            for key, entry in node.entries.items()
        }
        return Mapping(entries, node.mark)
    if isinstance(node, Sequence):
        return Sequence([_filled(item, values) for item in node.items], node.mark)
    if not isinstance(node.value, str) or not REFERENCE.fullmatch(node.value):
        return node
    root, _, name = node.value[1:].partition(".")
    if root != "params":
        return node
    if name in values:
        return values[name]
    there = ", ".join(f"$params.{each}" for each in values) or "nothing under params"
    hint = f"{suggest(name, values)}   there is: {there}".strip()
    found = problem("C01", node.mark, f"{node.value} is no parameter of this block", hint)
    return Broken(node.value, node.text, node.quoted, node.mark, found)
