"""gelu of arrays that are computed in several blocks, in every layout."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dgrad
from dgrad import ops

X = np.random.default_rng(0).normal(size=(3, 40, 50, 20), scale=3).astype(np.float32)
LAYOUTS = {
    "rows": X,
    "channels last": np.ascontiguousarray(X.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2),
    "columns": np.asfortranarray(X),
    "every second": np.repeat(X, 2, axis=2)[:, :, ::2],
    "backwards": X[::-1].copy()[::-1],
}


@pytest.mark.parametrize("approximate", ["none", "tanh"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_blocks_and_layouts_make_no_difference(layout: str, approximate: Any) -> None:
    x = dgrad.from_numpy(LAYOUTS[layout])
    x.requires_grad = True
    out = ops.gelu(x, approximate=approximate)
    wide = dgrad.tensor(X.astype(np.float64), requires_grad=True)
    expected = ops.gelu(wide, approximate=approximate)
    np.testing.assert_allclose(out.data, expected.data, rtol=1e-5, atol=3e-6)
    (g,) = dgrad.grad(out.sum(), x)
    (exact,) = dgrad.grad(expected.sum(), wide, create_graph=True)
    np.testing.assert_allclose(g.data, exact.data, rtol=1e-5, atol=3e-6)


@pytest.mark.parametrize("layout", ["channels last", "columns"])
def test_a_dense_layout_is_kept(layout: str) -> None:
    x = LAYOUTS[layout]
    assert ops.gelu(x).strides == x.strides
    assert ops.normal_cdf(x).strides == x.strides
