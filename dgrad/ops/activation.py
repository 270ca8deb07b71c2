"""Smooth activation functions, elementwise, gates of two halves, and softmax along one axis.

Of integers and booleans they are floats (see as_floats); tanh is NumPy's own.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dgrad.core.op import op
from dgrad.errors import ParameterError, ShapeError
from dgrad.ops._axes import normalized_axis
from dgrad.ops._blocks import filled
from dgrad.ops._exponentials import write_exp
from dgrad.ops._floats import as_floats
from dgrad.ops._guard import guarded

__all__ = [
    "glu",
    "log_softmax",
    "logit",
    "logsigmoid",
    "mish",
    "sigmoid",
    "silu",
    "softmax",
    "softmin",
    "softplus",
    "softsign",
    "tanh",
    "tanhshrink",
]


@op(complex=True, numpy=np.tanh, methods=("tanh",))
def tanh(x: Any) -> Any:
    """Hyperbolic tangent. x: any shape -> same shape."""
    return np.tanh(x)


tanh.vjp(x=lambda g, out: g * (1 - out * out))


@op(methods=("sigmoid",))
def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)), accurate in both tails. x: any shape -> same shape."""
    return filled(_write_sigmoid, as_floats(x))


def _write_sigmoid(x: Any, out: Any) -> None:
    wide = np.empty_like(out, dtype=np.float32) if out.itemsize == 2 else out
    with np.errstate(over="ignore"):  # 1 / inf is right where exp(-x) is no finite number
        write_exp(x, -1, wide)
    wide += 1
    np.divide(1, wide, out=out)


def _write_sigmoid_gradient(s: Any, g: Any, out: Any) -> None:
    np.subtract(1, s, out=out)
    out *= s
    out *= g


sigmoid.vjp(x=lambda g, out: g * (out * (1 - out)))
sigmoid.fast_vjp(x=lambda g, out: filled(_write_sigmoid_gradient, out, g))


@op(keeps=("slope",))
def silu(x: Any) -> Any:
    """x * sigmoid(x) (Elfwing et al. 2017). x: any shape -> same shape."""
    x = as_floats(x)
    slope = np.empty_like(x)
    return filled(_write_silu, x, slope), slope


def _write_silu(x: Any, slope: Any, out: Any) -> None:
    """x s into out, s = sigmoid(x), and s + x s (1 - s) into slope."""
    _write_sigmoid(x, slope)
    np.multiply(x, slope, out=out)
    rest = np.subtract(1, slope, out=np.empty_like(out))
    rest *= out
    slope += rest


def _silu_rule(g: Any, x: Any) -> Any:
    s = sigmoid(x)
    return g * (s * (1 + x * (1 - s)))


silu.vjp(x=_silu_rule)
silu.fast_vjp(x=lambda g, slope: g * slope)


@op
def softplus(x: Any, *, beta: float = 1.0) -> Any:
    """log(1 + exp(beta x)) / beta, without overflow. x: any shape -> same shape."""

    def write(x: Any, out: Any) -> None:
        if beta != 1:
            x = np.multiply(x, beta)
        rest = np.zeros_like(out)
        np.maximum(x, rest, out=out)
        _write_tail(x, rest)
        out += rest
        if beta != 1:
            out /= beta

    return filled(write, as_floats(x))


def _write_tail(x: Any, out: Any) -> None:
    """log(1 + exp(-|x|))."""
    np.absolute(x, out=out)
    write_exp(out, -1, out)
    np.log1p(out, out=out)


def _softplus_fast(g: Any, out: Any, beta: float) -> Any:
    def write(out: Any, g: Any, gx: Any) -> None:
        np.multiply(out, -beta, out=gx)
        np.expm1(gx, out=gx)
        gx *= g
        np.negative(gx, out=gx)

    return filled(write, out, g)


softplus.vjp(x=lambda g, out, beta: g * -np.expm1(out * -beta))  # sigmoid(beta x)
softplus.fast_vjp(x=_softplus_fast)


@op
def logsigmoid(x: Any) -> Any:
    """log(sigmoid(x)) = -softplus(-x), without overflow. x: any shape -> same shape."""

    def write(x: Any, out: Any) -> None:
        rest = np.zeros_like(out)
        np.minimum(x, rest, out=out)
        _write_tail(x, rest)
        out -= rest

    return filled(write, as_floats(x))


logsigmoid.vjp(x=lambda g, out: g * -np.expm1(out))  # sigmoid(-x)
logsigmoid.fast_vjp(x=lambda g, out: _softplus_fast(g, out, -1.0))


@op
def mish(x: Any) -> Any:
    """x tanh(softplus(x)) (Misra 2019). x: any shape -> same shape."""
    return filled(_write_mish, as_floats(x))


def _write_mish(x: Any, out: Any) -> None:
    """x n / (n + 2), where n = exp(x) (exp(x) + 2)."""
    out.fill(_flat_from(out))
    np.minimum(x, out, out=out)
    write_exp(out, 1, out)
    n = np.add(out, 2, out=np.empty_like(out))
    n *= out
    np.add(n, 2, out=out)
    np.divide(n, out, out=out)
    out *= x


def _flat_from(x: Any) -> float:
    """Where mish of such floats is x, to the last digit, and exp(2 x) still one of them."""
    return 5.0 if x.itemsize == 2 else 20.0


def _mish_rule(g: Any, x: Any) -> Any:
    gate = np.tanh(softplus(x))
    return g * (gate + x * ((1 - gate * gate) * sigmoid(x)))


def _write_mish_gradient(x: Any, g: Any, out: Any) -> None:
    """g e / (n + 2) (e + 2 + 4 x (e + 1) / (n + 2)), where e = exp(x), n = e (e + 2)."""
    x = np.minimum(x, np.full_like(out, _flat_from(out)), out=np.empty_like(out))
    e, below = np.empty_like(out), np.empty_like(out)
    write_exp(x, 1, e)
    above = np.add(e, 2, out=np.empty_like(out))
    np.multiply(above, e, out=below)
    below += 2
    np.add(e, 1, out=out)
    out /= below
    out *= x
    out *= 4
    out += above
    out *= e
    out /= below
    out *= g


mish.vjp(x=_mish_rule)
mish.fast_vjp(x=lambda g, x: filled(_write_mish_gradient, x, g))


@op
def softsign(x: Any) -> Any:
    """x / (1 + |x|). x: any shape -> same shape."""
    x = as_floats(x)
    return x / (1 + np.abs(x))


def _softsign_rule(g: Any, x: Any) -> Any:
    below = np.absolute(x) + 1
    return g / below / below  # its square could overflow


softsign.vjp(x=_softsign_rule)


@op
def tanhshrink(x: Any) -> Any:
    """x - tanh(x). x: any shape -> same shape."""
    x = as_floats(x)
    return x - np.tanh(x)


tanhshrink.vjp(x=lambda g, x: g * np.square(np.tanh(x)))


def _inner(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """An example inside (0, 1)."""
    return (rng.uniform(0.1, 0.9, size=(3, 4)),), {}


@op(methods=("logit",), example=_inner)
def logit(x: Any, *, eps: float | None = None) -> Any:
    """log(x / (1 - x)), the inverse of sigmoid; x is first limited to [eps, 1 - eps] if given.

    Infinite at 0 and 1, NaN outside [0, 1]. With eps the gradient is 0 at the bounds and beyond.
    x: any shape -> same shape. Raises ParameterError unless 0 <= eps <= 1/2.
    """
    x = as_floats(x)
    if eps is not None:
        if not 0 <= eps <= 0.5:
            raise ParameterError("logit", "eps", "in [0, 1/2], or None", eps)
        x = np.clip(x, eps, 1 - eps)
    return np.log(x) - np.log1p(np.negative(x))


def _logit_rule(g: Any, x: Any, eps: float | None) -> Any:
    if eps is not None:
        inside = np.greater(x, eps) & np.less(x, 1 - eps)
        g, x = np.where(inside, g, 0.0), np.where(inside, x, 0.5)
    return g / guarded(g, x * (1 - x))


logit.vjp(x=_logit_rule)


@op
def glu(x: Any, *, axis: int = -1) -> Any:
    """a sigmoid(b), a and b the halves of x along axis (Dauphin et al. 2017).

    x: (..., 2n, ...) -> (..., n, ...). Raises ShapeError if that length is odd.
    """
    a, b = _halves(as_floats(x), axis)
    return a * sigmoid(b)


def _halves(x: Any, axis: int) -> tuple[Any, Any]:
    shape = np.shape(x)
    place = normalized_axis("glu", axis, len(shape))
    if shape[axis] % 2:
        raise ShapeError(f"glu: axis {axis} must have an even length, got {shape}")
    before, half = (slice(None),) * place, shape[axis] // 2
    return x[(*before, slice(half))], x[(*before, slice(half, None))]


def _glu_rule(g: Any, x: Any, axis: int) -> Any:
    a, b = _halves(x, axis)
    gate = sigmoid(b)
    return np.concatenate((g * gate, g * (a * (gate * (1 - gate)))), axis)


glu.vjp(x=_glu_rule)


@op(methods=("softmax",))
def softmax(x: Any, *, axis: int = -1) -> Any:
    """exp(x) / sum(exp(x)) along axis, shifted by the maximum. x: any shape -> same shape."""
    x = as_floats(x)
    e = np.exp(x - np.maximum.reduce(x, axis=axis, keepdims=True))
    return e / np.add.reduce(e, axis=axis, keepdims=True)


def _softmax_rule(g: Any, out: Any, axis: int) -> Any:
    weighted = g * out
    return weighted - out * np.add.reduce(weighted, axis=axis, keepdims=True)


softmax.vjp(x=_softmax_rule)


@op(methods=("log_softmax",))
def log_softmax(x: Any, *, axis: int = -1) -> Any:
    """x - log(sum(exp(x))) along axis, shifted by the maximum. x: any shape -> same shape."""
    x = as_floats(x)
    shifted = x - np.maximum.reduce(x, axis=axis, keepdims=True)
    return shifted - np.log(np.add.reduce(np.exp(shifted), axis=axis, keepdims=True))


log_softmax.vjp(
    x=lambda g, out, axis: g - np.exp(out) * np.add.reduce(g, axis=axis, keepdims=True),
)


@op(methods=("softmin",))
def softmin(x: Any, *, axis: int = -1) -> Any:
    """softmax(-x) along axis. x: any shape -> same shape."""
    x = as_floats(x)
    e = np.exp(np.minimum.reduce(x, axis=axis, keepdims=True) - x)
    return e / np.add.reduce(e, axis=axis, keepdims=True)


softmin.vjp(x=lambda g, out, axis: -_softmax_rule(g, out, axis))
