"""The ops that take part in random programs, and how far each is moved from its example."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

import dgrad
from dgrad import Tensor, registry
from dgrad.errors import DgradError

__all__ = [
    "EXACT",
    "SIZE",
    "STEP",
    "Role",
    "real_outputs",
    "smooth_ops",
    "wanted",
]

SIZE = 64  # elements of a value, at most
NOISES = (0.3, 0.1, 0.03)  # how far from its example an op is tried: the first that it bears
STEP = 1e-30  # of the complex step: nothing cancels
EXACT = 1e-9
# Not smooth, to the second derivative, so that differences may straddle a kink.
KINKS = """
    abs ceil celu clip copysign cummax cummin elu fabs floor floor_divide fmax
    fmin fmod hardshrink hardsigmoid hardswish hardtanh heaviside hinge_embedding_loss hinge_loss
    huber_loss l1_loss leaky_relu margin_ranking_loss max max_pool1d max_pool2d max_with_index
    maximum median min min_with_index minimum nan_to_num percentile prelu ptp quantile relu relu6
    remainder rint round selu sign smooth_l1_loss softshrink softsign sort threshold topk
    triplet_margin_loss trunc
"""
LEFT_OUT: dict[str, str] = {
    **dict.fromkeys(KINKS.split(), "kink"),
    **dict.fromkeys(("cholesky", "eigh", "eigvalsh"), "its input must stay symmetric"),
    **dict.fromkeys(("angle", "conj", "imag", "real"), "takes complex numbers apart"),
    "astype": "changes the dtype",
}


def is_float(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


class Role(NamedTuple):
    """How an op takes part: whether the complex step may be used on it, how far it is moved."""

    analytic: bool
    noise: float


@functools.cache
def smooth_ops() -> dict[str, Role]:
    """The ops that take part."""
    found = {}
    for name in sorted(registry.ops):
        op = registry.ops[name].op
        shipped = op.forward.__module__.startswith("dgrad.ops")
        if not op.differentiable or name in LEFT_OUT or not shipped:
            continue
        args, _ = op.example(np.random.default_rng(0))
        if wanted(op, args) and sum(np.size(a) for a in args) <= 4 * SIZE:
            found[name] = Role(_analytic(name), _noise(name))
    return found


def wanted(op: Any, args: Sequence[Any]) -> list[int]:
    """The places of an example's arguments that get a gradient."""
    ruled = [True] * len(args)
    if op.rules is not None and not op.variadic:
        ruled = [rule is not None for rule in op.rules]
    return [i for i, a in enumerate(args) if is_float(a) and ruled[i]]


def real_outputs(out: Any) -> Any:
    """What an op returns as one or several real values; a complex one as real + imaginary part."""
    if isinstance(out, tuple):
        return tuple(real_outputs(y) for y in out if y.dtype.kind in "fc")
    if out.dtype.kind == "c":
        return registry.ops["real"](out) + registry.ops["imag"](out)
    return out


def _noise(name: str) -> float:
    """How far the inputs of an op may be from its example, by trial."""
    function = registry.ops[name]
    rng = np.random.default_rng(3)

    def bears(noise: float) -> bool:
        args, params = function.op.example(rng)
        moved = list(args)
        for i in wanted(function.op, args):
            moved[i] = args[i] + noise * rng.choice([-1.0, 1.0], size=args[i].shape)
        try:
            out = function(*moved, **params)
        except (DgradError, ArithmeticError, ValueError, Warning):
            return False
        return all(np.isfinite(y).all() for y in (out if isinstance(out, tuple) else [out]))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return next((n for n in NOISES if all(bears(n) for _ in range(20))), 0.0)


def _analytic(name: str) -> bool:
    """Whether the op's forward takes complex numbers, and its complex step is its derivative."""
    function = registry.ops[name]
    args, params = function.op.example(np.random.default_rng(1))
    rng = np.random.default_rng(2)
    places = wanted(function.op, args)
    inputs, shifted = list(args), list(args)
    for i in places:
        inputs[i] = Tensor(args[i], requires_grad=True)
        shifted[i] = args[i] + 1j * STEP * rng.normal(size=args[i].shape)
    out = function(*inputs, **params)
    outs = list(out) if isinstance(out, tuple) else [out]
    if any(y.dtype.kind == "c" for y in outs):
        return False
    live = [i for i, y in enumerate(outs) if y.requires_grad and y.dtype.kind == "f"]
    seeds = [rng.normal(size=outs[i].shape) for i in live]
    targets = [inputs[i] for i in places]
    grads = dgrad.grad([outs[i] for i in live], targets, seeds, allow_unused=True)
    want = sum(
        np.sum(g.data * np.imag(shifted[i])) / STEP
        for i, g in zip(places, grads, strict=True)
        if g is not None
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            out = function(*shifted, **params)
    except (TypeError, ValueError, DgradError, Warning):
        return False
    theirs = list(out) if isinstance(out, tuple) else [out]
    got = sum(np.sum(np.imag(theirs[i]) * s) / STEP for i, s in zip(live, seeds, strict=True))
    return bool(abs(got - want) <= EXACT * max(1.0, abs(want)))
