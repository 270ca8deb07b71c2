"""graph(t): the recorded graph behind a Tensor as data, and as text, dot, Mermaid and JSON."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from dgrad.core.anomaly import source_of
from dgrad.core.node import Leaf, Output, behind
from dgrad.core.saved import FREED
from dgrad.core.tensor import Tensor
from dgrad.core.versions import owner
from dgrad.errors import DtypeError, GraphError
from dgrad.functional.graph_formats import dot, mermaid, to_dict, to_json
from dgrad.functional.graph_text import text
from dgrad.functional.spans import Spans
from dgrad.nn.module import Module

__all__ = ["Edge", "Graph", "GraphNode", "Result", "graph"]


class Result(NamedTuple):
    """One output of a node: shape and dtype; both are empty for one that is no array."""

    shape: tuple[int, ...]
    dtype: str

    def __str__(self) -> str:
        return f"{self.dtype} {self.shape}" if self.dtype else "-"


class Edge(NamedTuple):
    """Output number `output` of node `source` is input `slot` of node `target`."""

    source: int
    output: int
    target: int
    slot: str


@dataclass(frozen=True, slots=True)
class GraphNode:
    """One node: an operation, or a leaf (op "leaf").

    number: from 1, in order of creation. inputs: those with a gradient. kept: bytes that its saved
    values keep alive and no earlier node does, leaves left out. freed: a backward has freed them.
    params: static parameters, as JSON can hold them. name: of a parameter or a named Tensor.
    layer: path of the layer that made it; source: `file:line` that did; where they were recorded.
    """

    number: int
    op: str
    inputs: tuple[Edge, ...]
    results: tuple[Result, ...]
    params: dict[str, Any] = field(default_factory=dict)
    kept: int = 0
    freed: bool = False
    name: str | None = None
    layer: str | None = None
    source: str | None = None

    @property
    def is_leaf(self) -> bool:
        """Whether it is no operation, but where gradients end."""
        return self.op == "leaf"

    @property
    def elements(self) -> int:
        """Of its first result."""
        return math.prod(self.results[0].shape)


@dataclass(frozen=True)
class Graph:
    """What was recorded: nodes by number, oldest first; outputs: (node, output) of what was asked.

    `str(graph)` is a table; `dot()`, `mermaid()`, `json()` and `to_dict()` are complete.
    """

    nodes: tuple[GraphNode, ...]
    outputs: tuple[tuple[int, int], ...]

    @property
    def edges(self) -> Iterator[Edge]:
        """Every edge, by target."""
        return (edge for node in self.nodes for edge in node.inputs)

    @property
    def kept(self) -> int:
        """Bytes that the graph keeps alive for backward, besides the leaves; each counted once."""
        return sum(node.kept for node in self.nodes)

    def text(self, limit: int | None = 200) -> str:
        """A table of the nodes; of more than `limit` the first and the last, and a count."""
        return text(self, limit)

    def __str__(self) -> str:
        return self.text()

    def dot(self) -> str:
        """For Graphviz: `dot -Tsvg`."""
        return dot(self)

    def mermaid(self) -> str:
        """A Mermaid flowchart."""
        return mermaid(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, numbers and strings; format 1."""
        return to_dict(self)

    def json(self) -> str:
        """`to_dict()` as JSON, a line per node and per edge."""
        return to_json(self)


def graph(
    outputs: Any,
    names: Module | Mapping[str, Tensor] | None = None,
    *,
    layers: Spans | None = None,
) -> Graph:
    """The graph recorded behind a Tensor, or several, down to its leaves.

    names: a Module whose parameters, or a dict whose Tensors, are to be called by name. layers:
    from `record_layers`. Lines are known of what was recorded under `detect_anomaly`. To see a
    backward, give the gradients that `grad(..., create_graph=True)` returns.
    Raises GraphError for what has no graph, DtypeError for what is no Tensor, or no names.
    """
    tensors = _tensors(outputs)
    ends = [_end(t.node) for t in tensors]
    found = [node for node in reversed(behind(t.node for t in tensors)) if type(node) is not Output]
    numbers = {node: i for i, node in enumerate(found, start=1)}
    return Graph(
        nodes=tuple(_described(found, numbers, _named(names), layers)),
        outputs=tuple((numbers[node], index) for node, index in ends),
    )


def _tensors(outputs: Any) -> list[Tensor]:
    """The outputs, each of which has a graph."""
    if not isinstance(outputs, Iterable):
        got = type(outputs).__name__
        raise DtypeError(f"graph: takes a Tensor, or several of them, got {got}")
    tensors = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    for i, t in enumerate(tensors):
        if not isinstance(t, Tensor):
            got = type(t).__name__
            raise DtypeError(f"graph: takes a Tensor, or several of them; output {i} is {got}")
        if t.node is None:
            raise GraphError(
                f"graph: output {i} does not require grad, so that nothing was recorded behind it"
            )
    return tensors


def _end(node: Any) -> tuple[Any, int]:
    """An edge as (node, number of the output)."""
    return (node.edges[0], node.index) if type(node) is Output else (node, 0)


def _named(names: Module | Mapping[str, Tensor] | None) -> dict[Any, str]:
    if names is None:
        return {}
    if not isinstance(names, Module | Mapping):
        got = type(names).__name__
        raise DtypeError(f"graph: names must be a Module or a dict of Tensors, got {got}")
    pairs = names.named_parameters() if isinstance(names, Module) else names.items()
    return {_end(t.node)[0]: name for name, t in pairs if t.node is not None}


def _described(
    nodes: Sequence[Any], numbers: dict[Any, int], names: dict[Any, str], layers: Spans | None
) -> Iterator[GraphNode]:
    counted = {id(owner(t.data)) for t in map(_tensor, nodes) if t is not None}
    for node in nodes:
        leaf = type(node) is Leaf
        number = numbers[node]
        params = {} if leaf else node.params
        saved = () if leaf or node.saved is FREED else node.saved
        yield GraphNode(
            number=number,
            op=node.name,
            inputs=() if leaf else tuple(_inputs(node, number, numbers)),
            results=_results(node),
            params={name: _plain(value) for name, value in params.items()},
            kept=_kept((saved, *params.values()), counted) if saved or params else 0,
            freed=not leaf and node.saved is FREED,
            name=names.get(node),
            layer=None if layers is None or leaf else layers.find(node.seq),
            source=source_of(node),
        )


def _tensor(node: Any) -> Tensor | None:
    """The Tensor of a leaf that still exists."""
    return node.tensor() if type(node) is Leaf else None


def _inputs(node: Any, number: int, numbers: dict[Any, int]) -> Iterator[Edge]:
    slots = getattr(node.op, "inputs", ())
    for i, edge in enumerate(node.edges):
        if edge is not None:
            source, output = _end(edge)
            slot = slots[i] if len(slots) == len(node.edges) else f"{slots[0] if slots else ''}{i}"
            yield Edge(numbers[source], output, number, slot)


def _results(node: Any) -> tuple[Result, ...]:
    several = getattr(node, "outputs", None) or ((node.shape, node.dtype),)
    return tuple(Result((), "") if r is None else Result(r[0], _dtype_name(r[1])) for r in several)


_dtype_name = functools.cache(str)


def _kept(values: Any, counted: set[int]) -> int:
    """Bytes of the memory behind arrays in nested tuples that is not counted yet; notes it."""
    total = 0
    stack = [values]
    while stack:
        value = stack.pop()
        if isinstance(value, tuple | list):
            stack.extend(value)
            continue
        value = getattr(value, "packed", value)  # what a pack hook made of it
        array = value.data if isinstance(value, Tensor) else value
        if isinstance(array, np.ndarray):
            memory = owner(array)
            if id(memory) not in counted:
                counted.add(id(memory))
                total += memory.nbytes
    return total


def _plain(value: Any) -> Any:
    """A static parameter as JSON can hold it, and the same in every run."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{list(value.shape)}"
    if isinstance(value, slice):
        parts = (value.start, value.stop, value.step)
        first, last, step = ("" if part is None else str(_plain(part)) for part in parts)
        return f"{first}:{last}:{step}" if step else f"{first}:{last}"
    if value is Ellipsis:
        return "..."
    if isinstance(value, np.dtype | complex | range):
        return str(value)
    return getattr(value, "__qualname__", type(value).__qualname__)
