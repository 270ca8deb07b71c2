"""Small changes to the text of a rule, each of them a mistake somebody could make."""

from __future__ import annotations

import ast
import copy
import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from dgrad import Tensor

__all__ = ["SCALED", "Edit", "Inapplicable", "edits", "effects", "scaled"]

SCALED = "_scaled_by"  # the name by which a mutant finds `scaled`
REARRANGES = {"transpose", "swapaxes", "moveaxis", "flip", "conj", "conjugate", "triu", "tril"}
SWAPPED = {
    "greater": "greater_equal", "less": "less_equal", "equal": "not_equal",
    "add": "subtract", "multiply": "divide", "sin": "cos", "sinh": "cosh", "maximum": "minimum",
    "isnan": "isfinite", "triu": "tril", "logical_and": "logical_or",
}  # fmt: skip
SWAPPED |= {value: key for key, value in SWAPPED.items()}
ORDERED = {
    "matmul", "subtract", "divide", "power", "outer", "tensordot", "greater", "less",
    "greater_equal", "less_equal", "solve", "dot", "kron",
}  # fmt: skip
COMPARISONS: dict[type, type] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
Change = tuple[str, Callable[[Any], ast.AST]]  # kind, and what a node becomes


class Inapplicable(Exception):
    """A mutant that is none: the value is nothing that could be scaled."""


class Edit:
    """A changed statement; kind, and the text before and after, for the report."""

    def __init__(self, kind: str, before: str, after: str, line: int, statement: ast.stmt) -> None:
        self.kind = kind
        self.before = before
        self.after = after
        self.line = line
        self.statement = statement


def scaled(value: Any, factor: float) -> Any:
    """value * factor, for numbers and arrays of floats and lists of them; else Inapplicable."""
    if isinstance(value, list | tuple):
        if not any(isinstance(v, np.ndarray | Tensor) for v in value):
            raise Inapplicable
        return [None if v is None else scaled(v, factor) for v in value]
    kind = np.dtype(type(value)).kind if isinstance(value, int | float) else None
    kind = getattr(getattr(value, "dtype", None), "kind", kind)
    if kind not in ("f", "c"):
        raise Inapplicable
    effects.append(bool(np.any(getattr(value, "data", value))))
    return value * factor


effects: list[bool] = []  # of each call of `scaled`, whether it changed anything: zeros stay zeros


def _by(factor: float) -> Callable[[Any], ast.AST]:
    def change(node: Any) -> ast.AST:
        return ast.Call(ast.Name(SCALED, ast.Load()), [node, ast.Constant(factor)], [])

    return change


def _name(call: ast.Call) -> str:
    """The last part of what is called: transpose of np.transpose and x.transpose."""
    f = call.func
    return f.attr if isinstance(f, ast.Attribute) else f.id if isinstance(f, ast.Name) else ""


def _on_module(call: ast.Call) -> bool:
    """np.f(x), np.linalg.f(x) and f(x), not x.f()."""
    f = call.func
    while isinstance(f, ast.Attribute):
        f = f.value
        if isinstance(f, ast.Name):
            return f.id == "np"
    return isinstance(f, ast.Name)


def _binary(node: ast.BinOp) -> Iterator[Change]:
    def swap(n: ast.BinOp) -> ast.AST:
        return ast.BinOp(n.right, n.op, n.left)

    def side(field: str, wrap: Callable[[Any], ast.AST]) -> Callable[[Any], ast.AST]:
        def change(n: Any) -> ast.AST:
            setattr(n, field, wrap(getattr(n, field)))
            return n  # type: ignore[no-any-return]

        return change

    def operator(new: ast.operator) -> Callable[[Any], ast.AST]:
        return lambda n: ast.BinOp(n.left, new, n.right)

    match node.op:
        case ast.Add() | ast.Sub():
            minus = isinstance(node.op, ast.Sub)
            yield "sign", operator(ast.Add() if minus else ast.Sub())
            yield "dropped term", lambda n: n.left
            yield "dropped term", (lambda n: _by(-1.0)(n.right)) if minus else lambda n: n.right
            yield "sign", side("left", _by(-1.0))
            yield "factor", side("left", _by(2.0))
            yield "factor", side("right", _by(1.001))
            if minus:
                yield "operands", swap
        case ast.Mult():
            yield "dropped factor", lambda n: n.left
            yield "dropped factor", lambda n: n.right
            yield "factor", operator(ast.Div())
        case ast.Div():
            yield "dropped factor", lambda n: n.left
            yield "factor", operator(ast.Mult())
            yield "operands", swap
        case ast.Pow() | ast.MatMult():
            yield "operands", swap
        case ast.BitAnd() | ast.BitOr():
            other = ast.BitOr() if isinstance(node.op, ast.BitAnd) else ast.BitAnd()
            yield "comparison", operator(other)
            yield "comparison", lambda n: n.left
            yield "comparison", lambda n: n.right


def _call(node: ast.Call) -> Iterator[Change]:
    name, first = _name(node), node.args[:1]
    if name in REARRANGES and _on_module(node) and first:
        yield "transpose", lambda n: n.args[0]
    if name in REARRANGES and not _on_module(node):
        yield "transpose", lambda n: n.func.value
    if name in SWAPPED and _on_module(node) and isinstance(node.func, ast.Attribute):
        kind = "comparison" if name in ("greater", "less", "equal") or "_" in name else "function"
        yield kind, lambda n: _renamed(n, SWAPPED[name])
    if name in ORDERED and _on_module(node) and len(node.args) == 2:
        yield "operands", lambda n: ast.Call(n.func, n.args[::-1], n.keywords)
    if name == "where" and len(node.args) == 3:
        yield "operands", lambda n: ast.Call(n.func, [n.args[0], n.args[2], n.args[1]], [])
        yield "dropped term", lambda n: n.args[1]
        yield "dropped term", lambda n: n.args[2]


def _renamed(call: Any, name: str) -> ast.AST:
    call.func.attr = name
    return call  # type: ignore[no-any-return]


def _constant(node: ast.Constant) -> Iterator[Change]:
    value = node.value
    if isinstance(value, bool):
        yield "constant", lambda n: ast.Constant(not value)
    elif isinstance(value, int):
        yield "constant", lambda n: ast.Constant(value + 1)
    elif isinstance(value, float):
        yield "constant", lambda n: ast.Constant(value * 1.001 if value else 1.0)
        yield "constant", lambda n: ast.Constant(-value if value else -1.0)


def _axis(node: ast.keyword) -> Iterator[Change]:
    if node.arg in ("axis", "axes") and not isinstance(node.value, ast.Constant):
        if not isinstance(node.value, ast.UnaryOp):
            yield "axis", lambda n: ast.keyword(n.arg, ast.Constant(0))
            yield "axis", lambda n: ast.keyword(n.arg, ast.Constant(-1))
    elif node.arg == "axis":
        text = ast.unparse(node.value)
        other = {"0": -1, "-1": 0, "None": 0}.get(text, 0)
        yield "axis", lambda n: ast.keyword(n.arg, ast.Constant(other))
        if text == "-1":
            yield "axis", lambda n: ast.keyword(n.arg, ast.Constant(-2))


def _changes(node: ast.AST) -> Iterator[Change]:
    """What may become of one node of the syntax tree."""
    match node:
        case ast.BinOp():
            yield from _binary(node)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int())):
            yield "constant", lambda n: ast.Constant(1 - n.operand.value)  # -1 to 0, -2 to -1
        case ast.UnaryOp(op=ast.USub()):
            yield "sign", lambda n: n.operand
        case ast.UnaryOp(op=ast.Not() | ast.Invert()):
            yield "comparison", lambda n: n.operand
        case ast.Compare(ops=[one]) if type(one) in COMPARISONS:
            yield (
                "comparison",
                lambda n: ast.Compare(n.left, [COMPARISONS[type(one)]()], n.comparators),
            )
        case ast.BoolOp():
            other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            yield "comparison", lambda n: ast.BoolOp(other, n.values)
        case ast.IfExp():
            if not _spares_work(node.test):
                yield "branch", lambda n: n.body
            yield "branch", lambda n: n.orelse
        case ast.If():
            negated = isinstance(node.test, ast.UnaryOp)
            for value in (True, False):
                if not _spares_work(node.test) or value == negated:
                    yield "branch", functools.partial(_decided, value)
        case ast.Call():
            yield from _call(node)
        case ast.Attribute(attr="T"):
            yield "transpose", lambda n: n.value
        case ast.Constant():
            yield from _constant(node)
        case ast.keyword():
            yield from _axis(node)
        case ast.Return(value=ast.Call() as call) if _name(call).endswith("Error"):
            return
        case ast.Return(value=ast.expr()):
            yield from _result(lambda wrap: lambda n: ast.Return(wrap(n.value)))
        case ast.Lambda():
            yield from _result(lambda wrap: lambda n: ast.Lambda(n.args, wrap(n.body)))
        case ast.AugAssign():
            pairs: dict[type, Any] = {
                ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult
            }  # fmt: skip
            if type(node.op) in pairs:
                changed = pairs[type(node.op)]()
                yield "sign", lambda n: ast.AugAssign(n.target, changed, n.value)
            yield "dropped term", lambda n: ast.Pass()
        case ast.Expr(value=ast.Call()):
            yield "dropped term", lambda n: ast.Pass()


def _decided(value: bool, node: Any) -> ast.AST:
    return ast.If(ast.Constant(value), node.body, node.orelse)


def _spares_work(test: ast.AST) -> bool:
    """Whether a condition says that a gradient is wanted: without it more is computed, no other."""
    names = {n.id for n in ast.walk(test) if isinstance(n, ast.Name)}
    return any(name.startswith(("need", "want")) for name in names)


def _result(place: Callable[[Any], Callable[[Any], ast.AST]]) -> Iterator[Change]:
    """What may go wrong with the result of a rule, or of a function it calls."""
    yield "sign", place(_by(-1.0))
    yield "factor", place(_by(2.0))
    yield "factor", place(_by(1.001))


def _inside(statement: ast.stmt) -> Iterator[ast.AST]:
    """The nodes of a statement that are worth changing: what rules compute, not how they are named.

    Left out are annotations, default values, decorators, docstrings and what is raised.
    """
    within: list[ast.AST] = []
    if isinstance(statement, ast.FunctionDef):
        within = list(statement.body)
    else:
        stack: list[ast.AST] = [statement]
        while stack:
            node = stack.pop()
            if isinstance(node, ast.Lambda):
                within.append(node)
            else:
                stack.extend(ast.iter_child_nodes(node))
    while within:
        node = within.pop()
        if isinstance(node, ast.Raise | ast.JoinedStr | ast.arguments | ast.Assert):
            continue
        if isinstance(node, ast.keyword) and node.arg == "strict":  # of zip: an assertion too
            continue
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        if isinstance(node, ast.If) and isinstance(node.body[0], ast.Raise):
            within.extend(node.orelse)  # a check of arguments: the forward has made it already
            continue
        yield node
        if isinstance(node, ast.FunctionDef):
            within.extend(node.body)
        elif isinstance(node, ast.Call) and _name(node) == "isinstance":
            within.append(node.args[0])
        elif isinstance(node, ast.AnnAssign):
            within.extend([node.value] if node.value else [])
        elif isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant):
            if not isinstance(node.operand.value, int):
                within.append(node.operand)
        else:
            within.extend(ast.iter_child_nodes(node))


def edits(statement: ast.stmt) -> Iterator[Edit]:
    """Every change of a statement, in the order of its lines."""
    index = {id(node): i for i, node in enumerate(ast.walk(statement))}
    inside = sorted(_inside(statement), key=lambda node: index[id(node)])
    fillers, spares = _chosen_constants(statement)
    for node in inside:
        changes = _changes(node)
        if id(node) in spares:
            continue
        if id(node) in fillers:
            changes = iter([("constant", _zero_or_one)])
        for kind, change in changes:
            fresh = copy.deepcopy(statement)
            target = list(ast.walk(fresh))[index[id(node)]]
            parent, field, place = _parent(fresh, target)
            new = change(target)
            if place is None:
                setattr(parent, field, new)
            else:
                getattr(parent, field)[place] = new
            before, after = _shown(node), _shown(new)
            if before != after:
                yield Edit(kind, before, after, getattr(node, "lineno", 0), fresh)


def _zero_or_one(node: Any) -> ast.AST:
    return ast.Constant(0.0 if node.value else 1.0)


def _chosen_constants(statement: ast.stmt) -> tuple[set[int], set[int]]:
    """Constants that np.where puts in the place of values, and those after the last `or`.

    Whether the first are 1 or 1.001 seldom matters, but 0 for 1 brings a pole back. The others
    stand for what is nothing, as in `g / (count or 1)`.
    """
    fillers, spares = set[int](), set[int]()
    for node in ast.walk(statement):
        if isinstance(node, ast.Call) and _name(node) == "where":
            fillers |= {id(a) for a in node.args[1:] if isinstance(a, ast.Constant)}
        if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or):
            spares |= {id(v) for v in node.values[-1:] if isinstance(v, ast.Constant)}
    return fillers, spares


def _shown(node: ast.AST) -> str:
    """The text of a node, and of a compound one its first line."""
    return ast.unparse(node).split("\n")[0]


def _parent(tree: ast.AST, child: ast.AST) -> tuple[Any, str, int | None]:
    for node in ast.walk(tree):
        for field, value in ast.iter_fields(node):
            if value is child:
                return node, field, None
            if isinstance(value, list):
                for i, item in enumerate(value):
                    if item is child:
                        return node, field, i
    raise AssertionError("every node but the root has a parent")
