"""BLAS threads: small models train faster on one, as their products are over before others wake.

Measured on 2 cores with the digits network (64 x 19,210 parameters): 0.7 s of processor time on
one thread, 2.7 to 3.9 s on two, which wait for each other actively. The choice depends on the
model alone, so a run gives the same bits on machines with other numbers of cores.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from dgrad.core import openblas
from dgrad.core.openblas import blas_threads
from dgrad.train.environment import THREAD_VARIABLES

__all__ = ["SMALL_STEP", "blas_threads", "suited_threads"]

SMALL_STEP = 10_000_000  # multiplications and additions of one forward pass


@contextmanager
def suited_threads(rows: int, parameters: int) -> Iterator[None]:
    """Within: one BLAS thread if a forward pass of `rows` through `parameters` weights is small.

    The work is taken for 2 rows x parameters, which holds as long as each weight meets each row
    once; layers that use a weight many times a row (convolutions) need an estimate of their own.
    Changes nothing when the user set a thread variable such as OPENBLAS_NUM_THREADS, or when
    NumPy's BLAS is not the OpenBLAS of its wheels. The count is that of the whole process.
    """
    chosen = any(os.environ.get(n) for n in THREAD_VARIABLES if n.endswith("_THREADS"))
    before, change = blas_threads(), openblas.function("set_num_threads")
    if chosen or before is None or change is None or 2 * rows * parameters >= SMALL_STEP:
        yield
        return
    change(1)
    try:
        yield
    finally:
        change(before)
