"""References in a config: `$vars.x` is replaced when it is read, `$data.x` once the data is known."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from dgrad.config.marks import Mark, Problems, suggest
from dgrad.config.tree import Entry, Mapping, Node, Scalar, Sequence
from dgrad.config.values import REFERENCE

__all__ = ["with_vars"]

_KNOW_THE_DATA = ("model", "loss", "metrics", "optimizer", "schedule")


def with_vars(tree: Mapping, problems: Problems) -> Mapping:
    """`tree` with every `$vars.x` replaced, at its place; `$data.x` is kept where it may stand."""
    held = tree.entries["vars"].value if "vars" in tree.entries else tree
    known = {}
    if isinstance(held, Mapping) and held is not tree:
        known = {key: e.value for key, e in held.entries.items() if isinstance(e.value, Scalar)}
    substitution = _Substitution(known, problems)
    entries = {
        key: Entry(entry.key_mark, substitution.node(entry.value, key))
        for key, entry in tree.entries.items()
    }
    return Mapping(entries, tree.mark)


@dataclass(frozen=True)
class _Substitution:
    known: dict[str, Scalar]
    problems: Problems

    def node(self, node: Node, section: str) -> Node:
        """`node`, which stands in `section`, without `$vars` references."""
        if isinstance(node, Mapping):
            entries = {
                key: Entry(entry.key_mark, self.node(entry.value, section))
                for key, entry in node.entries.items()
            }
            return Mapping(entries, node.mark)
        if isinstance(node, Sequence):
            return Sequence([self.node(item, section) for item in node.items], node.mark)
        if not isinstance(node.value, str) or not REFERENCE.fullmatch(node.value):
            return node
        return self._referred(node.value, node, section)

    def _referred(self, text: str, node: Scalar, section: str) -> Node:
        root, _, name = text[1:].partition(".")
        if section in ("vars", "plugins"):
            self._refuse(node.mark, f"{section} cannot hold the reference {text}", "")
        elif root == "vars" and name in self.known:
            return dataclasses.replace(self.known[name], mark=node.mark)
        elif root == "vars":
            there = ", ".join(f"$vars.{each}" for each in self.known) or "nothing under vars"
            hint = f"{suggest(name, self.known)}   there is: {there}".strip()
            self._refuse(node.mark, f"{text} is not set", hint)
        elif root != "data":
            hint = "a reference starts with $vars. or $data."
            self._refuse(node.mark, f"unknown reference {text}", hint)
        elif section not in _KNOW_THE_DATA:
            hint = f"it can be used under {', '.join(_KNOW_THE_DATA)}"
            self._refuse(node.mark, f"{text} is not known yet under {section}", hint)
        else:
            return node
        return Scalar(None, "", False, node.mark)

    def _refuse(self, mark: Mark, message: str, hint: str) -> None:
        self.problems.add("C01", mark, message, hint)
