"""Which layer was at work when a node was made: told by the creation numbers of the nodes."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from dgrad.core.node import next_seq
from dgrad.nn.module import Module

__all__ = ["Spans", "record_layers"]


class Spans:
    """Names for stretches of a thread's work; an inner one hides those around it."""

    def __init__(self) -> None:
        self._begins: list[int] = [0]  # creation numbers at which another name begins to hold
        self._names: list[str | None] = [None]
        self._open: list[str | None] = [None]

    @property
    def now(self) -> str | None:
        """The name of what would be made at this moment."""
        return self._open[-1]

    def enter(self, name: str) -> None:
        """What is made from now on is called `name`."""
        self._open.append(name)
        self._mark()

    def leave(self) -> None:
        """The stretch that was entered last is over."""
        self._open.pop()
        self._mark()

    def _mark(self) -> None:
        self._begins.append(next_seq())
        self._names.append(self._open[-1])

    @contextmanager
    def span(self, name: str) -> Iterator[None]:
        """Within: what is made is called `name`."""
        self.enter(name)
        try:
            yield
        finally:
            self.leave()

    def find(self, seq: int) -> str | None:
        """The name of what was made with creation number `seq`."""
        return self._names[bisect_right(self._begins, seq) - 1]


@contextmanager
def record_layers(*models: Module, **named: Module) -> Iterator[Spans]:
    """Within: the Spans given note which layer, by its dotted path, makes which nodes.

    Layers of `models` have their own paths, those of `loss=module` paths that begin with "loss".
    For `graph(loss, model, layers=spans)`. Forward hooks are set, and taken away at the end.
    """
    spans = Spans()
    with ExitStack() as hooks:
        for prefix, module in [*(("", model) for model in models), *named.items()]:
            for path, layer in module.named_modules(prefix):
                if path:
                    hooks.enter_context(layer.register_forward_pre_hook(_entering(spans, path)))
                    hooks.enter_context(layer.register_forward_hook(_leaving(spans)))
        yield spans


def _entering(spans: Spans, path: str) -> Any:
    return lambda module, args: spans.enter(path)


def _leaving(spans: Spans) -> Any:
    return lambda module, args, output: spans.leave()
