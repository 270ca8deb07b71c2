"""Transforms of the inputs, fitted on the training rows alone and kept with the model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dgrad.errors import CheckpointError, DataError, ParameterError, ShapeError
from dgrad.registry import transforms

__all__ = ["Scale", "Standardize", "Transform"]

_BLOCK_VALUES = 2**18


class Transform(ABC):
    """y = (x - offset) / scale, in float64, rounded once to float32.

    per "feature": an offset and a scale for each position of a row; "all": one for everything.
    A feature that is constant in the training rows (max == min) has scale 1. `constant_columns`
    counts those at the last fit. Subclasses say what offset and scale are, in `_measure`.
    """

    def __init__(self, per: Literal["feature", "all"], fit: Literal["train"]) -> None:
        self.per = per
        self.fit = fit
        self.constant_columns = 0
        self._offset: NDArray[np.float64] | None = None
        self._scale: NDArray[np.float64] | None = None

    def fit_to(self, inputs: NDArray[Any]) -> None:
        """Takes offset and scale from `inputs`, (n, ...): the training rows.

        Raises DataError: D10 if there are none, D05 if a value is not finite.
        """
        if inputs.size == 0:
            raise DataError(f"a transform cannot be fitted to inputs {inputs.shape}", fault="D10")
        columns = (
            inputs.reshape(len(inputs), -1) if self.per == "feature" else inputs.reshape(-1, 1)
        )
        low = columns.min(axis=0).astype(np.float64)
        high = columns.max(axis=0).astype(np.float64)
        if not (np.isfinite(low) & np.isfinite(high)).all():
            raise DataError("a transform cannot be fitted to NaN or infinity", fault="D05")
        # Not by std == 0: the computed std of a constant such as 0.1 can be a tiny number.
        constant = low == high
        offset, scale = self._measure(columns, low, high)
        shape = inputs.shape[1:] if self.per == "feature" else ()
        self._offset = offset.reshape(shape)
        self._scale = scale.reshape(shape)
        self.constant_columns = int(constant.sum())

    @abstractmethod
    def _measure(
        self, columns: NDArray[Any], low: NDArray[np.float64], high: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(offset, scale), (f,) each, of `columns`, (n, f), with minima `low`, maxima `high`."""

    def apply(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        """A new float32 array of the shape of `inputs`, (n, ...), transformed.

        Raises DataError before `fit_to` or `load_state`, ShapeError (E01) if rows have another
        shape than those it was fitted to, DataError (D27) if a result overflows float32.
        """
        if self._offset is None or self._scale is None:
            raise DataError("a transform was applied before fit_to or load_state")
        if self._offset.shape not in ((), inputs.shape[1:]):
            raise ShapeError(
                f"rows have the shape {inputs.shape[1:]}, but the transform was fitted to "
                f"{self._offset.shape}",
                fault="E01",
            )
        out = np.empty(inputs.shape, np.float32)
        with np.errstate(over="ignore"):
            for rows in _blocks(len(inputs), inputs[:1].size):
                out[rows] = (inputs[rows] - self._offset) / self._scale
        if not np.isfinite(out).all():
            raise DataError(
                "a transformed value is not a finite float32; look for NaN or for values far "
                "outside the range of the training rows",
                fault="D27",
            )
        return out

    def state(self) -> dict[str, NDArray[np.float64]]:
        """What `load_state` needs: copies of offset and scale; empty before `fit_to`."""
        if self._offset is None or self._scale is None:
            return {}
        return {"offset": self._offset.copy(), "scale": self._scale.copy()}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Takes over the `state()` of a fitted transform. Raises CheckpointError (K14) if bad."""
        if set(state) != {"offset", "scale"}:
            raise CheckpointError(
                f"a transform's state is offset and scale, got {sorted(state)}", fault="K14"
            )
        offset, scale = (np.array(state[name], np.float64) for name in ("offset", "scale"))
        finite = np.isfinite(offset).all() and np.isfinite(scale).all()
        if offset.shape != scale.shape or not finite or not (scale > 0).all():
            raise CheckpointError(
                f"a transform's offset and scale must be finite, of one shape, the scale > 0; got "
                f"shapes {offset.shape} and {scale.shape}",
                fault="K14",
            )
        if (self.per == "all") != (offset.shape == ()):
            raise CheckpointError(
                f"a transform per {self.per} got a state of shape {offset.shape}", fault="K14"
            )
        self._offset, self._scale = offset, scale


@transforms.register("standardize")
class Standardize(Transform):
    """y = (x - mean) / std, mean and std (divisor n) of the training rows. (n, ...) -> (n, ...).

    per "feature": for each position of a row; "all": over everything. A constant feature becomes 0.
    """

    def __init__(
        self, *, per: Literal["feature", "all"] = "feature", fit: Literal["train"] = "train"
    ) -> None:
        super().__init__(per, fit)

    def _measure(
        self, columns: NDArray[Any], low: NDArray[np.float64], high: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        mean = np.where(low == high, low, columns.mean(axis=0, dtype=np.float64))
        squares = np.zeros_like(mean)
        for rows in _blocks(len(columns), mean.size):
            squares += np.square(columns[rows] - mean).sum(axis=0)
        std = np.sqrt(squares / len(columns))
        return mean, np.where(low == high, 1.0, std)


@transforms.register("scale")
class Scale(Transform):
    """y = low + (x - min) (high - low) / (max - min) of the training rows. (n, ...) -> (n, ...).

    per "feature": for each position of a row; "all": over everything. Rows outside the range seen
    in training leave [low, high]; nothing is clipped. A constant feature becomes `low`.
    Raises ParameterError unless low < high.
    """

    def __init__(
        self,
        *,
        low: float = 0.0,
        high: float = 1.0,
        per: Literal["feature", "all"] = "feature",
        fit: Literal["train"] = "train",
    ) -> None:
        super().__init__(per, fit)
        if not low < high:
            raise ParameterError("scale", "low", f"less than high ({high:g})", low)
        self.low = low
        self.high = high

    def _measure(
        self, columns: NDArray[Any], low: NDArray[np.float64], high: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        scale = np.where(low == high, 1.0, (high - low) / (self.high - self.low))
        return low - self.low * scale, scale


def _blocks(n: int, width: int) -> Iterator[slice]:
    """Slices that cover n rows of `width` values, keeping the float64 copy of each small."""
    step = max(1, _BLOCK_VALUES // max(1, width))
    return (slice(start, start + step) for start in range(0, n, step))
