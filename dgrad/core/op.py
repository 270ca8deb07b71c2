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
import itertools
import reprlib
from collections import namedtuple
from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast, overload

import numpy as np

from dgrad import registry
from dgrad.core.call import caller
from dgrad.core.node import Node
from dgrad.core.protocols import ABOUT, LIKE, NUMPY_OPS
from dgrad.core.saved import Plan, Plans, as_tensors
from dgrad.core.tensor import Tensor, from_parts, raw_gradients
from dgrad.errors import DtypeError, GraphError, OpDefinitionError, ParameterError, ShapeError

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


class Op:
    """The record of an op: its forward, its rules, and what they need kept.

    `saved` of its nodes follows `layout` (see core/saved.py); `asked` and `fast_asked` hold, for
    each input, the entries that its rules ask for. A variadic op has one input, a tuple.
    """

    def __init__(
        self,
        forward: Callable[..., Any],
        *,
        broadcasts: bool,
        differentiable: bool,
        keeps: Sequence[str],
        example: Example | None,
        outputs: Sequence[str] = (),
        complex: bool = False,
        view: bool = False,
    ) -> None:
        self.name = forward.__name__
        self.forward = forward
        self.broadcasts = broadcasts
        self.differentiable = differentiable
        self.keeps = tuple(keeps)
        self.outputs = tuple(outputs)
        self.results = namedtuple(self.name, self.outputs) if outputs else None
        self.complex = complex
        self.view = view
        self.call: Callable[..., Any] = forward  # what users call, once `@op` has made it
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
        self.fast_asked: dict[str, set[int]] = {name: set() for name in self.inputs}
        self.rules: tuple[Rule | None, ...] | None = (None,) * len(self.inputs)
        self.raw_rules: tuple[Any, ...] | None = self.rules  # for walks that are not recorded
        self.joint: Rule | None = None
        self.fast_joint: Rule | None = None
        self.plans = Plans(self.plan)

    # -- declaring rules ------------------------------------------------------------------------

    def vjp(self, joint: Callable[..., Any] | None = None, /, **rules: Any) -> None:
        """Rules in plain NumPy, valid for arrays and for Tensors: they give every order.

        They replace all earlier rules, also the fast ones.
        """
        self.joint, self.rules, self.asked = self._declare(joint, rules, fast=False)
        self.raw_rules, self.fast_joint = self.rules, None
        self.fast_asked = {name: set() for name in self.inputs}
        self.plans.clear()

    def fast_vjp(self, joint: Callable[..., Any] | None = None, /, **rules: Any) -> None:
        """Rules for raw arrays only, used when the walk is not recorded; vjp comes first."""
        if self.joint is None and not any(self.rules or ()):
            raise OpDefinitionError(f"op {self.name}: give vjp its rules before fast_vjp")
        fast_joint, fast, asked = self._declare(joint, rules, fast=True)
        if fast is not None and self.rules is None:
            raise OpDefinitionError(f"op {self.name}: its vjp is joint, so fast_vjp must be too")
        if fast is not None:
            fast = tuple(map(lambda quick, plain: quick or plain, fast, cast(Any, self.rules)))
        self.fast_joint, self.raw_rules, self.fast_asked = fast_joint, fast, asked
        self.plans.clear()

    def _declare(
        self, joint: Callable[..., Any] | None, rules: dict[str, Any], *, fast: bool
    ) -> tuple[Rule | None, tuple[Rule | None, ...] | None, dict[str, set[int]]]:
        """The joint rule, or the rules by input, and what they ask for; changes nothing."""
        if (joint is None) == (not rules):
            raise OpDefinitionError(f"op {self.name}: give a joint rule or rules by input name")
        if joint is not None:
            rule, entries = self._compile(joint, "joint", fast=fast)
            return rule, None, dict.fromkeys(self.inputs, entries)
        if self.variadic or self.outputs:
            kind = "a variadic op" if self.variadic else "an op with several outputs"
            raise OpDefinitionError(
                f"op {self.name}: {kind} takes a joint rule: .vjp(rule), with rule(g, ...) -> list"
            )
        unknown = sorted(set(rules) - set(self.inputs))
        if unknown:
            raise OpDefinitionError(
                f"op {self.name}: rule for {unknown[0]!r}, but its inputs are {self.inputs}"
            )
        compiled = [
            self._compile(rules[name], name, fast=fast) if name in rules else (None, set[int]())
            for name in self.inputs
        ]
        asked = {name: entries for name, (_, entries) in zip(self.inputs, compiled, strict=True)}
        return None, tuple(rule for rule, _ in compiled), asked

    def _compile(
        self, rule: Callable[..., Any], label: str, *, fast: bool
    ) -> tuple[Rule, set[int]]:
        """The rule as a function of (g, saved, params), and the entries of saved it asks for."""
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
        sources = [self._source(name) for name in names[1:]]
        return _compiled(rule, sources), {index for index, _, _ in sources if index >= 0}

    def _source(self, name: str) -> tuple[int, str, Any]:
        """Where a rule's argument comes from: (index in saved, "", _) or (-1, static, default)."""
        if name in self.layout:
            return self.layout.index(name), "", None
        return -1, name, self.statics.get(name)

    @property
    def has_example(self) -> bool:
        """Whether its author said at which arguments it can be checked."""
        return self._example is not None

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
        """What to keep when the inputs in `mask` want gradients; GraphError if one has no rule."""
        wanted: set[int] = set()
        for bit, name in enumerate(self.inputs):
            if mask >> bit & 1:
                if self.joint is None and (self.rules is None or self.rules[bit] is None):
                    raise GraphError(
                        f"{self.name} has no gradient with respect to {name!r}: "
                        f"detach() that input, or give {self.name}.vjp a rule for it"
                    )
                wanted |= self.asked[name] | self.fast_asked[name]
        return Plan.of(wanted, len(self.inputs), len(self.layout))

    def error(
        self, cause: Exception, inputs: Sequence[Any], params: dict[str, Any] | None = None
    ) -> Exception:
        """`cause`, raised by the forward, as an error that names the op and its inputs."""
        for name in params or ():
            if name not in self.statics:
                known = ", ".join((*self.inputs, *self.statics))
                numpys = {"dim": "axis", "keepdim": "keepdims", "dims": "axis"}.get(name)
                hint = f" ({name} is called {numpys} here)" if numpys in self.statics else ""
                return ParameterError(self.name, "a keyword", f"one of {known}{hint}", name)
        shown = ", ".join(_describe(x) for x in inputs)
        kind = DtypeError if isinstance(cause, TypeError) else ShapeError
        return kind(f"{self.name}({shown}): {cause}")

    # -- backward -------------------------------------------------------------------------------

    def pull(self, node: Node, g: Any, edges: Sequence[Any], record: bool) -> Sequence[Any]:
        """Gradients for every edge; None where there is none. g: array, or Tensor if recorded."""
        saved = as_tensors(node, len(self.inputs), self.variadic) if record else node.saved
        joint = self.joint if record else self.fast_joint or self.joint
        if node.outputs is not None:
            g = tuple(map(_or_zeros, g, node.outputs, itertools.repeat(record)))
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
            for rule, edge in zip(
                cast(Any, self.rules if record else self.raw_rules), edges, strict=True
            )
        ]


def _or_zeros(g: Any, like: tuple[Any, Any], record: bool) -> Any:
    """The gradient of one of several outputs: zeros where none arrived."""
    if g is not None:
        return g
    zeros = np.zeros(*like)
    return from_parts(zeros, None) if record else zeros


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
    outputs: Sequence[str] = (),
    complex: bool = False,
    view: bool = False,
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
    outputs: Sequence[str] = (),
    complex: bool = False,
    view: bool = False,
) -> Any:
    """Make a differentiable op of a NumPy-level function; then give it rules with `.vjp`.

    Array operands are positional, static parameters keyword-only.
    broadcasts: the engine sums each gradient back to its input's shape.
    differentiable: False for ops whose result has no gradient (comparisons, argmax).
    keeps: names of further values the forward returns, as (out, *kept), for `fast_vjp` alone.
    numpy: NumPy functions that mean this op when called on a Tensor.
    example: rng -> (arrays, static parameters) to check it at; two-axis normal arrays if left out.
    operators, methods: names it gets on Tensor; a second operator is the reflected one.
    outputs: names of the results, when there are several: the forward returns a tuple, the call a
    named tuple; the joint rule gets a tuple of gradients g and the tuple of results as `out`.
    complex: its rules hold for complex numbers too, as plain transposes: nothing is conjugated.
    view: its result may share memory with its first input.
    Raises OpDefinitionError when a NumPy function or a name on Tensor is taken, and, from `.vjp`,
    when a rule asks for a name that is not among those above.
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
            outputs=outputs,
            complex=complex,
            view=view,
        )
    record = Op(
        function,
        broadcasts=broadcasts,
        differentiable=differentiable,
        keeps=keeps,
        example=example,
        outputs=outputs,
        complex=complex,
        view=view,
    )
    call = cast(Any, functools.wraps(function)(caller(record)))
    call.op, call.vjp, call.fast_vjp = record, record.vjp, record.fast_vjp
    record.call = call
    targets = numpy if isinstance(numpy, tuple) else (numpy,)
    _refuse_taken(record.name, targets, (*operators, *methods))
    registry.ops.register(record.name)(call)
    NUMPY_OPS.update(dict.fromkeys(targets, call))
    for name in (*operators[:1], *methods):
        setattr(Tensor, name, call)
    for name in operators[1:]:
        setattr(Tensor, name, lambda self, other: call(other, self))
    return cast(OpFunction, call)


def _refuse_taken(name: str, targets: Sequence[Any], attributes: Sequence[str]) -> None:
    """Raise OpDefinitionError if the op would take the place of something: nothing is done yet."""
    for target in targets:
        label = f"op {name}: np.{getattr(target, '__name__', target)}"
        if target in ABOUT or target in LIKE:
            raise OpDefinitionError(f"{label} is answered without an op for every Tensor")
        if target in NUMPY_OPS:
            taken = NUMPY_OPS[target]
            raise OpDefinitionError(f"{label} means {taken.__module__}.{taken.__name__} already")
    for attribute in attributes:
        if attribute in vars(Tensor):  # not hasattr: comparisons replace those of object
            raise OpDefinitionError(
                f"op {name}: Tensor.{attribute} exists already; choose another name"
            )
