"""What the README shows works: its Python blocks run, its commands print what it prints."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dgrad.config.catalog import KINDS
from dgrad.config.document import register_shipped

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
CONSOLE = dict(re.findall(r"```console\n\$ dgrad (.*?)\n(.*?)```", TEXT, re.DOTALL))
MAIN = "import sys; from dgrad.cli import main; main()"


def dgrad(arguments: str, folder: Path) -> str:
    """What a command prints, errors first or last as they come, run in `folder`."""
    command = [sys.executable, "-c", MAIN, *arguments.split()]
    done = subprocess.run(
        command,
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
        check=False,
    )
    return done.stdout


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A folder like a clone's, in which the README's first command has been run."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("configs", "data"):
        (folder / name).symlink_to(ROOT / name)
    dgrad("train configs/digits_mlp.yaml --quiet", folder)
    return folder


def without_numbers(text: str) -> list[str]:
    """The lines, each number as #: its last digits depend on the processor."""
    return [re.sub(r"\d[\d.,]*(e[+-]\d+)?", "#", line).strip() for line in text.splitlines()]


@pytest.mark.parametrize("arguments", CONSOLE)
def test_a_command_prints_what_the_readme_shows(arguments, clone):
    shown = without_numbers(CONSOLE[arguments])
    printed = without_numbers(dgrad(arguments, clone))
    assert len(shown) > 2
    for line in shown:
        start = line.removesuffix("...")  # the README cuts long lines
        assert any(each.startswith(start) for each in printed), f"{line!r} is not in {printed}"


@pytest.mark.parametrize("block", PYTHON, ids=[b.strip().splitlines()[0] for b in PYTHON])
def test_a_python_block_runs(block, tmp_path):
    path = tmp_path / "block.py"
    path.write_text(block, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(path)],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def plugin(folder: Path, holding: str) -> None:
    """Write the README's block that holds this text as plugin.py."""
    (block,) = (b for b in PYTHON if holding in b)
    (folder / "plugin.py").write_text(block, encoding="utf-8")


def test_the_op_and_layer_of_the_readme_pass_gradcheck(tmp_path):
    plugin(tmp_path, "def swish(")
    (tmp_path / "my.yaml").write_text(
        "plugins: [./plugin.py]\n"
        f"data: {{csv: {{path: {ROOT / 'data' / 'digits.csv.gz'}, target: label}}}}\n"
        "model: {layers: [{linear: 8}, {swish: {beta: 2.0}}, {linear: $data.classes}]}\n"
        "loss: cross_entropy\noptimizer: sgd\n",
        encoding="utf-8",
    )
    printed = dgrad("gradcheck my.yaml", tmp_path)
    assert re.search(r"^op +swish .*\bok\b", printed, re.MULTILINE), printed
    assert re.search(r"^layer +swish .*\bok\b", printed, re.MULTILINE), printed


def test_the_optimizer_of_the_readme_trains(tmp_path):
    plugin(tmp_path, "class Signed(")
    (tmp_path / "my.yaml").write_text(
        "plugins: [./plugin.py]\n"
        f"data: {{csv: {{path: {ROOT / 'data' / 'digits.csv.gz'}, target: label}}}}\n"
        "model: {layers: [{linear: $data.classes}]}\n"
        "loss: cross_entropy\nmetrics: [accuracy]\n"
        "optimizer: {signed: 1e-3}\ntrain: {epochs: 15}\n",
        encoding="utf-8",
    )
    accuracy = re.search(r"test/accuracy +(\S+)", dgrad("train my.yaml", tmp_path))
    assert accuracy is not None
    assert float(accuracy[1]) > 0.8


def test_the_schedule_of_the_readme_draws(tmp_path):
    plugin(tmp_path, "class Sawtooth(")
    (tmp_path / "my.yaml").write_text(
        "plugins: [./plugin.py]\n"
        f"data: {{csv: {{path: {ROOT / 'data' / 'digits.csv.gz'}, target: label}}}}\n"
        "model: {layers: [{linear: $data.classes}]}\nloss: cross_entropy\noptimizer: {sgd: 1}\n"
        "schedule: {sawtooth: {period: 25%, warmup: 2}}\ntrain: {steps: 16}\n",
        encoding="utf-8",
    )
    points = json.loads(dgrad("lr my.yaml --json", tmp_path))["points"]
    teeth = [1, 0.75, 0.5, 0.25] * 4
    assert [rate for _, rate in points] == [0.5, 1.0, *teeth[:14]]


def test_the_reader_of_the_readme_reads(tmp_path):
    plugin(tmp_path, "def read_points(")
    x = np.linspace(-1, 1, 100, dtype="<f4")
    (tmp_path / "points.bin").write_bytes(np.stack([x, 2 * x], axis=1).tobytes())
    (tmp_path / "my.yaml").write_text(
        "plugins: [./plugin.py]\ndata: {points: points.bin}\nmodel: {layers: [{linear: 1}]}\n"
        "loss: mse\nmetrics: [r2]\noptimizer: {sgd: 0.3}\ntrain: {epochs: 30}\n",
        encoding="utf-8",
    )
    r2 = re.search(r"test/r2 +(\S+)", dgrad("train my.yaml", tmp_path))
    assert r2 is not None
    assert float(r2[1]) > 0.99


def test_the_readme_holds_the_two_commands():
    assert "pip install . && dgrad train configs/digits_mlp.yaml\n" in TEXT
    assert "<!-- test command -->\n```sh\npip install '.[test]' && pytest\n```" in TEXT
    assert "@@" not in TEXT


def test_the_list_of_components_is_whole():
    register_shipped()
    (block,) = (b for b in re.findall(r"```text\n(.*?)```", TEXT, re.DOTALL) if "initialisers" in b)
    for kind, known in KINDS.items():
        if kind != "ops":
            (text,) = re.findall(rf"^{kind} (.*?)(?=^\S|\Z)", block, re.DOTALL | re.MULTILINE)
            assert sorted(set(re.findall(r"[a-z_0-9]+", text)) & set(known)) == known.names(), kind


def test_the_graph_of_layers_is_a_config(tmp_path):
    first, graph = (b for b in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL) if "model:" in b)
    head, tail = re.split(r"^model:.*?(?=^loss:)", first, flags=re.DOTALL | re.MULTILINE)
    (tmp_path / "configs").mkdir()
    (tmp_path / "data").symlink_to(ROOT / "data")
    path = tmp_path / "configs" / "graph.yaml"
    path.write_text(head + graph + tail, encoding="utf-8")
    assert dgrad(f"check {path}", tmp_path).endswith("no errors\n")
