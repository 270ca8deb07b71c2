"""Connectionist temporal classification: the loss of a sequence without alignment."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dgrad.core.op import op
from dgrad.errors import DtypeError, ParameterError, ShapeError
from dgrad.ops._floats import as_floats
from dgrad.ops._loss_reduction import Reduction, reduce, share
from dgrad.ops.indexing import scatter_add
from dgrad.ops.reduction import logsumexp

__all__ = ["ctc_loss"]


def _example(rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    log_p = np.log(rng.dirichlet(np.ones(4), size=(5, 2)))
    return (log_p, np.array([[1, 2], [3, 3]]), np.array([5, 4]), np.array([2, 2])), {}


@op(keeps=("alphas",), example=_example)
def ctc_loss(
    log_probs: Any,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    *,
    blank: int = 0,
    reduction: Reduction = "mean",
    zero_infinity: bool = False,
) -> Any:
    """-log of the probability of targets under every alignment (Graves et al. 2006, section 4).

    log_probs: (t, n, classes), log_softmax of the scores; targets: (n, s) classes, or all of them
    joined, (sum of target_lengths,); input_lengths (n,), from 1 to t; target_lengths (n,).
    -> (n,) for "none", their sum, or the mean over n of each loss divided by its target's length.
    A target that no alignment gives has the loss inf, 0 with zero_infinity; its gradient is 0.
    The gradient is that by log_probs as they are: behind log_softmax it equals PyTorch's, which
    includes the normalisation already. Raises ShapeError, DtypeError, ParameterError.
    """
    log_probs = np.asarray(as_floats(log_probs))
    lattice = _Lattice(log_probs.shape, targets, input_lengths, target_lengths, blank)
    emitted = lattice.emit(log_probs)
    alphas = lattice.forward(emitted)
    losses = -lattice.total(alphas)
    if zero_infinity:
        losses = np.where(np.isposinf(losses), 0.0, losses)
    if reduction == "mean":
        losses = losses / np.maximum(lattice.target_lengths, 1).astype(losses.dtype)
    return reduce("ctc_loss", losses, reduction), np.stack(alphas)


def _ctc_gradient(
    g: Any,
    log_probs: Any,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    blank: int,
    reduction: Reduction,
    alphas: Any = None,
) -> Any:
    """-g times the probability, given the target, of being at each class at each time."""
    shape = np.shape(log_probs)
    lattice = _Lattice(shape, targets, input_lengths, target_lengths, blank)
    emitted = lattice.emit(log_probs)
    alphas = lattice.forward(emitted) if alphas is None else alphas
    betas = lattice.backward(emitted)
    total = lattice.total(alphas)
    total = np.where(np.isfinite(total), total, 0.0)
    scale = share(g, shape[1], reduction)
    if reduction == "mean":
        scale = scale / np.maximum(lattice.target_lengths, 1).astype(g.dtype)
    scale = np.expand_dims(scale, -1)
    steps = [
        np.exp(alpha + beta - np.expand_dims(total, -1)) * -scale
        for alpha, beta in zip(alphas, betas, strict=True)
    ]
    return scatter_add(np.stack(steps), index=lattice.index, shape=shape)


ctc_loss.vjp(
    log_probs=lambda g, log_probs, targets, input_lengths, target_lengths, blank, reduction: (
        _ctc_gradient(g, log_probs, targets, input_lengths, target_lengths, blank, reduction)
    )
)
ctc_loss.fast_vjp(log_probs=_ctc_gradient)  # spares the forward recursion


class _Lattice:
    """The states of every sequence, (n, 2s + 1): blank, class, blank, class ..., blank.

    Its methods take arrays or Tensors: with these the recursions themselves are recorded.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        targets: Any,
        input_lengths: Any,
        target_lengths: Any,
        blank: int,
    ) -> None:
        if len(shape) != 3:
            raise ShapeError(f"ctc_loss: log_probs must be (t, n, classes), got {shape}")
        self.times, self.batch, self.classes = shape
        if not 0 <= blank < self.classes:
            raise ParameterError("ctc_loss", "blank", f"a class, 0 to {self.classes - 1}", blank)
        self.input_lengths = self._lengths("input_lengths", input_lengths, 1, self.times)
        self.target_lengths = self._lengths("target_lengths", target_lengths, 0, math.inf)
        labels = self._padded(np.asarray(targets), blank)
        self.states = np.full((self.batch, 2 * labels.shape[1] + 1), blank)
        self.states[:, 1::2] = labels
        self.index = (slice(None), np.arange(self.batch)[:, None], self.states)  # in log_probs
        # A blank may be left out between two classes that differ.
        self.skips = np.zeros(self.states.shape, bool)
        self.skips[:, 3::2] = labels[:, 1:] != labels[:, :-1]
        last = 2 * self.target_lengths[:, None]
        place = np.arange(self.states.shape[1])
        self.ends = (place == last) | (place == last - 1)
        self.starts = np.broadcast_to(place < 2, self.states.shape)

    def _lengths(self, name: str, lengths: Any, least: int, most: float) -> Any:
        lengths = np.asarray(lengths)
        if lengths.dtype.kind not in "iu":
            raise DtypeError(f"ctc_loss: {name} must be integers, got {lengths.dtype}")
        if lengths.shape != (self.batch,):
            raise ShapeError(
                f"ctc_loss: {name} has shape {lengths.shape}, needs ({self.batch},), one for each "
                f"sequence of log_probs ({self.times}, {self.batch}, {self.classes})"
            )
        if lengths.size and not least <= lengths.min() <= lengths.max() <= most:
            bound = f"{least} to {most}" if most < math.inf else f"at least {least}"
            raise ShapeError(f"ctc_loss: {name} must be {bound}, got {lengths.tolist()}")
        return lengths.astype(np.intp)

    def _padded(self, targets: Any, blank: int) -> Any:
        """targets as (n, longest), blank beyond each length."""
        if targets.dtype.kind not in "iu":
            raise DtypeError(f"ctc_loss: targets holds class indices, got {targets.dtype}")
        lengths = self.target_lengths
        longest = int(lengths.max(initial=0))
        used = np.arange(longest) < lengths[:, None]
        out = np.full((self.batch, longest), blank)
        if targets.ndim == 1 and targets.size == lengths.sum():
            out[used] = targets
        elif targets.ndim == 2 and len(targets) == self.batch and targets.shape[1] >= longest:
            out[used] = targets[:, :longest][used]
        else:
            raise ShapeError(
                f"ctc_loss: targets of lengths {lengths.tolist()} must be ({self.batch}, "
                f"{longest} or more) or ({lengths.sum()},), got {targets.shape}"
            )
        given = out[used]
        if given.size and not (given.min() >= 0 and given.max() < self.classes):
            raise ShapeError(
                f"ctc_loss: targets has classes {given.min()} to {given.max()}, "
                f"log_probs only 0 to {self.classes - 1}",
                fault="D08",
            )
        if (given == blank).any():
            raise ShapeError(f"ctc_loss: targets contains the blank, class {blank}")
        return out

    def emit(self, log_probs: Any) -> Any:
        """log_probs of each state, (t, n, states)."""
        return log_probs[self.index]

    def forward(self, emitted: Any) -> list[Any]:
        """Log-probability of the beginnings that reach each state, its own included: t arrays."""
        alphas = [np.where(self.starts, emitted[0], -math.inf)]
        for t in range(1, self.times):
            before = alphas[-1]
            ways = [before, _shifted(before, 1), self._skipping(_shifted(before, 2))]
            reached = logsumexp(np.stack(ways), axis=0) + emitted[t]
            alphas.append(np.where((t < self.input_lengths)[:, None], reached, before))
        return alphas

    def backward(self, emitted: Any) -> list[Any]:
        """Log-probability of the ends that follow each state, its own left out: t arrays."""
        nothing = np.full(self.states.shape, -math.inf, emitted.dtype)
        last = np.where(self.ends, 0.0, nothing)
        betas = [nothing] * self.times
        for t in range(self.times - 1, -1, -1):
            rest = nothing
            if t + 1 < self.times:
                after = betas[t + 1] + emitted[t + 1]
                ways = [after, _shifted(after, -1), _shifted(self._skipping(after), -2)]
                rest = logsumexp(np.stack(ways), axis=0)
            final = (t == self.input_lengths - 1)[:, None]
            betas[t] = np.where(final, last, rest)
        return betas

    def total(self, alphas: list[Any]) -> Any:
        """Log-probability of each target, (n,)."""
        return logsumexp(np.where(self.ends, alphas[-1], -math.inf), axis=-1)

    def _skipping(self, values: Any) -> Any:
        """The values of the states that a skip leads to."""
        return np.where(self.skips, values, -math.inf)


def _shifted(values: Any, by: int) -> Any:
    """The values by that many states further on, -inf where there is none."""
    rows, states = np.shape(values)
    gap = np.full((rows, min(abs(by), states)), -math.inf, values.dtype)
    if by > 0:
        return np.concatenate([gap, values[:, :-by]], axis=1)[:, :states]
    return np.concatenate([values[:, -by:], gap], axis=1)[:, :states]
