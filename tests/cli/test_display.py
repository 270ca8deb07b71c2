"""What is shown on a terminal, on a pipe, and on streams that are closed, full or ASCII only."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from dgrad.cli.display import _fitting
from tests.cli.conftest import TIMEOUT, Result, command, environ
from tests.toys import CLASSES, write_toy

Cli = Callable[..., Result]
HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"  # the cursor
COLOUR = r"\x1b\[[0-9;]*3[0-9]"
LONG = CLASSES.replace("epochs: 3", "epochs: 30")


@pytest.fixture
def terminal(tmp_path: Path) -> Callable[..., Result]:
    """Runs a command whose stderr is a pseudo-terminal of `width` columns; err is what it got."""
    pty = pytest.importorskip("pty", reason="pseudo-terminals are a thing of POSIX")

    def terminal(*arguments: str, width: int = 100, **env: str) -> Result:
        import fcntl
        import struct
        import termios

        parent, child = pty.openpty()
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
        process = subprocess.Popen(
            command(*arguments),
            cwd=tmp_path,
            env=environ(**{"TERM": "xterm-256color", **env}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=child,
        )
        os.close(child)
        got = bytearray()
        try:
            while chunk := os.read(parent, 65536):
                got += chunk
        except OSError:  # EIO: nobody holds the other end any more
            pass
        os.close(parent)
        out, _ = process.communicate(timeout=TIMEOUT)
        return Result(process.returncode, out.decode(), got.decode().replace("\r\n", "\n"))

    return terminal


def screen(text: str) -> list[str]:
    """The lines that stay on a terminal: sequences interpreted as far as rich uses them."""
    rows, row = [""], 0
    for part in re.findall(r"\x1b\[[?0-9;]*[A-Za-z]|\n|[^\x1b\r\n]+", text):
        if part == "\n":
            row += 1
            rows += [""] * (row + 1 - len(rows))
        elif part == "\x1b[2K":
            rows[row] = ""
        elif re.fullmatch(r"\x1b\[\d*A", part):
            row -= int(part[2:-1] or 1)
        elif not part.startswith("\x1b"):
            rows[row] += part
    return [line.rstrip() for line in rows if line.strip()]


def test_a_terminal_shows_a_live_bar_and_keeps_the_evaluations(
    terminal: Callable[..., Result], tmp_path: Path
) -> None:
    write_toy(tmp_path, LONG)
    result = terminal("train", "toy.yaml")
    assert result.code == 0
    assert re.search(r"epoch \d+/30 .*\d+/90 .*steps/s .*loss ", result.err)
    assert re.search(COLOUR, result.err)
    assert result.err.count(HIDE) == result.err.count(SHOW) >= 1
    assert result.err.rindex(SHOW) > result.err.rindex(HIDE)
    left = screen(result.err)
    heading = next(i for i, line in enumerate(left) if "val/accuracy" in line)
    assert left[heading].split() == ["epoch", "step", "train/loss", "val/loss", "val/accuracy"]
    rows = [line.split() for line in left[heading + 1 : heading + 31]]
    assert [row[:2] for row in rows] == [[str(i + 1), str(3 * i + 3)] for i in range(30)]
    assert not any("steps/s" in line for line in left)  # the bar is gone
    assert left[-1] == "measure them again: dgrad eval runs/toy/001"
    assert result.out.startswith("test/loss ")


def test_a_run_of_steps_speaks_of_steps_alone(
    terminal: Callable[..., Result], cli: Cli, tmp_path: Path
) -> None:
    write_toy(tmp_path, LONG.replace("epochs: 30", "steps: 82"))
    shown = terminal("train", "toy.yaml", "train.eval.every=40 steps")
    assert shown.code == 0
    assert re.search(r"steps .*\d+/82 .*steps/s .*loss ", shown.err)
    left = screen(shown.err)
    heading = next(i for i, line in enumerate(left) if "val/accuracy" in line)
    assert "epoch" not in left[heading]
    rows = [line.split()[0] for line in left[heading + 1 : heading + 4]]
    assert rows == ["40", "80", "82"]
    plain = cli("train", "toy.yaml", "train.steps=5", "train.eval.every=5 steps", cwd=tmp_path)
    assert re.findall(r"^step=\d+ train", plain.err, re.M) == ["step=5 train"]
    events = cli("train", "toy.yaml", "train.steps=5", "--json", cwd=tmp_path).out.splitlines()
    start = json.loads(events[0])
    assert (start["epochs"], start["steps"]) == (None, 5)


@pytest.mark.parametrize("width", [1, 20, 1000])
def test_L03_any_width_will_do(width: int, terminal: Callable[..., Result], tmp_path: Path) -> None:
    write_toy(tmp_path)
    result = terminal("train", "toy.yaml", width=width)
    assert result.code == 0
    assert result.err.rindex(SHOW) > result.err.rindex(HIDE)
    assert "measure them again: dgrad eval runs/toy/001\n" in result.err


def test_a_narrow_terminal_gets_fewer_columns_and_whole_words(
    terminal: Callable[..., Result], tmp_path: Path
) -> None:
    write_toy(tmp_path)
    left = screen(terminal("train", "toy.yaml", width=40).err)
    heading = next(i for i, line in enumerate(left) if "val/loss" in line)
    assert left[heading].split() == ["epoch", "step", "train/loss", "val/loss"]
    assert [len(line.split()) for line in left[heading + 1 : heading + 4]] == [4, 4, 4]
    assert left[:3] == [
        "toy: linear > relu > dropout > linear,",
        "59 parameters; rows: 45 train, 15 val,",
        "15 test",
    ]


def test_the_row_of_a_table_keeps_the_losses_longest() -> None:
    row = {"epoch": 1, "step": 2, "train/loss": 0.5, "val/loss": 0.5, "val/accuracy": 1.0}
    assert list(_fitting(row, 100)) == list(row)
    assert list(_fitting(row, 30)) == ["epoch", "train/loss", "val/loss"]
    assert list(_fitting(row, 20)) == ["epoch", "train/loss"]
    assert list(_fitting(row, 1)) == ["epoch"]


def test_L02_no_color_and_dumb_terminals(terminal: Callable[..., Result], tmp_path: Path) -> None:
    write_toy(tmp_path)
    plain = terminal("train", "toy.yaml", NO_COLOR="1")
    assert plain.code == 0
    assert not re.search(COLOUR, plain.err)
    dumb = terminal("train", "toy.yaml", TERM="dumb")
    assert (dumb.code, "\x1b" in dumb.err) == (0, False)
    assert "epoch=3 step=9 train/loss=" in dumb.err


def test_the_cursor_comes_back_when_training_fails(
    terminal: Callable[..., Result], tmp_path: Path
) -> None:
    write_toy(tmp_path)
    result = terminal("train", "toy.yaml", "optimizer={sgd: {lr: 1e30}}", "schedule=constant")
    assert result.code == 5
    assert result.err.rindex(SHOW) > result.err.rindex(HIDE)
    assert "error[T01]" in result.err[result.err.rindex(SHOW) :]


def test_a_warning_stays_above_the_bar(terminal: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "twice.py").write_text(
        "import numpy as np\n"
        "from dgrad.nn import Module, Parameter\n"
        "from dgrad.registry import layers\n\n"
        '@layers.register("twice")\n'
        "class Twice(Module):\n"
        "    def __init__(self):\n"
        "        self.spare = Parameter(np.ones(1, np.float32))\n\n"
        "    def forward(self, x):\n"
        "        return 2 * x if self.training else x * self.spare\n"
    )
    write_toy(tmp_path, CLASSES.replace("- relu", "- twice") + "plugins: [./twice.py]\n")
    left = screen(terminal("train", "toy.yaml", width=150).err)
    row = next(i for i, line in enumerate(left) if line.startswith("warning: step 1 gave no"))
    assert "twice.spare" in left[row]
    assert "val/loss" in left[row + 1]


def test_L06_ascii_streams(cli: Cli, terminal: Callable[..., Result], tmp_path: Path) -> None:
    write_toy(tmp_path, CLASSES.replace("kind", "K\u00fcche"))
    table = tmp_path / "classes.csv"
    table.write_text(table.read_text().replace("kind", "K\u00fcche"), encoding="utf-8")
    folder = tmp_path / "K\u00fcche"
    folder.mkdir()
    (folder / "toy.yaml").write_text(
        (tmp_path / "toy.yaml").read_text().replace("path: ", "path: ../"), encoding="utf-8"
    )
    ascii_only = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    result = cli(
        "train", "K\u00fcche/toy.yaml", "--run-dir", "K\u00fcche/run", cwd=tmp_path, **ascii_only
    )
    assert result.code == 0, result.err
    assert (result.out + result.err).isascii()
    assert "run directory: K\\xfcche/run\n" in result.err
    shown = terminal("train", "toy.yaml", **ascii_only)
    assert shown.code == 0
    assert shown.err.isascii()
    checked = cli("gradcheck", "toy.yaml", cwd=tmp_path, **ascii_only)
    assert (checked.code, checked.out.isascii()) == (0, True)


def run_with(tmp_path: Path, words: list[str], stdout: int, stderr: int) -> int:
    """The exit code of a training run with these streams; it must leave a whole run behind."""
    process = subprocess.Popen(
        words,
        cwd=tmp_path,
        env=environ(),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
    )
    code = process.wait(timeout=TIMEOUT)
    run = tmp_path / "runs" / "toy" / "001"
    assert (run / "log.txt").read_text() == "training ended: done\n"
    assert (run / "checkpoints" / "latest").read_text().startswith("step-000000009.")
    return code


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_L04_a_reader_that_leaves_does_not_end_the_run(closed: str, tmp_path: Path) -> None:
    write_toy(tmp_path)
    reader, writer = os.pipe()
    os.close(reader)
    with (tmp_path / "other").open("w") as other:
        streams = {"stdout": other.fileno(), "stderr": other.fileno(), closed: writer}
        words = command("train", "toy.yaml", *["--json"] * (closed == "stdout"))
        code = run_with(tmp_path, words, **streams)
    os.close(writer)
    assert code == 0
    assert closed == "stderr" or (tmp_path / "other").read_text() == ""  # quiet


def test_T10_a_full_disk_behind_stdout_is_told_at_the_end(tmp_path: Path) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full here")
    write_toy(tmp_path)
    with open("/dev/full", "w") as full, (tmp_path / "err").open("w") as err:
        words = command("train", "toy.yaml", "--json")
        assert run_with(tmp_path, words, full.fileno(), err.fileno()) == 8
    assert (tmp_path / "err").read_text() == (
        "error[T10] stdout cannot be written: No space left on device\n"
    )


@pytest.mark.parametrize("words", ["--version", "--help"])
def test_T10_a_full_disk_behind_what_is_asked_for(words: str, tmp_path: Path) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full here")
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            command(words), cwd=tmp_path, env=environ(), stdout=full, stderr=subprocess.PIPE
        )
    assert done.returncode == 8
    assert done.stderr == b"error[T10] stdout cannot be written: No space left on device\n"


@pytest.mark.parametrize("closed", [1, 2])
def test_L05_a_closed_stream_is_written_to_nobody(closed: int, tmp_path: Path) -> None:
    write_toy(tmp_path)
    words = ["sh", "-c", f'exec "$@" {closed}>&-', "sh", *command("train", "toy.yaml")]
    with (tmp_path / "other").open("w") as other:
        code = run_with(tmp_path, words, other.fileno(), other.fileno())
    assert code == 0
    text = (tmp_path / "other").read_text()
    assert ("test/loss" in text, "epoch=" in text) == (closed != 1, closed != 2)


def test_json_survives_a_metric_that_is_not_finite(cli: Cli, tmp_path: Path) -> None:
    text = CLASSES.replace("path: classes.csv, target: kind", "path: numbers.csv, target: y")
    text = text.replace("cross_entropy", "mse").replace("[accuracy]", "[r2]")
    text = text.replace("$data.classes", "1").replace("stratify: true", "stratify: false")
    write_toy(tmp_path, text.replace("val: 0.2", "val: 0.01"))  # one row: r2 is undefined
    result = cli("train", "toy.yaml", "--json", cwd=tmp_path)
    events = [json.loads(line, parse_constant=pytest.fail) for line in result.out.splitlines()]
    assert events[1]["val/r2"] is None
    reason = "it needs two rows or more, and targets that differ"
    assert events[1]["val/r2_reason"] == reason
    assert result.code == 0
