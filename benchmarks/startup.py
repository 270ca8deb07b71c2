"""Start-up: dgrad's commands as processes, beside `python -c "import torch"`."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 7
DIGITS = Path(__file__).resolve().parents[1] / "configs" / "digits_mlp.yaml"


def main() -> None:
    """Print the median wall time of each command; they take turns."""
    script = shutil.which("dgrad", path=str(Path(sys.executable).parent)) or "dgrad"
    commands = {
        "dgrad --version": [script, "--version"],
        "dgrad --help": [script, "--help"],
        "dgrad train configs/digits_mlp.yaml": [script, "train", str(DIGITS), "--quiet"],
        'python -c "import torch"': [sys.executable, "-c", "import torch"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(ROUNDS):
            for name, command in commands.items():
                begun = time.perf_counter()
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder)
                times[name].append(time.perf_counter() - begun)
    print(f"\nstart-up and whole commands, median of {ROUNDS} alternating rounds")
    for name, each in times.items():
        print(f"{name:<38}{statistics.median(each):>8.3f} s")


if __name__ == "__main__":
    main()
