"""python -m benchmarks: dgrad beside PyTorch eager and hand-written NumPy, and its start-up times.

Needs the extra `bench`. Every figure is a median over rounds in which the contestants take turns;
what counts is the ratio. Each thread count runs in a process of its own. Single activations and
the regression beside scikit-learn: `python -m benchmarks.activations`, `benchmarks.tabular`.
"""

from __future__ import annotations

import os
import subprocess
import sys

from benchmarks import startup

MODULES = {  # name -> thread counts
    "steps": "12",
    "convolution": "12",
    "transformer": "12",
    "recurrent": "12",
    "optimizers": "1",
}


def main() -> None:
    """Run everything."""
    for module, counts in MODULES.items():
        for threads in counts:
            names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
            environment = {**os.environ, **dict.fromkeys(names, threads)}
            print(f"\n{module}, {threads} thread{'s' if threads > '1' else ''}", flush=True)
            command = [sys.executable, "-m", f"benchmarks.{module}", threads]
            subprocess.run(command, check=True, env=environment)
    startup.main()


if __name__ == "__main__":
    main()
