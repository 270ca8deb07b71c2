"""The table's gradient checks of one op, with numeric derivatives computed once and kept.

A mutant changes rules, never forwards, so what the numeric derivatives are compared with can be
computed beforehand; a check then costs a few walks.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

import dgrad
from dgrad import Tensor, registry
from tests.cases import CASES, Case
from tests.ops.calls import along_directions, call, is_float, leaves, seed, tensors
from tests.ops.differences import jacobian
from tests.ops.test_ops import EXACT, NUMERIC

__all__ = ["Checker", "Difference", "close", "strict"]

SECOND = {"rtol": 1e-6, "atol": 1e-7}  # as in test_second_gradient_is_the_numeric_one


class Difference(AssertionError):
    """A gradient is not what it should be."""


def close(got: Any, want: Any, rtol: float, atol: float) -> bool:
    """np.allclose with equal NaN and inf, and without its cost for small arrays."""
    got, want = np.asarray(got), np.asarray(want)
    if got.shape != want.shape:
        return False
    with np.errstate(invalid="ignore"):
        good = np.isfinite(want) & (np.abs(got - want) <= atol + rtol * np.abs(want))
        good |= (got == want) | ((got != got) & (want != want))
    return bool(good.all())


def locked(value: Any) -> Any:
    """The array in its layout, read-only: a broken rule cannot spoil it for the next one."""
    if not isinstance(value, np.ndarray):
        return value
    view = value.view()
    view.flags.writeable = False
    return view


@contextmanager
def strict() -> Iterator[None]:
    """Warnings as errors, as in the suite; but for poles, where some cases stand."""
    with warnings.catch_warnings(), np.errstate(divide="ignore"):
        warnings.simplefilter("error")
        yield


class _Expected:
    """One case: its arguments, and the numeric derivatives that the rules must give."""

    def __init__(self, name: str, case: Case) -> None:
        self.name = name
        self.case = case
        self.args = [locked(a) for a in case.args]
        self.places = [i for i, a in enumerate(self.args) if is_float(a)]
        self.rows: list[tuple[Any, list[Any]]] = []  # (seed, gradients)
        self.second: list[Any] = []
        if not self.places:
            return
        out = call(name, *self.args, **case.params)
        self.seed = seed(out)
        self.directions = [seed(self.args[i]) for i in self.places]
        if case.order >= 1:
            self._first(np.shape(out), np.size(out))
        if case.order >= 2:
            self._second()

    def _first(self, shape: tuple[int, ...], size: int) -> None:
        def function(*args: Any) -> Any:
            return call(self.name, *args, **self.case.params)

        tables = [jacobian(function, self.args, place, size) for place in self.places]
        seeds = np.random.default_rng(5).normal(size=(2, *shape))
        if size <= 12:  # every element alone: a zero in the seed means something to some rules
            seeds = np.concatenate([np.eye(size).reshape(size, *shape), seeds[:1]])
        for s in seeds:
            wanted = [s.ravel() @ t for t in tables]
            shapes = [np.shape(self.args[place]) for place in self.places]
            self.rows.append((s, [w.reshape(n) for w, n in zip(wanted, shapes, strict=True)]))

    def _second(self) -> None:
        def along(*args: Any) -> Any:
            grads = self.gradients(args[:-1], args[-1])
            return sum(np.sum(d * g).real for d, g in zip(self.directions, grads, strict=True))

        args = (*self.args, self.seed)
        for place in (*self.places, len(self.args)):
            self.second.append(jacobian(along, args, place, 1).reshape(np.shape(args[place])))

    def gradients(self, args: Sequence[Any], s: Any, **options: Any) -> list[Any]:
        """The gradients of all inputs, as arrays."""
        inputs = leaves(args)
        out = call(self.name, *inputs, **self.case.params)
        return [g.data for g in dgrad.grad(out, tensors(inputs), s, **options)]

    def check(self) -> None:
        """Raise Difference, or whatever a broken rule raises."""
        if not self.places:
            return
        for s, wanted in self.rows:
            _compare(self.gradients(self.args, s), wanted, NUMERIC)
        fast = self.gradients(self.args, self.seed)
        _compare(self.gradients(self.args, self.seed, create_graph=True), fast, EXACT)
        op = registry.ops[self.name].op
        kept = op.raw_rules, op.fast_joint
        if op.raw_rules is not op.rules or op.fast_joint is not None:
            op.raw_rules, op.fast_joint = op.rules, None
            try:
                _compare(self.gradients(self.args, self.seed), fast, EXACT)
            finally:
                op.raw_rules, op.fast_joint = kept
        if len(self.places) > 1:
            for recorded in (False, True):
                alone = [self._alone(place, recorded) for place in self.places]
                _compare(alone, fast, EXACT)
        if self.second:
            _compare(self._recorded_second(), self.second, SECOND)

    def _alone(self, place: int, recorded: bool) -> Any:
        args = list(self.args)
        args[place] = Tensor(args[place], requires_grad=True)
        out = call(self.name, *args, **self.case.params)
        return dgrad.grad(out, args[place], self.seed, create_graph=recorded)[0].data

    def _recorded_second(self) -> list[Any]:
        inputs = leaves(self.args)
        v = Tensor(self.seed, requires_grad=True)
        out = call(self.name, *inputs, **self.case.params)
        grads = dgrad.grad(out, tensors(inputs), v, create_graph=True)
        total = along_directions(self.directions, grads)
        wanted = [*tensors(inputs), v]
        if not total.requires_grad:
            return [np.zeros(t.shape) for t in wanted]
        return [g.data for g in dgrad.grad(total, wanted, materialize_grads=True)]


def _compare(got: list[Any], want: list[Any], tolerance: dict[str, float]) -> None:
    for x, y in zip(got, want, strict=True):
        if not close(x, y, **tolerance):
            raise Difference(f"{x} for {y}")


class Checker:
    """The checks of one op at all its cases; ready to be run for one mutant after another."""

    def __init__(self, name: str, cases: Sequence[Case] | None = None) -> None:
        with strict():
            self.expected = [_Expected(name, c) for c in (CASES[name] if cases is None else cases)]
        self.expected.sort(key=lambda e: (-e.case.order, sum(np.size(a) for a in e.args)))
        self.check()  # a rule that is wrong unbroken says nothing about mutants

    def check(self) -> None:
        """Raise what the first case that notices raises."""
        with strict():
            for expected in self.expected:
                expected.check()
