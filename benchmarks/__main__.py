"""python -m benchmarks: dgrad beside PyTorch eager and hand-written NumPy, and its start-up times.

Needs the extra `bench`. Every figure is a median over rounds in which the contestants take turns;
what counts is the ratio. Each thread count runs in a process of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys

from benchmarks import startup


def main() -> None:
    """Run everything."""
    for threads in ("1", "2"):
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        environment = {**os.environ, **dict.fromkeys(names, threads)}
        for module in ("steps", "transformer", "recurrent"):
            command = [sys.executable, "-m", f"benchmarks.{module}", threads]
            subprocess.run(command, check=True, env=environment)
    startup.main()


if __name__ == "__main__":
    main()
