"""References in a config: `$vars.x` is replaced on reading, `$data.x` once the data is known."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping as Dict

from dgrad.config.marks import problem, suggest
from dgrad.config.tree import Broken, Entry, Mapping, Node, Scalar, Sequence
from dgrad.config.values import REFERENCE

__all__ = ["with_vars"]

_KNOW_THE_DATA = ("model", "loss", "metrics", "optimizer", "schedule")


def with_vars(tree: Mapping) -> Mapping:
    """`tree` with the value of every `$vars.x` in its place; `$data.x` is kept where it may stand.

    A reference that leads nowhere becomes a Broken node, which holds its C01 problem.
    """
    held = tree.entries["vars"].value if "vars" in tree.entries else None
    entries = held.entries if isinstance(held, Mapping) else {}
    known = {key: e.value for key, e in entries.items() if isinstance(e.value, Scalar)}
    return _over_entries(tree, known, None)


def _over_entries(node: Mapping, known: Dict[str, Scalar], section: str | None) -> Mapping:
    entries = {
        key: Entry(entry.key_mark, _replaced(entry.value, known, section or key))
        for key, entry in node.entries.items()
    }
    return Mapping(entries, node.mark)


def _replaced(node: Node, known: Dict[str, Scalar], section: str) -> Node:
    """A node of the top-level key `section`."""
    if isinstance(node, Mapping):
        return _over_entries(node, known, section)
    if isinstance(node, Sequence):
        return Sequence([_replaced(item, known, section) for item in node.items], node.mark)
    if not isinstance(node.value, str) or not REFERENCE.fullmatch(node.value):
        return node
    root, _, name = node.value[1:].partition(".")
    if root == "vars" and name in known and section not in ("vars", "plugins"):
        return dataclasses.replace(known[name], mark=node.mark)
    if root == "data" and section in _KNOW_THE_DATA:
        return node
    if root == "params" and section == "model":
        return node  # of a block: its use gives the value
    found = problem("C01", node.mark, *_refusal(node.value, known, section))
    return Broken(node.value, node.text, node.quoted, node.mark, found)


def _refusal(text: str, known: Dict[str, Scalar], section: str) -> tuple[str, str]:
    """Message and hint for a reference that cannot be followed."""
    root, _, name = text[1:].partition(".")
    if section in ("vars", "plugins"):
        return f"{section} cannot hold the reference {text}", "write the value"
    if root == "data":
        only = f"it can be used under {', '.join(_KNOW_THE_DATA)}"
        return f"{text} is not known yet under {section}", only
    if root != "vars":
        return f"unknown reference {text}", "a reference starts with $vars. or $data."
    there = ", ".join(f"$vars.{each}" for each in known) or "nothing under vars"
    return f"{text} is not set", f"{suggest(name, known)}   there is: {there}".strip()
