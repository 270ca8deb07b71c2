"""Convolutions, transposed convolutions and their adjoints: closed under differentiation.

conv2d is linear in x and in weight; `conv2d_input_grad` and `conv2d_weight_grad` are its two
adjoints, and of the three each one's rules are the other two. Images are (n, c, h, w), or
(c, h, w) for one alone; lines (n, c, l) or (c, l). Results lie in memory as (c, h, w, n), which
the next convolution takes as it is (see dgrad/ops/windows.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dgrad.core.op import Example, op
from dgrad.errors import DtypeError, ParameterError, ShapeError
from dgrad.ops.windows import (
    Padding,
    Sizes,
    Windows,
    blocks,
    buffers,
    from_planes,
    pair,
    rows,
    to_planes,
)

__all__ = [
    "conv1d",
    "conv2d",
    "conv2d_input_grad",
    "conv2d_weight_grad",
    "conv_transpose1d",
    "conv_transpose2d",
]


def _at(*shapes: tuple[int, ...], **params: Any) -> Example:
    """An example: normal arrays of those shapes, and the parameters."""
    return lambda rng: (tuple(rng.normal(size=shape) for shape in shapes), params)


# -- products of patches, on (n, c, h, w) ---------------------------------------------------------


def _convolve(x: Any, weight: Any, windows: Windows, groups: int) -> Any:
    """Products of every patch of x with the kernels: (n, c, h, w) -> (n, o, oh, ow)."""
    n, o, (oh, ow) = len(x), len(weight), windows.out
    dtype = np.result_type(x, weight)
    kernels = _kernels(weight.astype(dtype, copy=False), groups)
    image = to_planes(x.astype(dtype, copy=False), windows)
    out = rows(o, oh * ow * n, dtype)
    for start, stop, patches in blocks(image, windows):
        part = out[:, start * ow * n : stop * ow * n]
        np.matmul(kernels, _grouped(patches, groups), out=_grouped(part, groups))
    return from_planes(out.reshape(o, oh, ow, n))


def _spread(y: Any, weight: Any, windows: Windows, groups: int) -> Any:
    """The adjoint of _convolve in x: (n, o, oh, ow) -> (n, c, h, w)."""
    n, (oh, ow), (h, w), (top, left) = len(y), windows.out, windows.size, windows.before
    height, width = map(max, windows.outer, (top + h, left + w))
    dtype = np.result_type(y, weight)
    kernels = np.swapaxes(_kernels(weight.astype(dtype, copy=False), groups), 1, 2)
    c = weight.shape[1] * groups
    y = to_planes(y.astype(dtype, copy=False)).reshape(len(weight), oh * ow * n)
    if windows.plain:
        out = rows(c, h * w * n, dtype)
        np.matmul(kernels, _grouped(y, groups), out=_grouped(out, groups))
        return from_planes(out.reshape(c, h, w, n))
    out = np.zeros((c, height, width, n), dtype)
    for start, stop, patches in buffers(windows, c, n, dtype):
        part = y[:, start * ow * n : stop * ow * n]
        np.matmul(kernels, _grouped(part, groups), out=_grouped(patches, groups))
        patches = patches.reshape(c, *windows.kernel, stop - start, ow, n)
        for i, j, (across, down) in windows.taps(start, stop):
            met = out[:, across, down]
            np.add(met, patches[:, i, j], out=met)
    return from_planes(out[:, top : top + h, left : left + w])


def _correlate(x: Any, y: Any, windows: Windows, groups: int) -> Any:
    """The adjoint of _convolve in weight: (n, c, h, w), (n, o, oh, ow) -> (o, c/groups, kh, kw)."""
    n, c, o, (oh, ow) = len(x), x.shape[1], y.shape[1], windows.out
    dtype = np.result_type(x, y)
    image = to_planes(x.astype(dtype, copy=False), windows)
    y = to_planes(y.astype(dtype, copy=False)).reshape(o, oh * ow * n)
    out = np.empty((o, c // groups, *windows.kernel), dtype)
    length = out[:1].size
    total = np.zeros((groups, length, o // groups), dtype)
    for start, stop, patches in blocks(image, windows):
        part = y[:, start * ow * n : stop * ow * n]
        total += np.matmul(_grouped(patches, groups), _grouped(part, groups).swapaxes(1, 2))
    out.reshape(groups, o // groups, length)[...] = np.swapaxes(total, 1, 2)
    return out


def _kernels(weight: Any, groups: int) -> Any:
    """(o, c/groups, kh, kw) as one matrix a group: (groups, o/groups, c/groups * kh * kw)."""
    return weight.reshape(groups, len(weight) // groups, weight[:1].size)


def _grouped(matrix: Any, groups: int) -> Any:
    """(rows, length) as (groups, rows/groups, length)."""
    return matrix.reshape(groups, len(matrix) // groups, matrix.shape[1])


# -- what fits ------------------------------------------------------------------------------------


def _check(name: str, x: Any, weight: Any, groups: int, axes: int) -> None:
    """Raise unless x is (n, c, ...) or (c, ...), weight (o, i, ...), and groups divide both."""
    if not (hasattr(x, "ndim") and hasattr(weight, "ndim")):
        kinds = ", ".join(type(value).__name__ for value in (x, weight))
        raise DtypeError(
            f"{name}: needs arrays or Tensors, got {kinds}; dgrad.tensor makes one of a list"
        )
    if weight.ndim != axes + 2 or x.ndim not in (axes + 1, axes + 2):
        layout = ", ".join(("height", "width")) if axes == 2 else "length"
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


def _check_channels(name: str, x: Any, channels: int, weight: Any, groups: int) -> None:
    got = x.shape[-3]
    if got != channels:
        raise ShapeError(
            f"{name}: weight {weight.shape} with groups={groups} needs x with {channels} "
            f"channels, got {got} in x {x.shape}"
        )


def _plus(name: str, out: Any, bias: Any) -> Any:
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


def _batch(x: Any) -> Any:
    """(c, h, w) as (1, c, h, w)."""
    return x[None] if x.ndim == 3 else x


def _like(out: Any, ndim: int) -> Any:
    """out (1, c, h, w) without its batch if the input had none."""
    return out[0] if ndim == 3 else out


def _windows(name: str, shape: Any, weight_shape: Any, *sizes: Any) -> Windows:
    return Windows.over(name, shape[-2:], weight_shape[-2:], *sizes)


def _check_windows(name: str, y: Any, windows: Windows) -> None:
    if y.shape[-2:] != windows.out:
        raise ShapeError(
            f"{name}: an image of {windows.size} pixels has {windows.out} windows of "
            f"{windows.kernel}, but y {y.shape} holds {y.shape[-2:]}"
        )


# -- the three products ---------------------------------------------------------------------------


@op(example=_at((2, 3, 5, 4), (4, 3, 2, 3), (4,), stride=2, padding=1))
def conv2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    *,
    stride: Sizes = 1,
    padding: Padding = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Any:
    """Sums over windows of x times weight, plus bias: cross-correlation, as PyTorch's conv2d.

    out[n, o, i, j] = bias[o] + sum_{c, p, q} weight[o, c, p, q] x[n, c, i s + p d, j s + q d].
    x: (n, c, h, w) or (c, h, w), weight: (o, c/groups, kh, kw), bias: (o,) or None ->
    (n, o, oh, ow), oh = (h + 2 padding - dilation (kh - 1) - 1) // stride + 1.
    padding: also "valid", "same", or (before, after) for each axis. With groups, kernel o sees
    only the channels of its own group. Raises ShapeError and ParameterError.
    """
    return _conv2d("conv2d", x, weight, bias, groups, stride, padding, dilation)


def _conv2d(name: str, x: Any, weight: Any, bias: Any, groups: int, *sizes: Any) -> Any:
    _check(name, x, weight, groups, 2)
    _check_channels(name, x, weight.shape[1] * groups, weight, groups)
    windows = _windows(name, x.shape, weight.shape, *sizes)
    return _like(_plus(name, _convolve(_batch(x), weight, windows, groups), bias), x.ndim)


@op(example=_at((2, 4, 3, 2), (4, 3, 2, 3), shape=(2, 3, 5, 4), stride=2, padding=1))
def conv2d_input_grad(
    y: Any,
    weight: Any,
    *,
    shape: tuple[int, ...],
    stride: Sizes = 1,
    padding: Padding = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Any:
    """The gradient of conv2d with respect to an x of `shape`, y being that of its result.

    y: (n, o, oh, ow), weight: (o, c/groups, kh, kw) -> shape, (n, c, h, w). Linear in both.
    """
    name = "conv2d_input_grad"
    _check(name, y, weight, groups, 2)
    _check_channels(name, y, len(weight), weight, groups)
    if len(shape) != y.ndim or shape[:-3] != y.shape[:-3] or shape[-3] != weight.shape[1] * groups:
        raise ShapeError(
            f"{name}: y {y.shape} and weight {weight.shape} with groups={groups} come of an x "
            f"{(*y.shape[:-3], weight.shape[1] * groups, 'h', 'w')}, not {tuple(shape)}"
        )
    windows = _windows(name, shape, weight.shape, stride, padding, dilation)
    _check_windows(name, y, windows)
    return _like(_spread(_batch(y), weight, windows, groups), y.ndim)


@op(example=_at((2, 3, 5, 4), (2, 4, 3, 2), shape=(4, 3, 2, 3), stride=2, padding=1))
def conv2d_weight_grad(
    x: Any,
    y: Any,
    *,
    shape: tuple[int, ...],
    stride: Sizes = 1,
    padding: Padding = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Any:
    """The gradient of conv2d with respect to a weight of `shape`, y being that of its result.

    x: (n, c, h, w), y: (n, o, oh, ow) -> shape, (o, c/groups, kh, kw). Linear in both.
    """
    name = "conv2d_weight_grad"
    weight = np.broadcast_to(np.float32(0), shape)  # only its shape is looked at
    _check(name, x, weight, groups, 2)
    _check_channels(name, x, shape[1] * groups, weight, groups)
    if np.ndim(y) != x.ndim or y.shape[:-2] != (*x.shape[:-3], shape[0]):
        raise ShapeError(
            f"{name}: x {x.shape} and a weight {tuple(shape)} make a y "
            f"{(*x.shape[:-3], shape[0], 'h', 'w')}, not {np.shape(y)}"
        )
    windows = _windows(name, x.shape, shape, stride, padding, dilation)
    _check_windows(name, y, windows)
    return _correlate(_batch(x), _batch(y), windows, groups)


def _channel_sums(g: Any, axes: int) -> Any:
    """g summed over everything but its channels. axes: those behind the channels."""
    behind = tuple(range(-axes, 0))
    return np.add.reduce(g, axis=behind if np.ndim(g) == axes + 1 else (0, *behind))


conv2d.vjp(
    x=lambda g, x_shape, weight, stride, padding, dilation, groups: conv2d_input_grad(
        g, weight, x_shape, stride, padding, dilation, groups
    ),
    weight=lambda g, x, weight_shape, stride, padding, dilation, groups: conv2d_weight_grad(
        x, g, weight_shape, stride, padding, dilation, groups
    ),
    bias=lambda g: _channel_sums(g, 2),
)
conv2d_input_grad.vjp(
    y=lambda g, weight, stride, padding, dilation, groups: conv2d(
        g, weight, None, stride, padding, dilation, groups
    ),
    weight=lambda g, y, weight_shape, stride, padding, dilation, groups: conv2d_weight_grad(
        g, y, weight_shape, stride, padding, dilation, groups
    ),
)
conv2d_weight_grad.vjp(
    x=lambda g, x_shape, y, stride, padding, dilation, groups: conv2d_input_grad(
        y, g, x_shape, stride, padding, dilation, groups
    ),
    y=lambda g, x, stride, padding, dilation, groups: conv2d(
        x, g, None, stride, padding, dilation, groups
    ),
)


# -- transposed -----------------------------------------------------------------------------------


@op(example=_at((2, 3, 4, 3), (3, 2, 3, 2), (2,), stride=2, padding=1, output_padding=1))
def conv_transpose2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    *,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Any:
    """The adjoint of a conv2d with this weight, plus bias (Zeiler et al. 2010).

    x: (n, c, h, w) or (c, h, w), weight: (c, o/groups, kh, kw), bias: (o,) or None ->
    (n, o, oh, ow), oh = (h - 1) stride - 2 padding + dilation (kh - 1) + output_padding + 1.
    output_padding chooses among the sizes that conv2d would bring to h; it is below stride or
    dilation. Raises ShapeError and ParameterError.
    """
    sizes = stride, padding, output_padding, groups, dilation
    return _transposed("conv_transpose2d", x, weight, bias, *sizes)


def _transposed(
    name: str,
    x: Any,
    weight: Any,
    bias: Any,
    stride: Sizes,
    padding: Sizes,
    output_padding: Sizes,
    groups: int,
    dilation: Sizes,
) -> Any:
    _check(name, x, weight, groups, 2)
    _check_channels(name, x, len(weight), weight, groups)
    margins = _transposed_margins(name, stride, padding, output_padding, dilation)
    size = _transposed_size(name, x.shape, weight.shape, stride, margins, dilation)
    windows = Windows.over(name, size, weight.shape[-2:], stride, margins, dilation)
    return _like(_plus(name, _spread(_batch(x), weight, windows, groups), bias), x.ndim)


def _transposed_margins(
    name: str, stride: Sizes, padding: Sizes, output_padding: Sizes, dilation: Sizes
) -> tuple[tuple[int, int], ...]:
    """The padding, (before, after) for each axis, of the conv2d whose windows fit exactly."""
    pads, more = pair(name, "padding", padding, 0), pair(name, "output_padding", output_padding, 0)
    limits = map(max, pair(name, "stride", stride, 1), pair(name, "dilation", dilation, 1))
    if any(m >= limit for m, limit in zip(more, limits, strict=True)):
        raise ParameterError(
            name, "output_padding", "smaller than stride or dilation", output_padding
        )
    return tuple((p, p - m) for p, m in zip(pads, more, strict=True))


def _transposed_size(
    name: str,
    x_shape: tuple[int, ...],
    weight_shape: tuple[int, ...],
    stride: Sizes,
    margins: tuple[tuple[int, int], ...],
    dilation: Sizes,
) -> list[int]:
    steps, spread = pair(name, "stride", stride, 1), pair(name, "dilation", dilation, 1)
    size = [
        (n - 1) * s + d * (k - 1) + 1 - before - after
        for n, s, d, k, (before, after) in zip(
            x_shape[-2:], steps, spread, weight_shape[-2:], margins, strict=True
        )
    ]
    if min(size) < 1:
        raise ShapeError(
            f"{name}: x {x_shape} and weight {weight_shape} with this padding give an image of "
            f"{tuple(size)} pixels; lessen the padding"
        )
    return size


def _transposed_x(
    g: Any, weight: Any, stride: Any, padding: Any, output_padding: Any, groups: Any, dilation: Any
) -> Any:
    margins = _transposed_margins("", stride, padding, output_padding, dilation)
    return conv2d(g, weight, None, stride, margins, dilation, groups)


def _transposed_weight(
    g: Any,
    x: Any,
    weight_shape: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: Any,
    dilation: Any,
) -> Any:
    margins = _transposed_margins("", stride, padding, output_padding, dilation)
    return conv2d_weight_grad(g, x, weight_shape, stride, margins, dilation, groups)


conv_transpose2d.vjp(x=_transposed_x, weight=_transposed_weight, bias=lambda g: _channel_sums(g, 2))


# -- lines: images one pixel wide -----------------------------------------------------------------


def _wide(value: Any, rest: int) -> Any:
    """A size along a line as one along both axes of the image."""
    if isinstance(value, str):
        return value
    if np.ndim(value) == 0:
        return value, rest
    return (*value, (rest, rest) if np.ndim(value) == 2 else rest)


def _image(x: Any) -> Any:
    """(..., l) as (..., l, 1)."""
    return np.expand_dims(x, -1)


@op(example=_at((2, 3, 7), (4, 3, 3), (4,), stride=2, padding=1))
def conv1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    *,
    stride: Sizes = 1,
    padding: Padding = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Any:
    """conv2d along one axis. x: (n, c, l) or (c, l), weight: (o, c/groups, k), bias: (o,) or None
    -> (n, o, ol), ol = (l + 2 padding - dilation (k - 1) - 1) // stride + 1.
    """
    name = "conv1d"
    _check(name, x, weight, groups, 1)
    sizes = _wide(stride, 1), _wide(padding, 0), _wide(dilation, 1)
    return _conv2d(name, x[..., None], weight[..., None], bias, groups, *sizes)[..., 0]


conv1d.vjp(
    x=lambda g, x_shape, weight, stride, padding, dilation, groups: np.squeeze(
        conv2d_input_grad(
            _image(g),
            _image(weight),
            (*x_shape, 1),
            _wide(stride, 1),
            _wide(padding, 0),
            _wide(dilation, 1),
            groups,
        ),
        -1,
    ),
    weight=lambda g, x, weight_shape, stride, padding, dilation, groups: np.squeeze(
        conv2d_weight_grad(
            _image(x),
            _image(g),
            (*weight_shape, 1),
            _wide(stride, 1),
            _wide(padding, 0),
            _wide(dilation, 1),
            groups,
        ),
        -1,
    ),
    bias=lambda g: _channel_sums(g, 1),
)


@op(example=_at((2, 3, 4), (3, 2, 3), (2,), stride=2, padding=1, output_padding=1))
def conv_transpose1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    *,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Any:
    """conv_transpose2d along one axis. x: (n, c, l) or (c, l), weight: (c, o/groups, k), bias:
    (o,) or None -> (n, o, ol), ol = (l - 1) stride - 2 padding + dilation (k - 1) +
    output_padding + 1.
    """
    name = "conv_transpose1d"
    _check(name, x, weight, groups, 1)
    sizes = _transposed_wide(stride, padding, output_padding, groups, dilation)
    return _transposed(name, x[..., None], weight[..., None], bias, *sizes)[..., 0]


def _transposed_wide(
    stride: Any, padding: Any, output_padding: Any, groups: Any, dilation: Any
) -> tuple[Any, ...]:
    wide = _wide(stride, 1), _wide(padding, 0), _wide(output_padding, 0)
    return (*wide, groups, _wide(dilation, 1))


conv_transpose1d.vjp(
    x=lambda g, weight, stride, padding, output_padding, groups, dilation: np.squeeze(
        _transposed_x(
            _image(g),
            _image(weight),
            *_transposed_wide(stride, padding, output_padding, groups, dilation),
        ),
        -1,
    ),
    weight=lambda g, x, weight_shape, stride, padding, output_padding, groups, dilation: np.squeeze(
        _transposed_weight(
            _image(g),
            _image(x),
            (*weight_shape, 1),
            *_transposed_wide(stride, padding, output_padding, groups, dilation),
        ),
        -1,
    ),
    bias=lambda g: _channel_sums(g, 1),
)
