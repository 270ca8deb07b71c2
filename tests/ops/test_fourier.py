"""Fourier transforms: NumPy's calls, the half spectra, inverses, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dgrad
from dgrad import Tensor, ops
from dgrad.errors import DtypeError, ParameterError, ShapeError, UnsupportedError

RNG = np.random.default_rng(47)
REAL = RNG.normal(size=(3, 4))
BOTH = REAL + 1j * RNG.normal(size=(3, 4))

CALLS: dict[str, tuple[Any, Any]] = {
    "fft": (lambda t: np.fft.fft(t, 5), REAL),
    "fft(complex)": (lambda t: np.fft.fft(t, axis=0, norm="ortho"), BOTH),
    "ifft": (lambda t: np.fft.ifft(t, 3, 0, "forward"), BOTH),
    "rfft": (lambda t: np.fft.rfft(t, n=5), REAL),
    "irfft": (lambda t: np.fft.irfft(t, n=5), BOTH),
    "irfft(real)": (np.fft.irfft, REAL),
    "hfft": (lambda t: np.fft.hfft(t, axis=0), BOTH),
    "ihfft": (np.fft.ihfft, REAL),
    "fft2": (np.fft.fft2, REAL),
    "fft2(axes=None)": (lambda t: np.fft.fft2(t, axes=None), REAL),
    "ifft2": (lambda t: np.fft.ifft2(t, (2, 5)), BOTH),
    "rfft2": (lambda t: np.fft.rfft2(t, (2, 5)), REAL),
    "irfft2": (lambda t: np.fft.irfft2(t, s=(2, 5)), BOTH),
    "fftn": (lambda t: np.fft.fftn(t, axes=(0,)), REAL),
    "ifftn": (np.fft.ifftn, BOTH),
    "rfftn": (lambda t: np.fft.rfftn(t, s=(-1, 3), axes=(1, 0)), REAL),
    "irfftn": (lambda t: np.fft.irfftn(t, norm="ortho"), BOTH),
    "fftshift": (np.fft.fftshift, REAL),
    "ifftshift": (lambda t: np.fft.ifftshift(t, axes=0), BOTH),
}


def random_like(x: Any) -> np.ndarray:
    real = RNG.normal(size=x.shape)
    return real + 1j * RNG.normal(size=x.shape) if x.dtype.kind == "c" else real


@pytest.mark.parametrize("name", CALLS)
def test_numpys_calls_are_linear_and_have_their_adjoint(name: str) -> None:
    """Re <seed, f(d)> = Re <gradient, d> for any direction d, the inner product conjugating."""
    call, data = CALLS[name]
    t = Tensor(data, requires_grad=True)
    out = call(t)
    assert isinstance(out, Tensor)
    np.testing.assert_allclose(out.data, call(data), rtol=1e-13)
    seed, d = random_like(out), random_like(data)
    (g,) = dgrad.grad(out, t, seed)
    assert g.dtype == data.dtype
    assert np.vdot(seed, call(d)).real == pytest.approx(np.vdot(g.data, d).real, rel=1e-12)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("norm", [None, "ortho", "forward"])
def test_a_half_spectrum_and_back_is_the_identity_with_gradient_1(n: int, norm: Any) -> None:
    x = Tensor(RNG.normal(size=n), requires_grad=True)
    weights = RNG.normal(size=n)
    for there, back in ((np.fft.rfft, np.fft.irfft), (np.fft.ihfft, np.fft.hfft)):
        again = back(there(x, norm=norm), n, norm=norm)
        np.testing.assert_allclose(again.data, x.data, rtol=1e-12, atol=1e-14)
        (g,) = dgrad.grad(again, x, weights)
        np.testing.assert_allclose(g.data, weights, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("transform", [np.fft.irfft, np.fft.hfft])
def test_the_imaginary_parts_that_do_not_count_have_no_gradient(transform: Any) -> None:
    for n, real_terms in ((4, [0, 2]), (5, [0])):
        t = Tensor(BOTH[0, :3].copy(), requires_grad=True)
        (g,) = dgrad.grad(transform(t, n), t, RNG.normal(size=n))
        np.testing.assert_array_equal(np.flatnonzero(g.data.imag == 0), real_terms)


def test_energy_is_kept_and_its_gradient_is_twice_the_signal() -> None:
    x = Tensor(REAL, requires_grad=True)
    spectrum = np.fft.fft2(x, norm="ortho")
    energy = np.real(spectrum * np.conjugate(spectrum)).sum()
    (g,) = dgrad.grad(energy, x, create_graph=True)
    np.testing.assert_allclose(g.data, 2 * REAL, rtol=1e-12)
    (second,) = dgrad.grad(g, x, np.ones_like(REAL))
    np.testing.assert_allclose(second.data, np.full_like(REAL, 2.0), rtol=1e-12)


@pytest.mark.parametrize("length", [4, 5])
def test_shifts_are_each_others_inverse_and_adjoint(length: int) -> None:
    x = Tensor(np.arange(length * 1.0), requires_grad=True)
    seed = np.eye(length)[0]
    (g,) = dgrad.grad(np.fft.fftshift(x), x, seed)
    np.testing.assert_array_equal(g.data, np.fft.ifftshift(seed))
    (g,) = dgrad.grad(np.fft.ifftshift(x), x, seed)
    np.testing.assert_array_equal(g.data, np.fft.fftshift(seed))


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda t: np.fft.fftn(t, axes=(0, 0)), ParameterError, "fftn: axes .*each once"),
        (lambda t: np.fft.rfftn(t, axes=(1, -1)), ParameterError, r"rfftn: axes .*\(1, -1\)"),
        (lambda t: np.fft.fftn(t, axes=()), ParameterError, "fftn: axes must be one axis or more"),
        (lambda t: ops.fftn(t.sum()), ParameterError, "fftn: axes"),
        (lambda t: np.fft.fft(t, 0), ShapeError, r"fft\(float64\[3, 4\]\).*points"),
        (lambda t: np.fft.fft(t, axis=2), ShapeError, r"fft\(float64\[3, 4\]\)"),
        (lambda t: np.fft.fftn(t, axes=(5,)), ShapeError, "fftn: axis 5 of an array of 2 axes"),
        (lambda t: np.fft.rfft(Tensor(BOTH)), DtypeError, r"rfft\(complex128"),
        (lambda t: np.fft.fft(t, norm="half"), ShapeError, "half"),
        (lambda t: np.fft.fft(t, out=BOTH), UnsupportedError, "np.fft.*'out'"),
    ],
)
def test_errors_name_the_transform(call: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call(Tensor(REAL, requires_grad=True))


def test_a_length_of_minus_1_is_that_of_the_axis() -> None:
    x = Tensor(np.arange(12.0).reshape(3, 4), requires_grad=True)
    whole, cut = (np.fft.rfftn(x, s=s, axes=(0, 1)) for s in ((2, 4), (2, -1)))
    seed = np.arange(6.0).reshape(2, 3) * (1 - 2j)
    expected, found = (dgrad.grad(out, x, seed)[0].data for out in (whole, cut))
    np.testing.assert_array_equal(found, expected)
