"""The record of what a run depends on."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

import dgrad
from dgrad.train.environment import THREAD_VARIABLES, environment, git_commit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
OTHER = "f" * 64


def test_environment_is_json_and_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    record = environment(["dgrad", "train", "\udcff.yaml"], 7)
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["argv"] == ["dgrad", "train", "\udcff.yaml"]
    assert record["seed"] == 7
    assert record["dgrad"] == dgrad.__version__
    assert record["numpy"] == np.__version__
    assert set(record["blas"]) == {"name", "version", "openblas configuration"}
    assert record["threads"] == {**dict.fromkeys(THREAD_VARIABLES), "OMP_NUM_THREADS": "3"}
    assert record["cpu"]["model"]
    assert 1 <= record["cpu"]["usable"] <= record["cpu"]["count"] == os.cpu_count()
    started = datetime.datetime.fromisoformat(record["started"])
    assert started.utcoffset() == datetime.timedelta(0)
    assert all(record[name] for name in ("python", "platform"))


def test_environment_starts_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    monkeypatch.setattr(os, "system", refuse)
    environment([], 0)


def test_environment_names_the_commit_of_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {".git/HEAD": COMMIT})
    (tmp_path / "below" / "this").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "below" / "this")
    assert environment([], 0)["git_commit"] == COMMIT


def write(folder: Path, contents: dict[str, str]) -> None:
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, "utf-8", newline="\n")


REPOSITORIES = {
    "branch": ({".git/HEAD": "ref: refs/heads/a/b\n", ".git/refs/heads/a/b": COMMIT}, COMMIT),
    "detached": ({".git/HEAD": f"{COMMIT}\n"}, COMMIT),
    "sha256": ({".git/HEAD": OTHER}, OTHER),
    "packed": (
        {
            ".git/HEAD": "ref: refs/heads/main\n",
            ".git/packed-refs": f"# pack-refs with: peeled\n{OTHER} refs/heads/main2\n"
            f"{COMMIT} refs/heads/main\n^{OTHER}\n",
        },
        COMMIT,
    ),
    "loose before packed": (
        {
            ".git/HEAD": "ref: refs/heads/main",
            ".git/refs/heads/main": COMMIT,
            ".git/packed-refs": f"{OTHER} refs/heads/main\n",
        },
        COMMIT,
    ),
    "worktree": (
        {
            ".git": "gitdir: main/.git/worktrees/w\n",
            "main/.git/worktrees/w/HEAD": "ref: refs/heads/w\n",
            "main/.git/worktrees/w/commondir": "../..\n",
            "main/.git/refs/heads/w": COMMIT,
        },
        COMMIT,
    ),
    "packed junk": (
        {".git/HEAD": "ref: refs/heads/main", ".git/packed-refs": "secret refs/heads/main\n"},
        None,
    ),
    "no commit yet": ({".git/HEAD": "ref: refs/heads/main\n"}, None),
    "no hash": ({".git/HEAD": "ref: refs/heads/main", ".git/refs/heads/main": "secret"}, None),
    "empty": ({".git/HEAD": ""}, None),
    "no HEAD": ({".git/config": ""}, None),
    "file to nowhere": ({".git": "gitdir: nowhere"}, None),
    "outside": ({".git/HEAD": "ref: ../../secret", "secret": "secret"}, None),
}


@pytest.mark.parametrize("case", REPOSITORIES)
def test_git_commit(case: str, tmp_path: Path) -> None:
    contents, commit = REPOSITORIES[case]
    write(tmp_path, contents)
    assert git_commit(tmp_path) == commit


def test_git_commit_of_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_bytes(b"\xff\xfe\0")
    assert git_commit(tmp_path) is None
