"""Faults seeded into the rules of shipped ops, and how many of them gradcheck finds.

python -m tests.functional.faults --seeds 500     no false alarm; and every fault, of every op
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

import dgrad
from dgrad import Tensor, registry
from dgrad.core.op import Op
from dgrad.functional import Check, check_all, check_op, gradcheck
from dgrad.functional.compare import generator_for

__all__ = ["FAULTS", "candidates", "families", "found", "seeded"]

Fault = Callable[[Any], Any]


def _without_term(g: Any) -> Any:
    """g less a term that is the same for every entry, a thousandth of them."""
    return g - 1e-3 * np.sqrt(np.mean(np.square(np.abs(getattr(g, "data", g)))))


def _transposed(g: Any) -> Any:
    """g with its axes reversed, or its entries where there is one axis, in the old shape."""
    return g.T.reshape(g.shape) if g.ndim > 1 else g[::-1] if g.ndim else g


RULE_FAULTS: dict[str, Fault] = {
    "x1.0001": lambda g: g * 1.0001,
    "sign": lambda g: -g,
    "factor 2": lambda g: g * 2,
    "missing term": _without_term,
    "transpose": _transposed,
}
FAULTS = (*RULE_FAULTS, "missing broadcast sum", "missing accumulation")


@contextmanager
def seeded(op: Op, place: int, fault: Fault) -> Iterator[None]:
    """Within: the gradients that the rules of `op` give for input number `place` are changed."""

    def changed(rule: Any) -> Any:
        return rule and (lambda g, saved, params: fault(rule(g, saved, params)))

    def changed_joint(rule: Any) -> Any:
        def faulty(g: Any, saved: Any, params: Any) -> Any:
            grads = list(rule(g, saved, params))
            if grads[place] is not None:
                grads[place] = fault(grads[place])
            return grads

        return rule and faulty

    names = ("joint", "fast_joint", "rules", "raw_rules")
    before = {name: getattr(op, name) for name in names}
    try:
        for name, rules in before.items():
            if "joint" in name:
                setattr(op, name, changed_joint(rules))
            elif rules is not None:
                each = (changed(r) if i == place else r for i, r in enumerate(rules))
                setattr(op, name, tuple(each))
        yield
    finally:
        for name, rules in before.items():
            setattr(op, name, rules)


@functools.cache
def candidates(name: str) -> list[int]:
    """The inputs of an op, by number, that gradcheck compares a gradient for."""
    op = registry.ops[name].op
    if not op.differentiable:
        return []
    args, _ = op.example(generator_for(0, f"example of op {name}"))
    labels = [f"xs[{i}]" for i in range(len(args))] if op.variadic else op.inputs
    checks = check_op(name, order=1)
    compared = {c.input.removesuffix(".real") for c in checks if c.verdict == "ok" and c.compared}
    return [i for i, label in enumerate(labels) if label.replace("xs", op.inputs[0]) in compared]


def families(count: int) -> list[str]:
    """So many ops of each file of dgrad/ops, those that have a gradient, spread over each."""
    by_module: dict[str, list[str]] = {}
    for name in registry.ops:
        function = registry.ops[name]
        if function.op.differentiable and function.op.forward.__module__.startswith("dgrad."):
            by_module.setdefault(function.op.forward.__module__, []).append(name)
    return [
        name
        for names in by_module.values()
        for name in names[:: max(1, -(-len(names) // count))][:count]
    ]


def found(name: str, place: int, kind: str, seed: int) -> bool | None:
    """Whether gradcheck finds the fault in the op's gradient; None where it changes nothing."""
    op = registry.ops[name].op
    if kind == "missing broadcast sum":
        return _found_stretched(op, place, seed)
    if kind == "missing accumulation":
        return _found_twice(op, place, seed)
    fault = RULE_FAULTS[kind]
    changes = []

    def noted(g: Any) -> Any:
        new = fault(g)
        old, now = (np.asarray(getattr(t, "data", t)) for t in (g, new))
        scale = np.abs(old).max(initial=0.0)
        changes.append(np.abs(now - old).max(initial=0.0) > 1e-9 * scale)
        return new

    with seeded(op, place, noted):
        checks = check_op(name, order=1, seed=seed)
    return _wrong(checks) if any(changes) else None


def _wrong(checks: list[Check]) -> bool:
    return any(check.verdict == "wrong" for check in checks)


def _called(op: Op, place: int, seed: int) -> tuple[Any, Callable[[Any], Any]]:
    """An input of the op's example, and the op as a function of it alone."""
    args, params = op.example(generator_for(seed, f"example of op {op.name}"))

    def function(x: Any) -> Any:
        return registry.ops[op.name](*args[:place], x, *args[place + 1 :], **params)

    return np.asarray(args[place]), function


def _found_stretched(op: Op, place: int, seed: int) -> bool | None:
    """The op with this input one entry long on its first axis, where the others make it longer."""
    x, function = _called(op, place, seed)
    if not op.broadcasts or not x.ndim or len(x) < 2:
        return None
    small = x[:1]
    try:
        if np.shape(function(small)) != np.shape(function(x)):
            return None
    except (dgrad.errors.DgradError, ValueError):
        return None

    def first_slice(g: Any) -> Any:
        lead = g.ndim - small.ndim
        return g[(slice(None),) * lead + (slice(0, 1),)]

    with seeded(op, place, first_slice):
        return _wrong(gradcheck(function, small, seed=seed, raise_exception=False).checks)


def _found_twice(op: Op, place: int, seed: int) -> bool:
    """An input used twice, of which one share reaches it."""
    x, function = _called(op, place, seed)

    def twice(x: Tensor) -> list[Tensor]:
        first, second = (
            y if isinstance(y, tuple) else (y,) for y in (function(x), function(x.detach()))
        )
        pairs = zip(first, second, strict=True)
        return [a + b for a, b in pairs if isinstance(a, Tensor) and a.dtype.kind in "fc"]

    return _wrong(gradcheck(twice, x, seed=seed, raise_exception=False).checks)


def _alarms(seeds: range, order: int) -> Counter[str]:
    """Verdicts over all that is shipped; what fails is told."""
    counts: Counter[str] = Counter()
    for seed in seeds:
        report = check_all(order=order, seed=seed)
        counts.update(check.verdict for check in report.checks)
        for check in report.wrong:
            sys.stdout.write(f"seed {seed}: {check}\n")
    return counts


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seeds", type=int, default=10, help="how many seeds, without a fault")
    parser.add_argument("--fault-seeds", type=int, default=1, help="and how many with each fault")
    parser.add_argument("--order", type=int, default=1)
    given = parser.parse_args()
    counts: dict[str, Counter[bool | None]] = {kind: Counter() for kind in FAULTS}
    places = [(name, place) for name in registry.ops for place in candidates(name)]
    for seed in range(given.first, given.first + given.fault_seeds):
        for name, place in places:
            for kind in FAULTS:
                result = found(name, place, kind, seed)
                counts[kind][result] += 1
                if result is False:
                    sys.stdout.write(f"seed {seed}: {kind} in {name}, input {place}: not found\n")
    for kind, each in counts.items():
        sys.stdout.write(f"{kind}: {each[True]} found, {each[False]} not, {each[None]} no fault\n")
    alarms = _alarms(range(given.first, given.first + given.seeds), given.order)
    sys.stdout.write(f"without a fault: {dict(alarms)}\n")


if __name__ == "__main__":
    _main()
