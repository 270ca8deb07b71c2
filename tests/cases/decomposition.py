"""Cases of dgrad/ops/decomposition.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *

__all__ = ["CASES", "REFERENCES", "TORCH", "spread"]


def spread(*shape: int) -> np.ndarray:
    """Symmetric matrices with eigenvalues above 0.5 and far apart."""
    n = shape[-1]
    q = np.linalg.qr(normal(*shape[:-2], n, n))[0]
    out = q * (np.arange(n) * 1.5 + 0.5 + 0.3 * rng.random(n)) @ np.swapaxes(q, -1, -2)
    return (out + np.swapaxes(out, -1, -2)) / 2


def apart(*shape: int) -> np.ndarray:
    """Matrices with singular values above 0.5 and far apart."""
    m, n = shape[-2:]
    u, v = (np.linalg.qr(normal(*shape[:-2], k, k))[0] for k in (m, n))
    k = min(m, n)
    return u[..., :k] * (np.arange(k) * 1.5 + 0.5) @ np.swapaxes(v[..., :k], -1, -2)


def one_triangle(x: np.ndarray, triangle: str) -> np.ndarray:
    """x with another matrix in its other triangle."""
    other = normal(*x.shape)
    return np.tril(x) + np.triu(other, 1) if triangle == "L" else np.triu(x) + np.tril(other, -1)


def symmetrised(library: Any, x: Any, UPLO: str | None) -> Any:
    """The matrix that is decomposed: the symmetric part, or one triangle mirrored."""
    if UPLO is None:
        return (x + x.swapaxes(-1, -2)) / 2
    half = library.tril(x, -1) if UPLO == "L" else library.triu(x, 1)
    return half + half.swapaxes(-1, -2) + library.tril(library.triu(x))


SYMMETRIC = [
    Case(spread(3, 3)),
    Case(spread(1, 1)),
    Case(spread(2, 2, 2)),
    Case(spread(2, 1, 2, 2)),
    Case(spread(0, 3, 3)),
    Case(spread(0, 0)),
    Case(spread(3, 3).T),
    Case(spread(3, 3)[::-1, ::-1]),
    Case(repeated(spread(2, 2), 2)),
    Case(normal(2, 2) * 0.1 + spread(2, 2)),  # not symmetric: its symmetric part counts
    Case(np.diag([1e-100, 1.0, 1e100]), order=0),
]
TRIANGLES = [
    Case(one_triangle(spread(3, 3), triangle), UPLO=triangle) for triangle in ("L", "U")
] + [Case(one_triangle(spread(2, 2, 2), "L"), UPLO="L")]
TALL_AND_WIDE = [
    apart(3, 3),
    apart(4, 2),
    apart(2, 4),
    apart(1, 1),
    apart(3, 1),
    apart(1, 3),
    apart(2, 3, 2),
    apart(2, 2, 3),
    apart(0, 3, 2),
    apart(0, 3),
    apart(3, 2).T,
    apart(3, 2)[::-1],
    repeated(apart(3, 2), 2),
]

CASES: dict[str, list[Case]] = {
    "cholesky": [*SYMMETRIC, Case(spread(3, 3), upper=True), Case(spread(2, 2, 2), upper=True)],
    "eigh": [*SYMMETRIC, *TRIANGLES],
    "eigvalsh": [*SYMMETRIC, *TRIANGLES],
    "qr": [
        *(Case(x) for x in TALL_AND_WIDE),
        Case(apart(3, 2), mode="reduced"),
        Case(np.diag([1e100, 1e-100]), order=0),
    ],
    "svd": [
        *(Case(x, full_matrices=False) for x in TALL_AND_WIDE),
        Case(apart(3, 3)),
        Case(np.diag([1e100, 1e-100]), order=0),
    ],
    "svdvals": [*(Case(x) for x in TALL_AND_WIDE), Case(np.diag([1e100, 1e-100]), order=0)],
}

REFERENCES: dict[str, Callable[..., Any]] = {
    "cholesky": lambda x, upper=False: np.linalg.cholesky(symmetrised(np, x, None), upper=upper),
    "eigh": lambda x, UPLO=None: tuple(np.linalg.eigh(symmetrised(np, x, UPLO))),
    "eigvalsh": lambda x, UPLO=None: np.linalg.eigvalsh(symmetrised(np, x, UPLO)),
    "qr": lambda x, mode="reduced": tuple(np.linalg.qr(x)),
    "svd": lambda x, full_matrices=True: tuple(np.linalg.svd(x, full_matrices=False)),
    "svdvals": np.linalg.svdvals,
}


def _aligned(torch: Any, theirs: Any, ours: np.ndarray) -> Any:
    """The signs that turn their vectors, as columns, into ours: another LAPACK chooses others."""
    return torch.sign((theirs.detach() * torch.from_numpy(np.ascontiguousarray(ours))).sum(-2))


def _torch_eigh(torch: Any) -> Callable[..., Any]:
    def eigh(x: Any, UPLO: str | None = None) -> Any:
        x = symmetrised(torch, x, UPLO)
        w, v = torch.linalg.eigh(x)
        signs = _aligned(torch, v, np.linalg.eigh(x.detach().numpy())[1])
        return w, v * signs[..., None, :]

    return eigh


def _torch_qr(torch: Any) -> Callable[..., Any]:
    def qr(x: Any, mode: str = "reduced") -> Any:
        q, r = torch.linalg.qr(x, mode)
        signs = _aligned(torch, q, np.linalg.qr(x.detach().numpy())[0])
        return q * signs[..., None, :], r * signs[..., :, None]

    return qr


def _torch_svd(torch: Any) -> Callable[..., Any]:
    def svd(x: Any, full_matrices: bool = True) -> Any:
        u, s, vh = torch.linalg.svd(x, full_matrices=False)
        signs = _aligned(torch, u, np.linalg.svd(x.detach().numpy(), full_matrices=False)[0])
        return u * signs[..., None, :], s, vh * signs[..., :, None]

    return svd


TORCH: dict[str, Any] = {
    "cholesky": lambda torch: (
        lambda x, upper=False: torch.linalg.cholesky(symmetrised(torch, x, None), upper=upper)
    ),
    "eigh": _torch_eigh,
    "eigvalsh": lambda torch: (
        lambda x, UPLO=None: torch.linalg.eigvalsh(symmetrised(torch, x, UPLO))
    ),
    "qr": _torch_qr,
    "svd": _torch_svd,
    "svdvals": "linalg.svdvals",
}
