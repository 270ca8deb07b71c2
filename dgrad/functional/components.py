"""Gradient checks of what is registered: every op, every layer."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import dgrad.nn
import dgrad.ops  # importing these two fills the registries
from dgrad import registry
from dgrad.core import stream
from dgrad.core.op import Op
from dgrad.core.tensor import Tensor
from dgrad.functional.compare import Settings, check_orders, generator_for, suits, undisturbed
from dgrad.functional.consistency import consistency, single_precision
from dgrad.functional.models import steady
from dgrad.functional.parts import has_gradient, leaves_of, real_outputs
from dgrad.functional.report import Check, Report
from dgrad.functional.subject import Subject, private

__all__ = ["check_all", "check_layer", "check_op"]

ENTRIES = 100  # that are checked of one input of a layer
SHAPES = ((3, 4), (3, 3))  # of arrays that are tried on an op without an example


def check_op(name: str, *, order: int = 2, seed: int = 0) -> list[Check]:
    """Check the registered op `name` at the inputs of its `example`, to `order`.

    Also that its gradients are the same recorded (`vjp`) and raw (`fast_vjp`), asked for together
    and alone (joint rules are told `needs`), for a seed that is not contiguous, and in float32. An
    op without any rule has verdict "missing", an exception "error"; but where an op has no
    example, and none of the arrays that are tried instead suit it, it is skipped.
    """
    op: Op = registry.ops[name].op
    if not op.differentiable:
        return [Check("op", name, "", "skipped: no gradient", note="by definition")]
    if op.joint is None and not any(op.rules or ()):
        note = f"it has no rule: give {name}.vjp one, or declare @op(differentiable=False)"
        return [Check("op", name, "", "missing", note=note)]
    return _reported("op", name, lambda: _check_op(op, registry.ops[name], order, seed))


def _check_op(op: Op, function: Callable[..., Any], order: int, seed: int) -> list[Check]:
    arguments = _arguments(op, function, seed)
    if arguments is None:
        return [Check("op", op.name, "", "skipped: no example", note=_op_example(op))]
    args, params = arguments
    checks = [
        Check("op", op.name, _label(op, i), "skipped: no gradient", note=note)
        for i, value in enumerate(args)
        if value is not None and (note := _without_gradient(op, i, value))
    ]
    subject = _at(op, function, args, params, np.float64)
    if not subject.leaves:
        return checks
    found = check_orders(subject, order, Settings(seed=seed))
    if all(check.passed for check in found):
        rounded = [_rounded(value) if has_gradient(value) else value for value in args]
        single, double = (_at(op, function, rounded, params, d) for d in (np.float32, np.float64))
        found += consistency(subject, seed) + single_precision(single, double, seed)
    return checks + found


def _arguments(
    op: Op, function: Callable[..., Any], seed: int
) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    """The op's example; if it has none the first of some arrays that suit it, None if none do."""
    rng = generator_for(seed, f"example of op {op.name}")
    if op.has_example:
        return op.example(rng)
    count = 2 if op.variadic else len(op.inputs)
    for shape in SHAPES:
        for positive in (False, True):
            args = tuple(
                rng.uniform(0.5, 2.0, shape) if positive else rng.normal(size=shape)
                for _ in range(count)
            )
            if suits(_at(op, function, args, {}, np.float64).call):
                return args, {}
    return None


def _at(
    op: Op, function: Callable[..., Any], args: Sequence[Any], params: dict[str, Any], dtype: Any
) -> Subject:
    """The op at these arguments, with those of floats converted to dtype."""
    makers: list[Callable[[], Any]] = []
    leaves: dict[str, Tensor] = {}
    for i, value in enumerate(args):
        if not has_gradient(value):
            makers.append(functools.partial(_given, value))
            continue
        own, make = leaves_of(_label(op, i), value, dtype)
        if _without_gradient(op, i, value):
            makers.append(functools.partial(_given, make().data))
        else:
            makers.append(make)
            leaves |= own
    call = real_outputs(lambda: function(*(make() for make in makers), **params))
    return Subject("op", op.name, call, leaves)


def _given(value: Any) -> Any:
    return value


def _rounded(value: Any) -> np.ndarray:
    """value as float32 holds it."""
    array = np.asarray(value)
    return array.astype(np.complex64 if array.dtype.kind == "c" else np.float32)


def _label(op: Op, i: int) -> str:
    return f"{op.inputs[0]}[{i}]" if op.variadic else op.inputs[i]


def _without_gradient(op: Op, i: int, value: Any) -> str:
    """Why an op has no gradient for its input number i; empty when it has one."""
    if not has_gradient(value):
        return "it holds no floats"
    ruled = op.variadic or op.rules is None or op.rules[i] is not None
    return "" if ruled else "it has no rule"


def _op_example(op: Op) -> str:
    """What to write where an op has no example."""
    count = 2 if op.variadic else len(op.inputs)
    arrays = ", ".join(["rng.normal(size=(3, 4))"] * count)
    return (
        f"random arrays of shape (3, 4) or (3, 3) do not suit it: say at which it is to be "
        f"checked, as in "
        f"@op(example=lambda rng: (({arrays},), {{}})): its arrays, and static parameters by name"
    )


def _reported(kind: str, name: str, checks: Callable[[], list[Check]]) -> list[Check]:
    """The checks, or one that holds the exception they raised: a plugin must not stop the rest."""
    try:
        return checks()
    except Exception as error:
        note = f"{type(error).__name__}: {error}"
        return [Check(kind, name, "", "error", note=note)]


def check_layer(name: str, *, order: int = 1, seed: int = 0) -> list[Check]:
    """Check the registered layer `name` by its input and every parameter, in training mode.

    It is built from its `example`: inputs, and arguments. A layer that has no example of its own,
    and cannot be built or called without, is skipped.
    """
    layer = registry.layers[name]
    own = any("example" in vars(base) for base in layer.__mro__ if base is not dgrad.nn.Module)
    if not own and not suits(real_outputs(lambda: _tried(layer, seed))):
        note = (
            "it cannot be tried without arguments: give it a classmethod example(cls, rng) that "
            "returns (inputs, arguments), such as (rng.normal(size=(3, 4)),), {'out_features': 3}"
        )
        return [Check("layer", name, "", "skipped: no example", note=note)]
    return _reported("layer", name, lambda: _check_layer(name, layer, order, seed))


def _check_layer(name: str, layer: Any, order: int, seed: int) -> list[Check]:
    module, inputs = _built(layer, seed)
    labels = [f"input[{i}]" for i in range(len(inputs))] if len(inputs) > 1 else ["input"]
    named = dict(zip(labels, inputs, strict=True)) | dict(module.named_parameters())
    note = "it holds no floats"
    checks = [
        Check("layer", name, label, "skipped: no gradient", note=note)
        for label, x in zip(labels, inputs, strict=True)
        if not x.requires_grad
    ]
    leaves = {key: t for key, t in named.items() if t.requires_grad}
    call = real_outputs(steady(module, lambda: module(*inputs)))
    subject = Subject("layer", name, call, leaves)
    return checks + check_orders(subject, order, Settings(seed=seed, limit=ENTRIES))


def _tried(layer: Any, seed: int) -> Any:
    module, inputs = _built(layer, seed)
    return module(*inputs)


def _built(layer: Any, seed: int) -> tuple[Any, list[Tensor]]:
    """The layer of its example in float64, and the inputs for it."""
    values, arguments = layer.example(generator_for(seed, f"example of layer {layer.__name__}"))
    arrays = [np.asarray(value) for value in values]
    with undisturbed(), stream.at(seed):  # initialisation draws from it
        inferred = layer.infer(*(array.shape[1:] for array in arrays))
        module = layer(**arguments, **inferred).double()
    return module, [private(a) if a.dtype.kind == "f" else Tensor(a) for a in arrays]


def check_all(
    *,
    ops: bool = True,
    layers: bool = True,
    order: int = 2,
    layer_order: int = 1,
    seed: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
) -> Report:
    """Check every registered op to `order` and every layer to order `layer_order`, by name.

    progress: called as progress(name, done, total) before each.
    """
    jobs: list[tuple[Callable[..., list[Check]], str, int]] = []
    if ops:
        jobs += [(check_op, name, order) for name in registry.ops]
    if layers:
        jobs += [(check_layer, name, layer_order) for name in registry.layers]
    checks: list[Check] = []
    for done, (check, name, highest) in enumerate(jobs):
        if progress is not None:
            progress(name, done, len(jobs))
        checks += check(name, order=highest, seed=seed)
    return Report(checks, seed, {"order": order, **Settings().told()})
