"""How much memory there is, and a limit that makes asking for more fail at once."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform != "win32":
    import resource

__all__ = ["available_memory", "limited_memory"]

_GROUPS = (  # a container's limit and use of memory, control groups version 2 and 1
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
    ),
)


def available_memory() -> int | None:
    """Bytes that this process can still get without swapping; None where nobody says (no Linux)."""
    found = re.search(r"MemAvailable:\s*(\d+) kB", _text("/proc/meminfo"))
    free = [int(found[1]) * 1024] if found else []
    for limit, used in _GROUPS:
        numbers = [_text(path).strip() for path in (limit, used)]
        if all(number.isdigit() for number in numbers):  # the limit may be "max"
            free.append(max(int(numbers[0]) - int(numbers[1]), 0))
    return min(free, default=None)


@contextmanager
def limited_memory() -> Iterator[None]:
    """Within, asking for more than is available raises MemoryError.

    Without it Linux grants the address space, and fails or swaps only when it is filled.
    """
    free = available_memory()
    pages = _text("/proc/self/statm").split()
    if sys.platform == "win32" or free is None or not pages:
        yield
        return
    used = int(pages[0]) * os.sysconf("SC_PAGE_SIZE")
    before = resource.getrlimit(resource.RLIMIT_AS)
    known = [limit for limit in before if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min([used + free, *known]), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def _text(path: str) -> str:
    try:
        return Path(path).read_text("ascii")
    except OSError:
        return ""
