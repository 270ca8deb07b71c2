"""Rules on arrays that are not NumPy's: a stand-in for a GPU array, on the CPU.

It answers NumPy's protocols and refuses to become an ndarray, as CuPy's arrays do. A rule that
converts silently, or asks for a value in the middle, would be wrong or slow there. (After the
dummy GPU array of Julia's ChainRules.)
"""

from __future__ import annotations

import traceback
from typing import Any

import numpy as np
import pytest

from dgrad import Tensor, registry
from dgrad.ops import __all__ as exported

# Ops whose rules themselves work in NumPy's memory, and why.
HOST_RULES = {
    "ctc_loss": "the lengths of the sequences are read on the host",
    "sort": "the order of the elements is found anew",
    **dict.fromkeys(
        ("hinge_loss", "margin_ranking_loss", "soft_margin_loss"), "the labels become floats there"
    ),
}


class DeviceArray(np.lib.mixins.NDArrayOperatorsMixin):
    """An array that does what NumPy functions do to it, and cannot be converted."""

    def __init__(self, host: np.ndarray) -> None:
        self.host = host

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return on_device(getattr(ufunc, method)(*on_host(inputs), **on_host(kwargs)))

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return on_device(function(*on_host(args), **on_host(kwargs)))

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        raise TypeError("a device array was converted to NumPy's")

    def __bool__(self) -> bool:
        raise TypeError("a rule branches on the value of a device array")

    __float__ = __int__ = __index__ = __bool__  # type: ignore[assignment]

    def __getitem__(self, index: Any) -> Any:
        return on_device(self.host[on_host(index)])

    def __len__(self) -> int:
        return len(self.host)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # the ways around __array__ too: __array_interface__ and its kin
            raise AttributeError(name)
        value = getattr(self.host, name)
        if not callable(value):
            return on_device(value)
        return lambda *args, **kwargs: on_device(value(*on_host(args), **on_host(kwargs)))


def on_device(value: Any) -> Any:
    """Arrays, and those in tuples and lists, as device arrays; all else as it is."""
    if isinstance(value, np.ndarray | np.inexact):
        return DeviceArray(np.asarray(value))
    if isinstance(value, tuple | list) and any(isinstance(v, np.ndarray) for v in value):
        return type(value)(map(on_device, value)) if type(value) in (tuple, list) else value
    return value


def on_host(value: Any) -> Any:
    """What `on_device` was given."""
    if isinstance(value, DeviceArray):
        return value.host
    if isinstance(value, tuple | list):
        return type(value)(map(on_host, value)) if type(value) in (tuple, list) else value
    if isinstance(value, dict):
        return {name: on_host(v) for name, v in value.items()}
    return value


def single_outputs() -> list[str]:
    """The differentiable ops of one result."""
    records = {
        name: registry.ops[name].op
        for name in exported
        if name in registry.ops and name not in HOST_RULES
    }
    return [name for name, op in records.items() if op.differentiable and not op.outputs]


def forwards(error: BaseException) -> list[str]:
    """The ops whose forwards an error came through, the outermost first."""
    names = {registry.ops[name].op.forward.__code__: name for name in registry.ops}
    frames = (frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__))
    found = [names[code] for code in frames if code in names]
    return found + (forwards(error.__cause__) if error.__cause__ else [])


def test_rules_run_on_arrays_of_a_device() -> None:
    """Those that reach no forward which works in NumPy's memory: that is another question."""
    ran = set()
    for name in single_outputs():
        try:
            compare(name)
        except TypeError as error:
            if not forwards(error):
                error.add_note(f"in a rule of {name}")
                raise
        else:
            ran.add(name)
    assert {"divide", "logsumexp", "matmul", "solve", "var", "where"} <= ran
    assert len(ran) > 150


def compare(name: str) -> None:
    """The rules of an op at its example, on device arrays and on NumPy's."""
    args, params = registry.ops[name].op.example(np.random.default_rng(0))
    inputs = [
        Tensor(a, requires_grad=True) if isinstance(a, np.ndarray) and a.dtype.kind in "fc" else a
        for a in args
    ]
    out = registry.ops[name](*inputs, **params)
    g = np.random.default_rng(1).normal(size=out.shape).astype(out.dtype)
    for found, expected in results(out.node, g):
        if expected is None:
            assert found is None, name
            continue
        assert isinstance(found, DeviceArray), name
        np.testing.assert_array_equal(found.host, np.asarray(expected), name)


def results(node: Any, g: np.ndarray) -> list[tuple[Any, Any]]:
    """What each rule of a node gives on device arrays, and what on NumPy's."""
    op, saved = node.op, tuple(on_device(value) for value in node.saved)
    if op.joint is not None:
        params = {**node.params, "needs": (True,) * len(node.edges)}
        found, expected = op.joint(on_device(g), saved, params), op.joint(g, node.saved, params)
        return list(zip(found, expected, strict=True))
    live = [rule for rule, e in zip(op.rules, node.edges, strict=True) if e is not None]
    return [(r(on_device(g), saved, node.params), r(g, node.saved, node.params)) for r in live]


def test_a_conversion_is_noticed() -> None:
    x = on_device(np.ones(3))
    with pytest.raises(TypeError, match="converted"):
        np.asarray(x)
    with pytest.raises(TypeError, match="branches"):
        bool(x > 0)
    assert isinstance(np.sum(np.exp(x) * 2), DeviceArray)


def test_the_exceptions_are_ops() -> None:
    assert set(HOST_RULES) <= set(exported)
