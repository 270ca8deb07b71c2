"""a x + b y in place, by OpenBLAS and by NumPy."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest

from dgrad import nn, optim
from dgrad.core.openblas import routine
from dgrad.optim import axpby as module
from dgrad.optim.axpby import axpby, axpy


@pytest.fixture(params=["blas", "numpy"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "numpy":
        monkeypatch.setattr(module, "_ready", dict.fromkeys("fdeg"))
    elif routine("cblas_saxpby") is None:
        pytest.skip("NumPy has another BLAS")
    return str(request.param)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("shape", [(), (1,), (0, 3), (7, 19), (2, 3, 5)])
@pytest.mark.parametrize("dtype", ["f", "d", "e"])
@pytest.mark.parametrize(("a", "b"), [(0.3, -1.7), (1.0, 0.5), (-2.0, 1.0), (0.0, 0.0)])
def test_the_sum_is_right_and_x_stays(shape: Any, dtype: str, a: float, b: float) -> None:
    rng = np.random.default_rng(0)
    x, y, t = (np.asarray(rng.normal(size=shape)).astype(dtype) for _ in range(3))
    kept, rtol = x.copy(), 4 * np.finfo(dtype).eps
    expected = a * x.astype(np.float64) + b * y.astype(np.float64)
    other = y.copy()
    axpby(a, x, b, y, t)
    np.testing.assert_allclose(y, expected, rtol=rtol, atol=rtol)
    np.testing.assert_array_equal(x, kept)
    axpby(a, x, b, other, x)
    np.testing.assert_array_equal(other, y)
    before = y.astype(np.float64)
    axpy(a, kept, y, t)
    np.testing.assert_allclose(y, a * kept.astype(np.float64) + before, rtol=rtol, atol=rtol)


def test_a_blas_whose_bits_depend_on_the_place_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def function(n: int, a: float, x: Any, _: int, b: float, y: Any, __: int) -> None:
        out = (ctypes.c_float * n).from_address(ctypes.addressof(y))
        out[0] += n % 2

    monkeypatch.setattr(module, "routine", lambda name: function)
    assert module._blas("f") is None
    monkeypatch.setattr(module, "routine", lambda name: None)
    assert module._blas("f") is None
    assert module._blas("e") is None


@pytest.mark.parametrize("name", ["SGD", "AdamW", "Lion", "LAMB", "Muon", "Adafactor"])
def test_both_ways_move_parameters_alike(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def moved() -> np.ndarray:
        p = nn.Parameter(np.linspace(-1, 1, 24).reshape(4, 6))
        optimizer = getattr(optim, name)([p], lr=0.1, weight_decay=0.1)
        for step in range(5):
            p.grad = np.sin(np.arange(24.0) * (step + 1)).reshape(4, 6)
            optimizer.step()
        return p.data

    first = moved()
    monkeypatch.setattr(module, "_ready", dict.fromkeys("fd"))
    np.testing.assert_allclose(moved(), first, rtol=1e-12)
