"""Mistakes in the result of a rule, whatever its text: made around the rule an op uses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from dgrad import Tensor
from tests.mutations.edits import Inapplicable, scaled

__all__ = ["WRAPS", "places", "wrap"]

Wrapper = Callable[[Any, Any], Any]  # (gradient, all gradients of the op) -> gradient


def _transposed(g: Any, others: Any) -> Any:
    shape = np.shape(g)
    if len(shape) < 2 or shape[-1] != shape[-2] or shape[-1] < 2:
        raise Inapplicable
    return np.swapaxes(g, -1, -2)


def _neighbour(g: Any, others: Any) -> Any:
    found = [o for o in others if o is not None and o is not g and np.shape(o) == np.shape(g)]
    if not found:
        raise Inapplicable
    return found[0]


def _plain(g: Any) -> Any:
    return g.data if isinstance(g, Tensor) else g


def _detached(g: Any, others: Any) -> Any:
    if not isinstance(g, Tensor):
        raise Inapplicable
    return g.detach()


RESULTS: dict[str, Wrapper] = {
    "negated": lambda g, others: scaled(g, -1.0),
    "doubled": lambda g, others: scaled(g, 2.0),
    "times 1.0001": lambda g, others: scaled(g, 1.0001),
    "zeros": lambda g, others: scaled(g, 0.0),
    "transposed": _transposed,
    "another input's": _neighbour,
    "detached": _detached,
}
# which of an op's rules a mistake is made in: all of them, or those of one way to walk
WRAPS: list[tuple[str, str]] = [
    *((name, "every") for name in RESULTS if name != "detached"),
    ("doubled", "fast"),
    ("doubled", "recorded"),
    ("detached", "recorded"),
]


def wrap(op: Any, place: int, name: str, where: str, applied: list[bool]) -> None:
    """Break the gradient of input `place` of an op; `applied` gets an entry when it matters."""
    change = RESULTS[name]

    def attempt(g: Any, others: Any) -> Any:
        if g is None or (isinstance(g, np.ndarray | Tensor) and not g.size):
            return g
        try:
            result = change(g, others)
        except Inapplicable:
            return g
        if (
            not np.array_equal(np.asarray(_plain(result)), np.asarray(_plain(g)))
            or name == "detached"
        ):
            applied.append(True)
        return result

    def joint(rule: Any) -> Any:
        def broken(g: Any, saved: Any, params: Any) -> Any:
            results = list(rule(g, saved, params))
            each = range(len(results)) if op.variadic else (place,)
            changed = {i: attempt(results[i], results) for i in each}
            return [changed.get(i, r) for i, r in enumerate(results)]

        return broken

    def single(rules: Any) -> Any:
        rule = rules[place]

        def broken(g: Any, saved: Any, params: Any) -> Any:
            found = rule(g, saved, params)
            others = []
            for i, other in enumerate(rules):
                if name == "another input's" and i != place and other is not None:
                    others.append(_or_none(other, g, saved, params))
            return attempt(found, others)

        return (*rules[:place], broken, *rules[place + 1 :])

    plain, raw = op.rules, op.raw_rules
    if where in ("every", "recorded"):
        op.joint = op.joint and joint(op.joint)
        op.rules = plain and single(plain)
    if where == "every" or (where == "fast" and raw is not plain):
        op.raw_rules = raw and (op.rules if raw is plain else single(raw))
    if where in ("every", "fast"):
        op.fast_joint = op.fast_joint and joint(op.fast_joint)


def _or_none(rule: Any, *args: Any) -> Any:
    """The gradient of an input whose rule has been given what it keeps; None when it has not."""
    try:
        return rule(*args)
    except Exception:
        return None


def places(op: Any) -> Iterator[int]:
    """The inputs of an op that have a rule."""
    if op.variadic:
        yield 0
    elif op.rules is None:
        yield from range(len(op.inputs))
    else:
        yield from (i for i, rule in enumerate(op.rules) if rule is not None)
