"""@op: a NumPy-level function and one vector-Jacobian product rule per input.

    @op(broadcasts=True)
    def multiply(x, y):
        return np.multiply(x, y)
    multiply.vjp(x=lambda g, y: g * y, y=lambda g, x: g * x)

A rule's parameter names say what backward keeps: `g` (the gradient of the output, first), the
op's inputs, `out`, `<input>_shape` (keeps the shape alone), static parameters, and in a joint rule
`needs` (which inputs want a gradient). A `fast_vjp` may also ask for what the forward `keeps`.
An op is transparent: arrays in, array out; a Tensor among the inputs, Tensor out.
"""

from __future__ import annotations

import functools
import inspect
import reprlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, cast, overload

import numpy as np

from dgrad import registry
from dgrad.core.call import caller
from dgrad.core.node import Node
from dgrad.core.protocols import NUMPY_OPS
from dgrad.core.tensor import Tensor, from_parts, raw_gradients
from dgrad.errors import DtypeError, GraphError, OpDefinitionError, ShapeError

__all__ = ["Op", "OpFunction", "op"]

Example = Callable[[np.random.Generator], tuple[tuple[Any, ...], dict[str, Any]]]
Rule = Callable[[Any, Any, dict[str, Any]], Any]  # (g, saved, params) -> gradient of one input


class OpFunction(Protocol):
    """What `@op` returns: the function, with the means to give it rules."""

    __name__: str
    op: Op

    def __call__(self, *args: Any, **params: Any) -> Any: ...

    def vjp(self, joint: Callable[..., Any] | None = None, /, **rules: Any) -> None:
        """Give one rule per input, or one joint rule that returns all the gradients."""

    def fast_vjp(self, joint: Callable[..., Any] | None = None, /, **rules: Any) -> None:
        """Rules for raw arrays only: in place, `out=` and kept values allowed."""


class Plan(NamedTuple):
    """What a node keeps: entries of the op's layout, for one choice of inputs that want gradients.

    flags: for each input and out, whether it is kept; values: those kept as they are, by index;
    shapes: (index, input) of those kept as a shape; size: entries up to the last one kept.
    """

    flags: tuple[bool, ...]
    values: tuple[int, ...]
    shapes: tuple[tuple[int, int], ...]
    size: int

    def keep(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """The saved tuple. values: inputs, out, kept values."""
        if not self.size:
            return ()
        saved: list[Any] = [None] * self.size
        for i in self.values:
            saved[i] = values[i]
        for i, source in self.shapes:
            saved[i] = _shape(values[source])
        return tuple(saved)


class Op:
    """The record of an op: its forward, its rules, and what they need kept.

    `saved` of its nodes is laid out as: inputs, out, kept values, `<input>_shape` of each input;
    entries that no active rule asks for are None. A variadic op has one input, a tuple.
    """

    def __init__(
        self,
        forward: Callable[..., Any],
        *,
        broadcasts: bool,
        differentiable: bool,
        keeps: Sequence[str],
        example: Example | None,
    ) -> None:
        self.name = forward.__name__
        self.forward = forward
        self.broadcasts = broadcasts
        self.differentiable = differentiable
        self.keeps = tuple(keeps)
        self._example = example
        parameters = inspect.signature(forward).parameters.values()
        for p in parameters:
            if p.kind is p.VAR_KEYWORD or p.name in ("g", "out", "needs"):
                raise OpDefinitionError(f"op {self.name}: a parameter cannot be called {p}")
        self.variadic = any(p.kind is p.VAR_POSITIONAL for p in parameters)
        self.inputs = tuple(p.name for p in parameters if p.kind is not p.KEYWORD_ONLY)
        self.optional = {
            p.name: p.default
            for p in parameters
            if p.kind is p.POSITIONAL_OR_KEYWORD and p.default is not p.empty
        }
        self.statics = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
        if self.variadic and len(self.inputs) > 1:
            raise OpDefinitionError(f"op {self.name}: *{self.inputs[-1]} must be its only input")
        self.layout = (
            *self.inputs,
            "out",
            *self.keeps,
            *(f"{name}_shape" for name in self.inputs),
        )
        self.asked: dict[str, set[int]] = {name: set() for name in self.inputs}
        self.rules: tuple[Rule | None, ...] | None = (None,) * len(self.inputs)
        self.raw_rules: tuple[Any, ...] | None = self.rules  # for walks that are not recorded
        self.joint: Rule | None = None
        self.fast_joint: Rule | None = None
        self.plans: list[Plan | None] = [None] * (1 << len(self.inputs))

    # -- declaring rules ------------------------------------------------------------------------

    def vjp(self, joint: Callable[..., Any] | None = None, /, **rules: Any) -> None:
        """Rules in plain NumPy, valid for arrays and for Tensors: they give every order."""
        self.joint, self.rules = self._declare(joint, rules, fast=False)
        self.raw_rules = self.rules

    def fast_vjp(self, joint: Callable[..., Any] | None = None, /, **rules: Any) -> None:
        """Rules for raw arrays only, used when the walk is not recorded; vjp comes first."""
        if self.joint is None and not any(self.rules or ()):
            raise OpDefinitionError(f"op {self.name}: give vjp its rules before fast_vjp")
        self.fast_joint, fast = self._declare(joint, rules, fast=True)
        if fast is not None and self.rules is None:
            raise OpDefinitionError(f"op {self.name}: its vjp is joint, so fast_vjp must be too")
        if fast is not None:
            fast = tuple(map(lambda quick, plain: quick or plain, fast, cast(Any, self.rules)))
        self.raw_rules = fast

    def _declare(
        self, joint: Callable[..., Any] | None, rules: dict[str, Any], *, fast: bool
    ) -> tuple[Rule | None, tuple[Rule | None, ...] | None]:
        if (joint is None) == (not rules):
            raise OpDefinitionError(f"op {self.name}: give a joint rule or rules by input name")
        self.plans[:] = [None] * len(self.plans)
        if joint is not None:
            return self._compile(joint, self.inputs, "joint", fast=fast), None
        if self.variadic:
            raise OpDefinitionError(f"op {self.name}: a variadic op takes a joint rule")
        unknown = sorted(set(rules) - set(self.inputs))
        if unknown:
            raise OpDefinitionError(
                f"op {self.name}: rule for {unknown[0]!r}, but its inputs are {self.inputs}"
            )
        return None, tuple(
            self._compile(rules[name], (name,), name, fast=fast) if name in rules else None
            for name in self.inputs
        )

    def _compile(
        self, rule: Callable[..., Any], serves: Sequence[str], label: str, *, fast: bool
    ) -> Rule:
        """The rule as a function of (g, saved, params); notes what it asks for."""
        parameters = inspect.signature(rule).parameters.values()
        names = [p.name if p.kind is not p.KEYWORD_ONLY else f"*, {p.name}" for p in parameters]
        allowed = {*self.layout, *self.statics} - (set() if fast else set(self.keeps))
        if label == "joint":
            allowed.add("needs")
        wrong = [name for name in names[1:] if name not in allowed]
        if names[:1] != ["g"] or wrong:
            raise OpDefinitionError(
                f"op {self.name}, rule {label}: parameters are g, then any of "
                f"{sorted(allowed)}; got ({', '.join(names)})"
            )
        for name in serves:
            self.asked[name].update(self.layout.index(n) for n in names[1:] if n in self.layout)
        return _compiled(rule, [self._source(name) for name in names[1:]])

    def _source(self, name: str) -> tuple[int, str, Any]:
        """Where a rule's argument comes from: (index in saved, "", _) or (-1, static, default)."""
        if name in self.layout:
            return self.layout.index(name), "", None
        return -1, name, self.statics.get(name)

    def example(self, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Arguments (arrays, static parameters) at which the op can be tried and checked."""
        if self._example is not None:
            return self._example(rng)
        count = 2 if self.variadic else len(self.inputs)
        return tuple(rng.normal(size=(3, 4)) for _ in range(count)), {}

    # -- calling --------------------------------------------------------------------------------

    def bind(
        self, args: tuple[Any, ...], params: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Arguments as (every input, static parameters), from any spelling of the call."""
        params = dict(params)
        if self.variadic:
            if args and isinstance(args[0], list | tuple):
                args, rest = tuple(args[0]), args[1:]
            else:
                rest = ()
            if not args:
                raise ShapeError(f"{self.name}: needs at least one array, got none")
        else:
            args, rest = args[: len(self.inputs)], args[len(self.inputs) :]
            for name in self.inputs[len(args) :]:
                if name not in params and name not in self.optional:
                    raise TypeError(f"{self.name}() is missing its input {name!r}")
                args += (params.pop(name) if name in params else self.optional[name],)
        for name, value in zip(self.statics, rest, strict=False):
            if name in params:
                raise TypeError(f"{self.name}() got {name!r} twice")
            params[name] = value
        if len(rest) > len(self.statics):
            raise TypeError(
                f"{self.name}() takes {(*self.inputs, *self.statics)}, "
                f"got {len(args) + len(rest)} arguments"
            )
        return args, params

    def plan(self, mask: int) -> Plan:
        """What to keep when the inputs in `mask` want gradients, computed once per mask."""
        wanted: set[int] = set()
        for bit, name in enumerate(self.inputs):
            if mask >> bit & 1:
                if self.joint is None and (self.rules is None or self.rules[bit] is None):
                    raise GraphError(
                        f"{self.name} has no gradient with respect to {name!r}: "
                        f"detach() that input, or give {self.name}.vjp a rule for it"
                    )
                wanted |= self.asked[name]
        shapes = len(self.layout) - len(self.inputs)  # where they begin in the layout
        plan = self.plans[mask] = Plan(
            flags=tuple(i in wanted for i in range(len(self.inputs) + 1)),
            values=tuple(sorted(i for i in wanted if i < shapes)),
            shapes=tuple((i, i - shapes) for i in sorted(wanted) if i >= shapes),
            size=max(wanted, default=-1) + 1,
        )
        return plan

    def error(self, cause: Exception, inputs: Sequence[Any]) -> Exception:
        """`cause`, raised by the forward, as an error that names the op and its inputs."""
        shown = ", ".join(_describe(x) for x in inputs)
        kind = DtypeError if isinstance(cause, TypeError) else ShapeError
        return kind(f"{self.name}({shown}): {cause}")

    # -- backward -------------------------------------------------------------------------------

    def pull(self, node: Node, g: Any, edges: Sequence[Any], record: bool) -> Sequence[Any]:
        """Gradients for every edge; None where there is none. g: array, or Tensor if recorded."""
        saved = self.wrap(node) if record else node.saved
        joint = self.joint if record else self.fast_joint or self.joint
        if joint is not None:
            params = {**node.params, "needs": tuple(edge is not None for edge in edges)}
            results = joint(g, saved, params)
            if not isinstance(results, list | tuple) or len(results) != len(edges):
                got = len(results) if isinstance(results, list | tuple) else type(results).__name__
                raise ShapeError(
                    f"the joint rule of {self.name} must return a list of {len(edges)} gradients, "
                    f"got {got}"
                )
            return list(results) if record else raw_gradients(results)
        return [
            None if edge is None else rule(g, saved, node.params)
            for rule, edge in zip(cast(Any, self.rules), edges, strict=True)
        ]

    def wrap(self, node: Node) -> tuple[Any, ...]:
        """The saved values as Tensors on the graph, so that rules applied to them are recorded."""
        saved = node.saved
        if not saved:
            return saved
        count = len(self.inputs)
        inputs = tuple(
            _link(saved[i], node.edges if self.variadic else node.edges[i])
            for i in range(min(count, len(saved)))
        )
        if len(saved) <= count:
            return inputs
        out = None if saved[count] is None else from_parts(saved[count], node)
        return (*inputs, out, *saved[count + 1 :])


def _link(value: Any, edge: Any) -> Any:
    if isinstance(edge, tuple) and value is not None:
        return tuple(_link(v, e) for v, e in zip(value, edge, strict=True))
    return value if edge is None or value is None else from_parts(value, edge)


def _shape(value: Any) -> Any:
    return tuple(np.shape(v) for v in value) if isinstance(value, tuple) else np.shape(value)


def _describe(value: Any) -> str:
    return f"{value.dtype}{list(value.shape)}" if hasattr(value, "shape") else reprlib.repr(value)


def _compiled(rule: Callable[..., Any], sources: list[tuple[int, str, Any]]) -> Rule:
    """A function (g, saved, params) that hands `rule` its arguments; short ones unrolled."""
    indices = [index for index, _, _ in sources]
    if -1 not in indices and len(indices) <= 2:
        if not indices:
            return lambda g, saved, params: rule(g)
        if len(indices) == 1:
            (i,) = indices
            return lambda g, saved, params: rule(g, saved[i])
        i, j = indices
        return lambda g, saved, params: rule(g, saved[i], saved[j])
    return lambda g, saved, params: rule(
        g,
        *[params.get(name, default) if i < 0 else saved[i] for i, name, default in sources],
    )


@overload
def op(function: Callable[..., Any], /) -> OpFunction: ...
@overload
def op(
    *,
    broadcasts: bool = False,
    differentiable: bool = True,
    keeps: Sequence[str] = (),
    numpy: Any = (),
    operators: Sequence[str] = (),
    methods: Sequence[str] = (),
    example: Example | None = None,
) -> Callable[[Callable[..., Any]], OpFunction]: ...
def op(
    function: Callable[..., Any] | None = None,
    /,
    *,
    broadcasts: bool = False,
    differentiable: bool = True,
    keeps: Sequence[str] = (),
    numpy: Any = (),
    operators: Sequence[str] = (),
    methods: Sequence[str] = (),
    example: Example | None = None,
) -> Any:
    """Make a differentiable op of a NumPy-level function; then give it rules with `.vjp`.

    Array operands are positional, static parameters keyword-only.
    broadcasts: the engine sums each gradient back to its input's shape.
    differentiable: False for ops whose result has no gradient (comparisons, argmax).
    keeps: names of further values the forward returns, as (out, *kept), for `fast_vjp` alone.
    numpy: NumPy functions that mean this op when called on a Tensor.
    example: rng -> (arrays, static parameters) to check it at; two-axis normal arrays if left out.
    operators, methods: names it gets on Tensor; a second operator is the reflected one.
    Raises OpDefinitionError when a rule asks for a name that is not among those above.
    """
    if function is None:
        return functools.partial(
            op,
            broadcasts=broadcasts,
            differentiable=differentiable,
            keeps=keeps,
            numpy=numpy,
            operators=operators,
            methods=methods,
            example=example,
        )
    record = Op(
        function,
        broadcasts=broadcasts,
        differentiable=differentiable,
        keeps=keeps,
        example=example,
    )
    call = cast(Any, functools.wraps(function)(caller(record)))
    call.op, call.vjp, call.fast_vjp = record, record.vjp, record.fast_vjp
    registry.ops.register(record.name)(call)
    for target in numpy if isinstance(numpy, tuple) else (numpy,):
        NUMPY_OPS[target] = call
    for name in (*operators[:1], *methods):
        setattr(Tensor, name, call)
    for name in operators[1:]:
        setattr(Tensor, name, lambda self, other: call(other, self))
    return cast(OpFunction, call)
