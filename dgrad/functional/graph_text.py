"""A recorded graph as a table: one row per node, oldest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dgrad.functional.tables import aligned, size

if TYPE_CHECKING:
    from dgrad.functional.graph import Graph, GraphNode

__all__ = ["label", "place", "text"]

LONGEST = 40  # characters of the static parameters
RIGHT = (0, 4)  # columns of numbers


def text(graph: Graph, limit: int | None) -> str:
    """The table and a line of totals; of more than `limit` nodes the first and the last."""
    nodes = graph.nodes
    left_out = 0 if limit is None else max(0, len(nodes) - max(limit, 2))
    first = len(nodes) if not left_out else (len(nodes) - left_out + 1) // 2
    head = ("#", "operation", "inputs", "result", "keeps", "where")
    shown = [*nodes[:first], *nodes[first + left_out :]]
    lines = aligned([head, *(_row(node) for node in shown)], RIGHT)
    if left_out:
        lines.insert(first + 1, f"... {left_out:,} nodes left out ...")
    return "\n".join([*lines, _totals(graph)])


def _row(node: GraphNode) -> tuple[str, ...]:
    inputs = ", ".join(
        f"{edge.slot}={edge.source}{f'[{edge.output}]' if edge.output else ''}"
        for edge in node.inputs
    )
    results = "; ".join(map(str, node.results))
    keeps = "freed" if node.freed else size(node.kept) if node.kept else ""
    return str(node.number), label(node), inputs, results, keeps, place(node)


def _totals(graph: Graph) -> str:
    leaves = [node for node in graph.nodes if node.is_leaf]
    elements = sum(node.elements for node in leaves)
    operations = len(graph.nodes) - len(leaves)
    counts = (_count(operations, "operation"), _count(len(leaves), "leaf", "leaves"))
    return (
        f"{_count(len(graph.nodes), 'node')}: {', '.join(counts)} of "
        f"{_count(elements, 'element')}; {size(graph.kept)} kept for backward"
    )


def _count(number: int, one: str, several: str = "") -> str:
    return f"{number:,} {one if number == 1 else several or one + 's'}"


def label(node: GraphNode) -> str:
    """`sum(axis=0)`, `leaf head.weight`."""
    params = ", ".join(f"{name}={_short(value)}" for name, value in node.params.items())
    if len(params) > LONGEST:
        params = params[: LONGEST - 3] + "..."
    called = f"{node.op}({params})" if params else node.op
    return f"{called} {node.name}" if node.name else called


def _short(value: object) -> str:
    if isinstance(value, list):
        return f"({', '.join(map(_short, value))})"
    return str(value)


def place(node: GraphNode) -> str:
    """The layer and the line that made it, as far as they are known."""
    return ", ".join(part for part in (node.layer, node.source) if part)
