"""`extends: other.yaml`: a config that says only what differs from another one."""

from __future__ import annotations

import os
from pathlib import Path

from dgrad.config import yaml
from dgrad.config.marks import COMMAND_LINE, Mark, problem, quote, refuse
from dgrad.config.training import later_alone
from dgrad.config.tree import Entry, Mapping, Node, Scalar
from dgrad.errors import ConfigError
from dgrad.registry import readers

__all__ = ["KEY", "extended", "refuse_late"]

KEY = "extends"
_DEEPEST = 10  # files that extend each other
_NAMED = ("loss", "optimizer", "schedule")  # sections that hold one component by its name


def extended(tree: Mapping, path: Path) -> Mapping:
    """`tree`, read from `path`, merged over the config that it extends, and that over its own.

    Mappings are merged key by key; lists and values replace, and so does another component: an
    `optimizer: {sgd: ...}` takes nothing from an `adamw`. Every node keeps its place, so paths
    start at the file that names them. Raises ConfigError: C26 (no such file), C22 (a circle).
    """
    return _extended(tree, (os.path.realpath(path),))


def _extended(tree: Mapping, files: tuple[str, ...]) -> Mapping:
    entry = tree.entries.get(KEY)
    if entry is None:
        return tree
    own = Mapping({k: e for k, e in tree.entries.items() if k != KEY}, tree.mark)
    node = entry.value
    if not isinstance(node, Scalar) or not isinstance(node.value, str) or not node.value:
        refuse("C03", node.mark, f"{KEY}: expected the path of one config", "extends: base.yaml")
    path = os.path.realpath(node.mark.source.base / node.value)
    if path in files:
        way = " -> ".join(Path(each).name for each in (*files[files.index(path) :], path))
        refuse("C22", node.mark, f"{KEY}: configs extend each other in a circle: {way}")
    if len(files) >= _DEEPEST:
        refuse("C22", node.mark, f"{KEY}: more than {_DEEPEST} configs extend each other")
    name = os.path.join(os.path.dirname(node.mark.file), node.value)  # as the user would find it
    base = yaml.parse(_text(name, path, node.mark), name, Path(path).parent)
    merged = _merged(_extended(base, (*files, path)), own)
    return later_alone(merged, lambda entry: entry.key_mark.source is node.mark.source)


def _text(name: str, path: str, mark: Mark) -> str:
    """The text of the config at `path`; what cannot be read is a problem where it is named."""
    try:
        return yaml.read_text(path)
    except ConfigError as error:
        (found,) = error.problems
        if found.line:  # a place within that file
            raise
        told = problem(found.fault, mark, f"{KEY}: {found.message}", found.hint)
        raise ConfigError([told]) from error


def _merged(base: Mapping, own: Mapping, where: tuple[str, ...] = ()) -> Mapping:
    """The entries of both, those of `own` first in rank."""
    entries = dict(base.entries)
    if where == ("data",) and any(key in readers for key in own.entries):
        entries = {k: e for k, e in entries.items() if k not in readers or k in own.entries}
    for key, entry in own.entries.items():
        below = entries[key].value if key in entries else None
        entries[key] = Entry(entry.key_mark, _over(below, entry.value, (*where, key)))
    return Mapping(entries, own.mark)


def _over(base: Node | None, own: Node, where: tuple[str, ...]) -> Node:
    if not isinstance(base, Mapping) or not isinstance(own, Mapping):
        return own
    if len(where) == 1 and where[0] in _NAMED and base.entries.keys() != own.entries.keys():
        return own
    return _merged(base, own, where)


def refuse_late(tree: Mapping) -> None:
    """Raises ConfigError C25 where an override asks for another config to extend."""
    entry = tree.entries.get(KEY)
    if entry is not None and entry.key_mark.file == COMMAND_LINE:
        hint = f"write {quote(KEY)} into the config, or train the other config with overrides"
        refuse("C25", entry.key_mark, f"{KEY} cannot be given on the command line", hint)
