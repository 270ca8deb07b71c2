"""Run directories: never overwritten, never shared, and never without a good checkpoint."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import threading
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dgrad.errors import CheckpointError, DgradError, ResourceError, RunDirectoryError
from dgrad.train.checkpoint import load, save
from dgrad.train.files import Lock
from dgrad.train.metrics import Undefined
from dgrad.train.run_directory import RunDirectory, find_checkpoint, strict_json

FILES = [".lock", "checkpoints", "log.txt", "metrics.jsonl", "timing.jsonl"]


@pytest.fixture
def run(tmp_path: Path) -> Any:
    with RunDirectory.create(tmp_path, "digits") as run:
        yield run


def tensors(step: int) -> dict[str, Any]:
    return {"w": np.full(3, float(step))}


def saved(run: RunDirectory, step: int, *, best: bool = False) -> Path:
    return run.save_checkpoint(step, tensors(step), {"step": step}, best=best)


def steps(run: RunDirectory) -> list[int]:
    return sorted(int(path.stem.split("-")[1]) for path in run.checkpoints.glob("step-*"))


def step_of(path: Path, which: Any) -> int:
    step: int = load(find_checkpoint(path, which)).metadata["step"]
    return step


# Making one.


def test_create_numbers_the_runs(tmp_path: Path) -> None:
    for number in (1, 2):
        with RunDirectory.create(tmp_path / "runs", "digits") as run:
            assert run.path == tmp_path / "runs" / "digits" / f"{number:03d}"
            assert sorted(os.listdir(run.path)) == FILES
    for other in ("041", "999", "notes", "12", "1000x"):
        (tmp_path / "runs" / "digits" / other).mkdir()
    with RunDirectory.create(tmp_path / "runs", "digits") as run:
        assert run.path.name == "1000"


def test_create_never_gives_one_directory_twice(tmp_path: Path) -> None:
    paths, barrier = [], threading.Barrier(8)

    def create() -> None:
        barrier.wait()
        for _ in range(5):
            with RunDirectory.create(tmp_path, "race") as run:
                paths.append(run.path)

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(path.name for path in paths) == [f"{number:03d}" for number in range(1, 41)]


BAD_NAMES = [
    "", ".", "..", "../x", "../../x", "/x", "/tmp/x", "x/y", "x/../../y", "x\\y", "..\\x", "C:x",
    "C:\\x", "~", "~/x", "$HOME", "a b", "a\n", "\na", "a\0", "\x1b[31m", "ü", "x" * 101, "x" * 300,
    ".hidden", "...", "CON", "con", "Con.txt", "nul", "aux.", "LPT1", "com0.tar.gz", "a*", "a?",
    "a:b", "<x>", "a|b", '"x"', "\u202ex", "x%00", "//x", "./x", "x/.", "x/..", "`x`", "$(x)",
    "x;y", "x&y", "\r", "\t",
]  # fmt: skip


@pytest.mark.parametrize("name", BAD_NAMES, ids=lambda name: ascii(name)[:20])
def test_C20_names_that_are_no_plain_file_names(name: str, tmp_path: Path) -> None:
    root = tmp_path / "deep" / "runs"
    with pytest.raises(RunDirectoryError) as info:
        RunDirectory.create(root, name)
    assert info.value.fault == "C20"
    assert "\x1b" not in str(info.value)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["a", "A-b_c.d", "-x", "_", "x" * 100, "console", "1.2"])
def test_C20_plain_names(name: str, tmp_path: Path) -> None:
    RunDirectory.create(tmp_path, name).close()
    assert os.listdir(tmp_path) == [name]


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege here")
def test_C20_a_link_out_of_the_root(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "x").symlink_to(tmp_path / "outside")
    with pytest.raises(RunDirectoryError, match="outside") as info:
        RunDirectory.create(tmp_path / "runs", "x")
    assert info.value.fault == "C20"
    assert os.listdir(tmp_path / "outside") == []


@pytest.mark.parametrize("there", [[], [".lock"]])
def test_create_at_an_empty_directory(there: list[str], tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    for name in there:
        (tmp_path / "new" / name).touch()
    with RunDirectory.create_at(tmp_path / "new") as run:
        assert run.path == tmp_path / "new"
    with RunDirectory.create_at(tmp_path / "a" / "b") as run:
        assert sorted(os.listdir(run.path)) == FILES


@pytest.mark.parametrize("there", [["notes.txt"], [".hidden"], [".lock", "config.yaml"]])
def test_L09_a_directory_that_holds_something(there: list[str], tmp_path: Path) -> None:
    for name in there:
        (tmp_path / name).touch()
    with pytest.raises(RunDirectoryError, match="not empty") as info:
        RunDirectory.create_at(tmp_path)
    assert info.value.fault == "L09"
    assert info.value.exit_code == 7
    assert "resume" not in str(info.value)
    assert sorted(os.listdir(tmp_path)) == sorted(there)
    assert [(tmp_path / name).read_bytes() for name in there] == [b""] * len(there)
    Lock(tmp_path / ".lock").release()


def test_L09_a_finished_run(run: RunDirectory) -> None:
    run.close()
    run.close()
    (run.path / ".lock").write_text("as it was")
    with pytest.raises(RunDirectoryError) as info:
        RunDirectory.create_at(run.path)
    assert info.value.fault == "L09"
    assert (run.path / ".lock").read_text() == "as it was"


def test_T20_places_that_cannot_be_a_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(RunDirectoryError) as info:
            RunDirectory.create_at(path)
        assert info.value.fault == "T20"
        assert str(path) in str(info.value)
    for root in (tmp_path / "file", tmp_path):
        with pytest.raises(RunDirectoryError):
            RunDirectory.create(root, "file")


def test_T20_a_file_system_that_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def mkdir(path: Path) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "mkdir", mkdir)
    with pytest.raises(ResourceError, match=os.strerror(errno.EROFS)):
        RunDirectory.create(tmp_path, "x")
    with pytest.raises(ResourceError, match=os.strerror(errno.EROFS)):
        RunDirectory.create_at(tmp_path / "x")


def test_T21_a_run_at_work_is_not_joined(run: RunDirectory) -> None:
    with pytest.raises(RunDirectoryError, match=f"process {os.getpid()} on host") as info:
        RunDirectory.create_at(run.path)
    assert info.value.fault == "T21"
    assert info.value.exit_code == 7


def test_T21_of_two_that_start_at_once_one_gets_the_directory(tmp_path: Path) -> None:
    for index in range(20):
        won: list[RunDirectory] = []
        lost: list[str] = []
        barrier = threading.Barrier(2)

        def create(
            path: Path = tmp_path / str(index),
            barrier: threading.Barrier = barrier,
            won: list[RunDirectory] = won,
            lost: list[str] = lost,
        ) -> None:
            barrier.wait()
            try:
                won.append(RunDirectory.create_at(path))
            except RunDirectoryError as error:
                lost.append(error.fault)

        threads = [threading.Thread(target=create) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for run in won:
            run.close()
        assert len(won) == len(lost) == 1
        assert lost[0] in ("T21", "L09")


# What it holds.


def test_text_arrays_and_logs(run: RunDirectory) -> None:
    run.write_text("config.yaml", "seed: 0\nü\n")
    run.log_metrics({"step": 1, "loss": 0.5})
    run.log_timing({"seconds": 1.5})
    run.log.append("started")
    assert (run.path / "config.yaml").read_bytes() == "seed: 0\nü\n".encode()
    metrics = (run.path / "metrics.jsonl").read_bytes()
    assert metrics == b'{"step": 1, "loss": 0.5}\n'
    assert (run.path / "timing.jsonl").read_bytes() == b'{"seconds": 1.5}\n'
    assert (run.path / "log.txt").read_bytes() == b"started\n"
    assert run.metrics.offset == len(metrics)
    assert run.metrics.sha256 == hashlib.sha256(metrics).hexdigest()


def test_arrays_come_back_and_equal_arrays_give_equal_bytes(run: RunDirectory) -> None:
    arrays = {"train": np.arange(5), "file": np.ones((2, 0)), "val": np.array(3.0)}
    run.write_arrays("splits.npz", arrays)
    first = (run.path / "splits.npz").read_bytes()
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert {member.date_time[0] for member in archive.infolist()} == {1980}
    with np.load(io.BytesIO(first)) as loaded:
        assert sorted(loaded) == sorted(arrays)
        for name, array in arrays.items():
            assert loaded[name].dtype == array.dtype
            np.testing.assert_array_equal(loaded[name], array)
    run.write_arrays("splits.npz", arrays)
    assert (run.path / "splits.npz").read_bytes() == first
    with pytest.raises(ValueError, match=r"[Oo]bject"):
        run.write_arrays("splits.npz", {"x": np.array([{}], dtype=object)})
    assert (run.path / "splits.npz").read_bytes() == first


NAN, INF = float("nan"), float("inf")
RECORDS: dict[str, tuple[dict[str, Any], str]] = {
    "order": ({"b": 1, "a": 2}, '{"b": 1, "a": 2}'),
    "nan": ({"loss": NAN}, '{"loss": null, "loss_reason": "nan"}'),
    "inf": ({"a": INF, "b": -INF}, '{"a": null, "a_reason": "inf", "b": null, "b_reason": "-inf"}'),
    "undefined": ({"f1": Undefined("no row")}, '{"f1": null, "f1_reason": "no row"}'),
    "numpy": (
        {"a": np.float32(0.5), "b": np.int64(3), "c": np.bool_(True), "d": np.float32("nan")},
        '{"a": 0.5, "b": 3, "c": true, "d": null, "d_reason": "nan"}',
    ),
    "arrays": (
        {"a": np.array(1.5), "b": np.array([1.0, NAN]), "c": np.arange(2)},
        '{"a": 1.5, "b": [1.0, null], "b_reason": "nan", "c": [0, 1]}',
    ),
    "nested": (
        {"a": {"b": (1, [INF, NAN])}, "c": [{"d": NAN}]},
        '{"a": {"b": [1, [null, null]], "b_reason": "inf"}, "c": [{"d": null, "d_reason": "nan"}]}',
    ),
    "text": ({"ü\n": "a\nb\x1b\ud800", "n": None}, r'{"\u00fc\n": "a\nb\u001b\ud800", "n": null}'),
    "exact": ({"x": 0.1 + 0.2, "y": 1e-323}, '{"x": 0.30000000000000004, "y": 1e-323}'),
}


@pytest.mark.parametrize("case", RECORDS)
def test_T40_every_line_is_strict_json(case: str, run: RunDirectory) -> None:
    def refuse(text: str) -> None:
        raise AssertionError(text)

    record, line = RECORDS[case]
    assert strict_json(record) == line
    run.log_metrics(record)
    run.log_metrics(record)
    written = (run.path / "metrics.jsonl").read_text("ascii")
    assert written == f"{line}\n{line}\n"
    json.loads(line, parse_constant=refuse)


def test_T40_what_json_cannot_hold_is_an_error(run: RunDirectory) -> None:
    with pytest.raises(TypeError):
        run.log_metrics({"a": object()})
    assert run.metrics.offset == 0


# Checkpoints.


def test_save_writes_the_file_and_its_pointers(run: RunDirectory) -> None:
    path = saved(run, 400, best=True)
    assert path == run.checkpoints / "step-000000400.safetensors"
    loaded = load(path)
    assert loaded.tensors["w"].tolist() == [400.0] * 3
    line = f"step-000000400.safetensors {loaded.sha256}\n"
    saved(run, 800)
    assert (run.checkpoints / "best").read_text("ascii") == line
    assert step_of(run.path, "best") == 400
    assert step_of(run.path, "latest") == 800


@pytest.mark.parametrize("step", [-1, 10**9])
def test_steps_that_have_no_file_name(step: int, run: RunDirectory) -> None:
    with pytest.raises(CheckpointError, match="999999999"):
        saved(run, step)
    assert os.listdir(run.checkpoints) == []


def test_T39_the_newest_and_the_best_stay(tmp_path: Path) -> None:
    with RunDirectory.create(tmp_path, "x", keep=2) as run:
        seen = []
        for step in range(1, 8):
            saved(run, step, best=step in (2, 5))
            seen.append(steps(run))
        assert seen == [[1], [1, 2], [2, 3], [2, 3, 4], [4, 5], [5, 6], [5, 6, 7]]
        assert step_of(run.path, "best") == 5
        saved(run, 3)  # as after going back to an earlier step
        assert step_of(run.path, "latest") == 3


def test_T39_only_step_files_and_left_over_temporary_files_are_deleted(tmp_path: Path) -> None:
    with RunDirectory.create(tmp_path, "x", keep=1) as run:
        for name in ("notes.txt", "step-1.safetensors", ".0123.tmp"):
            (run.checkpoints / name).touch()
        saved(run, 1)
        saved(run, 2)
        names = sorted(os.listdir(run.checkpoints))
    assert names == ["latest", "notes.txt", "step-000000002.safetensors", "step-1.safetensors"]


def test_the_same_step_again_keeps_its_pointers_true(run: RunDirectory) -> None:
    saved(run, 1, best=True)
    run.save_checkpoint(1, tensors(2), {"step": 2}, best=False)
    assert step_of(run.path, "best") == step_of(run.path, "latest") == 2


def test_T14_everything_named_is_durable_before_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    with RunDirectory.create(tmp_path, "x", keep=1) as run:
        saved(run, 1)
        run.log_metrics({"step": 2})
        fsync, replace, unlink = os.fsync, os.replace, os.unlink

        def record_fsync(descriptor: int) -> None:
            events.append("sync")
            fsync(descriptor)

        def record_replace(source: Path, target: Path) -> None:
            events.append(target.name)
            replace(source, target)

        def record_unlink(path: Path) -> None:
            events.append(f"delete {path.name}")
            unlink(path)

        monkeypatch.setattr(os, "fsync", record_fsync)
        monkeypatch.setattr(os, "replace", record_replace)
        monkeypatch.setattr(os, "unlink", record_unlink)
        saved(run, 2, best=True)
    expected = ["sync"]  # the metrics
    for name in ("step-000000002.safetensors", "latest", "best"):
        expected += ["sync", name]
    folder = [] if os.name == "nt" else ["sync"]
    assert events == [*expected, *folder, "delete step-000000001.safetensors"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EACCES])
def test_T39_T11_an_error_at_every_call_of_a_save(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 99):
        with RunDirectory.create(tmp_path, "x", keep=1) as run:
            saved(run, 1, best=True)
            saved(run, 2)
            with monkeypatch.context() as patch:
                calls = failing(patch, number, code)
                try:
                    saved(run, 3, best=True)
                    raised = False
                except DgradError:
                    raised = True
                finished = calls < [number]
            assert step_of(run.path, "latest") in ((2, 3) if raised else (3,))
            assert step_of(run.path, "best") in ((1, 3) if raised else (3,))
            assert raised <= {1, 2}.issubset(steps(run))
            assert not list(run.checkpoints.glob(".*"))
            saved(run, 4)
            assert {step_of(run.path, "best"), 4} <= set(steps(run))
            saved(run, 5, best=True)
            assert steps(run) == [5]
        if finished:
            break
    assert number > 15


def failing(monkeypatch: pytest.MonkeyPatch, number: int, code: int) -> list[int]:
    """Let call `number` to the system fail; the list's one item counts the calls."""
    calls = [0]

    def wrap(name: str) -> None:
        real = getattr(os, name)

        def call(*args: Any) -> Any:
            calls[0] += 1
            if calls[0] == number:
                raise OSError(code, os.strerror(code))
            return real(*args)

        monkeypatch.setattr(os, name, call)

    for name in ("open", "write", "fsync", "replace", "unlink"):
        wrap(name)
    return calls


# Finding one.


def test_find_takes_a_file_as_it_is(run: RunDirectory) -> None:
    path = saved(run, 1)
    assert find_checkpoint(path) == path
    assert find_checkpoint(path, "latest") == path


def test_find_takes_the_last_run_that_has_a_checkpoint(tmp_path: Path) -> None:
    runs = [RunDirectory.create(tmp_path, "x") for _ in range(3)]
    (tmp_path / "x" / "notes").mkdir()
    for run, step in zip(runs, (10, 20), strict=False):
        saved(run, step, best=True)
    assert find_checkpoint(tmp_path / "x").parent == runs[1].checkpoints
    assert step_of(tmp_path / "x", "latest") == 20
    saved(runs[2], 5, best=True)
    assert step_of(tmp_path / "x", "best") == 5
    for run in runs:
        run.close()


def test_K21_nothing_to_find(tmp_path: Path) -> None:
    RunDirectory.create(tmp_path, "x").close()
    for path in (tmp_path / "missing", tmp_path, tmp_path / "x", tmp_path / "x" / "001"):
        with pytest.raises(CheckpointError) as info:
            find_checkpoint(path)
        assert info.value.fault == "K21"
        assert str(path) in str(info.value)
    assert ".lock, checkpoints, log.txt" in str(info.value)


def test_a_run_without_a_best_means_its_latest(run: RunDirectory) -> None:
    path = saved(run, 1)
    assert find_checkpoint(run.path, "best") == path


def test_K21_a_run_without_pointers_says_what_it_has(run: RunDirectory) -> None:
    saved(run, 1)
    (run.checkpoints / "latest").unlink()
    with pytest.raises(CheckpointError, match="latest is missing") as info:
        find_checkpoint(run.path, "best")
    assert "step-000000001.safetensors" in str(info.value)


def test_a_pointer_is_followed(run: RunDirectory) -> None:
    best, latest = saved(run, 1, best=True), saved(run, 2)
    assert find_checkpoint(run.checkpoints / "best") == best
    assert find_checkpoint(run.checkpoints / "latest") == latest
    (run.checkpoints / "best").write_text(f"{latest.name} {'0' * 64}\n")
    with pytest.raises(CheckpointError, match="digests differ") as info:
        find_checkpoint(run.checkpoints / "best")
    assert info.value.fault == "K21"


POINTERS = {
    "empty": "",
    "no digest": "{name}\n",
    "no newline": "{name} {digest}",
    "more": "{name} {digest}\nmore",
    "longer": "{name} {digest}\n" + "x" * 10**6,
    "absolute": "{folder}/{name} {digest}\n",
    "up": "../checkpoints/{name} {digest}\n",
    "up in the name": "../{name} {digest}\n",
    "here": "./{name} {digest}\n",
    "backslash": "..\\{name} {digest}\n",
    "other file": "other.safetensors {digest}\n",
    "nul": "{name}\0 {digest}\n",
    "escape": "\x1b[31m{name} {digest}\n",
    "unicode digits": "step-00000000\u0661.safetensors {digest}\n",
    "absent": "step-000000002.safetensors {digest}\n",
    "other digest": "{name} " + "0" * 64 + "\n",
    "upper case": "{name} {upper}\n",
}


@pytest.mark.parametrize("case", POINTERS)
def test_K21_pointers_that_are_not_believed(case: str, run: RunDirectory) -> None:
    path = saved(run, 1)
    digest = load(path).sha256
    (path.parent.parent / path.name).write_bytes(path.read_bytes())
    (path.parent / "other.safetensors").write_bytes(path.read_bytes())
    pointer = POINTERS[case].format(
        name=path.name, digest=digest, upper=digest.upper(), folder=path.parent
    )
    (path.parent / "latest").write_text(pointer, "utf-8", newline="")
    with pytest.raises(CheckpointError) as info:
        find_checkpoint(run.path, "latest")
    assert info.value.fault == "K21"
    assert path.name in str(info.value)
    assert "\x1b" not in str(info.value)


def test_K21_a_pointer_that_is_a_directory_or_a_pipe(run: RunDirectory) -> None:
    path = saved(run, 1)
    latest = path.parent / "latest"
    latest.unlink()
    latest.mkdir()
    with pytest.raises(CheckpointError, match="a directory"):
        find_checkpoint(run.path, "latest")
    latest.rmdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(latest)
        with pytest.raises(CheckpointError, match="a pipe or device"):
            find_checkpoint(run.path, "latest")


def test_K01_a_pointer_to_a_truncated_file_is_refused(run: RunDirectory) -> None:
    path = saved(run, 1)
    size = path.stat().st_size
    os.truncate(path, size - 1)
    with pytest.raises(CheckpointError, match=f"the file is {size - 1} of {size} bytes"):
        find_checkpoint(run.path, "latest")


def test_K21_a_step_file_replaced_by_hand_is_noticed(run: RunDirectory) -> None:
    path = saved(run, 1)
    save(path, tensors(9), {"step": 9})
    with pytest.raises(CheckpointError, match="the digests differ"):
        find_checkpoint(run.path, "latest")
