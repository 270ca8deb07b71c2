"""The command line as a process of its own, and in this process for what needs no process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dgrad.cli.app import run
from dgrad.config import document
from tests.toys import forgetting, write_toy

ROOT = Path(__file__).parents[2]
CODE = "from dgrad.cli import main; main()"
TIMEOUT = 60  # seconds, for a command that should take one


@dataclass(frozen=True)
class Result:
    """How a command ended: exit code, stdout, stderr."""

    code: int
    out: str
    err: str


def environ(**changes: str) -> dict[str, str]:
    """This process's environment, without what changes the display, and with `changes`."""
    display = {"NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TERM"}
    drop = {*display, "PYTHONIOENCODING", "PYTHONUNBUFFERED"}
    kept = {k: v for k, v in os.environ.items() if k not in drop}
    return {**kept, "PYTHONPATH": str(ROOT), **changes}


def command(*arguments: str | Path, prelude: str = "") -> list[str]:
    """The words that start the real command; `prelude` is Python to run before it."""
    return [sys.executable, "-W", "error", "-c", prelude + CODE, *map(str, arguments)]


@pytest.fixture(scope="session")
def cli() -> Callable[..., Result]:
    """Runs the real command in a process: cli("train", path, cwd=folder, TERM="dumb")."""

    def cli(*arguments: str | Path, cwd: Path, **env: str) -> Result:
        done = subprocess.run(
            command(*arguments),
            cwd=cwd,
            env=environ(**env),
            capture_output=True,
            timeout=TIMEOUT,
            stdin=subprocess.DEVNULL,
        )
        out, err = done.stdout.decode(), done.stderr.decode()
        assert "Traceback" not in err, err
        return Result(done.returncode, out, err)

    return cli


@pytest.fixture
def here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Result]]:
    """Runs a command in this process and in tmp_path, where `toy.yaml` and its data are."""
    write_toy(tmp_path)
    document.register_shipped()  # before the registries are noted down
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdout", sys.stdout)  # which run() replaces
    monkeypatch.setattr(sys, "stderr", sys.stderr)

    def here(*arguments: str | Path) -> Result:
        with pytest.raises(SystemExit) as end:
            run([*map(str, arguments)])
        out, err = capsys.readouterr()
        assert "Traceback" not in err or "--traceback" in arguments, err
        return Result(int(end.value.code or 0), out, err)

    with forgetting():
        yield here
