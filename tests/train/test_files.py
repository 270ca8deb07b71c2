"""Writing: all or nothing whatever fails, and one run at a time in a directory."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dgrad.errors import ResourceError, RunDirectoryError
from dgrad.train import files
from dgrad.train.files import AppendLog, Lock, make_directory, sync_directory, write_atomic

CHUNKS = [b"one", memoryview(b"two"), b"", bytearray(b"three")]
CONTENT = b"onetwothree"
EVERY_CALL = [
    "open", "write", "write", "write", "fsync", "close", "replace", "open", "fsync", "close",
]  # fmt: skip

posix = pytest.mark.skipif(os.name == "nt", reason="needs POSIX file semantics")


def fail_at(monkeypatch: pytest.MonkeyPatch, number: int, code: int, *names: str) -> list[str]:
    """Let call `number` (from 1) to the named functions of `os` fail; the list grows by calls."""
    done: list[str] = []

    def wrap(name: str) -> None:
        real = getattr(os, name)

        def call(*args: object) -> object:
            done.append(name)
            if len(done) == number:
                if name == "close":
                    real(*args)
                raise OSError(code, os.strerror(code))
            return real(*args)

        monkeypatch.setattr(os, name, call)

    for name in names:
        wrap(name)
    return done


@pytest.mark.skipif(os.name == "nt", reason="directories cannot be synced here")
def test_write_atomic_leaves_the_directory_to_the_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[bool] = []
    fsync = os.fsync

    def record(descriptor: int) -> None:
        synced.append(stat.S_ISDIR(os.fstat(descriptor).st_mode))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    write_atomic(tmp_path / "a", CHUNKS)
    write_atomic(tmp_path / "b", CHUNKS, sync=False)
    sync_directory(tmp_path)
    assert synced == [False, True, False, True]


def test_write_atomic_writes_the_chunks_in_order(tmp_path: Path) -> None:
    write_atomic(tmp_path / "a", iter(CHUNKS))
    write_atomic(tmp_path / "empty", [])
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert (tmp_path / "empty").read_bytes() == b""
    assert sorted(os.listdir(tmp_path)) == ["a", "empty"]


@pytest.mark.parametrize("limit", [1, 2, 4])
def test_short_writes_and_large_chunks_are_continued(
    limit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, sizes = os.write, []

    def write(descriptor: int, data: memoryview) -> int:
        sizes.append(len(data))
        return real(descriptor, data[:limit])

    monkeypatch.setattr(os, "write", write)
    monkeypatch.setattr(files, "_SLICE", 3)
    write_atomic(tmp_path / "a", CHUNKS)
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert max(sizes) == 3


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_T09_disk_full_at_every_write(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "a"
    target.write_bytes(b"old")
    for number in range(1, 4):  # the empty chunk needs no call
        with monkeypatch.context() as patch:
            fail_at(patch, number, code, "write")
            with pytest.raises(ResourceError, match=r"needs 11 bytes .* [\d,]+ bytes free") as info:
                write_atomic(target, iter(CHUNKS))
        assert info.value.fault == "T09"
        assert str(target) in str(info.value)
        assert target.read_bytes() == b"old"
        assert os.listdir(tmp_path) == ["a"]
    write_atomic(target, CHUNKS)
    assert target.read_bytes() == CONTENT


def test_T09_file_size_limit_at_every_512_bytes(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="POSIX resource limits")
    target = tmp_path / "a"
    target.write_bytes(b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for limit in range(0, 4096, 512):
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
            with pytest.raises(ResourceError, match="needs 4,096 bytes"):
                write_atomic(target, [bytes(1000), bytes(3096)])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert target.read_bytes() == b"old"
        assert os.listdir(tmp_path) == ["a"]


@posix
@pytest.mark.parametrize("code", [errno.EIO, errno.EROFS, errno.EMFILE, errno.EACCES])
def test_T11_error_at_every_call(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = RunDirectoryError if code == errno.EACCES else ResourceError
    target = tmp_path / "a"
    for number in range(1, len(EVERY_CALL) + 2):
        target.write_bytes(b"old")
        with monkeypatch.context() as patch:
            done = fail_at(patch, number, code, *set(EVERY_CALL))
            if number > len(EVERY_CALL):
                write_atomic(target, CHUNKS)
                assert done == EVERY_CALL
                break
            with pytest.raises(kind, match=os.strerror(code)):
                write_atomic(target, CHUNKS)
        assert target.read_bytes() in (b"old", CONTENT)
        assert ("replace" in done[: number - 1]) == (target.read_bytes() == CONTENT)
        assert os.listdir(tmp_path) == ["a"]


def test_T12_a_failed_sync_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "a"
    target.write_bytes(b"old")
    with monkeypatch.context() as patch:
        done = fail_at(patch, 1, errno.EIO, "fsync")
        with pytest.raises(ResourceError, match=os.strerror(errno.EIO)):
            write_atomic(target, CHUNKS)
        assert done == ["fsync"]
    assert os.listdir(tmp_path) == ["a"]
    assert target.read_bytes() == b"old"
    write_atomic(target, CHUNKS)
    assert target.read_bytes() == CONTENT


@posix
def test_a_file_system_without_directory_sync_is_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_at(monkeypatch, 2, errno.EINVAL, "fsync")
    write_atomic(tmp_path / "a", CHUNKS)
    assert (tmp_path / "a").read_bytes() == CONTENT


def test_everything_is_synced_before_and_after_the_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = fail_at(monkeypatch, 0, 0, "fsync", "replace")
    write_atomic(tmp_path / "a", CHUNKS)
    assert done == (["fsync", "replace"] if os.name == "nt" else ["fsync", "replace", "fsync"])


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_interrupted_source_leaves_nothing(error: type[BaseException], tmp_path: Path) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"one"
        raise error

    with pytest.raises(error):
        write_atomic(tmp_path / "a", chunks())
    assert os.listdir(tmp_path) == []


@posix
def test_K13_links_at_target_log_and_lock_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"keep")
    for name in ("target", "log", "lock"):
        (tmp_path / name).symlink_to(outside)
    write_atomic(tmp_path / "target", CHUNKS)
    assert not (tmp_path / "target").is_symlink()
    assert (tmp_path / "target").read_bytes() == CONTENT
    with pytest.raises(RunDirectoryError):
        AppendLog(tmp_path / "log")
    with pytest.raises(RunDirectoryError):
        Lock(tmp_path / "lock")
    assert outside.read_bytes() == b"keep"


@posix
def test_K13_a_link_planted_at_the_temporary_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"keep")
    monkeypatch.setattr(os, "urandom", bytes)
    (tmp_path / f".{'00' * 8}.tmp").symlink_to(outside)
    with pytest.raises(RunDirectoryError):
        write_atomic(tmp_path / "a", CHUNKS)
    assert outside.read_bytes() == b"keep"
    assert not (tmp_path / "a").exists()


@posix
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_K24_the_umask_decides_the_mode(umask: int, mode: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        write_atomic(tmp_path / "a", CHUNKS)
        AppendLog(tmp_path / "log").close()
    finally:
        os.umask(before)
    for name in ("a", "log"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == mode


@pytest.mark.parametrize("place", ["file/a", "missing/a", "folder"])
def test_T20_a_place_that_cannot_be_written(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    with pytest.raises(RunDirectoryError, match="cannot write") as info:
        write_atomic(tmp_path / place, CHUNKS)
    assert str(tmp_path / place) in str(info.value)
    assert info.value.fault == "T20"
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


def test_make_directory_makes_parents_and_says_what_was_there(tmp_path: Path) -> None:
    assert make_directory(tmp_path / "a" / "b" / "c") is True
    assert make_directory(tmp_path / "a" / "b" / "c") is False
    assert (tmp_path / "a" / "b" / "c").is_dir()


@pytest.mark.parametrize("code", [errno.EROFS, errno.ENOSPC, errno.EACCES])
def test_T20_a_directory_that_cannot_be_made(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_at(monkeypatch, 1, code, "mkdir")
    with pytest.raises((RunDirectoryError, ResourceError), match=os.strerror(code)):
        make_directory(tmp_path / "a")


def test_T20_a_file_among_the_parents(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(RunDirectoryError):
        make_directory(tmp_path / "file" / "a" / "b")


def test_append_log_knows_its_offset_and_digest(tmp_path: Path) -> None:
    log = AppendLog(tmp_path / "log")
    for line in ["a", "", "ü \x1b", "\ud800"]:
        log.append(line)
        written = (tmp_path / "log").read_bytes()
        assert log.offset == len(written)
        assert log.sha256 == hashlib.sha256(written).hexdigest()
    log.sync()
    log.close()
    log.close()
    assert written == "a\n\nü \x1b\n\\ud800\n".encode()
    with pytest.raises(RunDirectoryError, match="exists"):
        AppendLog(tmp_path / "log")


def test_T10_a_line_that_does_not_fit_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = AppendLog(tmp_path / "log")
    log.append("first")
    with monkeypatch.context() as patch:
        patch.setattr(files, "_SLICE", 3)
        fail_at(patch, 2, errno.ENOSPC, "write")
        with pytest.raises(ResourceError, match="needs 7 bytes"):
            log.append("second")
    assert (tmp_path / "log").read_bytes() == b"first\n"
    log.append("third")
    log.close()
    assert (tmp_path / "log").read_bytes() == b"first\nthird\n"
    assert log.offset == 12


def test_T11_a_log_that_cannot_be_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = AppendLog(tmp_path / "log")
    fail_at(monkeypatch, 1, errno.EIO, "fsync")
    with pytest.raises(ResourceError):
        log.sync()
    log.close()


def test_T21_the_second_lock_names_the_holder(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text("x" * 999, "ascii")
    with Lock(tmp_path / ".lock") as lock:
        holder = json.loads((tmp_path / ".lock").read_text("ascii"))
        assert holder["pid"] == os.getpid()
        with pytest.raises(RunDirectoryError) as info:
            Lock(tmp_path / ".lock")
        assert info.value.fault == "T21"
        for part in (str(tmp_path), str(os.getpid()), holder["host"], holder["started"]):
            assert part in str(info.value)
    lock.release()
    Lock(tmp_path / ".lock").release()


@pytest.mark.parametrize("text", ["", "[1]", "{}", "{", "[" * 5000, '{"pid": 1}', "\udcff"])
def test_T21_a_lock_file_may_hold_anything(text: str, tmp_path: Path) -> None:
    with Lock(tmp_path / ".lock"):
        (tmp_path / ".lock").write_bytes(text.encode("utf-8", "surrogateescape"))
        with pytest.raises(RunDirectoryError, match="another process"):
            Lock(tmp_path / ".lock")


HOLD = """
import os, sys
from pathlib import Path
from dgrad.train.files import Lock
lock = Lock(Path(sys.argv[1]))
if sys.argv[2] == "fork":
    ready, done = os.pipe(), os.pipe()
    if os.fork() == 0:  # this child outlives its parent; it waits until the test closes stdin
        os.write(ready[1], b"x")
        sys.stdin.read()
        os._exit(0)
    os.read(ready[0], 1)
print("held", flush=True)
if sys.argv[2] == "fork":
    os._exit(0)
sys.stdin.read()
"""


def hold(path: Path, how: str) -> subprocess.Popen[str]:
    """Another process that has locked `path`."""
    root = Path(files.__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", HOLD, str(path), how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root), "OPENBLAS_NUM_THREADS": "1"},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_T21_T22_a_killed_process_leaves_no_lock(tmp_path: Path) -> None:
    process = hold(tmp_path / ".lock", "wait")
    with process:
        with pytest.raises(RunDirectoryError, match=f"process {process.pid} "):
            Lock(tmp_path / ".lock")
        process.kill()
        process.wait()
        Lock(tmp_path / ".lock").release()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_T23_a_forked_child_does_not_keep_the_lock(tmp_path: Path) -> None:
    with hold(tmp_path / ".lock", "fork") as process:
        process.wait()  # the parent is gone, the child still runs
        Lock(tmp_path / ".lock").release()
