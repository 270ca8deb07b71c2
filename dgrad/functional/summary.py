"""summarize(model, ...): what every layer makes, holds, computes and keeps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from dgrad import registry
from dgrad.core.tensor import Tensor
from dgrad.functional.flops import counting_flops
from dgrad.functional.graph import graph
from dgrad.functional.spans import record_layers
from dgrad.functional.tables import aligned, size
from dgrad.nn.composition import Block
from dgrad.nn.container import Sequential
from dgrad.nn.graph import Graph
from dgrad.nn.input_shapes import with_batch
from dgrad.nn.module import Module

__all__ = ["LayerSummary", "Summary", "summarize"]


@dataclass(frozen=True)
class LayerSummary:
    """One layer that was called; what it holds includes what the layers in it hold.

    Lists of layers (Sequential, Graph) have no row of their own. kind: what a config calls it.
    shape: of its (first) output, without the batch axis; None when it returns no array. calls: in
    one forward. parameters: numbers, each counted once, where its owner stands first. flops: of
    one forward, for one row of the batch. kept: bytes of the batch's activations for backward.
    """

    path: str
    kind: str
    depth: int
    shape: tuple[int, ...] | None
    calls: int
    parameters: int
    flops: int
    kept: int


@dataclass(frozen=True)
class Summary:
    """The layers of a model in the order of their first call, and totals. `str` is a table.

    batch: the rows that it was given. trained: of the parameters, those that require grad. flops:
    of one forward, for one row, without the loss. kept: bytes for the batch, the loss's included.
    """

    layers: tuple[LayerSummary, ...]
    batch: int
    parameters: int
    trained: int
    flops: int
    kept: int

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, numbers and strings; format 1."""
        return {"format": 1, **asdict(self)}

    def text(self, depth: int | None = None) -> str:
        """A table of the layers, those in at most `depth` others (None: all), and the totals."""
        head = ("layer", "path", "output", "parameters", "FLOPs / row", f"kept, batch {self.batch}")
        rows = [
            (
                "  " * layer.depth + layer.kind + (f" x{layer.calls}" if layer.calls > 1 else ""),
                layer.path,
                "-" if layer.shape is None else with_batch(layer.shape),
                f"{layer.parameters:,}",
                f"{layer.flops:,}",
                size(layer.kept),
            )
            for layer in self.layers
            if depth is None or layer.depth <= depth
        ]
        total = ("total", "", "", f"{self.parameters:,}", f"{self.flops:,}", size(self.kept))
        lines = aligned([head, *rows, total], right=(3, 4, 5))
        frozen = self.parameters - self.trained
        told = f"{self.parameters:,} parameters"
        told += f", {frozen:,} of them not trained" if frozen else ""
        return "\n".join([*lines, told])

    def __str__(self) -> str:
        return self.text()


def summarize(
    model: Module, *inputs: Any, loss: Module | None = None, targets: Any = None
) -> Summary:
    """Call the model once on inputs, (batch, ...) each, in the mode that it is in, and sum up.

    With a loss, what it keeps is in the total. Nothing is trained; random draws go on from where
    the stream is, and buffers are left as the call leaves them.
    """
    counts: Counter[str] = Counter()
    tensors = [x if isinstance(x, Tensor) else Tensor(x) for x in inputs]
    batch = len(tensors[0].data)
    with ExitStack() as hooks, record_layers(model, **({"loss": loss} if loss else {})) as spans:
        seen = _Calls(model, hooks)

        def count(number: int) -> None:
            counts[spans.now or ""] += number

        hooks.enter_context(counting_flops(count))
        out: Any = model(*tensors)
        whole = sum(counts.values())
        if loss is not None:
            out = loss(out, targets if isinstance(targets, Tensor) else Tensor(targets))
    kept: Counter[str] = Counter()
    if isinstance(out, Tensor) and out.node is not None:
        for node in graph(out, model, layers=spans).nodes:
            kept[node.layer or ""] += node.kept
    parameters = list(model.parameters())
    return Summary(
        layers=tuple(seen.layers(counts, kept, batch)),
        batch=batch,
        parameters=sum(p.size for p in parameters),
        trained=sum(p.size for p in parameters if p.requires_grad),
        flops=whole // batch,
        kept=sum(kept.values()),
    )


class _Calls:
    """The calls of a model's layers, in order."""

    def __init__(self, model: Module, hooks: ExitStack) -> None:
        self.model = model
        self.open: list[str] = []
        self.found: dict[str, LayerSummary] = {}
        for path, layer in model.named_modules():
            if path and type(layer) not in (Sequential, Graph):  # which only hold others
                hooks.enter_context(layer.register_forward_pre_hook(self._begin(path)))
                hooks.enter_context(layer.register_forward_hook(self._end(path)))

    def _begin(self, path: str) -> Any:
        def begin(module: Module, args: Any) -> None:
            first = LayerSummary(path, _kind(module), len(self.open), None, 0, 0, 0, 0)
            self.found.setdefault(path, first)
            self.open.append(path)

        return begin

    def _end(self, path: str) -> Any:
        def end(module: Module, args: Any, output: Any) -> None:
            self.open.pop()
            now = self.found[path]
            first = output[0] if isinstance(output, tuple) and output else output
            shape = first.shape[1:] if isinstance(first, Tensor | np.ndarray) else None
            self.found[path] = replace(now, calls=now.calls + 1, shape=now.shape or shape)

        return end

    def layers(
        self, counts: Counter[str], kept: Counter[str], batch: int
    ) -> Iterator[LayerSummary]:
        """With what each holds, and the layers below it."""
        sizes = {name: p.size for name, p in self.model.named_parameters()}
        for path, layer in self.found.items():
            below = f"{path}."
            yield replace(
                layer,
                parameters=sum(n for name, n in sizes.items() if name.startswith(below)),
                flops=sum(n for at, n in counts.items() if f"{at}.".startswith(below)) // batch,
                kept=sum(n for at, n in kept.items() if f"{at}.".startswith(below)),
            )


def _kind(module: Module) -> str:
    """What a config calls the layer; the name of its class where none can."""
    if isinstance(module, Block):
        return module.name
    known = {registry.layers[name]: name for name in registry.layers}
    return known.get(type(module), type(module).__name__)
