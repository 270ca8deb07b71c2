"""Plugins: the only place where dgrad loads code that a config names."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import sys
import traceback
from collections.abc import Iterable
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from typing import Any

from dgrad.config.marks import COMMAND_LINE, Mark, Problems, Source, quote

__all__ = ["load_plugin", "load_plugins"]


class _Loader(SourceFileLoader):
    """Loads Python source without leaving a __pycache__ folder beside the user's file."""

    def set_data(self, path: str, data: Any, *, _mode: int = 0o666) -> None:
        """Write nothing."""


def load_plugins(paths: Iterable[Path]) -> None:
    """Run the Python files that the command line names. Raises ConfigError."""
    problems = Problems()
    for path in paths:
        source = Source(COMMAND_LINE, (str(path),), Path())
        load_plugin(path.resolve(), Mark(source, 1, 1, len(str(path))), problems)
    problems.raise_if_any()


def load_plugin(path: Path, mark: Mark, problems: Problems) -> None:
    """Run the Python file at `path`, once per process, so that it registers its components.

    Problems: no regular file (C26), no .py file, or whatever it raises, at its line (C21).
    """
    if path.suffix != ".py":
        problems.add("C21", mark, f"a plugin is a .py file, got {quote(str(path))}")
        return
    if not path.is_file():
        problems.add("C26", mark, f"there is no plugin file {quote(str(path))}")
        return
    digest = hashlib.sha256(str(path).encode("utf-8", "surrogateescape")).hexdigest()[:12]
    name = f"_dgrad_plugin_{re.sub('[^a-zA-Z0-9]', '_', path.stem)}_{digest}"
    if name in sys.modules:
        return
    loader = _Loader(name, str(path))
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    assert isinstance(spec, ModuleSpec)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        _report(path, error, mark, problems)


def _report(path: Path, error: BaseException, mark: Mark, problems: Problems) -> None:
    """Note what a plugin raised, at the line of the plugin where it came from."""
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == str(path)
    ]
    if isinstance(error, SyntaxError) and error.filename == str(path):
        lines.append(error.lineno)
    text = f"{type(error).__name__}: {error}"
    message = f"the plugin {quote(path.name)} cannot be imported: {quote(text)[1:-1]}"
    hint = f"named at {mark.file}:{mark.line}"
    if lines and lines[-1]:
        source = Source(str(path), tuple(path.read_text("utf-8", "replace").splitlines()), Path())
        mark = Mark(source, lines[-1], 1, 1000)
    problems.add("C21", mark, message, hint)
