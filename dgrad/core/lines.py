"""Where in the user's program we are: the innermost line that is neither ours nor NumPy's."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

__all__ = ["caller_line"]

COMMAND_LINE = f"{Path(__file__).parent.parent / 'cli'}{os.sep}"
INSIDE = tuple(f"{Path(file).parent}{os.sep}" for file in (Path(__file__).parent, np.__file__))


def caller_line() -> str | None:
    """`file:line` of the innermost frame outside dgrad and NumPy.

    None if there is none: on the command line, where the model is all ours.
    """
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename.startswith(COMMAND_LINE):
            return None
        if not frame.f_code.co_filename.startswith(INSIDE):
            return f"{frame.f_code.co_filename}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return None
