"""Gradient checks of what is registered, ops and layers, and of a whole model, per parameter."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import dgrad.nn
import dgrad.ops  # importing these two fills the registries
from dgrad import registry
from dgrad.core.op import Op
from dgrad.core.stream import default_stream
from dgrad.core.tensor import Tensor
from dgrad.functional.compare import Settings, check_orders, generator_for, undisturbed
from dgrad.functional.lines import typical_size
from dgrad.functional.report import Check, Report
from dgrad.functional.subject import (
    Subject,
    as_sequence,
    draw_seeds,
    float_outputs,
    gradients,
    private,
)

__all__ = ["check_all", "check_layer", "check_model", "check_op"]

ENTRIES = 100  # that are checked of one input of a layer
BATCH = 3  # examples that a layer is given
MOVE = 1e-3  # how far a model at a kink is moved off it, relative to each parameter's size
SAME = 1e-10  # rules that say the same may differ by this part of the gradient


def check_op(name: str, *, order: int = 2, seed: int = 0) -> list[Check]:
    """Check the registered op `name` at the inputs of its `example`, to `order`.

    Also that recorded gradients equal raw ones (`vjp` and `fast_vjp`), and that the gradient of
    each input alone equals the one that comes with the others (joint rules are told `needs`).
    An exception becomes a Check with verdict "error"; but where an op has no example, and the
    arrays it gets instead do not suit it, it is skipped.
    """
    op: Op = registry.ops[name].op
    if not op.differentiable:
        return [Check("op", name, "", "skipped: no gradient", note="by definition")]
    return _reported("op", name, lambda: _check_op(op, registry.ops[name], order, seed))


def _check_op(op: Op, function: Callable[..., Any], order: int, seed: int) -> list[Check]:
    args, params = op.example(generator_for(seed, f"example of op {op.name}"))
    values, leaves, checks = list(args), {}, []
    for i, value in enumerate(args):
        label = f"{op.inputs[0]}[{i}]" if op.variadic else op.inputs[i]
        kind = np.asarray(value).dtype.kind
        if kind == "f" and (op.variadic or op.rules is None or op.rules[i] is not None):
            leaves[label] = values[i] = private(value)
        elif value is not None:
            note = "it has no rule" if kind == "f" else "it holds no floats"
            checks.append(Check("op", op.name, label, "skipped: no gradient", note=note))
    if not leaves:
        return checks
    subject = Subject("op", op.name, lambda: as_sequence(function(*values, **params)), leaves)
    if op._example is None and not _suits(subject.call):
        note = "normal arrays of shape (3, 4) do not suit it: give @op(example=...) others"
        return [Check("op", op.name, "", "skipped: no example", note=note)]
    found = check_orders(subject, order, Settings(seed=seed))
    if all(check.passed for check in found):
        found += _consistency(subject, seed)
    return checks + found


def _suits(call: Callable[[], Sequence[Any]]) -> bool:
    """Whether the call gives finite results."""
    try:
        with undisturbed():
            return all(bool(np.isfinite(t.data).all()) for t in call())
    except Exception:  # the op may raise anything at arrays that nobody chose for it
        return False


def _consistency(subject: Subject, seed: int) -> list[Check]:
    """A failed Check for each input whose gradient depends on how it is asked for."""
    leaves = list(subject.leaves.values())
    outputs = float_outputs(subject.call())
    seeds = draw_seeds(outputs, generator_for(seed, subject.name))
    raw = gradients(outputs, leaves, seeds)
    recorded = gradients(outputs, leaves, seeds, record=True)
    checks = []
    for (name, leaf), first, second in zip(subject.leaves.items(), raw, recorded, strict=True):
        (alone,) = gradients(outputs, [leaf], seeds)
        for other, note in (
            (second, "the raw gradient (fast_vjp) differs from the recorded one (vjp)"),
            (alone, "the gradient of this input alone differs from that with the others"),
        ):
            if not _same(first, other):
                checks.append(subject.check(name, "inconsistent", note=note))
    return checks


def _same(first: Tensor | None, second: Tensor | None) -> bool:
    a, b = (np.zeros(1) if t is None else t.data for t in (first, second))
    scale = max(np.abs(a).max(initial=0.0), np.abs(b).max(initial=0.0))
    return bool((np.abs(a - b) <= SAME * scale).all())


def _reported(kind: str, name: str, checks: Callable[[], list[Check]]) -> list[Check]:
    """The checks, or one that holds the exception they raised: a plugin must not stop the rest."""
    try:
        return checks()
    except Exception as error:
        note = f"{type(error).__name__}: {error}"
        return [Check(kind, name, "", "error", note=note)]


def check_layer(name: str, *, order: int = 1, seed: int = 0) -> list[Check]:
    """Check the registered layer `name` by its input and every parameter, in training mode.

    It is built from its `example`: arguments, and the shape of an input without batch axis, or
    an array that is the input (for layers that take integers). A layer that has no example of its
    own, and cannot be built or called without, is skipped.
    """
    layer = registry.layers[name]
    own = any("example" in vars(base) for base in layer.__mro__ if base is not dgrad.nn.Module)
    if not own and not _suits(lambda: as_sequence(_tried(layer, seed))):
        note = "it cannot be tried without arguments: define its example()"
        return [Check("layer", name, "", "skipped: no example", note=note)]
    return _reported("layer", name, lambda: _check_layer(name, layer, order, seed))


def _check_layer(name: str, layer: Any, order: int, seed: int) -> list[Check]:
    module, x = _built(layer, seed)
    leaves = {"input": x} if x.requires_grad else {}
    leaves.update((key, p) for key, p in module.named_parameters() if p.requires_grad)
    checks = []
    if not x.requires_grad:
        note = "it holds no floats"
        checks.append(Check("layer", name, "input", "skipped: no gradient", note=note))
    subject = Subject("layer", name, lambda: as_sequence(module(x)), leaves)
    return checks + check_orders(subject, order, Settings(seed=seed, limit=ENTRIES))


def _tried(layer: Any, seed: int) -> Any:
    module, x = _built(layer, seed)
    return module(x)


def _built(layer: Any, seed: int) -> tuple[Any, Tensor]:
    """The layer of its example in float64, and an input for it."""
    arguments, given = layer.example()
    rng = generator_for(seed, f"example of layer {layer.__name__}")
    value = given if isinstance(given, np.ndarray) else rng.normal(size=(BATCH, *given))
    with undisturbed():
        default_stream.move(seed)  # initialisation draws from it
        module = layer(**arguments, **layer.infer(value.shape[1:])).double()
    return module, private(value) if value.dtype.kind == "f" else Tensor(value)


def check_model(
    model: Any,
    loss: Callable[[Any, Any], Tensor],
    inputs: Any,
    targets: Any,
    *,
    seed: int = 0,
    entries: int = 20,
) -> list[Check]:
    """Check loss(model(inputs), targets) by every parameter of a Module, on a float64 copy.

    Of each parameter: random directions through all its entries, and `entries` single ones, the
    largest derivatives among them. Where relu and the like stand exactly at a kink, as zero biases
    make them do, what was not ok is checked again with the model moved a little. `model` stays as
    it is, and is checked in the mode it is in.
    """
    module = copy.deepcopy(model).double()
    inputs, targets = _exact(inputs), _exact(targets)
    leaves = {key: p for key, p in module.named_parameters() if p.requires_grad}

    def call() -> Sequence[Any]:
        return as_sequence(loss(module(inputs), targets))

    settings = Settings(seed=seed, limit=entries)
    checks = check_orders(Subject("parameter", "model", call, leaves, ["loss"]), 1, settings)
    if any(check.verdict == "kink" for check in checks):
        rng = generator_for(seed, "move")
        for leaf in leaves.values():
            leaf.data += rng.normal(scale=MOVE * typical_size(leaf), size=leaf.shape)
        subject = Subject("parameter", "model", call, leaves, ["loss"])
        again = {check.input: check for check in check_orders(subject, 1, settings)}
        checks = [again[c.input] if c.verdict in ("kink", "wrong") else c for c in checks]
    return checks


def _exact(value: Any) -> Any:
    """Floats as float64, without gradient; anything else as it is."""
    if isinstance(value, Tensor | np.ndarray) and value.dtype.kind == "f":
        return private(value).detach()
    return value


def check_all(
    *,
    ops: bool = True,
    layers: bool = True,
    order: int = 2,
    seed: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
) -> Report:
    """Check every registered op to `order` and every layer to order 1, by name.

    progress: called as progress(name, done, total) before each.
    """
    jobs: list[tuple[Callable[..., list[Check]], str, int]] = []
    if ops:
        jobs += [(check_op, name, order) for name in registry.ops]
    if layers:
        jobs += [(check_layer, name, 1) for name in registry.layers]
    checks: list[Check] = []
    for done, (check, name, highest) in enumerate(jobs):
        if progress is not None:
            progress(name, done, len(jobs))
        checks += check(name, order=highest, seed=seed)
    return Report(checks, seed)
