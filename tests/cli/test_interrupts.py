"""Signals during training: the step at hand is finished and saved, a second one leaves at once.

The model holds a layer that waits in a chosen step until the test lets it go on, so nothing here
depends on how fast anything is.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dgrad.train import checkpoint
from dgrad.train.run_directory import find_checkpoint
from tests.cli.conftest import TIMEOUT, Result, command, environ
from tests.toys import CLASSES, write_toy

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are of POSIX")

GATE = """\
from pathlib import Path
from dgrad.nn import Module
from dgrad.registry import layers

@layers.register("gate")
class Gate(Module):
    def __init__(self, pipe: Path, step: int):
        self.pipe, self.step, self.steps = pipe, step, 0

    def forward(self, x):
        self.steps += self.training
        if self.training and self.steps == self.step:
            print("waiting", flush=True)
            open(self.pipe).close()  # returns when the test opens its end
        return x
"""

# What starts the tests may ignore these (a background job, nohup), and children inherit that.
HEEDED = "".join(
    f"import signal; signal.signal(signal.{name}, signal.{handler}); "
    for name, handler in (("SIGINT", "default_int_handler"), ("SIGHUP", "SIG_DFL"))
)


class Training:
    """A training process that waits in its fifth step, in the middle of the second epoch."""

    def __init__(self, folder: Path, *arguments: str, prelude: str) -> None:
        self.folder = folder
        self.pipe = folder / "pipe"
        os.mkfifo(self.pipe)
        (folder / "gate.py").write_text(GATE)
        text = CLASSES.replace("- relu", "- gate: {pipe: ./pipe, step: 5}")
        write_toy(folder, text + "plugins: [./gate.py]\n", "gated.yaml")
        with (folder / "err").open("w") as err:
            self.process = subprocess.Popen(
                command("train", "gated.yaml", *arguments, prelude=prelude),
                cwd=folder,
                env=environ(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=err,
                start_new_session=True,
            )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line == b"waiting\n":
                break

    def open_gate(self) -> None:
        self.pipe.write_text("")

    def end(self) -> Result:
        out, _ = self.process.communicate(timeout=TIMEOUT)
        return Result(self.process.returncode, out.decode(), (self.folder / "err").read_text())


@pytest.fixture
def training(tmp_path: Path) -> Iterator[Callable[..., Training]]:
    started: list[Training] = []

    def training(*arguments: str, prelude: str = HEEDED) -> Training:
        started.append(Training(tmp_path, *arguments, prelude=prelude))
        return started[-1]

    yield training
    for each in started:
        each.process.kill()
        each.process.communicate()


CODES = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129}


@pytest.mark.parametrize("name", CODES)
def test_T15_T17_a_signal_finishes_the_step_and_saves(
    name: str, training: Callable[..., Training], cli: Callable[..., Result], tmp_path: Path
) -> None:
    run = training()
    run.process.send_signal(getattr(signal, name))
    run.open_gate()
    result = run.end()
    assert (result.code, result.out) == (CODES[name], "")
    assert result.err.count("finishing this step and saving; Ctrl-C again leaves at once\n") == 1
    assert "stopped" not in result.err
    path = tmp_path / "runs" / "gated" / "001"
    assert result.err.endswith(
        "interrupted at step 5; saved in runs/gated/001; measure it: "
        f"dgrad eval runs/gated/001 --plugin {tmp_path / 'gate.py'}\n"
    )
    latest = find_checkpoint(path, "latest")
    assert latest.name == "step-000000005.safetensors"
    assert checkpoint.load(latest).metadata["progress"]["step"] == 5
    assert (path / "log.txt").read_text() == "training ended: interrupted\n"
    if name == "SIGINT":
        evaluated = cli("eval", path, "--plugin", "gate.py", cwd=tmp_path)
        assert evaluated.code == 0
        assert re.match(r"test/loss +\d", evaluated.out)


def test_T15_json_says_what_was_saved(training: Callable[..., Training]) -> None:
    run = training("--json")
    run.process.send_signal(signal.SIGINT)
    run.open_gate()
    result = run.end()
    assert (result.code, result.err) == (130, "")
    last = result.out.splitlines()[-1]
    assert re.fullmatch(r'\{"event": "interrupted", "checkpoint": ".*\.safetensors"\}', last)


def test_T16_the_second_signal_leaves_at_once(
    training: Callable[..., Training], cli: Callable[..., Result], tmp_path: Path
) -> None:
    run = training()
    for _ in range(100):  # the gate stays shut: only a second signal ends the process
        run.process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            run.process.wait(timeout=0.3)
            break
    result = run.end()
    assert result.code == 130
    assert "Traceback" not in result.err
    assert "stopped" not in result.err
    told = "interrupted; the last checkpoint is in runs/gated/001/checkpoints\n"
    assert result.err.endswith(told)
    path = tmp_path / "runs" / "gated" / "001"
    assert find_checkpoint(path, "latest").name == "step-000000003.safetensors"
    assert cli("eval", path, "--plugin", "gate.py", cwd=tmp_path).code == 0


def test_T18_an_ignored_signal_stays_ignored(training: Callable[..., Training]) -> None:
    ignore = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); "
    run = training("--quiet", prelude=ignore)
    run.process.send_signal(signal.SIGINT)
    run.open_gate()
    result = run.end()
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("test/loss ")
