"""The products that convolutions are made of: a patch of the image by every kernel.

`convolve` is linear in the image and in the kernels; `spread` and `correlate` are its adjoints.
Also what all convolutions check, and how a line becomes an image.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dgrad.core.openblas import blas_threads, packs_small_matrices
from dgrad.errors import DtypeError, ParameterError, ShapeError
from dgrad.ops._windows import (
    Windows,
    blocks,
    from_rows,
    grouped,
    row_room,
    rows_at_once,
    spans,
    to_rows,
)

__all__ = [
    "as_image",
    "batched",
    "channel_sums",
    "check_channels",
    "check_operands",
    "check_windows",
    "convolve",
    "correlate",
    "image_shape",
    "plus",
    "spread",
    "unbatched",
    "wide",
]


SHORT = 128  # columns: products summed over fewer take longer than a copy of the patches


def convolve(x: Any, weight: Any, windows: Windows, groups: int) -> Any:
    """Products of every patch of x with the kernels: (n, c, h, w) -> (n, o, oh, ow)."""
    n, o, (oh, ow) = len(x), len(weight), windows.out
    dtype = np.result_type(x, weight)
    kernels = _kernels(weight.astype(dtype, copy=False), groups)[:, None]
    out = row_room((oh, o, ow * n), dtype)
    for start, stop, patches in blocks(to_rows(x.astype(dtype, copy=False)), windows, groups):
        _multiply(kernels, patches, grouped(out[start:stop], groups))
    return from_rows(out.reshape(oh, o, ow, n))


def _multiply(kernels: Any, patches: Any, out: Any) -> None:
    """The matrix products of kernels (groups, 1, m, k) and patches (groups, rows, k, length).

    Where BLAS spares small products the copies that it makes of large ones, in pieces of 64
    columns, which give the same bits: (32, 288) by (288, 896) takes 21 % less time, by
    (288, 1024) 27 %.
    """
    m, k = kernels.shape[-2:]
    if (
        64 * m * k < 1e6
        and 64 <= k <= 320  # more are summed in parts
        and not patches.shape[-1] % 64
        and patches.dtype == np.float32
        and not packs_small_matrices()
        and blas_threads() == 1
    ):
        kernels, patches, out = kernels[:, :, None], _pieces(patches), _pieces(out)
    np.matmul(kernels, patches, out=out)


def _pieces(matrices: Any) -> Any:
    """(..., k, length) seen as (..., length / 64, k, 64)."""
    *lead, k, length = matrices.shape
    return np.swapaxes(matrices.reshape(*lead, k, length // 64, 64), -2, -3)


def spread(y: Any, weight: Any, windows: Windows, groups: int) -> Any:
    """The adjoint of convolve in x: (n, o, oh, ow) -> (n, c, h, w).

    Of stride 1 it is the convolution with the kernels turned by 180 degrees.
    """
    o, c, kh, kw = weight.shape
    if windows.stride != (1, 1) or o > 2 * kh * c * groups:  # copies of y would be the larger
        return _spread_sums(y, weight, windows, groups)
    turned = weight.reshape(groups, o // groups, c, kh, kw)[..., ::-1, ::-1].swapaxes(1, 2)
    turned = turned.reshape(groups * c, o // groups, kh, kw)
    return convolve(y, turned, windows.adjoint, groups)


def _spread_sums(y: Any, weight: Any, windows: Windows, groups: int) -> Any:
    """The same for any stride: each product is added to the pixel that its patch took."""
    n, (oh, ow), (h, w), (top, left) = len(y), windows.out, windows.size, windows.before
    c, height, width = weight.shape[1], *map(max, windows.outer, (top + h, left + w))
    dtype = np.result_type(y, weight)
    kernels = np.swapaxes(_kernels(weight.astype(dtype, copy=False), groups), 1, 2)
    rows = grouped(to_rows(y.astype(dtype, copy=False)).reshape(oh, len(weight), ow * n), groups)
    out = np.zeros((height, groups * c, width, n), dtype)
    image = grouped(out, groups)  # (groups, height, c, width, n)
    size = out[:1, :, :1].size * math.prod(windows.kernel) * ow * dtype.itemsize
    for start, stop in spans(oh, rows_at_once(oh, size)):
        patches = np.matmul(kernels[:, None], rows[:, start:stop])
        patches = patches.reshape(groups, stop - start, *windows.kernel, c, ow, n)
        for i, j, (across, down) in windows.taps(start, stop):
            met = image[:, across, :, down]
            np.add(met, patches[:, :, i, j], out=met)
    return from_rows(out[top : top + h, :, left : left + w])


def correlate(x: Any, y: Any, windows: Windows, groups: int) -> Any:
    """The adjoint of convolve in weight: (n, c, h, w), (n, o, oh, ow) -> (o, c/groups, kh, kw)."""
    n, c, o, (oh, ow) = len(x), x.shape[1], y.shape[1], windows.out
    dtype = np.result_type(x, y)
    rows = grouped(to_rows(y.astype(dtype, copy=False)).reshape(oh, o, ow * n), groups)
    total = np.zeros((groups, math.prod(windows.kernel) * (c // groups), o // groups), dtype)
    for start, stop, patches in blocks(to_rows(x.astype(dtype, copy=False)), windows, groups):
        part = rows[:, start:stop]
        if ow * n < SHORT:
            patches, part = _joined(patches), _joined(part)
        total += np.add.reduce(np.matmul(patches, np.swapaxes(part, 2, 3)), axis=1)
    total = total.reshape(groups, *windows.kernel, c // groups, o // groups)
    out = np.empty((o, c // groups, *windows.kernel), dtype)
    out.reshape(groups, o // groups, c // groups, *windows.kernel)[...] = np.transpose(
        total, (0, 4, 3, 1, 2)
    )
    return out


def _kernels(weight: Any, groups: int) -> Any:
    """(o, c/groups, kh, kw) as one matrix a group: (groups, o/groups, kh * kw * c/groups)."""
    kernels = np.transpose(weight, (0, 2, 3, 1))
    return kernels.reshape(groups, len(weight) // groups, weight[:1].size)


def _joined(rows: Any) -> Any:
    """(groups, rows, k, length) as a copy (groups, 1, k, rows * length)."""
    groups, count, k, length = rows.shape
    return np.swapaxes(rows, 1, 2).reshape(groups, 1, k, count * length)


# -- what fits ------------------------------------------------------------------------------------


def check_operands(name: str, x: Any, weight: Any, groups: int, axes: int) -> None:
    """Raise unless x is (n, c, ...) or (c, ...), weight (o, i, ...), and groups divide both."""
    if not (hasattr(x, "ndim") and hasattr(weight, "ndim")):
        kinds = ", ".join(type(value).__name__ for value in (x, weight))
        raise DtypeError(
            f"{name}: needs arrays or Tensors, got {kinds}; dgrad.tensor makes one of a list"
        )
    if weight.ndim != axes + 2 or x.ndim not in (axes + 1, axes + 2):
        layout = "height, width" if axes == 2 else "length"
        raise ShapeError(
            f"{name}: wants x (batch, channels, {layout}) or (channels, {layout}) and "
            f"weight with {axes + 2} axes, got x {x.shape} and weight {weight.shape}"
        )
    if not isinstance(groups, int) or groups < 1:
        raise ParameterError(name, "groups", "an integer of at least 1", groups)
    if len(weight) % groups:
        raise ShapeError(
            f"{name}: {groups} groups do not divide the {len(weight)} kernels of "
            f"weight {weight.shape}"
        )


def check_channels(name: str, x: Any, channels: int, weight: Any, groups: int) -> None:
    """Raise unless x (..., channels, h, w) has so many channels."""
    got = x.shape[-3]
    if got != channels:
        raise ShapeError(
            f"{name}: weight {weight.shape} with groups={groups} needs x with {channels} "
            f"channels, got {got} in x {x.shape}"
        )


def plus(name: str, out: Any, bias: Any) -> Any:
    """out (..., o, h, w) + bias (o,), in place where the dtype allows."""
    if bias is None:
        return out
    if np.shape(bias) != out.shape[-3:-2]:
        raise ShapeError(
            f"{name}: {out.shape[-3]} output channels need a bias of shape "
            f"{out.shape[-3:-2]}, got {np.shape(bias)}"
        )
    bias = np.reshape(bias, (-1, 1, 1))
    return np.add(out, bias, out=out if np.result_type(out, bias) == out.dtype else None)


def batched(x: Any) -> Any:
    """(c, h, w) as (1, c, h, w)."""
    return x[None] if x.ndim == 3 else x


def unbatched(out: Any, ndim: int) -> Any:
    """out (1, c, h, w) without its batch if the input had none."""
    return out[0] if ndim == 3 else out


def check_windows(name: str, y: Any, windows: Windows) -> None:
    """Raise unless y (..., oh, ow) has a number for each window."""
    if y.shape[-2:] != windows.out:
        raise ShapeError(
            f"{name}: an image of {windows.size} pixels has {windows.out} windows of "
            f"{windows.kernel}, but y {y.shape} holds {y.shape[-2:]}"
        )


# -- shapes ---------------------------------------------------------------------------------------


def channel_sums(g: Any, axes: int) -> Any:
    """g summed over everything but its channels. axes: those behind the channels."""
    behind = tuple(range(-axes, 0))
    return np.add.reduce(g, axis=behind if np.ndim(g) == axes + 1 else (0, *behind))


def wide(value: Any, rest: int) -> Any:
    """A size along a line as one along both axes of the image."""
    if isinstance(value, str):
        return value
    if np.ndim(value) == 0:
        return rest, value
    return ((rest, rest) if np.ndim(value) == 2 else rest, *value)


def as_image(x: Any) -> Any:
    """(..., l) as (..., 1, l)."""
    return np.expand_dims(x, -2)


def image_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """That of as_image(x) for an x of `shape`."""
    return (*shape[:-1], 1, shape[-1])
