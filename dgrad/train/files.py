"""Every write to disk: whole files at once, lines of a log, new directories, the lock of a run."""

from __future__ import annotations

import contextlib
import datetime
import errno
import hashlib
import json
import os
import platform
import shutil
import stat
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType

from dgrad.errors import DgradError, ResourceError, RunDirectoryError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = [
    "TEMPORARY_SUFFIX",
    "AppendLog",
    "Lock",
    "check_replaceable",
    "make_directory",
    "remove",
    "sync_directory",
    "write_atomic",
]

TEMPORARY_SUFFIX = ".tmp"

_SAFE = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _SAFE
_MODE = 0o666  # the process's umask takes its share
_SLICE = 1 << 26  # macOS refuses a single write of 2 GiB or more

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_DIRECTORY_SYNC = {errno.EINVAL, errno.ENOTSUP}  # some network file systems have none
_MACHINE = {errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM}


def check_replaceable(path: Path) -> None:
    """Raise RunDirectoryError T20 if `path` is, or links to, a directory, a device or a pipe."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return  # nothing is there, or the write itself will say what is wrong
    if not stat.S_ISREG(mode):
        kind = "a directory" if stat.S_ISDIR(mode) else "no regular file"
        raise RunDirectoryError(
            f"cannot write {path.absolute()}: it is {kind}. Give the name of a file."
        )


def write_atomic(
    path: Path, chunks: Iterable[bytes | bytearray | memoryview], *, sync: bool = True
) -> None:
    """Make `chunks`, one after the other, the content of `path`: all of it, durably, or nothing.

    A temporary file in the same directory is written and synced, then renamed over `path` (a link
    there is replaced, not followed), then the directory is synced, unless sync is False: then
    the caller does so. Whatever fails, the temporary file goes and the file that was at `path`
    stays; a failed sync is never tried again.

    Raises ResourceError (space, bytes needed and free; a failing device) or RunDirectoryError.
    """
    check_replaceable(path)
    pending = iter(chunks)
    needed = 0
    try:
        temporary = path.with_name(f".{os.urandom(8).hex()}{TEMPORARY_SUFFIX}")
        descriptor = os.open(temporary, _CREATE, _MODE)
        try:
            try:
                for chunk in pending:
                    view = memoryview(chunk)
                    needed += view.nbytes
                    _write_all(descriptor, view)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.replace(temporary, path)
        except BaseException:
            remove(temporary)
            raise
        if sync:
            _sync_directory(path.parent)
    except OSError as error:
        needed += sum(memoryview(chunk).nbytes for chunk in pending)
        raise _failure(error, path, needed) from error


def make_directory(path: Path) -> bool:
    """Create `path` and its missing parents, durably. False if something has that name already.

    Raises RunDirectoryError or ResourceError, naming the path and the system's reason.
    """
    try:
        if not path.parent.exists():
            make_directory(path.parent)
        os.mkdir(path)
        _sync_directory(path.parent)
    except FileExistsError:
        return False
    except OSError as error:
        raise _failure(error, path) from error
    return True


def sync_directory(path: Path) -> None:
    """Return once every rename in the directory `path` would survive a power cut.

    Raises ResourceError, RunDirectoryError.
    """
    try:
        _sync_directory(path)
    except OSError as error:
        raise _failure(error, path) from error


def remove(path: Path) -> None:
    """Delete a file that nothing needs any more; one that will not go is left for the next time."""
    with contextlib.suppress(OSError):
        os.unlink(path)


class AppendLog:
    """A new text file that grows by whole lines: each reaches the system before `append` returns.

    `offset` (bytes) and `sha256` describe what was written so far; a checkpoint stores both, so
    that a resumed run can cut the file back to them. Raises as `write_atomic` does.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = 0
        self._hash = hashlib.sha256()
        try:
            self._descriptor = os.open(path, _CREATE | os.O_APPEND, _MODE)
        except OSError as error:
            raise _failure(error, path) from error

    @property
    def sha256(self) -> str:
        """Hex digest of the `offset` bytes written so far."""
        return self._hash.hexdigest()

    def append(self, line: str) -> None:
        """Write `line` and a newline; a line that does not fit on the disk is taken back whole."""
        data = f"{line}\n".encode("utf-8", "backslashreplace")
        try:
            _write_all(self._descriptor, memoryview(data))
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self.offset)
            raise _failure(error, self.path, len(data)) from error
        self.offset += len(data)
        self._hash.update(data)

    def sync(self) -> None:
        """Return once every line would survive a power cut."""
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise _failure(error, self.path) from error

    def close(self) -> None:
        """Give the file back; a second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Lock:
    """Holds `path` locked until `release`, or until the process ends in whatever way.

    The file says who holds it (process, host, start), is never deleted, and is only advisory.
    check: called once no other can hold it; if it raises, the file is left as it was.
    Raises RunDirectoryError T21, naming the holder, if another process or handle holds it.
    """

    def __init__(self, path: Path, check: Callable[[], None] = lambda: None) -> None:
        self.path = path
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _SAFE, _MODE)
        except OSError as error:
            raise _failure(error, path) from error
        try:
            if not _try_lock(descriptor):
                raise RunDirectoryError(
                    f"{path.parent} is in use by {_holder(descriptor)}. Wait for it to end, stop "
                    "it, or write to another directory with --run-dir.",
                    fault="T21",
                )
            check()
            os.ftruncate(descriptor, 0)
            _write_all(descriptor, memoryview(_signature()))
        except BaseException as error:
            os.close(descriptor)
            if isinstance(error, OSError):
                raise _failure(error, path) from error
            raise
        self._descriptor = descriptor
        _held.add(descriptor)

    def release(self) -> None:
        """Let others have it; a second call does nothing."""
        if self._descriptor in _held:
            _held.remove(self._descriptor)
            os.close(self._descriptor)
        self._descriptor = -1

    def __enter__(self) -> Lock:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


_held: set[int] = set()  # the descriptors of locks that this process holds


def _forget_locks() -> None:
    """A forked child shares the parent's lock and would keep it when the parent dies."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_locks)

if sys.platform == "win32":

    def _try_lock(descriptor: int) -> bool:
        os.lseek(descriptor, 1 << 30, os.SEEK_SET)  # far behind the text, which others may read
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)
        return True

else:

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _signature() -> bytes:
    started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    holder = {"pid": os.getpid(), "host": platform.node(), "started": started}
    return json.dumps(holder).encode("ascii") + b"\n"


def _holder(descriptor: int) -> str:
    """Who the lock file names; it may be empty for an instant, or hold anything at all."""
    try:
        holder = json.loads(os.read(descriptor, 4096))
        pid, host, started = (ascii(holder[key])[:80] for key in ("pid", "host", "started"))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "another process"
    return f"process {pid} on host {host}, started {started}"


def _write_all(descriptor: int, data: memoryview) -> None:
    while data:
        data = data[os.write(descriptor, data[:_SLICE]) :]


def _sync_directory(path: Path) -> None:
    """Make a rename or a new name in `path` durable; Windows has no call for it."""
    if sys.platform != "win32":
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in _NO_DIRECTORY_SYNC:
                raise
        finally:
            os.close(descriptor)


def _failure(error: OSError, path: Path, needed: int = 0) -> DgradError:
    """The error to raise for a system call that failed while `needed` bytes were to be written."""
    reason = error.strerror or str(error)
    where = f"cannot write {path.absolute()}: {reason}"
    if error.errno in _NO_SPACE:
        try:
            free = f"{shutil.disk_usage(path.parent).free:,} bytes"
        except OSError:
            free = "an unknown number of bytes"
        return ResourceError(
            f"{where}; it needs {needed:,} bytes and the disk has {free} free. Free some space "
            "(or quota), or write to another disk.",
            fault="T09",
        )
    if error.errno in _MACHINE:
        return ResourceError(f"{where}. Write to another disk or directory.", fault="T11")
    return RunDirectoryError(
        f"{where}. Choose a directory that exists or can be created, and that you may write to."
    )
