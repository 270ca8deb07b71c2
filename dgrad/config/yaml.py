"""Strict YAML: a small, safe part of YAML 1.2, read into a tree that knows its positions.

Only PyYAML's scanner and parser run, so no tag can construct anything, and the limits are applied
to their events, before a tree exists. Every function here raises ConfigError and nothing else.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Protocol

from yaml import events
from yaml.error import MarkedYAMLError, YAMLError
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner

from dgrad.config.marks import Mark, Problems, Source, quote, refuse, suggest
from dgrad.config.tree import Entry, Mapping, Node, Scalar, Sequence, dump, plain, scalar
from dgrad.errors import ConfigError

__all__ = [
    "STORED",
    "Limits",
    "check_characters",
    "check_stored",
    "dump",
    "parse",
    "parse_value",
    "plain",
    "read",
    "read_text",
]

MAX_BYTES = 2**20
MAX_ALIASES = 100


@dataclass(frozen=True)
class Limits:
    """How deep a config may nest, and how many values it may expand to."""

    depth: int = 32
    nodes: int = 10_000


STORED = Limits(100, 100_000)
"""Of a resolved config, in which blocks and every default stand written out."""


_LINE_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")  # as PyYAML counts them
_REFUSED = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_SURROGATE = re.compile("[\ud800-\udfff]")


def read(path: str | Path) -> Mapping:
    """The mapping in the file at `path`; relative paths in it start at the file's folder."""
    return parse(read_text(path), str(path), Path(path).absolute().parent)


def read_text(path: str | Path) -> str:
    """The text of a regular UTF-8 file of at most 1 MiB, without its byte order mark."""
    path, name = Path(path), str(path)
    start = Mark(Source(name, (), path.parent), 0, 0)
    try:
        # Asked before opening: opening a named pipe waits for a writer.
        if not stat.S_ISREG(path.stat().st_mode):
            kind = "a folder" if path.is_dir() else "not a regular file"
            refuse("C26", start, f"{quote(name)} is {kind}, expected a file")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        near = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        refuse("C26", start, f"there is no file {quote(name)}", suggest(path.name, near))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        refuse("C26", start, f"{quote(name)} cannot be read: {reason}")
    if len(data) > MAX_BYTES:
        refuse("C12", start, f"{quote(name)} is larger than 1 MiB, which no config needs")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        lines = _LINE_BREAK.split(
            data[: error.start].decode("utf-8-sig") + "\N{REPLACEMENT CHARACTER}"
        )
        mark = Mark(Source(name, tuple(lines), path.parent), len(lines), len(lines[-1]))
        message = f"the byte 0x{data[error.start]:02x} is not UTF-8 text"
        refuse("C18", mark, message, "save the file with the encoding UTF-8")


def parse(text: str, name: str, base: Path | None = None, limits: Limits | None = None) -> Mapping:
    """The mapping that `text` holds; `name` is shown as its file, `base` is by default the cwd."""
    source = Source(name, tuple(_LINE_BREAK.split(text)), base or Path.cwd())
    root = _tree(text, source, limits=limits or Limits())
    start = Mark(source, 1, 1) if root is None else root.mark
    if root is None or (isinstance(root, Scalar) and root.value is None):
        refuse("C17", start, "the config is empty", 'it must be a mapping, such as "seed: 0"')
    if not isinstance(root, Mapping):
        found = "a list" if isinstance(root, Sequence) else "a single value"
        refuse("C17", start, f"the config must be a mapping of keys to values, not {found}")
    return root


def parse_value(argument: str, start: int, source: Source, line: int) -> Node:
    """The scalar, `[flow, list]` or `{flow: mapping}` from character `start` of an argument on."""
    text = argument[start:].strip()
    mark = Mark(source, line, start + 1, max(1, len(text)))
    if not text:
        refuse("C25", mark, "there is no value after =", "write null, or '' for empty text")
    if text[0] in "[]{},\"'&*!|>%@`":
        # Spaces in place of what precedes the value keep PyYAML's columns right.
        node = _tree(" " * start + argument[start:], source, line)
        return node or Scalar(None, "", False, mark)
    try:
        return Scalar(scalar(text), text, False, mark)
    except OverflowError:
        refuse("C10", mark, *_too_large(text))


def check_stored(data: Any, mark: Mark) -> None:
    """Raise ConfigError C13 or C12 at `mark` if resolved data are more than `STORED` allows."""
    level, count, depth = [data], 1, 1
    while level:
        below = [each for value in level for each in _inside(value)]
        count, depth = count + len(below), depth + 1
        if depth > STORED.depth or count > STORED.nodes:
            message = "the model is too deep or too large once its blocks are written out"
            limits = f"{STORED.depth} levels, {STORED.nodes:,} values"
            refuse("C13", mark, message, f"at most {limits}: write repeat for equal layers")
        level = below


def _inside(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def check_characters(text: str, source: Source, line: int = 1) -> None:
    """Refuse control characters, surrogates and byte order marks (C18)."""
    if bad := _REFUSED.search(text):
        above = _LINE_BREAK.split(text[: bad.start()])
        mark = Mark(source, line + len(above) - 1, len(above[-1]) + 1)
        message = f"the character U+{ord(bad[0]):04X} may not stand in a config"
        refuse("C18", mark, message, 'write it as an escape in double quotes, such as "\\x1b"')


def _tree(text: str, source: Source, line: int = 1, limits: Limits = Limits()) -> Node | None:
    """The tree of the only document in `text`, whose first line is line `line` of the source."""
    check_characters(text, source, line)
    builder = _Builder(source, line, limits)
    for event in _events(text, builder):
        builder.feed(event)
    builder.problems.raise_if_any()
    return builder.root


class _Events(Reader, Scanner, Parser):
    """PyYAML's event stream, without its composer, resolver and constructors."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)


def _events(text: str, builder: _Builder) -> Iterator[events.Event]:
    """PyYAML's events; whatever it raises on malformed text becomes one C16 problem."""
    loader = _Events(text)
    try:
        while loader.check_event():
            yield loader.get_event()  # type: ignore[no-untyped-call]
    except MarkedYAMLError as error:
        mark = builder.mark(error.problem_mark or error.context_mark or loader.get_mark())
        message = f"this is not valid YAML: {error.problem or error.context}"
        if error.context and error.context_mark:
            message += f" ({error.context} that starts on line {error.context_mark.line + 1})"
        builder.refuse("C16", mark, message, _syntax_hint(error.problem or ""))
    except (YAMLError, KeyError, ValueError, AttributeError, IndexError, TypeError, OverflowError):
        # PyYAML leaks these for escapes and directives that it reads without checking.
        builder.refuse("C16", builder.mark(loader.get_mark()), "this is not valid YAML")


def _syntax_hint(problem: str) -> str:
    """What to do about the commonest of PyYAML's complaints."""
    if "'\\t'" in problem:
        return "indent with spaces, not with tabs"
    if "cannot start any token" in problem:
        return "text that starts with this character needs quotes"
    if "mapping values are not allowed" in problem:
        return "text that holds ': ' needs quotes; else check the indentation"
    if "end of stream" in problem or "stream end" in problem or "expected ','" in problem:
        return "close the quote or the bracket"
    return ""


class _Place(Protocol):
    """PyYAML's Mark: line and column count from 0."""

    line: int
    column: int


@dataclass
class _Open:
    """A list or mapping whose end is still to come; size and height count what aliases add."""

    node: Sequence | Mapping
    anchor: str | None
    key: tuple[str, Mark] | None = None
    size: int = 1
    height: int = 1

    @property
    def awaits_key(self) -> bool:
        return isinstance(self.node, Mapping) and self.key is None


class _Builder:
    """Builds the tree from events without recursion, counting what it would expand to."""

    def __init__(self, source: Source, line: int, limits: Limits) -> None:
        self.problems = Problems()
        self._limits = limits
        self.root: Node | None = None
        self._source = source
        self._line = line
        self._open: list[_Open] = []
        # What an anchor names with its size and height; None while that is still open.
        self._anchors: dict[str, tuple[Node, int, int] | None] = {}
        self._aliases = 0
        self._nodes = 0

    def mark(self, start: _Place | None, end: _Place | None = None) -> Mark:
        """PyYAML's place, as a Mark that is as wide as what stands there on one line."""
        assert start is not None
        width = end.column - start.column if end and end.line == start.line else 1
        return Mark(self._source, start.line + self._line, start.column + 1, max(1, width))

    def refuse(self, fault: str, mark: Mark, message: str, hint: str = "") -> NoReturn:
        """Stop here, with this problem and those that were noted before."""
        self.problems.add(fault, mark, message, hint)
        raise ConfigError(self.problems.sorted())

    def feed(self, event: events.Event) -> None:
        """Take one event."""
        if isinstance(event, events.CollectionEndEvent):
            self._close()
            return
        mark = self.mark(event.start_mark, event.end_mark)
        if isinstance(event, events.DocumentStartEvent):
            if event.version or event.tags:
                self.refuse("C16", mark, "directives (lines that start with %) are not accepted")
            if self.root is not None:
                self.refuse("C17", mark, "a config holds one document", "remove the second '---'")
        elif isinstance(event, events.AliasEvent):
            self._alias(event.anchor or "", mark)
        elif isinstance(event, events.ScalarEvent | events.CollectionStartEvent):
            self._count(1, mark)
            if event.tag is not None:
                hint = "remove it: what a key expects decides the type"
                self.problems.add("C15", mark, f"the tag {quote(event.tag)} is not accepted", hint)
            if event.anchor in self._anchors:
                self.refuse("C14", mark, f"the anchor &{event.anchor} is set twice")
            if isinstance(event, events.ScalarEvent):
                self._scalar(event, mark)
            else:
                self._start(event, mark)

    def _start(self, event: events.CollectionStartEvent, mark: Mark) -> None:
        if self._open and self._open[-1].awaits_key:
            self.refuse("C16", mark, "a key must be plain text, not a list or a mapping")
        self._check_depth(1, mark)
        start = Mark(mark.source, mark.line, mark.column)
        is_list = isinstance(event, events.SequenceStartEvent)
        self._open.append(
            _Open(Sequence([], start) if is_list else Mapping({}, start), event.anchor)
        )
        if event.anchor is not None:
            self._anchors[event.anchor] = None

    def _scalar(self, event: events.ScalarEvent, mark: Mark) -> None:
        text, quoted = event.value, event.style is not None
        if half := _SURROGATE.search(text):
            message = f'the escape "\\u{ord(half[0]):04x}" is half a character'
            self.problems.add("C18", mark, message, 'write the character, or "\\U0001F600"')
        is_key = bool(self._open) and self._open[-1].awaits_key
        try:
            value = text if quoted or is_key else scalar(text)
        except OverflowError:
            value = 0
            self.problems.add("C10", mark, *_too_large(text))
        node = Scalar(value, text, quoted, mark)
        if event.anchor is not None:
            self._anchors[event.anchor] = node, 1, 0
        if is_key:
            self._key(self._open[-1], node)
        else:
            self._attach(node, 1, 0)

    def _key(self, top: _Open, key: Scalar) -> None:
        assert isinstance(top.node, Mapping)
        if key.text == "<<" and not key.quoted:
            self.refuse("C12", key.mark, 'the merge key "<<" is not accepted', "write the keys out")
        if not key.text:
            self.refuse("C16", key.mark, "there is no key before the colon")
        if first := top.node.entries.get(key.text):
            name, line = quote(key.text, name=True), first.key_mark.line
            message = f"the key {name} on line {key.mark.line} is already set on line {line}"
            self.problems.add("C11", key.mark, message, "keep one of the two")
        top.key = key.text, key.mark

    def _alias(self, anchor: str, mark: Mark) -> None:
        self._aliases += 1
        if self._aliases > MAX_ALIASES:
            self.refuse("C12", mark, f"there are more than {MAX_ALIASES} aliases")
        if self._open and self._open[-1].awaits_key:
            self.refuse("C16", mark, "a key must be plain text, not an alias")
        if anchor not in self._anchors:
            hint = suggest(anchor, self._anchors)
            self.refuse("C14", mark, f"the alias *{anchor} has no anchor &{anchor} above it", hint)
        target = self._anchors[anchor]
        if target is None:
            self.refuse("C14", mark, f"the alias *{anchor} stands inside what &{anchor} names")
        node, size, height = target
        self._count(size, mark)
        self._check_depth(height, mark)
        self._attach(node, size, height)

    def _close(self) -> None:
        done = self._open.pop()
        if done.anchor is not None:
            self._anchors[done.anchor] = done.node, done.size, done.height
        self._attach(done.node, done.size, done.height)

    def _attach(self, node: Node, size: int, height: int) -> None:
        """Put a finished node where it belongs."""
        if not self._open:
            self.root = node
            return
        top = self._open[-1]
        top.size += size
        top.height = max(top.height, height + 1)
        if isinstance(top.node, Sequence):
            top.node.items.append(node)
        else:
            assert top.key is not None
            key, mark = top.key
            top.node.entries[key] = Entry(mark, node)
            top.key = None

    def _check_depth(self, height: int, mark: Mark) -> None:
        most = self._limits.depth
        if len(self._open) + height > most:
            self.refuse("C13", mark, f"lists and mappings nest deeper than {most} levels")

    def _count(self, size: int, mark: Mark) -> None:
        self._nodes += size
        if self._nodes > self._limits.nodes:
            most = f"{self._limits.nodes:,}"
            self.refuse("C12", mark, f"the config expands to more than {most} values")


def _too_large(text: str) -> tuple[str, str]:
    """Message and hint for an integer beyond 64 bits."""
    message = f"the integer {quote(text)} does not fit into 64 bits"
    return message, "write large numbers as floats, such as 1e20"
