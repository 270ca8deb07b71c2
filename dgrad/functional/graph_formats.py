"""A recorded graph for other programs: Graphviz, Mermaid, JSON. Complete, however large."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dgrad.functional.graph_text import label, place
from dgrad.functional.tables import size

if TYPE_CHECKING:
    from dgrad.functional.graph import Graph, GraphNode

__all__ = ["dot", "mermaid", "to_dict", "to_json"]

_encode = json.JSONEncoder(allow_nan=False).encode
FORMAT = 1  # of to_dict
PLAIN = frozenset(" ()[],.:;=+-*/_'")  # besides letters and digits, what Mermaid shows as it is


def to_dict(graph: Graph) -> dict[str, Any]:
    """The graph in plain values; a node's inputs are the edges that lead to it."""
    return {
        "format": FORMAT,
        "outputs": [{"node": node, "output": output} for node, output in graph.outputs],
        "kept_bytes": graph.kept,
        "nodes": [_node(node) for node in graph.nodes],
        "edges": [edge._asdict() for edge in graph.edges],
    }


def _node(node: GraphNode) -> dict[str, Any]:
    return {
        "number": node.number,
        "op": node.op,
        "name": node.name,
        "results": [{"shape": list(r.shape), "dtype": r.dtype} for r in node.results],
        "params": node.params,
        "kept_bytes": node.kept,
        "freed": node.freed,
        "layer": node.layer,
        "source": node.source,
    }


def to_json(graph: Graph) -> str:
    """`to_dict` as JSON, every node and every edge on a line of its own."""
    parts = []
    for key, value in to_dict(graph).items():
        lines = value if key in ("nodes", "edges") else None
        text = _encode(value) if lines is None else _listed(lines)
        parts.append(f'"{key}": {text}')
    return "{" + ",\n ".join(parts) + "}\n"


def _listed(items: list[dict[str, Any]]) -> str:
    inside = ",\n  ".join(map(_encode, items))
    return f"[\n  {inside}\n ]" if items else "[]"


def dot(graph: Graph) -> str:
    """The Graphviz language: leaves as boxes, outputs with a double border."""
    ends = {node for node, _ in graph.outputs}
    lines = ["digraph {", "  node [shape=ellipse];"]
    for node in graph.nodes:
        shown = "\\n".join(map(_dot_text, _lines(node)))
        style = ", shape=box" if node.is_leaf else ""
        style += ", peripheries=2" if node.number in ends else ""
        lines.append(f'  n{node.number} [label="{shown}"{style}];')
    for edge in graph.edges:
        slot = f"[{edge.output}] {edge.slot}" if edge.output else edge.slot
        lines.append(f'  n{edge.source} -> n{edge.target} [label="{_dot_text(slot)}"];')
    return "\n".join([*lines, "}", ""])


def mermaid(graph: Graph) -> str:
    """A flowchart from top to bottom: leaves as boxes, outputs with a double border."""
    ends = {node for node, _ in graph.outputs}
    lines = ["flowchart TD"]
    for node in graph.nodes:
        shown = "<br/>".join(map(_mermaid_text, _lines(node)))
        left, right = ("[", "]") if node.is_leaf else ("([", "])")
        if node.number in ends:
            left, right = "[[", "]]"
        lines.append(f'  n{node.number}{left}"{shown}"{right}')
    for edge in graph.edges:
        slot = f"[{edge.output}] {edge.slot}" if edge.output else edge.slot
        lines.append(f'  n{edge.source} -->|"{_mermaid_text(slot)}"| n{edge.target}')
    return "\n".join([*lines, ""])


def _lines(node: GraphNode) -> list[str]:
    """What stands in a node's shape."""
    lines = [label(node), "; ".join(map(str, node.results))]
    if node.kept:
        lines.append(f"keeps {size(node.kept)}")
    if place(node):
        lines.append(place(node))
    return lines


def _dot_text(text: str) -> str:
    """Inside double quotes; what cannot be printed, as an escape that can."""
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return shown.replace("\\", "\\\\").replace('"', '\\"')


def _mermaid_text(text: str) -> str:
    """Inside double quotes; what Mermaid or HTML might read as markup, by its code."""
    return "".join(c if c.isalnum() or c in PLAIN else f"#{ord(c)};" for c in text)
