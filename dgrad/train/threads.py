"""BLAS threads: small models train faster on one, as their products are over before others wake.

Measured on 2 cores with the digits network (2.5 MFLOP): 0.7 s of processor time on one thread, 2.7
to 3.9 s on two, which wait for each other actively. Products, us on 1 and 2 threads: 64 x 64 x 128
(it) 10, 10; 64 x 784 x 128 (an MLP on MNIST, 13 MFLOP in all) 133, 125; a GRU's step 35, 37, and
its 2048 x 65 x 384 before 1010, 528; of a CNN, 3136 x 144 x 32, 315, 164. The choice depends on the
model and the batch alone, so a run gives the same bits on machines with other numbers of cores.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from dgrad.core import openblas, stream
from dgrad.core.modes import no_grad
from dgrad.core.openblas import blas_threads
from dgrad.core.tensor import Tensor
from dgrad.functional.flops import counting_flops
from dgrad.nn.module import Module, evaluating
from dgrad.train.environment import THREAD_VARIABLES

__all__ = ["SMALL_STEP", "blas_threads", "forward_work", "suited_threads"]

SMALL_STEP = 20_000_000  # FLOPs of one forward pass


def forward_work(model: Module, inputs: np.ndarray, rows: int) -> int:
    """FLOPs of one forward pass of `rows` through the model, from that of inputs: (n, ...), a few.

    Shapes alone decide, not values. The modes of the model are restored.
    """
    found: list[int] = []
    with (
        suited_threads(0),  # a few rows are little work
        stream.at(0),  # for what draws in evaluation mode too
        evaluating(model),
        no_grad(),
        np.errstate(all="ignore"),
        counting_flops(found.append),
    ):
        model(Tensor(inputs))
    return sum(found) * rows // len(inputs)


@contextmanager
def suited_threads(work: int) -> Iterator[None]:
    """Within: one BLAS thread if a forward pass of a batch is small. work: its FLOPs.

    Changes nothing when the user set a thread variable such as OPENBLAS_NUM_THREADS, or when
    NumPy's BLAS is not the OpenBLAS of its wheels. The count is that of the whole process.
    """
    chosen = any(os.environ.get(n) for n in THREAD_VARIABLES if n.endswith("_THREADS"))
    before, change = blas_threads(), openblas.function("set_num_threads")
    if chosen or before is None or change is None or work >= SMALL_STEP:
        yield
        return
    change(1)
    try:
        yield
    finally:
        change(before)
