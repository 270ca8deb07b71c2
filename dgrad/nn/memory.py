"""How much memory there is, so that parameters too large for it are refused before they are made.

Linux grants address space freely, and fails or swaps only when it is filled.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np

from dgrad.errors import ResourceError

__all__ = ["available_memory", "check_room"]

_SMALL = 1 << 20  # bytes of an array that is not worth asking for
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


def check_room(shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Raise ResourceError C24 if there is no room for a parameter and for drawing its values.

    They are drawn in float64, which takes 8 bytes each besides those of the parameter itself.
    """
    needed = math.prod(shape) * (dtype.itemsize + 8)
    free = available_memory() if needed > _SMALL else None
    if free is not None and needed > free:
        raise ResourceError(
            f"a parameter of shape {shape} takes {needed:,} bytes to initialise, "
            f"but {free:,} are free",
            fault="C24",
        )


def _text(path: str) -> str:
    try:
        return Path(path).read_text("ascii")
    except OSError:
        return ""
