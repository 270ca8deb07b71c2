"""Patterns that name parameters: in the groups of an optimizer, and under no_decay."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from dgrad.config.values import Component

__all__ = ["as_list", "matches", "mentions"]


def matches(pattern: str, name: str, kind: str) -> bool:
    """Whether a pattern means a parameter of this dotted name, in a layer of this registered kind.

    One with a wildcard (* ? [) is compared with the name. A word without one may be, or occur as a
    word in, a part of the name or the kind: `norm` means batch_norm and layer_norm, whatever their
    ids, and norm1, but not normal; `head.weight` means those parts, one after the other.
    """
    if any(character in pattern for character in "*?["):
        return fnmatchcase(name, pattern)
    if "." in pattern:
        return f".{pattern}." in f".{name}."
    return any(_has_word(part, pattern) for part in (kind, *name.split(".")))


def _has_word(text: str, word: str) -> bool:
    """Whether the word stands in the text with no letter before or behind it."""
    return re.search(rf"(?<![A-Za-z]){re.escape(word)}(?![A-Za-z])", text) is not None


def mentions(optimizer: Component | None, id: str) -> bool:
    """Whether a pattern of the optimizer may name the layer with this id."""
    return any(
        _has_word(id, part) or fnmatchcase(id, part)
        for pattern in (_patterns(optimizer) if optimizer else ())
        for part in pattern.split(".")
        if part.strip("*")
    )


def _patterns(optimizer: Component) -> Iterator[str]:
    yield from as_list(optimizer.arguments.get("no_decay", []))
    for group in optimizer.arguments.get("groups", ()):
        yield from as_list(group["match"])


def as_list(given: str | list[str]) -> list[str]:
    """One pattern or several, as a list."""
    return [given] if isinstance(given, str) else list(given)
