"""What a run depends on besides its config: versions, BLAS, threads, processor, commit."""

from __future__ import annotations

import datetime
import os
import platform
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["THREAD_VARIABLES", "environment", "git_commit"]

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "OPENBLAS_CORETYPE",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NPY_DISABLE_CPU_FEATURES",
)
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


def environment(argv: Sequence[str], seed: int) -> dict[str, Any]:
    """Record the circumstances of a run as a JSON-able map; it starts no other process.

    Results are bit-identical only where `dgrad`, `numpy`, `blas`, `cpu` and `threads` agree.
    `git_commit` is that of the working directory, None outside a repository.
    """
    from dgrad import __version__  # here, so that this module loads while the package still does

    config: Any = np.show_config(mode="dicts")
    blas = config.get("Build Dependencies", {}).get("blas", {})
    return {
        "argv": list(argv),
        "seed": seed,
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "dgrad": __version__,
        "python": f"{sys.implementation.name} {platform.python_version()}",
        "numpy": np.__version__,
        "blas": {key: blas.get(key) for key in ("name", "version", "openblas configuration")},
        "threads": {name: os.environ.get(name) for name in THREAD_VARIABLES},
        "cpu": {
            "model": _cpu_model(),
            "count": os.cpu_count(),
            "usable": _usable_cpus(),
            "simd": config.get("SIMD Extensions", {}).get("found", []),
        },
        "platform": f"{platform.system()} {platform.release()} {platform.machine()}",
        "git_commit": git_commit(Path.cwd()),
    }


def _usable_cpus() -> int | None:
    """The processors this process may run on, which is how many threads BLAS starts by default."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def _cpu_model() -> str:
    """The processor's name as Linux or Windows gives it, else the architecture."""
    try:
        # Unbuffered: the kernel makes this text as it is read, slowly for a hundred processors.
        with open("/proc/cpuinfo", "rb", buffering=0) as file:
            text = file.read(4096).decode("utf-8", "replace")
    except OSError:
        text = ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    if found:
        return found[1].strip()
    return os.environ.get("PROCESSOR_IDENTIFIER") or platform.machine()


def git_commit(start: Path) -> str | None:
    """The commit checked out in the repository that holds `start`, read from its files, or None."""
    for folder in (start, *start.parents):
        if (folder / ".git").exists():
            try:
                return _head_commit(folder / ".git")
            except (OSError, ValueError):
                return None
    return None


def _head_commit(git: Path) -> str | None:
    """git: the .git directory, or the file that stands for it in a worktree or submodule."""
    if git.is_file():
        git = git.parent / git.read_text("utf-8").removeprefix("gitdir:").strip()
    head = (git / "HEAD").read_text("utf-8").strip()
    if not head.startswith("ref:"):
        return head if _COMMIT.fullmatch(head) else None
    name = head.removeprefix("ref:").strip()
    shared = git / "commondir"  # a worktree keeps its branches with the main repository
    common = git / shared.read_text("utf-8").strip() if shared.exists() else git
    for loose in (git / name, common / name):
        if loose.is_file():
            commit = loose.read_text("utf-8").strip()
            return commit if _COMMIT.fullmatch(commit) else None
    packed = common / "packed-refs"
    for line in packed.read_text("utf-8").splitlines() if packed.exists() else ():
        commit, _, reference = line.partition(" ")
        if reference == name and _COMMIT.fullmatch(commit):
            return commit
    return None
