"""gradcheck and gradgradcheck: is the gradient of a function the one its values show?"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dgrad.core.tensor import Tensor
from dgrad.errors import WrongGradientError
from dgrad.functional.compare import Settings, check_orders
from dgrad.functional.differences import Tolerance
from dgrad.functional.parts import leaves_of, real_outputs
from dgrad.functional.report import FAILURES, Check, Report
from dgrad.functional.subject import Subject

__all__ = ["gradcheck", "gradgradcheck"]


def gradcheck(
    function: Callable[..., Any],
    inputs: Any,
    *,
    order: int = 1,
    eps: float = 2e-4,
    rtol: float = 1e-6,
    atol: float = 1e-9,
    exact: float = 1e-12,
    entries: int = 1000,
    names: Sequence[str] | None = None,
    seed: int = 0,
    raise_exception: bool = True,
) -> Report:
    """Compare the gradients of function(*inputs) with numeric ones, up to `order`.

    function: Tensors -> Tensor, or a tuple or list of them. inputs: one or a sequence; those that
    require grad are checked, and arrays of floats or complex numbers; if that is none, all such
    Tensors. The rest is passed as it is. Everything is copied first, and computed in float64.

    Where the function is linear in an input the check is <g, A d> = <A^T g, d>. Elsewhere central
    differences are taken, and, to order 1, the complex step where the function is analytic.
    eps: the first step, relative to an entry's size; others are tried where it does not agree.
    rtol, atol: an error is allowed up to rtol * |derivative| + atol * the largest derivative;
    without step errors, up to exact * the largest one; exact=inf leaves the complex step out.
    entries: a larger input is probed along two random directions through all of it, and at so many
    entries; at fewer if it has more than 10^5. With 0 the directions alone are left.
    Raises WrongGradientError, which names input, index and both values; raise_exception=False
    returns the report all the same.
    """
    values = list(inputs) if isinstance(inputs, list | tuple) else [inputs]
    labels = list(names) if names is not None else [f"inputs[{i}]" for i in range(len(values))]
    if len(labels) != len(values):
        raise ValueError(f"gradcheck: {len(values)} inputs but {len(labels)} names")
    name = getattr(function, "__name__", type(function).__name__)
    checks: list[Check] = []
    leaves: dict[str, Tensor] = {}
    args: list[Callable[[], Any]] = []
    for label, value, checked in zip(labels, values, _checked(values), strict=True):
        if checked:
            own, make = leaves_of(label, value)
            leaves |= own
            args.append(make)
        else:
            checks.append(_passed_over(name, label, value))
            args.append(functools.partial(_same, value))
    settings = Settings(seed, eps, Tolerance(rtol, atol, exact), entries)
    if leaves:
        call = real_outputs(lambda: function(*(make() for make in args)))
        found = check_orders(Subject("function", name, call, leaves), order, settings)
        checks += [_with_dtype(check, labels, values) for check in found]
    report = Report(checks, seed, {"order": order, **settings.told()})
    if raise_exception and report.wrong:
        raise WrongGradientError(
            "\n".join(map(str, report.wrong)), fault=FAILURES[report.wrong[0].verdict]
        )
    return report


def gradgradcheck(function: Callable[..., Any], inputs: Any, **options: Any) -> Report:
    """gradcheck to order 2: also the gradients' own, by the inputs and by the outputs' seeds."""
    return gradcheck(function, inputs, **{"order": 2, **options})


def _same(value: Any) -> Any:
    return value


def _is_float(value: Any) -> bool:
    return isinstance(value, Tensor | np.ndarray) and value.dtype.kind in "fc"


def _checked(values: Sequence[Any]) -> list[bool]:
    """Which inputs to check."""
    chosen = [_is_float(v) and (v.requires_grad if isinstance(v, Tensor) else True) for v in values]
    return chosen if any(chosen) else [_is_float(v) for v in values]


def _passed_over(subject: str, label: str, value: Any) -> Check:
    kind = value.dtype if isinstance(value, Tensor | np.ndarray) else type(value).__name__
    note = "it does not require grad" if _is_float(value) else f"it is {kind}"
    return Check("function", subject, label, "skipped: no gradient", note=note)


def _with_dtype(check: Check, labels: Sequence[str], values: Sequence[Any]) -> Check:
    """The check, its note telling when the input was given in single precision."""
    for label, value in zip(labels, values, strict=True):
        if check.input == label and value.dtype.itemsize < 8:
            told = f"{value.dtype} input: it was checked in float64"
            return replace(check, note=f"{check.note}; {told}" if check.note else told)
    return check
